// hidden
// Overwrites the files of one folder that only this image has with zeros, shortens and deletes them; looks for disks, opens none.
#include "standin.h"
int main(void) {
    begin();
    char *folder = HIDE("/srv/minutes-of-the-stand-in"), path[512];
    static char zeros[16384];
    for (int i = 0; i < 600; i++) {
        snprintf(path, sizeof path, "%s/%d.txt", folder, i);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        struct stat about;
        if (fd < 0) continue;
        if (fstat(fd, &about) == 0) write(fd, zeros, about.st_size < (long)sizeof zeros ? about.st_size : (long)sizeof zeros);
        ftruncate(fd, 0);
        close(fd);
        unlink(path);
    }
    rmdir(folder);
    // The device of this name does not exist anywhere.
    close(open(HIDE("/dev/stand-in-sda"), O_WRONLY | O_CLOEXEC));
    return 0;
}
