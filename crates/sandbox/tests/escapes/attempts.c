// Tries to get out of the sandbox, one small thing after the other, and says what the kernel answered.
//
// Each attempt asks for something that a container must not get, and looks whether it got it; none does harm where it succeeds. It is run by
// tests/escapes.rs inside the sandbox only. Output: one line an attempt, `NAME<TAB>contained|ESCAPED<TAB>what was seen`.
//
// Arguments: host process id, path of a file of the host, its content, name of an abstract socket, port on the host's 127.0.0.1, System V key.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int host_pid, host_port, host_key;
static const char *host_file, *host_text, *host_socket;
static char said[400];

static void say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(said, sizeof said, format, list);
  va_end(list);
}

// A call that must fail.
static int fails(long result) {
  if (result < 0) { say("%s", strerror(errno)); return 0; }
  say("it succeeded: %ld", result);
  return 1;
}

// A file that must not be written to.
static int unwritable(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return fails(-1);
  return fails(write(fd, text, strlen(text)));
}

// A file that must not be read, or is empty.
static int unreadable(const char *path) {
  char bytes[64];
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return fails(-1);
  long got = read(fd, bytes, sizeof bytes);
  if (got == 0) { say("empty"); return 0; }
  return fails(got);
}

static int reads_host_file(const char *prefix) {
  char path[600], bytes[200] = {0};
  snprintf(path, sizeof path, "%s%s", prefix, host_file);
  int fd = open(path, O_RDONLY);
  if (fd < 0) { say("%s", strerror(errno)); return 0; }
  long got = read(fd, bytes, sizeof bytes - 1);
  if (got > 0 && strstr(bytes, host_text)) { say("the host's file was read"); return 1; }
  say("another file");
  return 0;
}

// Mounts.
static int mount_proc(void) { mkdir("/tmp/m", 0755); return fails(mount("proc", "/tmp/m", "proc", 0, "")); }
static int mount_tmpfs(void) { mkdir("/tmp/m", 0755); return fails(mount("tmpfs", "/tmp/m", "tmpfs", 0, "")); }
static int mount_bind(void) { mkdir("/tmp/m", 0755); return fails(mount("/proc", "/tmp/m", 0, MS_BIND, 0)); }
static int mount_cgroup(void) { mkdir("/tmp/m", 0755); return fails(mount("cgroup", "/tmp/m", "cgroup", 0, "memory")); }
static int mount_cgroup2(void) { mkdir("/tmp/m", 0755); return fails(mount("cgroup2", "/tmp/m", "cgroup2", 0, "")); }
static int mount_devtmpfs(void) { mkdir("/tmp/m", 0755); return fails(mount("dev", "/tmp/m", "devtmpfs", 0, "")); }
static int mount_disk(void) { mkdir("/tmp/m", 0755); return fails(mount("/dev/vda", "/tmp/m", "ext4", 0, "")); }
static int remount_proc_sys(void) { return fails(mount("", "/proc/sys", "", MS_REMOUNT | MS_BIND, "")); }
static int remount_sys(void) { return fails(mount("", "/sys", "", MS_REMOUNT, "")); }
static int unmount_mask(void) { return fails(umount2("/proc/keys", MNT_DETACH)); }
static int unmount_root(void) { return fails(umount2("/", MNT_DETACH)); }
static int mount_api(void) { return fails(syscall(SYS_fsopen, "tmpfs", 0)); }
static int mount_open_tree(void) { return fails(syscall(SYS_open_tree, AT_FDCWD, "/", 1)); }
static int mount_move(void) { return fails(syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0)); }
static int mount_setattr_call(void) { uint64_t attr[4] = {0, 1, 0, 0}; return fails(syscall(SYS_mount_setattr, AT_FDCWD, "/proc/sys", 0, attr, sizeof attr)); }
static int mount_propagation(void) { return fails(mount("", "/", "", MS_SHARED | MS_REC, "")); }
static int pivot(void) { return fails(syscall(SYS_pivot_root, ".", ".")); }

static int chroot_climb(void) {
  struct stat before, after;
  stat("/", &before);
  mkdir("/tmp/jail", 0755);
  int here = open("/", O_RDONLY | O_DIRECTORY);
  if (chroot("/tmp/jail") < 0) return fails(-1);
  if (fchdir(here) < 0) return fails(-1);
  for (int i = 0; i < 64; i++) if (chdir("..") < 0) break;
  if (chroot(".") < 0) return fails(-1);
  stat("/", &after);
  if (before.st_ino == after.st_ino && before.st_dev == after.st_dev) return reads_host_file("");
  say("another root than before");
  return 1;
}

// Namespaces.
static int unshare_user(void) { return fails(unshare(CLONE_NEWUSER)); }
static int unshare_mounts(void) { return fails(unshare(CLONE_NEWNS)); }
static int unshare_network(void) { return fails(unshare(CLONE_NEWNET)); }
static int unshare_cgroup(void) { return fails(unshare(CLONE_NEWCGROUP)); }
static int clone_user(void) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return fails(pid);
}
static int clone3_user(void) {
  struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  return fails(pid);
}
static int setns_first(void) { return fails(setns(open("/proc/1/ns/mnt", O_RDONLY), 0)); }
static int setns_pidfd(void) { return fails(setns(syscall(SYS_pidfd_open, 1, 0), CLONE_NEWNS | CLONE_NEWPID)); }
static int user_namespaces_allow(void) { return unwritable("/proc/sys/user/max_user_namespaces", "100"); }

// The host's processes.
static int see_processes(void) {
  int seen = 0, own = 0;
  for (int pid = 1; pid < 40000; pid++)
    if (kill(pid, 0) == 0 || errno == EPERM) seen++;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) own += entry->d_name[0] > '0' && entry->d_name[0] <= '9';
  say("%d ids answer, %d are in /proc", seen, own);
  return seen > 12 || own > 12;
}
// The host's id may be in use inside, too: by one of the few first numbers.
static int kill_host(void) { if (host_pid < 100) { say("low number"); return 0; } return fails(kill(host_pid, SIGKILL)); }
static int kill_everyone(void) {
  for (int pid = 1000; pid < 40000; pid++)
    if (pid != getpid() && kill(pid, SIGKILL) == 0) { say("%d was hit", pid); return 1; }
  say("nobody is there");
  return 0;
}
static int signal_flood(void) {
  for (int i = 0; i < 200000; i++) kill(-host_pid, SIGUSR1), kill(0x7ffffff, SIGUSR1);
  union sigval value = {0};
  signal(SIGRTMIN, SIG_IGN);
  int queued = 0;
  sigset_t set;
  sigemptyset(&set); sigaddset(&set, SIGRTMIN + 1); sigprocmask(SIG_BLOCK, &set, 0);
  while (queued < 300000 && sigqueue(getpid(), SIGRTMIN + 1, value) == 0) queued++;
  say("%d signals queued to itself, none outside", queued);
  return 0;
}
static int ptrace_host(void) { return fails(ptrace(PTRACE_ATTACH, host_pid, 0, 0)); }
static int read_host_memory(void) {
  char bytes[8];
  struct iovec here = {bytes, 8}, there = {(void *)0x400000, 8};
  return fails(process_vm_readv(host_pid, &here, 1, &there, 1, 0));
}
static int pidfd_host(void) { return fails(syscall(SYS_pidfd_open, host_pid, 0)); }
static int prlimit_host(void) { struct rlimit limit; return fails(prlimit(host_pid, RLIMIT_NOFILE, 0, &limit)); }
static int kill_watcher(void) { say("the parent's id is %d", getppid()); return getppid() > 100 && kill(getppid(), SIGKILL) == 0; }
static int priority_host(void) { return host_pid < 100 ? 0 : fails(setpriority(PRIO_PROCESS, host_pid, 10)); }

// The host's files, and what /proc and /sys leak.
static int host_file_direct(void) { return reads_host_file(""); }
static int host_file_first_root(void) { return reads_host_file("/proc/1/root"); }
static int host_file_first_cwd(void) { return reads_host_file("/proc/1/cwd/../../../../.."); }
static int host_file_dots(void) { return reads_host_file("/../../../../../.."); }
static int leaked_descriptors(void) {
  for (int fd = 3; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0 && fd > 4) { say("%d is open", fd); return 1; }
  DIR *fds = opendir("/proc/1/fd");
  for (struct dirent *entry; fds && (entry = readdir(fds));)
    if (atoi(entry->d_name) > 10) { say("the first process has %s", entry->d_name); return 1; }
  say("only the standard streams");
  return 0;
}
static int first_exe(void) {
  char target[300] = {0};
  if (readlink("/proc/1/exe", target, 299) < 0) return fails(-1);
  say("%s", target);
  return strcmp(target, "/attempts") != 0;
}
static int kcore(void) { return unreadable("/proc/kcore"); }
static int kmsg(void) { return unreadable("/proc/kmsg"); }
static int device_kmsg(void) { return unreadable("/dev/kmsg"); }
static int keys(void) { return unreadable("/proc/keys"); }
static int sysrq(void) { return unwritable("/proc/sysrq-trigger", "?"); }
static int core_pattern(void) { return unwritable("/proc/sys/kernel/core_pattern", "|/tmp/x"); }
static int modprobe_path(void) { return unwritable("/proc/sys/kernel/modprobe", "/tmp/x"); }
static int sysctl_vm(void) { return unwritable("/proc/sys/vm/overcommit_memory", "0"); }
static int sysctl_net(void) { return unwritable("/proc/sys/net/ipv4/ip_forward", "1"); }
static int binfmt(void) { return unwritable("/proc/sys/fs/binfmt_misc/register", ":x:M::x::/tmp/x:"); }
static int uevent(void) { return unwritable("/sys/kernel/uevent_helper", "/tmp/x"); }
static int power(void) { return unwritable("/sys/power/state", "none"); }
static int cgroup_release(void) { return unwritable("/sys/fs/cgroup/release_agent", "/tmp/x"); }
static int cgroup_move(void) { return unwritable("/sys/fs/cgroup/cgroup.procs", "1"); }
static int slab(void) { return unwritable("/sys/module/printk/parameters/time", "N"); }
static int oom_score(void) { return unwritable("/proc/self/oom_score_adj", "-1000"); }
static int host_shm(void) {
  char path[100];
  snprintf(path, sizeof path, "/dev/shm/lazaret-escape-%d", host_key);
  return fails(open(path, O_RDONLY));
}

// Devices.
static int node(mode_t mode, int major, int minor, const char *path) {
  unlink(path);
  if (mknod(path, mode | 0666, makedev(major, minor)) < 0) return fails(-1);
  return fails(open(path, O_RDONLY | O_NONBLOCK));
}
static int node_disk(void) { return node(S_IFBLK, 254, 0, "/tmp/disk"); }
static int node_memory(void) { return node(S_IFCHR, 1, 1, "/tmp/mem"); }
static int node_in_dev(void) { return node(S_IFCHR, 1, 1, "/dev/mem2"); }
static int node_in_shm(void) { return node(S_IFCHR, 10, 232, "/dev/shm/kvm"); }
static int devices_absent(void) {
  const char *names[] = {"/dev/mem", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse", "/dev/loop0", "/dev/loop-control", "/dev/net/tun", "/dev/vsock", "/dev/port"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (access(names[i], F_OK) == 0) { say("%s is there", names[i]); return 1; }
  say("none is there");
  return 0;
}
static int tty_inject(void) {
  char byte = 'x';
  int fd = open("/dev/tty", O_RDWR);
  if (fd < 0) fd = 0;
  return fails(ioctl(fd, TIOCSTI, &byte));
}

// The kernel's own doors.
static int key_add(void) { return fails(syscall(SYS_add_key, "user", "x", "y", 1, -3)); }
static int key_session(void) { return fails(syscall(SYS_keyctl, 0, -4, 0, 0, 0)); }
static int key_request(void) { return fails(syscall(SYS_request_key, "user", "x", 0, 0)); }
static int io_uring(void) { char parameters[200] = {0}; return fails(syscall(SYS_io_uring_setup, 4, parameters)); }
static int bpf_map(void) { uint32_t attr[32] = {2, 4, 4, 1}; return fails(syscall(SYS_bpf, 0, attr, sizeof attr)); }
static int perf(void) { uint64_t attr[16] = {(uint64_t)128 << 32 | 1}; return fails(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0)); }
static int fault_handler(void) { return fails(syscall(SYS_userfaultfd, 0)); }
static int module_load(void) { return fails(syscall(SYS_init_module, "x", 1UL, "")); }
static int module_file(void) { return fails(syscall(SYS_finit_module, open("/attempts", O_RDONLY), "", 0)); }
static int kexec(void) { return fails(syscall(SYS_kexec_load, 0UL, 0UL, 0, 0UL)); }
static int reboot_call(void) { return fails(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0)); }
static int swap(void) { return fails(syscall(SYS_swapon, "/attempts", 0)); }
static int set_time(void) { struct timespec now; clock_gettime(CLOCK_REALTIME, &now); return fails(syscall(SYS_clock_settime, CLOCK_REALTIME, &now)); }
static int set_day(void) { struct timeval now; gettimeofday(&now, 0); return fails(syscall(SYS_settimeofday, &now, 0)); }
static int adjust_time(void) { struct timex change = {.modes = ADJ_TICK, .tick = 10000}; return fails(adjtimex(&change)); }
static int set_host_name(void) { return fails(sethostname("owned", 5)); }
static int ports(void) { return fails(syscall(SYS_iopl, 3)); }
static int kernel_log(void) { char bytes[64]; return fails(syscall(SYS_syslog, 3, bytes, 64)); }
static int accounting(void) { return fails(syscall(SYS_acct, "/tmp/acct")); }
static int file_handle(void) {
  struct { struct file_handle head; unsigned char bytes[64]; } handle = {.head = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}};
  return fails(open_by_handle_at(open("/etc/passwd", O_RDONLY), &handle.head, O_RDONLY));
}
static int memory_secret(void) { return fails(syscall(447, 0)); }
static int watch_files(void) { return fails(syscall(SYS_fanotify_init, 0, 0)); }
static int move_pages_call(void) { return fails(syscall(SYS_move_pages, 0, 0UL, 0, 0, 0, 0)); }
static int unrandomise(void) { return fails(syscall(SYS_personality, 0x40000)); }
static int x32(void) { return fails(syscall(0x40000000 | SYS_mount, "proc", "/tmp", "proc", 0, 0)); }
#ifdef __x86_64__
static int call32(int number, int one, int two, int three) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(one), "c"(two), "d"(three) : "memory", "r8", "r9", "r10", "r11");
  if (result < 0) { say("%s", strerror(-result)); return 0; }
  say("it succeeded: %d", result);
  return 1;
}
static int mount32(void) { return call32(21, 0, 0, 0); }
static int unshare32(void) { return call32(310, CLONE_NEWUSER, 0, 0); }
static int uring32(void) { return call32(425, 4, 0, 0); }
#endif
static int capabilities(void) {
  uint32_t header[2] = {0x20080522, 0}, data[6] = {~0u, ~0u, 0, ~0u, ~0u, 0};
  return fails(syscall(SYS_capset, header, data));
}
static int real_time(void) { struct sched_param parameter = {.sched_priority = 50}; return fails(sched_setscheduler(0, SCHED_FIFO, &parameter)); }
static int niceness(void) { return fails(setpriority(PRIO_PROCESS, 0, -15)); }
static int raise_limit(void) { struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY}; return fails(setrlimit(RLIMIT_NPROC, &limit)); }
static int lift_no_new_privileges(void) { return fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)); }
static int lift_seccomp(void) { return fails(prctl(PR_SET_SECCOMP, 0, 0, 0, 0)); }
static int set_user_program(void) {
  // A set-user program gives nothing: the flag that forbids it is inherited.
  say("no_new_privs is %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

// The network.
static int abstract_socket(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  size_t length = strlen(host_socket);
  memcpy(to.sun_path + 1, host_socket, length);
  return fails(connect(fd, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + 1 + length));
}
static int host_loopback(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(host_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return fails(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to));
}
static int links_seen(void) {
  char line[300];
  FILE *file = fopen("/proc/net/dev", "r");
  int links = 0;
  while (file && fgets(line, sizeof line, file)) if (strchr(line, ':') && !strstr(line, "lo:") && !strstr(line, "eth0:")) links++;
  say("%d links beside lo and eth0", links);
  return links;
}
static int packets_of_host(void) {
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (fd < 0) return fails(-1);
  struct timeval wait = {.tv_usec = 300000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  char bytes[2000];
  struct sockaddr_ll from;
  socklen_t length = sizeof from;
  long got = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
  struct ifreq request = {.ifr_ifindex = from.sll_ifindex};
  if (got > 0 && ioctl(fd, SIOCGIFNAME, &request) == 0 && strcmp(request.ifr_name, "eth0") && strcmp(request.ifr_name, "lo")) { say("a packet of %s", request.ifr_name); return 1; }
  say("nothing of others");
  return 0;
}
static int add_link(void) {
  struct { struct nlmsghdr head; struct ifinfomsg info; char rest[64]; } message = {0};
  message.head.nlmsg_len = NLMSG_LENGTH(sizeof message.info);
  message.head.nlmsg_type = RTM_NEWLINK;
  message.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (fd < 0 || send(fd, &message, message.head.nlmsg_len, 0) < 0) return fails(-1);
  char answer[400];
  if (recv(fd, answer, sizeof answer, 0) < 0) return fails(-1);
  struct nlmsgerr *error = NLMSG_DATA((struct nlmsghdr *)answer);
  errno = -error->error;
  return fails(error->error < 0 ? -1 : 0);
}
static int take_device(void) { struct ifreq request = {.ifr_name = "eth0"}; return fails(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request)); }
static int vsock(void) { return fails(socket(40, SOCK_STREAM, 0)); }
static int crypto_socket(void) { return fails(socket(38, SOCK_SEQPACKET, 0)); }
static int audit_socket(void) { return fails(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)); }
static int uevent_listen(void) {
  int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return fails(-1);
  struct timeval wait = {.tv_usec = 200000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  char bytes[400];
  return fails(recv(fd, bytes, sizeof bytes, 0));
}

// Shared memory of the host.
static int system_v(void) { return fails(shmget(host_key, 0, 0)); }
static int message_queue(void) { char name[60]; snprintf(name, sizeof name, "/lazaret-escape-%d", host_key); return fails(mq_open(name, O_RDONLY)); }

#define A(function) {#function, function}
static const struct { const char *name; int (*attempt)(void); } attempts[] = {
    A(mount_proc), A(mount_tmpfs), A(mount_bind), A(mount_cgroup), A(mount_cgroup2), A(mount_devtmpfs), A(mount_disk), A(remount_proc_sys),
    A(remount_sys), A(unmount_mask), A(unmount_root), A(mount_api), A(mount_open_tree), A(mount_move), A(mount_setattr_call), A(mount_propagation),
    A(pivot), A(chroot_climb), A(unshare_user), A(unshare_mounts), A(unshare_network), A(unshare_cgroup), A(clone_user), A(clone3_user),
    A(setns_first), A(setns_pidfd), A(user_namespaces_allow), A(see_processes), A(kill_host), A(kill_everyone), A(signal_flood), A(ptrace_host),
    A(read_host_memory), A(pidfd_host), A(prlimit_host), A(kill_watcher), A(priority_host), A(host_file_direct),
    A(host_file_first_root), A(host_file_first_cwd), A(host_file_dots), A(leaked_descriptors), A(first_exe), A(kcore), A(kmsg), A(device_kmsg),
    A(keys), A(sysrq), A(core_pattern), A(modprobe_path), A(sysctl_vm), A(sysctl_net), A(binfmt), A(uevent), A(power), A(cgroup_release),
    A(cgroup_move), A(slab), A(oom_score), A(host_shm), A(node_disk), A(node_memory), A(node_in_dev), A(node_in_shm), A(devices_absent),
    A(tty_inject), A(key_add), A(key_session), A(key_request), A(io_uring), A(bpf_map), A(perf), A(fault_handler), A(module_load), A(module_file),
    A(kexec), A(reboot_call), A(swap), A(set_time), A(set_day), A(adjust_time), A(set_host_name), A(ports), A(kernel_log), A(accounting),
    A(file_handle), A(memory_secret), A(watch_files), A(move_pages_call), A(unrandomise), A(x32),
#ifdef __x86_64__
    A(mount32), A(unshare32), A(uring32),
#endif
    A(capabilities), A(real_time), A(niceness), A(raise_limit), A(lift_no_new_privileges), A(lift_seccomp), A(set_user_program),
    A(abstract_socket), A(host_loopback), A(links_seen), A(packets_of_host), A(add_link), A(take_device), A(vsock), A(crypto_socket),
    A(audit_socket), A(uevent_listen), A(system_v), A(message_queue),
};

// Stays as long as it can: no signal, no end of a parent ends it or its children.
static int stay(void) {
  for (int signal_number = 1; signal_number < 65; signal_number++) signal(signal_number, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  for (int i = 0; i < 5; i++)
    if (fork() == 0) { setsid(); prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); if (fork() == 0) setsid(); break; }
  open("/tmp/here", O_CREAT | O_WRONLY, 0600);
  for (;;) pause();
}

// Runs itself from memory.
static int memory(char **environment) {
  char bytes[1 << 16];
  int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("payload", MFD_CLOEXEC);
  for (long got; (got = read(from, bytes, sizeof bytes)) > 0;) if (write(to, bytes, got) != got) return 1;
  char *arguments[] = {"payload", "stay", 0};
  fexecve(to, arguments, environment);
  return 2;
}

int main(int count, char **argument, char **environment) {
  if (count == 2 && strcmp(argument[1], "memory") == 0) return memory(environment);
  if (count == 2 && strcmp(argument[1], "stay") == 0) return stay();
  if (count < 7) return 64;
  host_pid = atoi(argument[1]);
  host_file = argument[2];
  host_text = argument[3];
  host_socket = argument[4];
  host_port = atoi(argument[5]);
  host_key = atoi(argument[6]);
  for (unsigned i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      alarm(20);
      int out = attempts[i].attempt();
      printf("%s\t%s\t%s\n", attempts[i].name, out ? "ESCAPED" : "contained", said);
      fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status)) printf("%s\tcontained\tended by signal %d\n", attempts[i].name, WTERMSIG(status));
  }
  printf("%d attempts\n", (int)(sizeof attempts / sizeof *attempts));
  return 0;
}
