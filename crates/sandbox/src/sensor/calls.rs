//! The system calls of interest, one line each: when they are recorded, and what of their arguments.

use libc::c_long;
use probes::{Interest, folder, how, when};

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: c_long,
    pub(super) name: &'static str,
    pub(super) interest: Interest,
}

/// One argument that is more than a number.
#[derive(Clone, Copy)]
struct Part(u8, u8, u8);

const NO: Part = Part(how::NONE, 0, 0);

/// A path, relative to the current folder.
const fn path(argument: u8) -> Part {
    Part(how::TEXT, argument, folder::CURRENT)
}

/// A path, relative to the folder of the descriptor before it.
const fn path_at(argument: u8) -> Part {
    Part(how::TEXT, argument, argument)
}

const fn name(argument: u8) -> Part {
    Part(how::NAME, argument, 0)
}

const fn call(number: c_long, name: &'static str, when: u8, file: u8, first: Part, second: Part) -> Call {
    let interest = Interest {
        when,
        how: [first.0, second.0],
        argument: [first.1, second.1],
        folder: [first.2, second.2],
        file,
        native: 0,
        spare: 0,
    };
    Call { number, name, interest }
}

/// A call of which only the numbers matter.
const fn plain(number: c_long, name: &'static str) -> Call {
    call(number, name, when::ALWAYS, 0, NO, NO)
}

const ADDRESS: Part = Part(how::ADDRESS, 1, 0);
/// The file that the first argument is a descriptor of.
const FIRST: u8 = 1;
const THIRD: u8 = 3;
const RESULT: u8 = folder::RESULT;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(libc::SYS_execve, "execve", when::FAILED, 0, path(0), NO),
    call(libc::SYS_execveat, "execveat", when::FAILED, 0, path_at(1), NO),
    // Files.
    call(libc::SYS_open, "open", when::ALWAYS, RESULT, path(0), NO),
    call(libc::SYS_openat, "openat", when::ALWAYS, RESULT, path_at(1), NO),
    call(libc::SYS_openat2, "openat2", when::ALWAYS, RESULT, path_at(1), Part(how::STRUCT, 2, 0)),
    call(libc::SYS_creat, "creat", when::ALWAYS, RESULT, path(0), NO),
    call(libc::SYS_truncate, "truncate", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_write, "write", when::MOVED, FIRST, Part(how::BYTES, 1, 0), NO),
    call(libc::SYS_pwrite64, "pwrite64", when::MOVED, FIRST, Part(how::BYTES, 1, 0), NO),
    call(libc::SYS_writev, "writev", when::MOVED, FIRST, Part(how::VECTOR, 1, 0), NO),
    call(libc::SYS_pwritev, "pwritev", when::MOVED, FIRST, Part(how::VECTOR, 1, 0), NO),
    call(libc::SYS_pwritev2, "pwritev2", when::MOVED, FIRST, Part(how::VECTOR, 1, 0), NO),
    call(libc::SYS_sendfile, "sendfile", when::MOVED, FIRST, NO, NO),
    call(libc::SYS_copy_file_range, "copy_file_range", when::MOVED, THIRD, NO, NO),
    call(libc::SYS_splice, "splice", when::MOVED, THIRD, NO, NO),
    call(libc::SYS_rename, "rename", when::ALWAYS, 0, path(0), path(1)),
    call(libc::SYS_renameat, "renameat", when::ALWAYS, 0, path_at(1), path_at(3)),
    call(libc::SYS_renameat2, "renameat2", when::ALWAYS, 0, path_at(1), path_at(3)),
    call(libc::SYS_unlink, "unlink", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_unlinkat, "unlinkat", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_rmdir, "rmdir", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_link, "link", when::ALWAYS, 0, path(0), path(1)),
    call(libc::SYS_linkat, "linkat", when::ALWAYS, 0, path_at(1), path_at(3)),
    call(libc::SYS_symlink, "symlink", when::ALWAYS, 0, name(0), path(1)),
    call(libc::SYS_symlinkat, "symlinkat", when::ALWAYS, 0, name(0), path_at(2)),
    call(libc::SYS_chmod, "chmod", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_fchmod, "fchmod", when::ALWAYS, FIRST, NO, NO),
    call(libc::SYS_fchmodat, "fchmodat", when::ALWAYS, 0, path_at(1), NO),
    call(452, "fchmodat2", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_chown, "chown", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_lchown, "lchown", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_fchown, "fchown", when::ALWAYS, FIRST, NO, NO),
    call(libc::SYS_fchownat, "fchownat", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_mkdir, "mkdir", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_mkdirat, "mkdirat", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_mknod, "mknod", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_mknodat, "mknodat", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_memfd_create, "memfd_create", when::ALWAYS, 0, name(0), NO),
    call(libc::SYS_mprotect, "mprotect", when::EXECUTABLE, 0, NO, NO),
    call(libc::SYS_pkey_mprotect, "pkey_mprotect", when::EXECUTABLE, 0, NO, NO),
    call(libc::SYS_mmap, "mmap", when::BOTH, 0, NO, NO),
    // Sockets.
    plain(libc::SYS_socket, "socket"),
    call(libc::SYS_connect, "connect", when::ALWAYS, FIRST, ADDRESS, NO),
    call(libc::SYS_bind, "bind", when::ALWAYS, FIRST, ADDRESS, NO),
    call(libc::SYS_listen, "listen", when::ALWAYS, FIRST, NO, NO),
    call(libc::SYS_accept, "accept", when::DONE, RESULT, Part(how::ACCEPTED, 1, 0), NO),
    call(libc::SYS_accept4, "accept4", when::DONE, RESULT, Part(how::ACCEPTED, 1, 0), NO),
    call(libc::SYS_sendto, "sendto", when::ADDRESSED, FIRST, Part(how::ADDRESS, 4, 0), NO),
    call(libc::SYS_sendmsg, "sendmsg", when::NAMED, FIRST, Part(how::MESSAGE, 1, 0), NO),
    call(libc::SYS_sendmmsg, "sendmmsg", when::NAMED, FIRST, Part(how::MESSAGE, 1, 0), NO),
    call(libc::SYS_dup, "dup", when::STANDARD, RESULT, NO, NO),
    call(libc::SYS_dup2, "dup2", when::STANDARD, RESULT, NO, NO),
    call(libc::SYS_dup3, "dup3", when::STANDARD, RESULT, NO, NO),
    call(libc::SYS_fcntl, "fcntl", when::STANDARD_FCNTL, RESULT, NO, NO),
    // Processes.
    plain(libc::SYS_kill, "kill"),
    plain(libc::SYS_tkill, "tkill"),
    plain(libc::SYS_tgkill, "tgkill"),
    plain(libc::SYS_rt_sigqueueinfo, "rt_sigqueueinfo"),
    plain(libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
    plain(libc::SYS_ptrace, "ptrace"),
    plain(libc::SYS_process_vm_readv, "process_vm_readv"),
    plain(libc::SYS_process_vm_writev, "process_vm_writev"),
    plain(libc::SYS_pidfd_getfd, "pidfd_getfd"),
    plain(libc::SYS_setuid, "setuid"),
    plain(libc::SYS_setgid, "setgid"),
    plain(libc::SYS_setreuid, "setreuid"),
    plain(libc::SYS_setregid, "setregid"),
    plain(libc::SYS_setresuid, "setresuid"),
    plain(libc::SYS_setresgid, "setresgid"),
    plain(libc::SYS_setfsuid, "setfsuid"),
    plain(libc::SYS_setfsgid, "setfsgid"),
    plain(libc::SYS_setgroups, "setgroups"),
    plain(libc::SYS_capset, "capset"),
    call(libc::SYS_prctl, "prctl", when::PRCTL, 0, NO, NO),
    // Mounts and namespaces.
    call(libc::SYS_mount, "mount", when::ALWAYS, 0, name(0), Part(how::MOUNT, 1, folder::CURRENT)),
    call(libc::SYS_umount2, "umount2", when::ALWAYS, 0, path(0), NO),
    call(libc::SYS_fsopen, "fsopen", when::ALWAYS, 0, name(0), NO),
    call(libc::SYS_fspick, "fspick", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_fsconfig, "fsconfig", when::ALWAYS, 0, name(2), NO),
    plain(libc::SYS_fsmount, "fsmount"),
    call(libc::SYS_move_mount, "move_mount", when::ALWAYS, 0, path_at(1), path_at(3)),
    call(libc::SYS_open_tree, "open_tree", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_mount_setattr, "mount_setattr", when::ALWAYS, 0, path_at(1), NO),
    call(libc::SYS_pivot_root, "pivot_root", when::ALWAYS, 0, path(0), path(1)),
    call(libc::SYS_chroot, "chroot", when::ALWAYS, 0, path(0), NO),
    plain(libc::SYS_setns, "setns"),
    plain(libc::SYS_unshare, "unshare"),
    call(libc::SYS_clone, "clone", when::NEW_SPACES, 0, NO, NO),
    call(libc::SYS_clone3, "clone3", when::NEW_SPACES3, 0, Part(how::STRUCT, 0, 0), NO),
    // Interfaces of the kernel.
    plain(libc::SYS_init_module, "init_module"),
    plain(libc::SYS_finit_module, "finit_module"),
    plain(libc::SYS_delete_module, "delete_module"),
    plain(libc::SYS_bpf, "bpf"),
    plain(libc::SYS_perf_event_open, "perf_event_open"),
    plain(libc::SYS_kexec_load, "kexec_load"),
    plain(libc::SYS_kexec_file_load, "kexec_file_load"),
    plain(libc::SYS_add_key, "add_key"),
    plain(libc::SYS_request_key, "request_key"),
    plain(libc::SYS_keyctl, "keyctl"),
    plain(libc::SYS_userfaultfd, "userfaultfd"),
    plain(libc::SYS_open_by_handle_at, "open_by_handle_at"),
    plain(libc::SYS_io_uring_setup, "io_uring_setup"),
    plain(libc::SYS_io_uring_register, "io_uring_register"),
    plain(libc::SYS_reboot, "reboot"),
    plain(libc::SYS_swapon, "swapon"),
    plain(libc::SYS_swapoff, "swapoff"),
    plain(libc::SYS_settimeofday, "settimeofday"),
    plain(libc::SYS_clock_settime, "clock_settime"),
    plain(libc::SYS_iopl, "iopl"),
    plain(libc::SYS_ioperm, "ioperm"),
    plain(libc::SYS_sethostname, "sethostname"),
    plain(libc::SYS_setdomainname, "setdomainname"),
    plain(libc::SYS_quotactl, "quotactl"),
    plain(libc::SYS_acct, "acct"),
    plain(libc::SYS_syslog, "syslog"),
    plain(libc::SYS_fanotify_init, "fanotify_init"),
    plain(libc::SYS_modify_ldt, "modify_ldt"),
    plain(libc::SYS_personality, "personality"),
    plain(libc::SYS_sched_setaffinity, "sched_setaffinity"),
    call(libc::SYS_ioctl, "ioctl", when::IOCTL, 0, NO, NO),
];

/// Waits with a time limit: recorded where nothing skips them. The struct with the limit, and the argument that has it in milliseconds.
#[rustfmt::skip]
pub(super) const SLEEPS: &[Call] = &[
    call(libc::SYS_nanosleep, "nanosleep", when::ALWAYS, 0, Part(how::STRUCT, 0, 0), NO),
    call(libc::SYS_clock_nanosleep, "clock_nanosleep", when::ALWAYS, 0, Part(how::STRUCT, 2, 0), NO),
];

/// 32-bit calls, by the 64-bit ones they are the same as: those whose arguments are numbers, strings and plain buffers.
/// Numbers are those of `arch/x86/entry/syscalls/syscall_32.tbl`.
#[rustfmt::skip]
pub(super) const COMPAT: &[(u32, c_long)] = &[
    (4, libc::SYS_write), (5, libc::SYS_open), (8, libc::SYS_creat), (9, libc::SYS_link), (10, libc::SYS_unlink), (11, libc::SYS_execve),
    (14, libc::SYS_mknod), (15, libc::SYS_chmod), (21, libc::SYS_mount), (26, libc::SYS_ptrace), (37, libc::SYS_kill), (38, libc::SYS_rename),
    (39, libc::SYS_mkdir), (40, libc::SYS_rmdir), (41, libc::SYS_dup), (52, libc::SYS_umount2), (61, libc::SYS_chroot), (63, libc::SYS_dup2),
    (83, libc::SYS_symlink), (88, libc::SYS_reboot), (92, libc::SYS_truncate), (94, libc::SYS_fchmod), (101, libc::SYS_ioperm),
    (103, libc::SYS_syslog), (110, libc::SYS_iopl), (123, libc::SYS_modify_ldt), (125, libc::SYS_mprotect), (128, libc::SYS_init_module),
    (129, libc::SYS_delete_module), (172, libc::SYS_prctl), (181, libc::SYS_pwrite64), (192, libc::SYS_mmap), (203, libc::SYS_setreuid),
    (206, libc::SYS_setgroups), (208, libc::SYS_setresuid), (210, libc::SYS_setresgid), (212, libc::SYS_chown), (213, libc::SYS_setuid),
    (214, libc::SYS_setgid), (217, libc::SYS_pivot_root), (238, libc::SYS_tkill), (270, libc::SYS_tgkill), (283, libc::SYS_kexec_load),
    (286, libc::SYS_add_key), (287, libc::SYS_request_key), (288, libc::SYS_keyctl), (295, libc::SYS_openat), (296, libc::SYS_mkdirat),
    (297, libc::SYS_mknodat), (298, libc::SYS_fchownat), (301, libc::SYS_unlinkat), (302, libc::SYS_renameat), (303, libc::SYS_linkat),
    (304, libc::SYS_symlinkat), (306, libc::SYS_fchmodat), (310, libc::SYS_unshare), (330, libc::SYS_dup3), (336, libc::SYS_perf_event_open),
    (342, libc::SYS_open_by_handle_at), (346, libc::SYS_setns), (347, libc::SYS_process_vm_readv), (348, libc::SYS_process_vm_writev),
    (350, libc::SYS_finit_module), (353, libc::SYS_renameat2), (356, libc::SYS_memfd_create), (357, libc::SYS_bpf),
    (358, libc::SYS_execveat), (359, libc::SYS_socket), (361, libc::SYS_bind), (362, libc::SYS_connect), (363, libc::SYS_listen),
    (364, libc::SYS_accept4), (369, libc::SYS_sendto), (374, libc::SYS_userfaultfd), (425, libc::SYS_io_uring_setup),
];

/// By number.
pub(super) fn find(number: c_long) -> Option<&'static Call> {
    use std::sync::OnceLock;
    static BY_NUMBER: OnceLock<Vec<Option<&'static Call>>> = OnceLock::new();
    let by_number = BY_NUMBER.get_or_init(|| {
        let mut table = vec![None; 512];
        for call in CALLS.iter().chain(SLEEPS) {
            table[usize::try_from(call.number).expect("small")] = Some(call);
        }
        table
    });
    by_number.get(usize::try_from(number).ok()?).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_listed_once_and_found() {
        for call in CALLS.iter().chain(SLEEPS) {
            assert_eq!(find(call.number).map(|found| found.name), Some(call.name));
        }
        for (_, native) in COMPAT {
            assert!(find(*native).is_some(), "{native}");
        }
    }
}
