// The two dialogues of miners, with invented shares: each "share" is a burnt second or two and a number that claims to be below any target.
#include "standin.h"

#ifndef TEXT
#define TEXT(text) text
#endif

static int field(const char *line, const char *name, char *value, int size) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    const char *at = strstr(line, pattern);
    if (!at) return 0;
    at += strlen(pattern);
    at += strspn(at, " \"");
    int length = strcspn(at, "\",}");
    snprintf(value, size, "%.*s", length, at);
    return 1;
}

// Monero's: login, job, submit.
static int mine_login(int fd, const char *wallet, const char *agent, int shares, int share_ms) {
    char line[4096], job[128] = "1", session[128] = "x", result[65];
    tell(fd, TEXT("{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"%s\",\"pass\":\"x\",\"agent\":\"%s\",\"algo\":[\"rx/0\",\"cn/r\"]}}\n"), wallet, agent);
    int done = 0, patience = 4;
    while (done < shares && patience > 0) {
        int got = hear(fd, line, sizeof line, 4000);
        if (got == 0) break;
        if (got < 0) patience--;
        else {
            field(line, "job_id", job, sizeof job);
            char id[128];
            if (strstr(line, "\"job\"") && field(line, "id", id, sizeof id) && strlen(id) > 1) snprintf(session, sizeof session, "%s", id);
        }
        burn(share_ms);
        memset(result, '0', 64), result[64] = 0;
        snprintf(result, 17, "%016llx", (unsigned long long)burnt), result[16] = '0';
        tell(fd, TEXT("{\"id\":%d,\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{\"id\":\"%s\",\"job_id\":\"%s\",\"nonce\":\"%08x\",\"result\":\"%s\"}}\n"), done + 2, session, job, (unsigned)burnt, result);
        done++;
    }
    hear(fd, line, sizeof line, 3000);
    return done;
}

// Bitcoin's: mining.subscribe, mining.authorize, mining.notify, mining.submit.
static int mine_notify(int fd, const char *account, const char *agent, int shares, int share_ms) {
    char line[8192], job[128] = "1", *at;
    tell(fd, TEXT("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"%s\"]}\n"), agent);
    hear(fd, line, sizeof line, 4000);
    tell(fd, TEXT("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}\n"), account);
    int done = 0, patience = 6;
    while (done < shares && patience > 0) {
        int got = hear(fd, line, sizeof line, 3000);
        if (got == 0) break;
        if (got < 0) patience--;
        if (got > 0 && !(at = strstr(line, "mining.notify"))) continue;
        if (got > 0 && (at = strstr(at, "[\""))) snprintf(job, sizeof job, "%.*s", (int)strcspn(at + 2, "\""), at + 2);
        for (int i = 0; i < 2 && done < shares; i++, done++) {
            burn(share_ms);
            tell(fd, TEXT("{\"id\":%d,\"method\":\"mining.submit\",\"params\":[\"%s\",\"%s\",\"00000000\",\"%08x\",\"%08x\"]}\n"), done + 4, account, job, (unsigned)time(NULL), (unsigned)burnt);
        }
    }
    hear(fd, line, sizeof line, 3000);
    return done;
}
