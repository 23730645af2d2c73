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

// Takes what the pool says; notes a new job and the session. 0 once it hung up.
static int jobs(int fd, char *job, char *session, int size, int first_ms) {
    char line[8192], *at;
    int got, wait = first_ms;
    while ((got = hear(fd, line, sizeof line, wait)) > 0) {
        wait = 200;
        if ((at = strstr(line, TEXT("mining.notify"))) && (at = strstr(at, "[\""))) snprintf(job, size, "%.*s", (int)strcspn(at + 2, "\""), at + 2);
        else field(line, TEXT("job_id"), job, size);
        if ((at = strstr(line, TEXT("\"result\""))) && strstr(line, TEXT("\"job\""))) field(at, "id", session, size);
    }
    return got != 0;
}

// Monero's: login, job, submit.
static int mine_login(int fd, const char *wallet, const char *agent, int shares, int share_ms) {
    char job[128] = "1", session[128] = "x", result[65];
    tell(fd, TEXT("{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"%s\",\"pass\":\"x\",\"agent\":\"%s\",\"algo\":[\"rx/0\",\"cn/r\"]}}\n"), wallet, agent);
    int done = 0;
    while (done < shares && jobs(fd, job, session, sizeof job, done ? 200 : 5000)) {
        burn(share_ms);
        memset(result, '0', 64), result[64] = 0;
        snprintf(result, 17, "%016llx", (unsigned long long)burnt), result[16] = '0';
        tell(fd, TEXT("{\"id\":%d,\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{\"id\":\"%s\",\"job_id\":\"%s\",\"nonce\":\"%08x\",\"result\":\"%s\"}}\n"), done + 2, session, job, (unsigned)burnt, result);
        done++;
    }
    jobs(fd, job, session, sizeof job, 3000);
    return done;
}

// Bitcoin's: mining.subscribe, mining.authorize, mining.notify, mining.submit.
static int mine_notify(int fd, const char *account, const char *agent, int shares, int share_ms) {
    char job[128] = "1", session[128] = "x";
    tell(fd, TEXT("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"%s\"]}\n"), agent);
    jobs(fd, job, session, sizeof job, 4000);
    tell(fd, TEXT("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}\n"), account);
    int done = 0;
    while (done < shares && jobs(fd, job, session, sizeof job, done ? 200 : 4000)) {
        burn(share_ms);
        tell(fd, TEXT("{\"id\":%d,\"method\":\"mining.submit\",\"params\":[\"%s\",\"%s\",\"00000000\",\"%08x\",\"%08x\"]}\n"), done + 4, account, job, (unsigned)time(NULL), (unsigned)burnt);
        done++;
    }
    jobs(fd, job, session, sizeof job, 3000);
    return done;
}
