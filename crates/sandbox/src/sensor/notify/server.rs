//! Answers calls, one at a time.

use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use libc::{c_long, seccomp_notif};
use model::What;

use super::{
    Keep,
    clock::{Answer, Clock, Slept, WAIT_NS_LEFT, WAIT_NS_MIN, read_time, real, write_time},
    filter::ARCH,
    listener::{Arrived, Listener, Reply},
    process::Task,
    vdso,
    watch::Watch,
};
use crate::{
    Recorder,
    sensor::{SensorCounts, Tricks, translate::SLEEP_MS_MIN},
};

/// Waits that are held at a time.
const HELD_MAX: usize = 256;
/// Shortest sleep that counts as time that passed: shorter ones pace, and many threads take them at once.
const LONG_MS: u64 = 1_000;
/// Processes whose first look at the clock is told.
const CLOCKS_MAX: usize = 65_536;
const TIMER_ABSTIME: u64 = 1;

pub(super) struct Server {
    listener: Listener,
    clock: Clock,
    shifted: bool,
    full: bool,
    watch: Watch,
    /// Waits that we hold, and what each is for.
    held: Vec<Held>,
    awaited: Vec<(OwnedFd, bool)>,
    /// Which process asked for the time by which call: told once.
    clocks: HashSet<(u32, c_long)>,
}

/// A wait in epoll that goes on here, where it can be ended.
struct Held {
    id: u64,
    task: Task,
    /// When we say that it ran out.
    ends: i128,
    asked_ms: u64,
}

impl Server {
    pub(super) fn new(
        listener: OwnedFd,
        tricks: Tricks,
        full: bool,
        recorder: Arc<Recorder>,
        keep: Option<Keep>,
    ) -> Self {
        Self {
            listener: Listener(listener),
            clock: Clock::new(tricks),
            shifted: tricks.clock_shift_seconds != 0,
            full,
            watch: Watch::new(recorder, keep),
            held: Vec::new(),
            awaited: Vec::new(),
            clocks: HashSet::new(),
        }
    }

    pub(super) fn run(mut self, stop: &AtomicBool) -> SensorCounts {
        while !stop.load(Ordering::Relaxed) {
            let arrived = self.listener.next(&mut self.awaited);
            self.end_waits();
            self.watch.tell_old();
            match arrived {
                Arrived::Call(call) => {
                    let reply = self.answer(&call);
                    self.listener.reply(call.id, reply);
                }
                Arrived::Nothing => {}
                Arrived::Over => break,
            }
        }
        // Nothing is lost: a call that is not answered is not made.
        SensorCounts { seen: self.watch.finish(), lost: 0 }
    }

    fn answer(&mut self, call: &seccomp_notif) -> Reply {
        let task = Task(call.pid);
        let number = c_long::from(call.data.nr);
        if call.data.arch != ARCH {
            self.watch.foreign(task, number);
            return Reply::Result(-libc::ENOSYS);
        }
        self.clock.goes_on(task);
        let arguments = call.data.args;
        match number {
            libc::SYS_brk | libc::SYS_arch_prctl | libc::SYS_set_tid_address => {
                if self.shifted {
                    // Gone, or not ours to write: then its clock is right, which is a blind spot that is named.
                    let _ = vdso::replace(task);
                }
                if self.full {
                    self.watch.runs(task);
                }
                Reply::Continue
            }
            libc::SYS_clock_gettime => {
                let time = write_time(self.clock.now(arguments[0]), 1);
                self.tell_time(call, "clock_gettime", arguments[1], &time)
            }
            libc::SYS_gettimeofday => {
                let time = write_time(self.clock.now(0), 1_000);
                self.tell_time(call, "gettimeofday", arguments[0], &time)
            }
            libc::SYS_time => self.time(call),
            libc::SYS_nanosleep => self.sleep(call, "nanosleep", 1, false, arguments[0], 1),
            libc::SYS_clock_nanosleep => {
                let absolute = arguments[1] & TIMER_ABSTIME != 0;
                self.sleep(call, "clock_nanosleep", arguments[0], absolute, arguments[2], 1)
            }
            libc::SYS_poll => self.poll(call),
            libc::SYS_ppoll if arguments[1] > 0 => self.wait(call, "ppoll", 1, arguments[2], false),
            libc::SYS_ppoll => self.sleep(call, "ppoll", 1, false, arguments[2], 1),
            libc::SYS_select => self.sleep(call, "select", 1, false, arguments[4], 1_000),
            libc::SYS_pselect6 if arguments[0] > 0 => self.wait(call, "pselect6", 1, arguments[4], false),
            libc::SYS_pselect6 => self.sleep(call, "pselect6", 1, false, arguments[4], 1),
            libc::SYS_futex => self.futex(call),
            libc::SYS_epoll_wait | libc::SYS_epoll_pwait => self.epoll(call),
            _ => {
                self.watch.tell(call, &self.listener);
                Reply::Continue
            }
        }
    }
}

// Time.
impl Server {
    fn tell_time(&mut self, call: &seccomp_notif, name: &'static str, address: u64, time: &[u8]) -> Reply {
        self.asked_time(call, name);
        if address == 0 || Task(call.pid).write(address, time).is_err() {
            return Reply::Continue;
        }
        Reply::Result(0)
    }

    fn time(&mut self, call: &seccomp_notif) -> Reply {
        self.asked_time(call, "time");
        let seconds = i64::try_from(self.clock.now(0) / 1_000_000_000).unwrap_or(0);
        let address = call.data.args[0];
        if address != 0 {
            // A wrong address: the kernel says so.
            if Task(call.pid).write(address, &seconds.to_ne_bytes()).is_err() {
                return Reply::Continue;
            }
        }
        Reply::Value(seconds)
    }

    fn asked_time(&mut self, call: &seccomp_notif, name: &'static str) {
        let Some(who) = self.watch.who(Task(call.pid)) else { return };
        if self.clocks.len() < CLOCKS_MAX && self.clocks.insert((who.host, c_long::from(call.data.nr))) {
            self.watch.recorder.now(who.process, What::Clock { call: name.to_owned() });
        }
    }

    /// A sleep whose time limit is at `address`, in seconds and `unit` nanoseconds.
    fn sleep(
        &mut self,
        call: &seccomp_notif,
        name: &str,
        clock: u64,
        absolute: bool,
        address: u64,
        unit: i128,
    ) -> Reply {
        let task = Task(call.pid);
        // Without a limit it waits for a signal.
        let Some(limit) = read_time(&task.bytes(address, 16), unit) else { return Reply::Continue };
        if !self.listener.still_there(call.id) {
            return Reply::Continue;
        }
        let slept = self.clock.sleep(clock, limit, absolute, false);
        self.slept(task, name, &slept);
        match slept.answer {
            Answer::Over => Reply::Result(0),
            Answer::Done => Reply::Continue,
            Answer::DoneUntil(until) => {
                let _ = task.write(address, &write_time(until, unit));
                Reply::Continue
            }
        }
    }

    fn poll(&mut self, call: &seccomp_notif) -> Reply {
        let task = Task(call.pid);
        let limit_ms = int(call.data.args[2]);
        let slept = self.clock.sleep(1, i128::from(limit_ms) * 1_000_000, false, true);
        self.slept(task, "poll", &slept);
        if slept.answer == Answer::Over { Reply::Result(0) } else { Reply::Continue }
    }

    fn futex(&mut self, call: &seccomp_notif) -> Reply {
        const CLOCK_REALTIME: u64 = 256;
        let operation = call.data.args[1];
        // FUTEX_WAIT waits for a while; WAIT_BITSET, LOCK_PI (on the real clock), WAIT_REQUEUE_PI and LOCK_PI2 until a time.
        let (absolute, clock) = match operation & 127 {
            0 => (false, 1),
            6 => (true, 0),
            9 | 11 | 13 => (true, if operation & CLOCK_REALTIME == 0 { 1 } else { 0 }),
            _ => return Reply::Continue,
        };
        self.wait(call, "futex", clock, call.data.args[3], absolute)
    }

    /// A wait that something else can end, whose time limit is at `address`.
    fn wait(&mut self, call: &seccomp_notif, name: &str, clock: u64, address: u64, absolute: bool) -> Reply {
        let task = Task(call.pid);
        let Some(limit) = read_time(&task.bytes(address, 16), 1) else { return Reply::Continue };
        let slept = self.clock.wait(task, clock, limit, absolute);
        let Answer::DoneUntil(until) = slept.answer else { return Reply::Continue };
        if slept.skipped {
            self.slept(task, name, &slept);
        }
        if self.listener.still_there(call.id) {
            let _ = task.write(address, &write_time(until, 1));
        }
        Reply::Continue
    }

    /// The wait goes on here: what it is for is looked at beside the calls, and if nothing comes of it for a while, it ran out.
    fn epoll(&mut self, call: &seccomp_notif) -> Reply {
        let task = Task(call.pid);
        let (descriptor, limit_ms) = (int(call.data.args[0]), int(call.data.args[3]));
        let limit = i128::from(limit_ms) * 1_000_000;
        if !self.clock.shortens() || limit < WAIT_NS_MIN || self.held.len() >= HELD_MAX {
            return Reply::Continue;
        }
        let Some(file) = task.descriptor(descriptor) else { return Reply::Continue };
        if !self.listener.still_there(call.id) {
            return Reply::Continue;
        }
        self.clock.waits(task, limit);
        let asked_ms = u64::try_from(limit_ms).unwrap_or(0);
        self.held.push(Held { id: call.id, task, ends: real(1) + WAIT_NS_LEFT, asked_ms });
        self.awaited.push((file, false));
        Reply::Later
    }

    /// Ends the waits that something came of, and those that ran out.
    fn end_waits(&mut self) {
        let now = real(1);
        for at in (0..self.held.len()).rev() {
            let (ran_out, readable) = (now >= self.held[at].ends, self.awaited[at].1);
            if !ran_out && !readable {
                continue;
            }
            let held = self.held.swap_remove(at);
            self.awaited.swap_remove(at);
            // A signal may have ended it.
            let gone = !self.listener.still_there(held.id);
            if gone || readable {
                self.clock.woke(held.task);
                self.listener.reply(held.id, Reply::Continue);
                continue;
            }
            self.clock.goes_on(held.task);
            if let Some(who) = self.watch.who(held.task) {
                let call = "epoll_wait".to_owned();
                self.watch.recorder.skipped(held.asked_ms);
                self.watch.recorder.now(who.process, What::Sleep { call, asked_ms: held.asked_ms, skipped: true });
            }
            self.listener.reply(held.id, Reply::Result(0));
        }
    }

    fn slept(&mut self, task: Task, call: &str, slept: &Slept) {
        let asked_ms = u64::try_from(slept.left / 1_000_000).unwrap_or(0);
        if slept.skipped && asked_ms >= LONG_MS {
            self.watch.recorder.skipped(asked_ms);
        }
        if asked_ms >= SLEEP_MS_MIN
            && let Some(who) = self.watch.who(task)
        {
            let skipped = slept.skipped;
            self.watch.recorder.now(who.process, What::Sleep { call: call.to_owned(), asked_ms, skipped });
        }
    }
}

/// An argument that is an `int`.
pub(super) fn int(argument: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel looks at these bits only")]
    let low = argument as u32;
    low.cast_signed()
}
