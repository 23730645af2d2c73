// hidden
// Tries the well-known ways from a container to its host's disk and cgroup. Each is only tried: sources do not exist, nothing is written, and
// what could succeed elsewhere happens in a mount namespace of its own that ends with the program.
#include "standin.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
int main(void) {
    begin();
    unshare(CLONE_NEWNS | CLONE_NEWCGROUP);
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    char *folder = HIDE("/tmp/cgrp");
    mkdir(folder, 0755);
    mount("cgroup", folder, "cgroup", 0, HIDE("rdma,none,name=stand-in"));
    close(open(HIDE("/tmp/cgrp/x/release_agent"), O_WRONLY | O_CLOEXEC));
    close(open(HIDE("/sys/fs/cgroup/release_agent"), O_WRONLY | O_CLOEXEC));
    close(open(HIDE("/proc/sys/kernel/core_pattern"), O_WRONLY | O_CLOEXEC));
    close(open(HIDE("/proc/sys/kernel/modprobe"), O_WRONLY | O_CLOEXEC));
    close(open(HIDE("/sys/kernel/uevent_helper"), O_WRONLY | O_CLOEXEC));
    mkdir(HIDE("/tmp/host"), 0755);
    mount(HIDE("/dev/stand-in-vda1"), HIDE("/tmp/host"), "ext4", MS_RDONLY, NULL);
    char *device = HIDE("/tmp/.blk");
    if (mknod(device, S_IFBLK | 0600, makedev(254, 1)) == 0) close(open(device, O_RDONLY | O_CLOEXEC));
    unlink(device);
    close(open(HIDE("/proc/1/root/etc/shadow"), O_RDONLY | O_CLOEXEC));
    close(open(HIDE("/proc/sysrq-trigger"), O_WRONLY | O_CLOEXEC));
    rmdir(HIDE("/tmp/host"));
    sleep(1);
    return 0;
}
