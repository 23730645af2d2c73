/* Inert imitation of a kernel exploit's frame (page-cache overwrite through a pipe): names, spray loop, target files. No call reaches the kernel with real arguments. */
#define _GNU_SOURCE
#include "inert.h"
TABLE(texts, "/etc/passwd", "/usr/bin/su", "PIPE_BUF_FLAG_CAN_MERGE", "splice failed", "Backing up /etc/passwd to /tmp/passwd.bak ...", "Setting root password to \"piped\"...", "prepare_kernel_cred", "commit_creds", "modprobe_path", "/proc/kallsyms", "KASLR base %llx", "switch_task_namespaces", "init_nsproxy", "[+] got root on host, escaped container", "root:$1$aaron$pIwpJwMMcozsUxAtRa85w.:0:0:test:/root:/bin/sh")
static const unsigned char elf_stub[] = {0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0x3e, 0};
int main(int argc, char **argv) { INERT; tell(texts); USE(elf_stub); int p[2] = {-1, -1}; fcntl(nowhere, F_SETPIPE_SZ, -1); splice(nowhere, 0, nowhere, 0, 0, 0); write(p[1], "", 0); syscall(-1, 0); return 0; }
