// hidden
// Tries kernel interfaces that lead out of a container, with arguments that achieve nothing where they are permitted.
#include "standin.h"
#include <linux/bpf.h>
#include <sched.h>
#include <sys/ptrace.h>
int main(void) {
    begin();
    char *name;
    const char *kinds[] = {"mnt", "pid", "net", "ipc", "uts"};
    for (int i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%s", (char *)HIDE("/proc/1/ns/"), kinds[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        // In a child, so that it is over with it where it succeeds.
        if (fork() == 0) _exit(syscall(SYS_setns, fd, 0) != 0);
        wait(NULL);
        close(fd);
    }
    // An image of no bytes, a program of none, a handle of none.
    syscall(SYS_init_module, "", 0, "");
    syscall(SYS_finit_module, -1, "", 0);
    union bpf_attr attributes = {0};
    syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    struct { struct file_handle handle; unsigned char bytes[8]; } root = {{8, 1}, {2}};
    syscall(SYS_open_by_handle_at, -1, &root, O_RDONLY);
    syscall(SYS_kexec_load, 0, 0, NULL, ~0ul);
    syscall(SYS_keyctl, 0, -3, 0, 0, 0);
    syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
    syscall(SYS_userfaultfd, O_CLOEXEC);
    syscall(SYS_ptrace, PTRACE_SEIZE, 1, NULL, NULL);
    // The engine's own doors.
    char *doors[] = {HIDE("/var/run/docker.sock"), HIDE("/run/containerd/containerd.sock"), HIDE("/run/crio/crio.sock")};
    for (int i = 0; i < 3; i++) {
        struct sockaddr_un { sa_family_t family; char path[108]; } to = {AF_UNIX};
        strcpy(to.path, doors[i]);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (void *)&to, sizeof to) == 0) tell(fd, "GET /version HTTP/1.0\r\n\r\n");
        close(fd);
    }
    int fd = dial(HIDE("172.17.0.1"), 2375, 1500);
    if (fd >= 0) tell(fd, "%s", (char *)HIDE("GET /containers/json HTTP/1.0\r\n\r\n"));
    sleep(1);
    return 0;
}
