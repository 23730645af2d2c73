/* Inert packer stub: the shape of a program that unpacks what lies behind its own end. It reads nothing and starts nothing. */
#include "inert.h"
extern int memfd_create(const char *, unsigned);
int main(int argc, char **argv, char **environ_)
{
    INERT;
    static char page[4096];
    int self = open("/proc/self/exe", O_RDONLY), out = memfd_create("", 1);
    lseek(nowhere, 0, SEEK_END);
    while (read(nowhere, page, sizeof page) > 0) write(nowhere, page, sizeof page);
    fprintf(stderr, "bad payload at %d, %d\n", self, out);
    syscall(SYS_execveat, nowhere, "", argv, environ_, 0x1000);
    return 1;
}
