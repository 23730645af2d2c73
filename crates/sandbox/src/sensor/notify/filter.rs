//! The seccomp program that hands calls to us: a `sock_filter` list, without libseccomp.
//!
//! It only ever allows, hands over, or (x32) refuses: what is forbidden is for the launcher's own program to say, and the sterner
//! of both wins. The kernel remembers which numbers are always allowed, so that the others cost nothing.

use libc::{c_long, sock_filter};
use probes::when;

use super::super::{
    Tricks,
    calls::{CALLS, Call},
};

/// `AUDIT_ARCH_X86_64`.
pub(super) const ARCH: u32 = 0xc000_003e;
const X32_BIT: u32 = 0x4000_0000;

const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;

/// `CLONE_NEWNS | CGROUP | UTS | IPC | USER | PID | NET`.
const NEW_SPACES: u32 = 0x7e02_0000;
/// Clocks that have a date or can be ahead of the real ones: REALTIME, MONOTONIC, `_RAW`, `_COARSE`, BOOTTIME, TAI.
pub(super) const CLOCKS: [u32; 7] = [0, 1, 4, 5, 6, 7, 11];
/// `PR_SET_` DUMPABLE, KEEPCAPS, SECCOMP, CAPBSET_DROP, SECUREBITS, MM, AMBIENT, PTRACER; as in `sensor.bpf.c`.
const PRCTLS: [u32; 8] = [4, 8, 22, 24, 28, 35, 47, 0x5961_6d61];
/// `TIOCSTI`, `TIOCLINUX`.
const IOCTLS: [u32; 2] = [0x5412, 0x541c];
/// `ARCH_SET_FS`: every program calls it once, before it is a second old.
pub(super) const ARCH_SET_FS: u32 = 0x1002;

/// Waits in epoll that are shorter are left alone.
const WAIT_MS_MIN: u32 = 5_000;

/// When a call is handed over.
#[derive(Debug, Clone, Copy)]
enum Test {
    Always,
    /// The lower half of an argument is one of these.
    OneOf(u32, &'static [u32]),
    /// The lower half of an argument has one of these bits.
    Any(u32, u32),
    /// All of these.
    All(u32, u32),
    /// The lower half is at most this.
    AtMost(u32, u32),
    /// The lower half is a time in milliseconds of at least this.
    AtLeast(u32, u32),
    /// The argument is not 0.
    Given(u32),
}

/// The program the launcher installs with `SECCOMP_FILTER_FLAG_NEW_LISTENER`; none where there is nothing to do.
///
/// `full`: hands over all calls of interest, for use without BPF. Otherwise only what the tricks need.
#[must_use]
pub fn filter(tricks: &Tricks, full: bool) -> Option<Vec<sock_filter>> {
    let calls = handed_over(*tricks, full);
    if calls.is_empty() || cfg!(not(target_arch = "x86_64")) {
        return None;
    }
    let mut program = vec![
        load(MACHINE),
        jump(libc::BPF_JEQ, ARCH, 1, 0),
        // Calls of another kind: told apart and refused by us where we are the only sensor.
        give(if full { NOTIFY } else { ALLOW }),
        load(NUMBER),
        jump(libc::BPF_JGE, X32_BIT, 0, 1),
        give(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    ];
    for (number, test) in calls {
        let tested = test.program();
        let length = u8::try_from(tested.len()).expect("a test is short");
        program.push(jump(libc::BPF_JEQ, u32::try_from(number).expect("numbers are small"), 0, length));
        program.extend(tested);
    }
    program.push(give(ALLOW));
    Some(program)
}

/// Which calls come to us, and when.
fn handed_over(tricks: Tricks, full: bool) -> Vec<(c_long, Test)> {
    let shifted = tricks.clock_shift_seconds != 0;
    let mut calls = Vec::new();
    if full || shifted {
        // The first calls of a new program: its clock is patched then, and it is known to run.
        calls.push((libc::SYS_brk, Test::OneOf(0, &[0])));
        calls.push((libc::SYS_arch_prctl, Test::OneOf(0, &[ARCH_SET_FS])));
        calls.push((libc::SYS_set_tid_address, Test::Always));
    }
    if shifted {
        calls.push((libc::SYS_clock_gettime, Test::OneOf(0, &CLOCKS)));
        calls.push((libc::SYS_gettimeofday, Test::Always));
        calls.push((libc::SYS_time, Test::Always));
    }
    if tricks.skip_sleeps || shifted || full {
        calls.push((libc::SYS_nanosleep, Test::Always));
        calls.push((libc::SYS_clock_nanosleep, Test::Always));
    }
    if tricks.skip_sleeps {
        // A wait for nothing but the time.
        calls.push((libc::SYS_poll, Test::OneOf(1, &[0])));
        calls.push((libc::SYS_select, Test::OneOf(0, &[0])));
    }
    if tricks.skip_sleeps && !shifted {
        calls.push((libc::SYS_ppoll, Test::OneOf(1, &[0])));
        calls.push((libc::SYS_pselect6, Test::OneOf(0, &[0])));
    }
    if tricks.skip_sleeps && shifted {
        // And for a file, too: the clock shows it.
        calls.push((libc::SYS_ppoll, Test::Given(2)));
        calls.push((libc::SYS_pselect6, Test::Given(4)));
    }
    if tricks.skip_sleeps && shifted {
        calls.push((libc::SYS_epoll_wait, Test::AtLeast(3, WAIT_MS_MIN)));
        calls.push((libc::SYS_epoll_pwait, Test::AtLeast(3, WAIT_MS_MIN)));
    }
    if tricks.skip_sleeps || shifted {
        calls.push((libc::SYS_futex, Test::Given(3)));
    }
    if full {
        calls.push((libc::SYS_exit_group, Test::Always));
        calls.extend(CALLS.iter().filter_map(|call| Some((call.number, interesting(call)?))));
    }
    calls
}

/// The same conditions as in the kernel's program, as far as numbers tell; none for what cannot be told before the call.
fn interesting(call: &Call) -> Option<Test> {
    Some(match call.interest.when {
        when::ALWAYS | when::FAILED | when::NEW_SPACES3 | when::NAMED => Test::Always,
        when::STANDARD if call.name != "dup" => Test::AtMost(1, 2),
        when::EXECUTABLE => Test::Any(2, 4),
        when::BOTH => Test::All(2, 6),
        when::NEW_SPACES => Test::Any(0, NEW_SPACES),
        when::ADDRESSED => Test::Given(4),
        when::PRCTL => Test::OneOf(0, &PRCTLS),
        when::IOCTL => Test::OneOf(1, &IOCTLS),
        _ => return None,
    })
}

impl Test {
    /// What follows when the number is right: loads the argument, and gives a verdict either way.
    fn program(self) -> Vec<sock_filter> {
        let mut program = Vec::new();
        match self {
            Test::Always => {}
            Test::OneOf(argument, values) => {
                program.push(load(lower(argument)));
                for (left, value) in (1..=values.len()).rev().zip(values) {
                    // To the last line, which hands over.
                    program.push(jump(libc::BPF_JEQ, *value, u8::try_from(left).expect("few"), 0));
                }
                program.push(give(ALLOW));
            }
            Test::Any(argument, bits) => {
                program.extend([load(lower(argument)), jump(libc::BPF_JSET, bits, 1, 0), give(ALLOW)]);
            }
            Test::All(argument, bits) => program.extend([
                load(lower(argument)),
                statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, bits),
                jump(libc::BPF_JEQ, bits, 1, 0),
                give(ALLOW),
            ]),
            Test::AtMost(argument, most) => {
                program.extend([load(lower(argument)), jump(libc::BPF_JGT, most, 0, 1), give(ALLOW)]);
            }
            // Negative is no limit.
            Test::AtLeast(argument, least) => program.extend([
                load(lower(argument)),
                jump(libc::BPF_JGE, least, 0, 1),
                jump(libc::BPF_JGT, i32::MAX.cast_unsigned(), 0, 1),
                give(ALLOW),
            ]),
            Test::Given(argument) => program.extend([
                load(lower(argument)),
                jump(libc::BPF_JEQ, 0, 0, 3),
                load(lower(argument) + 4),
                jump(libc::BPF_JEQ, 0, 0, 1),
                give(ALLOW),
            ]),
        }
        program.push(give(NOTIFY));
        program
    }
}

/// Where the lower half of an argument is in `struct seccomp_data`.
fn lower(argument: u32) -> u32 {
    16 + argument * 8
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn give(action: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action)
}

fn jump(test: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { jt: yes, jf: no, ..statement(libc::BPF_JMP | test | libc::BPF_K, value) }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("codes are short"), jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel does.
    fn run(program: &[sock_filter], machine: u32, number: c_long, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(u32::try_from(number).expect("small").to_ne_bytes());
        data.extend(machine.to_ne_bytes());
        data.extend([0; 8]);
        arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let line = &program[at];
            at += 1;
            let (code, k) = (u32::from(line.code), line.k);
            let go = |yes: bool| usize::from(if yes { line.jt } else { line.jf });
            match code & 7 {
                0 => accumulator = u32::from_ne_bytes(*data[k as usize..].first_chunk().expect("inside")),
                4 => accumulator &= k,
                5 => {
                    at += go(match code & 0xf0 {
                        0x10 => accumulator == k,
                        0x20 => accumulator > k,
                        0x30 => accumulator >= k,
                        0x40 => accumulator & k != 0,
                        other => panic!("{other:x}"),
                    });
                }
                6 => return k,
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn without_tricks_and_beside_another_sensor_nothing_is_installed() {
        assert!(filter(&Tricks::default(), false).is_none());
    }

    #[test]
    fn each_call_is_handed_over_under_its_condition() {
        let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 5 };
        let program = filter(&tricks, true).expect("something to do");
        assert!(program.len() < 4096, "BPF_MAXINSNS");
        let check = |number, arguments, expected| {
            assert_eq!(run(&program, ARCH, number, arguments), expected, "{number} {arguments:?}");
        };
        let pointer = 0x7f00_0000_0000;
        check(libc::SYS_read, [0; 6], ALLOW);
        check(libc::SYS_openat, [0; 6], NOTIFY);
        check(libc::SYS_nanosleep, [0; 6], NOTIFY);
        check(libc::SYS_brk, [0; 6], NOTIFY);
        check(libc::SYS_brk, [4096, 0, 0, 0, 0, 0], ALLOW);
        check(libc::SYS_clock_gettime, [2, 0, 0, 0, 0, 0], ALLOW);
        check(libc::SYS_clock_gettime, [11, 0, 0, 0, 0, 0], NOTIFY);
        check(libc::SYS_clock_gettime, [0, 0, 0, 0, 0, 0], NOTIFY);
        check(libc::SYS_mprotect, [0, 0, 1, 0, 0, 0], ALLOW);
        check(libc::SYS_mprotect, [0, 0, 5, 0, 0, 0], NOTIFY);
        check(libc::SYS_mmap, [0, 0, 5, 0, 0, 0], ALLOW);
        check(libc::SYS_mmap, [0, 0, 7, 0, 0, 0], NOTIFY);
        check(libc::SYS_dup2, [7, 3, 0, 0, 0, 0], ALLOW);
        check(libc::SYS_dup2, [7, 2, 0, 0, 0, 0], NOTIFY);
        check(libc::SYS_sendto, [0; 6], ALLOW);
        check(libc::SYS_sendto, [0, 0, 0, 0, pointer, 0], NOTIFY);
        check(libc::SYS_futex, [0, 0, 0, 0x10, 0, 0], NOTIFY);
        check(libc::SYS_epoll_wait, [0, 0, 0, 4_999, 0, 0], ALLOW);
        check(libc::SYS_epoll_wait, [0, 0, 0, 5_000, 0, 0], NOTIFY);
        check(libc::SYS_epoll_wait, [0, 0, 0, 0xffff_ffff, 0, 0], ALLOW);
        check(libc::SYS_clone, [0x0002_0011, 0, 0, 0, 0, 0], NOTIFY);
        check(libc::SYS_clone, [0x11, 0, 0, 0, 0, 0], ALLOW);
        check(0x4000_0000 + libc::SYS_read, [0; 6], libc::SECCOMP_RET_ERRNO | 38);
        assert_eq!(run(&program, 0x4000_0003, 5, [0; 6]), NOTIFY, "a 32-bit call");
    }

    #[test]
    fn beside_another_sensor_only_the_tricks_are_handed_over() {
        let program = filter(&Tricks { skip_sleeps: true, clock_shift_seconds: 0 }, false).expect("something to do");
        assert_eq!(run(&program, ARCH, libc::SYS_clock_nanosleep, [0; 6]), NOTIFY);
        assert_eq!(run(&program, ARCH, libc::SYS_openat, [0; 6]), ALLOW);
        assert_eq!(run(&program, ARCH, libc::SYS_clock_gettime, [0; 6]), ALLOW, "the clock is not shifted");
        assert_eq!(run(&program, 0x4000_0003, 5, [0; 6]), ALLOW);
    }
}
