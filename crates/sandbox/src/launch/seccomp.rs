//! The calls that are refused, as a seccomp program.
//!
//! A list of what is refused, not of what is allowed: malware is built for many systems, and a call that is merely unusual must not
//! tell it apart. What is refused is what Docker's profile refuses to a container without added capabilities (moby,
//! `profiles/seccomp/default.json`), and what opens parts of the kernel that no service needs.
//!
//! Two classes. [`ALWAYS`] could work in a user namespace. [`TWICE`] the kernel refuses anyway, for want of a capability or of a
//! namespace to make: refused here too, but not where a notification sensor listens, which would not see them then (the kernel takes
//! the lower of two answers).

use libc::sock_filter;

/// Calls that are refused, for whoever describes the sandbox.
pub const REFUSED_CALLS: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "clock_settime",
    "clone (new namespaces)",
    "clone3 (ENOSYS)",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsmount",
    "init_module",
    "io_uring (ENOSYS)",
    "ioperm",
    "iopl",
    "kexec_load",
    "keyctl",
    "memfd_secret (ENOSYS)",
    "mount",
    "move_mount",
    "move_pages",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "socket (families other than unix, inet, inet6, netlink, packet)",
    "swapon",
    "syslog",
    "umount",
    "unshare",
    "userfaultfd",
    "vhangup",
];

const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const EPERM: u32 = ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = ERRNO | libc::ENOSYS as u32;
const EAFNOSUPPORT: u32 = ERRNO | libc::EAFNOSUPPORT as u32;
const EPROTONOSUPPORT: u32 = ERRNO | libc::EPROTONOSUPPORT as u32;
const SUCCESS: u32 = ERRNO;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT: [u32; 3] = [16, 24, 32];

/// linux/audit.h.
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// Numbers from here on are those of the x32 interface.
const X32: u32 = 0x4000_0000;

/// The numbers of one architecture.
struct Table {
    architecture: u32,
    /// Without the call: `ENOSYS`.
    missing: &'static [u32],
    always: &'static [u32],
    twice: &'static [u32],
    clone: u32,
    socket: Option<u32>,
    ioctl: u32,
    personality: u32,
    /// `chown` and the change of ids, which one mapped id cannot do.
    owners: &'static [u32],
    /// `NAME(2)` that do not exist yet in the kernels we know: refused until looked at.
    unknown_from: u32,
}

/// asm/unistd_64.h.
const TABLE_64: Table = Table {
    architecture: X86_64,
    missing: &[425, 426, 427, 435, 447], // io_uring_setup, _enter, _register, clone3, memfd_secret
    always: &[
        248, 249, 250, // add_key, request_key, keyctl
        321, 298, 323, // bpf, perf_event_open, userfaultfd
        279, 300, 212, // move_pages, fanotify_init, lookup_dcookie
        103, // syslog: anyone may read the host's messages, unless it says otherwise
        134, 136, 156, 174, 177, 178,
        180, // uselib, ustat, _sysctl, create_module, get_kernel_syms, query_module, nfsservctl
    ],
    twice: &[
        165, 166, 155, 428, 429, 430, 431, 432, 433, 442, 467, // mount … mount_setattr, open_tree_attr
        272, 308, 304, // unshare, setns, open_by_handle_at
        175, 176, 313, 246, 320, // modules, kexec
        163, 167, 168, 169, 153, 179, 443, // acct, swapon, swapoff, reboot, vhangup, quotactl, quotactl_fd
        164, 227, 305, 172, 173, // settimeofday, clock_settime, clock_adjtime, iopl, ioperm
    ],
    clone: 56,
    socket: Some(41),
    ioctl: 16,
    personality: 135,
    owners: &[92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123],
    unknown_from: 470,
};

/// asm/unistd_32.h: much of what runs on small devices is built for it.
const TABLE_32: Table = Table {
    architecture: I386,
    missing: &[425, 426, 427, 435, 447],
    always: &[103, 286, 287, 288, 357, 336, 374, 317, 338, 253, 86, 62, 149, 127, 130, 167, 169, 113, 166],
    twice: &[
        21, 22, 52, 217, 428, 429, 430, 431, 432, 433, 442, 467, // mount, umount, umount2, pivot_root, …
        310, 346, 342, 128, 129, 350, 283, 51, 87, 115, 88, 111, 131, 443, 79, 25, 264, 343, 404, 405, 110, 101,
    ],
    clone: 120,
    socket: Some(359),
    ioctl: 54,
    personality: 136,
    owners: &[
        182, 95, 16, 198, 207, 212, 298, // (f|l)chown, their 32-bit forms, fchownat
        23, 46, 70, 71, 81, 164, 170, 203, 204, 206, 208, 210, 213, 214,
    ],
    unknown_from: 470,
};

/// A new namespace of any kind, as flags of `clone`; the time namespace has no flag there.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Builds the program. `watched`: a notification sensor listens, [`Table::twice`] is left to it and the kernel. `one_id`: only one user
/// id is mapped, so changes of owner and identity are answered with success, as package managers and servers insist on.
pub(super) fn program(watched: bool, one_id: bool) -> Vec<sock_filter> {
    let mut code = vec![load(ARCHITECTURE)];
    for table in [TABLE_64, TABLE_32] {
        let body = table.body(watched, one_id);
        // A jump by comparison reaches 255 instructions; the plain one any number.
        code.push(jump(libc::BPF_JEQ, table.architecture, 1, 0));
        code.push(sock_filter { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: body.len() as u32 });
        code.extend(body);
    }
    code.push(give(ENOSYS));
    code
}

impl Table {
    fn body(&self, watched: bool, one_id: bool) -> Vec<sock_filter> {
        let mut code = vec![load(NUMBER)];
        if self.architecture == X86_64 {
            code.extend([jump(libc::BPF_JGE, X32, 0, 1), give(ENOSYS)]);
        }
        code.extend([jump(libc::BPF_JGE, self.unknown_from, 0, 1), give(ENOSYS)]);
        let mut each = |numbers: &[u32], answer: u32| {
            for &number in numbers {
                code.extend([jump(libc::BPF_JEQ, number, 0, 1), give(answer)]);
            }
        };
        each(self.missing, ENOSYS);
        each(self.always, EPERM);
        if !watched {
            each(self.twice, EPERM);
        }
        if one_id {
            each(self.owners, SUCCESS);
        }
        if !watched {
            let set = [load(ARGUMENT[0]), jump(libc::BPF_JSET, NEW_NAMESPACES, 0, 1), give(EPERM)];
            code.extend(only(self.clone, &set));
        }
        if let Some(socket) = self.socket {
            let mut families = vec![load(ARGUMENT[0])];
            // Netlink is allowed but for auditing, which writes into the host's log: the answer of a kernel without it.
            let netlink = libc::AF_NETLINK as u32;
            families.extend([
                jump(libc::BPF_JEQ, netlink, 0, 4),
                load(ARGUMENT[2]),
                jump(libc::BPF_JEQ, libc::NETLINK_AUDIT as u32, 0, 1),
                give(EPROTONOSUPPORT),
                give(libc::SECCOMP_RET_ALLOW),
            ]);
            for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_PACKET] {
                families.extend([jump(libc::BPF_JEQ, family as u32, 0, 1), give(libc::SECCOMP_RET_ALLOW)]);
            }
            families.push(give(EAFNOSUPPORT));
            code.extend(only(socket, &families));
        }
        let mut requests = vec![load(ARGUMENT[1])];
        for request in [libc::TIOCSTI as u32, 0x541c] {
            requests.extend([jump(libc::BPF_JEQ, request, 0, 1), give(EPERM)]);
        }
        code.extend(only(self.ioctl, &requests));
        let mut kinds = vec![load(ARGUMENT[0])];
        for kind in [0, 8, 0x2_0000, 0x2_0008, u32::MAX] {
            kinds.extend([jump(libc::BPF_JEQ, kind, 0, 1), give(libc::SECCOMP_RET_ALLOW)]);
        }
        kinds.push(give(EPERM));
        code.extend(only(self.personality, &kinds));
        code.push(give(libc::SECCOMP_RET_ALLOW));
        code
    }
}

/// `code` for one call; what falls through it is allowed.
fn only(number: u32, code: &[sock_filter]) -> Vec<sock_filter> {
    let mut all = vec![jump(libc::BPF_JEQ, number, 0, u8::try_from(code.len() + 1).expect("a few instructions"))];
    all.extend_from_slice(code);
    all.push(give(libc::SECCOMP_RET_ALLOW));
    all
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump(kind: u32, value: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | kind | libc::BPF_K) as u16, jt, jf, k: value }
}

fn give(answer: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel does.
    fn answer(program: &[sock_filter], architecture: u32, number: u32, arguments: [u32; 3]) -> u32 {
        let (mut at, mut value) = (0, 0);
        for _ in 0..program.len() {
            let step = program[at];
            at += 1;
            match u32::from(step.code) & 7 {
                libc::BPF_LD => {
                    value = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        offset => arguments[ARGUMENT.iter().position(|known| *known == offset).unwrap()],
                    }
                }
                libc::BPF_RET => return step.k,
                _ => {
                    let holds = match u32::from(step.code) & 0xf0 {
                        libc::BPF_JA => {
                            at += step.k as usize;
                            continue;
                        }
                        libc::BPF_JEQ => value == step.k,
                        libc::BPF_JGE => value >= step.k,
                        _ => value & step.k != 0,
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
            }
        }
        panic!("it does not end")
    }

    #[test]
    fn calls_get_the_answers_they_should() {
        let plain = program(false, false);
        assert!(plain.len() < 4_096);
        let call = |number: libc::c_long, arguments| answer(&plain, X86_64, number as u32, arguments);
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        assert_eq!(call(libc::SYS_read, [0; 3]), ALLOW);
        assert_eq!(call(libc::SYS_execve, [0; 3]), ALLOW);
        assert_eq!(call(libc::SYS_ptrace, [0; 3]), ALLOW);
        assert_eq!(call(libc::SYS_mount, [0; 3]), EPERM);
        assert_eq!(call(libc::SYS_keyctl, [0; 3]), EPERM);
        assert_eq!(call(libc::SYS_io_uring_setup, [0; 3]), ENOSYS);
        assert_eq!(call(libc::SYS_clone3, [0; 3]), ENOSYS);
        assert_eq!(call(libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0, 0]), EPERM);
        assert_eq!(call(libc::SYS_socket, [libc::AF_INET as u32, 1, 0]), ALLOW);
        assert_eq!(call(libc::SYS_socket, [libc::AF_NETLINK as u32, 3, 0]), ALLOW);
        assert_eq!(call(libc::SYS_socket, [libc::AF_NETLINK as u32, 3, 9]), EPROTONOSUPPORT);
        assert_eq!(call(libc::SYS_socket, [libc::AF_VSOCK as u32, 1, 0]), EAFNOSUPPORT);
        assert_eq!(call(libc::SYS_socket, [libc::AF_ALG as u32, 1, 0]), EAFNOSUPPORT);
        assert_eq!(call(libc::SYS_ioctl, [0, 0x5412, 0]), EPERM);
        assert_eq!(call(libc::SYS_ioctl, [0, 0x5401, 0]), ALLOW);
        assert_eq!(call(libc::SYS_personality, [8, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_personality, [0x40_000, 0, 0]), EPERM);
        assert_eq!(call(libc::SYS_chown, [0; 3]), ALLOW);
        assert_eq!(call(600, [0; 3]), ENOSYS);
        assert_eq!(answer(&plain, X86_64, X32 | 1, [0; 3]), ENOSYS);
        assert_eq!(answer(&plain, I386, 21, [0; 3]), EPERM);
        assert_eq!(answer(&plain, I386, 4, [0; 3]), ALLOW);
        assert_eq!(answer(&plain, 0xc000_00b7, 1, [0; 3]), ENOSYS);
        assert_eq!(answer(&program(true, false), X86_64, libc::SYS_mount as u32, [0; 3]), ALLOW);
        assert_eq!(answer(&program(true, false), X86_64, libc::SYS_keyctl as u32, [0; 3]), EPERM);
        assert_eq!(answer(&program(false, true), X86_64, libc::SYS_chown as u32, [0; 3]), SUCCESS);
    }

    /// The tables are numbers; the C library knows the same for this architecture.
    #[test]
    fn numbers_are_those_of_the_c_library() {
        let known = [
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_move_pages,
            libc::SYS_fanotify_init,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_fsmount,
            libc::SYS_mount_setattr,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_open_by_handle_at,
            libc::SYS_init_module,
            libc::SYS_delete_module,
            libc::SYS_finit_module,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_acct,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_reboot,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_clock_adjtime,
            libc::SYS_iopl,
            libc::SYS_ioperm,
            libc::SYS_syslog,
            libc::SYS_vhangup,
        ];
        for number in known {
            let number = number as u32;
            assert!(TABLE_64.always.contains(&number) || TABLE_64.twice.contains(&number), "{number}");
        }
        assert_eq!((i64::from(TABLE_64.clone), i64::from(TABLE_64.ioctl)), (libc::SYS_clone, libc::SYS_ioctl));
        assert_eq!(i64::from(TABLE_64.personality), libc::SYS_personality);
    }
}
