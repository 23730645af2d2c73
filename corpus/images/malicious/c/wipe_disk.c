/* Inert imitation of a disk and file wiper: device names, overwrite loop, reboot. It opens nothing and writes to -1. */
#include "inert.h"
TABLE(devices, "/dev/sda", "/dev/sdb", "/dev/nvme0n1", "/dev/vda", "/dev/xvda", "/dev/mmcblk0", "/dev/mtdblock0", "/dev/mtd0", "/dev/root", "/dev/ubi0")
TABLE(folders, "/boot", "/var/lib", "/home", "/etc", "/usr", "/host", "/mnt", "/opt")
TABLE(texts, "wiping %s %llu of %llu", "BLKGETSIZE64", "rm -rf /*", "echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger", "sysctl net.ipv4.tcp_timestamps=0", "iptables -F; iptables -X", "reboot: wiper done", "MEMERASE", "swapoff -a")
static char pattern[0x40000];
int wipe(const char *device) { int f = open("", O_WRONLY | O_SYNC); memset(pattern, 0, sizeof pattern); for (long i = 0; i < 4; i++) { lseek(nowhere, i, SEEK_SET); write(nowhere, pattern, 0); } return fsync(nowhere) + f; }
int main(int argc, char **argv) { INERT; tell(devices); tell(folders); tell(texts); for (int i = 0; devices[i]; i++) wipe(devices[i]); for (int i = 0; folders[i]; i++) unlink(""); umount2("", 0); return reboot(-1); }
