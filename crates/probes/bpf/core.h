// What the programs need of the kernel: helpers by number, and the few fields of its structs that are read. The loader moves each access
// to where the running kernel has the field (CO-RE), so a struct here names only what is used, in any order.
#ifndef CORE_H
#define CORE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
// The verifier looks at such a function once, whoever calls it; what it is given it must check itself.
#define ONCE __attribute__((noinline))
#define KERNEL __attribute__((preserve_access_index))

// Maps, as the loader reads them from BTF.
#define MAP_UINT(name, value) int(*name)[value]
#define MAP_TYPE(name, value) typeof(value) *name
#define MAP_ARRAY 2
#define MAP_PERCPU_ARRAY 6
#define MAP_RINGBUF 27

// Numbers of helpers: include/uapi/linux/bpf.h.
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*current_pid_tgid)(void) = (void *)14;
static u64 (*current_task)(void) = (void *)35;
static u64 (*current_cgroup)(void) = (void *)80;
static long (*send_signal)(u32 signal) = (void *)109;
static u64 (*current_ancestor_cgroup)(int level) = (void *)123;
static u64 (*boot_ns)(void) = (void *)125;
static long (*ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
#define RING_NO_WAKEUP 1

// Reads `from->field` of a kernel object, 0 where that fails.
#define READ(from, field)                                                                                              \
    ({                                                                                                                 \
        typeof((from)->field) value_ = 0;                                                                              \
        probe_read_kernel(&value_, sizeof(value_), __builtin_preserve_access_index(&(from)->field));                   \
        value_;                                                                                                        \
    })
// Where `field` is in the running kernel's `struct type`, and how long that struct is.
#define OFFSET(type, field) ((u64)__builtin_preserve_access_index(&((type *)0)->field))
#define EXISTS(from, field) __builtin_preserve_field_info((from)->field, 2)
#define SIZE(type) __builtin_preserve_type_info(*(type *)0, 1)

struct pt_regs {
    unsigned long r10, r9, r8, dx, si, di, bx, cx, bp, orig_ax;
} KERNEL;

struct qstr {
    const unsigned char *name;
} KERNEL;
struct super_block {
    unsigned long s_magic;
    unsigned long s_flags;
} KERNEL;
struct inode {
    u16 i_mode;
    unsigned int i_nlink;
    struct super_block *i_sb;
} KERNEL;
struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
} KERNEL;
struct vfsmount {
    struct dentry *mnt_root;
} KERNEL;
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
} KERNEL;
struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
} KERNEL;
struct file {
    struct path f_path;
    struct inode *f_inode;
    void *private_data;
} KERNEL;
struct fdtable {
    unsigned int max_fds;
    struct file **fd;
} KERNEL;
struct files_struct {
    struct fdtable *fdt;
} KERNEL;
struct fs_struct {
    struct path pwd;
} KERNEL;
struct sock_common {
    u16 skc_family;
    u16 skc_num;
} KERNEL;
struct sock {
    struct sock_common __sk_common;
} KERNEL;
struct socket {
    struct sock *sk;
} KERNEL;

struct upid {
    int nr;
} KERNEL;
struct pid {
    unsigned int level;
    struct upid numbers[1];
} KERNEL;
typedef struct {
    unsigned int val;
} kuid_t;
struct cred {
    kuid_t euid;
} KERNEL;
typedef struct {
    int counter;
} atomic_t;
struct signal_struct {
    atomic_t live;
    int group_exit_code;
    u64 sum_sched_runtime;
} KERNEL;
struct sched_entity {
    u64 sum_exec_runtime;
} KERNEL;
struct mm_struct {
    unsigned long arg_start, arg_end, env_start, env_end;
} KERNEL;
struct kernfs_node {
    u64 id;
} KERNEL;
struct cgroup {
    int level;
} KERNEL;
struct css_set {
    struct cgroup *dfl_cgrp;
} KERNEL;
struct thread_info {
    u32 status;
} KERNEL;
struct task_struct {
    struct thread_info thread_info;
    int tgid;
    int pid;
    int exit_code;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct mm_struct *mm;
    struct cred *cred;
    struct fs_struct *fs;
    struct files_struct *files;
    struct signal_struct *signal;
    struct sched_entity se;
    struct css_set *cgroups;
} KERNEL;
struct linux_binprm {
    struct file *file;
} KERNEL;
struct io_kiocb {
    u8 opcode;
} KERNEL;

#endif
