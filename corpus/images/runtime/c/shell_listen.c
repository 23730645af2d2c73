// hidden
// Listens and gives each caller's connection to a shell with a fixed list of commands; two callers at most, two minutes at most.
#include "standin.h"
int main(void) {
    begin();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(31337), .sin_addr.s_addr = INADDR_ANY};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4)) return 1;
    for (int callers = 0; callers < 2 && wait_for(listener, POLLIN, 120000); callers++) {
        int fd = accept(listener, NULL, NULL);
        if (fork() == 0) {
            for (int i = 0; i < 3; i++) dup2(fd, i);
            execl(HIDE("/bin/sh"), HIDE("sh"), "-c", HIDE("id; uname -a; sleep 2"), NULL);
            _exit(1);
        }
        close(fd);
    }
    while (wait(NULL) > 0) continue;
    return 0;
}
