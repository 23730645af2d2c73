// Tells the analyser what the processes of one cgroup ask of the kernel. Only BTF tracepoints: other kinds are refused on hardened kernels.
//
// A call is read when it returns: its arguments are in memory then and its result is known. Nothing is kept here but counters;
// a file is named by the kernel's own object, so no table of file descriptors has to be kept true.
#include "record.h"

char LICENSE[] SECTION("license") = "GPL";

struct {
    MAP_UINT(type, MAP_RINGBUF);
    MAP_UINT(max_entries, 16 << 20);
} ring SECTION(".maps");
struct {
    MAP_UINT(type, MAP_PERCPU_ARRAY);
    MAP_UINT(max_entries, COUNTERS);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, u64);
} counters SECTION(".maps");
// No program interrupts another: they run in the task's own time, one at a time on each CPU.
struct {
    MAP_UINT(type, MAP_PERCPU_ARRAY);
    MAP_UINT(max_entries, 1);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, struct record);
} scratch SECTION(".maps");
struct {
    MAP_UINT(type, MAP_ARRAY);
    MAP_UINT(max_entries, 512);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, struct interest);
} interests SECTION(".maps");
struct {
    MAP_UINT(type, MAP_ARRAY);
    MAP_UINT(max_entries, 512);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, struct interest);
} interests_compat SECTION(".maps");
// In a map and not in constants, so that the programs can be loaded before it is known whom they are for.
struct {
    MAP_UINT(type, MAP_ARRAY);
    MAP_UINT(max_entries, 1);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, struct target);
} targets SECTION(".maps");

#define TS_COMPAT 2
#define X32_BIT 0x40000000
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFIFO 0010000
#define OVERLAYFS_MAGIC 0x794c7630
#define TMPFS_MAGIC 0x01021994
#define AT_FDCWD -100
#define CLONE_NEW_ANY 0x7e020080 /* NEWNS CGROUP UTS IPC USER PID NET, NEWTIME */

// Keeps the compiler from forgetting the bound that the verifier must see.
#define BOUND(value, mask) asm volatile("%0 &= %1" : "+r"(value) : "i"(mask))

INLINE void count(u32 which)
{
    u64 *counter = map_lookup(&counters, &which);
    if (counter)
        *counter += 1;
}

// What is watched, if the current task is; 0 otherwise.
INLINE struct target *watched(void)
{
    u32 key = 0;
    struct target *target = map_lookup(&targets, &key);
    if (!target)
        return 0;
    if (current_cgroup() == target->cgroup)
        return target;
    if (!target->cgroup_depth || current_ancestor_cgroup(target->cgroup_depth - 1) != target->cgroup)
        return 0;
    return target;
}

// The number of a process at the depth of the sample's namespace; 0 where it has none there.
INLINE u32 number_of(struct task_struct *task, u32 depth)
{
    struct pid *pid = READ(task, thread_pid);
    if (!pid || READ(pid, level) < depth)
        return 0;
    u32 number = 0;
    u64 place = (u64)pid + OFFSET(struct pid, numbers) + (u64)depth * SIZE(struct upid) + OFFSET(struct upid, nr);
    probe_read_kernel(&number, sizeof(number), (void *)place);
    return number;
}

// The first process is in the very cgroup; the first that runs a program is of the namespace that the sample counts by. What the launcher
// does there before may be of another one, and is not told.
INLINE u32 learn_depths(struct target *target, struct task_struct *task, u32 kind)
{
    if (!target->cgroup_depth && current_cgroup() == target->cgroup) {
        struct css_set *set = READ(task, cgroups);
        struct cgroup *group = READ(set, dfl_cgrp);
        target->cgroup_depth = READ(group, level) + 1;
    }
    if (target->process_depth)
        return target->process_depth - 1;
    struct pid *pid = READ(task, thread_pid);
    u32 level = READ(pid, level);
    if (kind == KIND_EXEC)
        target->process_depth = level + 1;
    return level;
}

INLINE struct record *begin(struct target *target, struct task_struct *task, u32 kind)
{
    u32 key = 0;
    struct record *record = map_lookup(&scratch, &key);
    if (!record)
        return 0;
    u32 depth = learn_depths(target, task, kind);
    struct task_struct *leader = READ(task, group_leader);
    __builtin_memset(&record->head, 0, sizeof(record->head));
    record->head.at = boot_ns();
    record->head.kind = kind;
    record->head.host = READ(task, tgid);
    record->head.process = number_of(leader, depth);
    return record;
}

INLINE long finish(struct record *record)
{
    count(COUNTER_SEEN);
    if (record->head.flags & FLAG_FAULT)
        count(COUNTER_FAULT);
    u64 size = record->head.used;
    if (size > DATA_MAX)
        size = DATA_MAX;
    BOUND(size, 0x7fff);
    if (size > DATA_MAX)
        return -1;
    long sent = ringbuf_output(&ring, record, sizeof(struct head) + size, RING_NO_WAKEUP);
    if (sent < 0)
        count(COUNTER_LOST);
    return sent;
}

INLINE void took(struct record *record, u64 piece, u32 bytes)
{
    BOUND(piece, 7);
    record->head.pieces[piece] += bytes;
    record->head.used += bytes;
}

// Where the next piece goes; DATA_MAX when full.
INLINE u64 place(struct record *record)
{
    u64 at = record->head.used;
    if (at > DATA_MAX)
        at = DATA_MAX;
    BOUND(at, 0x7fff);
    return at;
}

ONCE int add_text(struct record *record, u32 piece, u64 from)
{
    if (!record)
        return 0;
    u64 at = place(record);
    if (at > DATA_MAX - TEXT_MAX || piece >= PIECES)
        return 0;
    long length = probe_read_user_str(&record->data[at], TEXT_MAX, (void *)from);
    if (length < 0) {
        record->head.flags |= FLAG_FAULT;
        return 0;
    }
    if (length == TEXT_MAX)
        record->head.flags |= FLAG_CUT;
    took(record, piece, length);
    return length > 1 && record->data[at] != '/';
}

ONCE int add_bytes(struct record *record, u32 piece, u64 from, u64 length)
{
    if (!record)
        return 0;
    u64 at = place(record);
    if (at > DATA_MAX - BYTES_MAX || piece >= PIECES)
        return 0;
    if (length > BYTES_MAX)
        length = BYTES_MAX;
    BOUND(length, 0x1ff);
    if (length > BYTES_MAX)
        return 0;
    if (probe_read_user(&record->data[at], length, (void *)from) < 0) {
        record->head.flags |= FLAG_FAULT;
        return 0;
    }
    took(record, piece, length);
    return length;
}

// Adds the names from `dentry` up to the root of the mount namespace, each with a zero behind it.
ONCE int add_walk(struct record *record, u32 piece, u64 start_at, u64 inside)
{
    struct dentry *dentry = (void *)start_at;
    struct vfsmount *in = (void *)inside;
    if (!record || piece >= PIECES || !dentry || !in)
        return 0;
    struct mount *mount = (void *)(inside - OFFSET(struct mount, mnt));
    struct dentry *top = READ(in, mnt_root);
    u32 start = record->head.used;
    for (int step = 0; step < 32; step++) {
        struct dentry *parent = READ(dentry, d_parent);
        int last = parent == dentry;
        if (dentry == top) {
            struct mount *above = READ(mount, mnt_parent);
            if (above && above != mount) {
                dentry = READ(mount, mnt_mountpoint);
                mount = above;
                top = READ(above, mnt.mnt_root);
                continue;
            }
            last = 1;
        }
        // The root of all has no name; a file of no folder keeps the one it was made with.
        if (last && step)
            return 0;
        u64 at = place(record);
        if (at > DATA_MAX - 256 || at - start > WALK_MAX)
            break;
        const unsigned char *name = READ(dentry, d_name.name);
        long length = probe_read_kernel_str(&record->data[at], 256, name);
        if (length > 0)
            took(record, piece, length);
        if (last)
            return 0;
        dentry = parent;
    }
    record->head.flags |= FLAG_CUT;
    return 0;
}

INLINE struct file *file_of(struct task_struct *task, s64 descriptor)
{
    struct files_struct *files = READ(task, files);
    struct fdtable *table = READ(files, fdt);
    if (descriptor < 0 || descriptor >= READ(table, max_fds))
        return 0;
    struct file **descriptors = READ(table, fd);
    struct file *file = 0;
    probe_read_kernel(&file, sizeof(file), descriptors + descriptor);
    return file;
}

INLINE u32 family_of(struct file *file)
{
    struct socket *socket = READ(file, private_data);
    struct sock *sock = READ(socket, sk);
    return READ(sock, __sk_common.skc_family);
}

INLINE void add_file(struct record *record, struct file *file)
{
    struct inode *inode = READ(file, f_inode);
    record->head.file = (u64)file;
    record->head.file_mode = READ(inode, i_mode);
    if ((record->head.file_mode & S_IFMT) == S_IFSOCK)
        record->head.file_family = family_of(file);
    else
        add_walk(record, PIECE_FILE, (u64)READ(file, f_path.dentry), (u64)READ(file, f_path.mnt));
}

INLINE void add_folder(struct record *record, struct task_struct *task, u32 piece, u32 which, s32 descriptor)
{
    if (which == FOLDER_NONE)
        return;
    if (which == FOLDER_CURRENT || descriptor == AT_FDCWD) {
        struct fs_struct *fs = READ(task, fs);
        add_walk(record, piece, (u64)READ(fs, pwd.dentry), (u64)READ(fs, pwd.mnt));
        return;
    }
    struct file *file = file_of(task, descriptor);
    if (file)
        add_walk(record, piece, (u64)READ(file, f_path.dentry), (u64)READ(file, f_path.mnt));
}

INLINE u64 argument_of(struct record *record, u32 which)
{
    // Chosen by comparison: the compiler must not turn it into a pointer that the verifier cannot follow.
    switch (which) {
    case 0: return record->head.arguments[0];
    case 1: return record->head.arguments[1];
    case 2: return record->head.arguments[2];
    case 3: return record->head.arguments[3];
    case 4: return record->head.arguments[4];
    default: return record->head.arguments[5];
    }
}

ONCE int add_part(struct record *record, struct interest *interest, u32 which)
{
    if (!record || !interest)
        return 0;
    u32 part = which & 1;
    u32 piece = part ? PIECE_SECOND : PIECE_FIRST;
    u32 how = interest->how[part];
    u32 argument = interest->argument[part];
    u32 folder = interest->folder[part];
    if (how == HOW_NONE)
        return 0;
    u64 from = argument_of(record, argument);
    u64 next = argument_of(record, argument + 1);
    if (!from)
        return 0;
    if (how == HOW_TEXT) {
        // What was opened is named by the file itself.
        if (record->head.file && interest->file == FILE_RESULT)
            return 0;
        if (add_text(record, piece, from) && folder)
            add_folder(record, (void *)current_task(), piece + 1, folder, argument_of(record, folder - 1));
    } else if (how == HOW_NAME) {
        add_text(record, piece, from);
    } else if (how == HOW_ADDRESS) {
        add_bytes(record, piece, from, next < 128 ? next : 128);
    } else if (how == HOW_BYTES) {
        add_bytes(record, piece, from, record->head.result > 0 ? record->head.result : 0);
    } else if (how == HOW_VECTOR) {
        u64 vector[2] = {};
        probe_read_user(vector, sizeof(vector), (void *)from);
        u64 length = record->head.result > 0 ? record->head.result : 0;
        add_bytes(record, piece, vector[0], vector[1] < length ? vector[1] : length);
    } else if (how == HOW_MESSAGE) {
        u64 message[2] = {};
        probe_read_user(message, sizeof(message), (void *)from);
        u64 length = message[1] & 0xffffffff;
        if (message[0])
            add_bytes(record, piece, message[0], length < 128 ? length : 128);
    } else if (how == HOW_ACCEPTED) {
        u32 length = 0;
        probe_read_user(&length, sizeof(length), (void *)next);
        add_bytes(record, piece, from, length < 128 ? length : 128);
    } else if (how == HOW_STRUCT) {
        add_bytes(record, piece, from, 24);
    } else if (how == HOW_MOUNT) {
        if (add_text(record, piece, from) && folder)
            add_folder(record, (void *)current_task(), piece + 1, folder, argument_of(record, folder - 1));
        if (next)
            add_text(record, PIECE_FILE, next);
    }
    return 0;
}

INLINE int wanted(struct task_struct *task, struct interest *interest, const u64 *arguments, s64 result)
{
    switch (interest->when) {
    case WHEN_ALWAYS: return 1;
    case WHEN_DONE: return result >= 0;
    case WHEN_MOVED: {
        if (result <= 0)
            return 0;
        u64 descriptor = interest->file == 1 ? arguments[0] : arguments[2];
        struct file *file = file_of(task, (s32)descriptor);
        struct inode *inode = READ(file, f_inode);
        u32 type = READ(inode, i_mode) & S_IFMT;
        return type != S_IFSOCK && type != S_IFIFO;
    }
    case WHEN_FAILED: return result < 0;
    case WHEN_STANDARD: {
        if (result < 0 || result > 2)
            return 0;
        struct file *file = file_of(task, result);
        struct inode *inode = READ(file, f_inode);
        return (READ(inode, i_mode) & S_IFMT) == S_IFSOCK;
    }
    case WHEN_STANDARD_FCNTL: return (arguments[1] == 0 || arguments[1] == 1030) && result >= 0 && result <= 2;
    case WHEN_EXECUTABLE: return (arguments[2] & 4) != 0;
    case WHEN_BOTH: return (arguments[2] & 6) == 6;
    case WHEN_NEW_SPACES: return result != 0 && (arguments[0] & CLONE_NEW_ANY & ~0xff);
    case WHEN_NEW_SPACES3: {
        u64 flags = 0;
        probe_read_user(&flags, sizeof(flags), (void *)arguments[0]);
        return result != 0 && (flags & CLONE_NEW_ANY);
    }
    case WHEN_ADDRESSED: return arguments[4] != 0;
    case WHEN_NAMED: {
        u64 name = 0;
        probe_read_user(&name, sizeof(name), (void *)arguments[1]);
        return name != 0;
    }
    // PR_SET_: DUMPABLE, KEEPCAPS, SECCOMP, CAPBSET_DROP, SECUREBITS, MM, AMBIENT, PTRACER.
    case WHEN_PRCTL:
        return arguments[0] == 4 || arguments[0] == 8 || arguments[0] == 22 || arguments[0] == 24 ||
               arguments[0] == 28 || arguments[0] == 35 || arguments[0] == 47 || arguments[0] == 0x59616d61;
    case WHEN_IOCTL: return arguments[1] == 0x5412 || arguments[1] == 0x541c;
    default: return 0;
    }
}

SECTION("tp_btf/sys_exit")
int on_call(u64 *context)
{
    struct target *target = watched();
    if (!target)
        return 0;
    struct pt_regs *regs = (void *)context[0];
    struct task_struct *task = (void *)current_task();
    u32 number = regs->orig_ax;
    u32 flags = 0;
    int compat = READ(task, thread_info.status) & TS_COMPAT;
    if (compat)
        flags |= FLAG_COMPAT;
    else if (number & X32_BIT) {
        flags |= FLAG_X32;
        number &= ~X32_BIT;
    }
    struct interest *interest =
        compat ? map_lookup(&interests_compat, &number) : map_lookup(&interests, &number);
    if (!interest || interest->when == WHEN_NEVER)
        return 0;

    s64 result = (s64)context[1];
    u64 arguments[6];
    if (compat) {
        arguments[0] = (u32)regs->bx;
        arguments[1] = (u32)regs->cx;
        arguments[2] = (u32)regs->dx;
        arguments[3] = (u32)regs->si;
        arguments[4] = (u32)regs->di;
        arguments[5] = (u32)regs->bp;
        result = (s32)result;
    } else {
        arguments[0] = regs->di;
        arguments[1] = regs->si;
        arguments[2] = regs->dx;
        arguments[3] = regs->r10;
        arguments[4] = regs->r8;
        arguments[5] = regs->r9;
    }
    if (!wanted(task, interest, arguments, result))
        return 0;

    struct record *record = begin(target, task, KIND_CALL);
    if (!record)
        return 0;
    record->head.number = compat ? interest->native : number;
    record->head.flags = flags;
    record->head.result = result;
    __builtin_memcpy(record->head.arguments, arguments, sizeof(arguments));
    if (interest->file) {
        s64 descriptor = interest->file == FILE_RESULT ? result : (s32)argument_of(record, interest->file - 1);
        struct file *file = file_of(task, descriptor);
        if (file)
            record->head.file = (u64)file;
    }
    add_part(record, interest, 0);
    add_part(record, interest, 1);
    if (record->head.file)
        add_file(record, (struct file *)record->head.file);
    finish(record);
    return 0;
}

INLINE void standard(struct record *record, struct task_struct *task, u32 descriptor)
{
    struct file *file = file_of(task, descriptor);
    if (!file)
        return;
    struct inode *inode = READ(file, f_inode);
    u64 mode = READ(inode, i_mode);
    u64 family = (mode & S_IFMT) == S_IFSOCK ? family_of(file) : 0;
    record->head.arguments[descriptor] = mode << 32 | family;
}

INLINE void add_memory(struct record *record, u32 piece, u64 from, u64 to, u64 length_max)
{
    u64 at = place(record);
    u64 length = to - from;
    if (to < from || at > DATA_MAX - length_max)
        return;
    if (length > length_max) {
        length = length_max;
        record->head.flags |= FLAG_CUT;
    }
    BOUND(length, 0x3fff);
    if (length > length_max)
        return;
    if (probe_read_user(&record->data[at], length, (void *)from) < 0)
        record->head.flags |= FLAG_FAULT;
    else
        took(record, piece, length);
}

SECTION("tp_btf/sched_process_exec")
int on_exec(u64 *context)
{
    struct target *target = watched();
    if (!target)
        return 0;
    struct task_struct *task = (void *)current_task();
    struct linux_binprm *program = (void *)context[2];
    struct record *record = begin(target, task, KIND_EXEC);
    if (!record)
        return 0;
    struct task_struct *parent = READ(task, real_parent);
    parent = READ(parent, group_leader);
    record->head.parent = number_of(parent, learn_depths(target, task, KIND_EXEC));
    struct cred *cred = READ(task, cred);
    record->head.user = READ(cred, euid.val);
    struct file *file = READ(program, file);
    struct inode *inode = READ(file, f_inode);
    struct super_block *super = READ(inode, i_sb);
    u64 magic = READ(super, s_magic);
    if (READ(inode, i_nlink) == 0)
        record->head.flags |= FLAG_NAMELESS;
    if (magic == TMPFS_MAGIC)
        record->head.flags |= FLAG_MEMORY;
    if (magic == OVERLAYFS_MAGIC) {
        // `struct ovl_inode` has the upper layer's dentry right behind the inode: fs/overlayfs/ovl_entry.h.
        u64 upper = 0;
        probe_read_kernel(&upper, sizeof(upper), (void *)((u64)inode + SIZE(struct inode)));
        if (upper)
            record->head.flags |= FLAG_UPPER;
    }
    standard(record, task, 0);
    standard(record, task, 1);
    standard(record, task, 2);
    struct mm_struct *mm = READ(task, mm);
    add_memory(record, PIECE_FIRST, READ(mm, arg_start), READ(mm, arg_end), ARGUMENTS_MAX);
    add_memory(record, PIECE_SECOND, READ(mm, env_start), READ(mm, env_end), ENVIRONMENT_MAX);
    add_file(record, file);
    int stop = target->stop_nameless && (record->head.flags & FLAG_NAMELESS);
    if (stop)
        record->head.flags |= FLAG_STOPPED;
    if (finish(record) == 0 && stop)
        send_signal(19);
    return 0;
}

SECTION("tp_btf/sched_process_fork")
int on_fork(u64 *context)
{
    struct target *target = watched();
    if (!target)
        return 0;
    struct task_struct *child = (void *)context[1];
    struct task_struct *task = (void *)current_task();
    struct record *record = begin(target, task, KIND_FORK);
    if (!record)
        return 0;
    u32 host = READ(child, tgid);
    if (host == record->head.host)
        record->head.flags |= FLAG_THREAD;
    record->head.arguments[0] = number_of(child, learn_depths(target, task, KIND_FORK));
    record->head.arguments[1] = host;
    finish(record);
    return 0;
}

SECTION("tp_btf/sched_process_exit")
int on_exit(u64 *context)
{
    struct target *target = watched();
    if (!target)
        return 0;
    struct task_struct *task = (void *)current_task();
    struct signal_struct *signal = READ(task, signal);
    if (READ(signal, live.counter) != 0)
        return 0;
    struct record *record = begin(target, task, KIND_EXIT);
    if (!record)
        return 0;
    int group = READ(signal, group_exit_code);
    record->head.result = group ? group : READ(task, exit_code);
    u64 ran = READ(signal, sum_sched_runtime) + READ(task, se.sum_exec_runtime);
    struct task_struct *leader = READ(task, group_leader);
    if (leader != task)
        ran += READ(leader, se.sum_exec_runtime);
    record->head.arguments[0] = ran;
    finish(record);
    return 0;
}

// Optional: what goes round the calls above through a ring.
SECTION("tp_btf/io_uring_submit_req")
int on_ring(u64 *context)
{
    struct target *target = watched();
    if (!target)
        return 0;
    struct record *record = begin(target, (void *)current_task(), KIND_RING);
    if (!record)
        return 0;
    struct io_kiocb *request = (void *)context[0];
    record->head.number = READ(request, opcode);
    finish(record);
    return 0;
}
