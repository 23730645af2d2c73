//! Answers calls, one at a time.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use libc::{c_long, seccomp_notif};
use model::{What, trace::Stream};
use probes::{folder, how};

use super::{
    Keep, Kept,
    clock::{Answer, Clock, Slept, WAIT_NS_LEFT, WAIT_NS_MIN, read_time, real, write_time},
    filter::ARCH,
    listener::{Arrived, Listener, Reply},
    process::{Status, Task},
    vdso,
};
use crate::{
    Recorder,
    record::boot_ns,
    sensor::{
        SensorCounts, Tricks,
        calls::{self, Call},
        state::{HEAD_BYTES_MAX, State},
        translate::{Asked, FileSeen, SLEEP_MS_MIN, stream, strings, translate},
    },
};

/// Who a thread is, is asked again after this long: numbers are used again.
const KNOWN_NS_MAX: u64 = 200_000_000;
const KNOWN_MAX: usize = 4_096;
const PROCESSES_MAX: usize = 65_536;
/// Waits that are held at a time.
const HELD_MAX: usize = 256;
/// Files opened to be written that are remembered, and how long.
const OPENED_MAX: usize = 512;
const WRITTEN_NS_MAX: u64 = 500_000_000;
const STRINGS_MAX: usize = 256;
const TIMER_ABSTIME: u64 = 1;
/// `CLONE_NEW*`, with `CLONE_NEWTIME`.
const NEW_SPACES: u64 = 0x7e02_0080;

pub(super) struct Server {
    listener: Listener,
    clock: Clock,
    shifted: bool,
    full: bool,
    recorder: Arc<Recorder>,
    state: State,
    seen: u64,
    /// Depth of the sample's process namespace: that of the first process.
    depth: usize,
    known: HashMap<u32, (u64, Status)>,
    keep: Option<Keep>,
    /// Waits that we hold, and what each is for.
    held: Vec<Held>,
    /// Files that were opened to be written: what is in them is told a little later.
    opened: VecDeque<Opened>,
    awaited: Vec<(OwnedFd, bool)>,
    /// Processes that were met, as the host counts.
    processes: HashMap<u32, Met>,
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

/// A file that was opened to be written.
struct Opened {
    at: u64,
    task: Task,
    who: Status,
    path: String,
}

/// What is known of a process.
#[derive(Default)]
struct Met {
    /// What a thread of it asked to run, until it is known whether it runs.
    asked: Option<(Task, String)>,
    /// Whether it is the sample's: it runs a program, or one that does made it. Before that it is the launcher's.
    sample: bool,
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
            recorder,
            state: State::default(),
            seen: 0,
            depth: 0,
            known: HashMap::new(),
            keep,
            held: Vec::new(),
            opened: VecDeque::new(),
            awaited: Vec::new(),
            processes: HashMap::new(),
            clocks: HashSet::new(),
        }
    }

    pub(super) fn run(mut self, stop: &AtomicBool) -> SensorCounts {
        while !stop.load(Ordering::Relaxed) {
            let arrived = self.listener.next(&mut self.awaited);
            self.end_waits();
            if self.opened.front().is_some_and(|oldest| boot_ns().saturating_sub(oldest.at) > WRITTEN_NS_MAX) {
                self.tell_written(|opened, now| now.saturating_sub(opened.at) > WRITTEN_NS_MAX);
            }
            match arrived {
                Arrived::Call(call) => {
                    let reply = self.answer(&call);
                    self.listener.reply(call.id, reply);
                }
                Arrived::Nothing => {}
                Arrived::Over => break,
            }
        }
        self.tell_written(|_, _| true);
        // Nothing is lost: a call that is not answered is not made.
        SensorCounts { seen: self.seen, lost: 0 }
    }

    fn answer(&mut self, call: &seccomp_notif) -> Reply {
        let task = Task(call.pid);
        let number = c_long::from(call.data.nr);
        if call.data.arch != ARCH {
            return self.foreign(task, number);
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
                    self.runs(task);
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
            libc::SYS_ppoll => self.sleep(call, "ppoll", 1, false, arguments[2], 1),
            libc::SYS_select => self.sleep(call, "select", 1, false, arguments[4], 1_000),
            libc::SYS_pselect6 => self.sleep(call, "pselect6", 1, false, arguments[4], 1),
            libc::SYS_futex => self.futex(call),
            libc::SYS_epoll_wait | libc::SYS_epoll_pwait => self.epoll(call),
            _ => {
                self.tell(call, number);
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
        let Some(who) = self.who(Task(call.pid)) else { return };
        if self.clocks.len() < PROCESSES_MAX && self.clocks.insert((who.host, c_long::from(call.data.nr))) {
            self.recorder.now(who.process, What::Clock { call: name.to_owned() });
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
        let task = Task(call.pid);
        let operation = call.data.args[1];
        // FUTEX_WAIT waits for a while; WAIT_BITSET, LOCK_PI (on the real clock), WAIT_REQUEUE_PI and LOCK_PI2 until a time.
        let (absolute, clock) = match operation & 127 {
            0 => (false, 1),
            6 => (true, 0),
            9 | 11 | 13 => (true, if operation & CLOCK_REALTIME == 0 { 1 } else { 0 }),
            _ => return Reply::Continue,
        };
        let address = call.data.args[3];
        let Some(limit) = read_time(&task.bytes(address, 16), 1) else { return Reply::Continue };
        let slept = self.clock.wait(task, clock, limit, absolute);
        let Answer::DoneUntil(until) = slept.answer else { return Reply::Continue };
        if slept.skipped {
            self.slept(task, "futex", &slept);
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
            if let Some(who) = self.who(held.task) {
                let call = "epoll_wait".to_owned();
                self.recorder.now(who.process, What::Sleep { call, asked_ms: held.asked_ms, skipped: true });
            }
            self.listener.reply(held.id, Reply::Result(0));
        }
    }

    fn slept(&mut self, task: Task, call: &str, slept: &Slept) {
        let asked_ms = u64::try_from(slept.left / 1_000_000).unwrap_or(0);
        if asked_ms >= SLEEP_MS_MIN
            && let Some(who) = self.who(task)
        {
            let skipped = slept.skipped;
            self.recorder.now(who.process, What::Sleep { call: call.to_owned(), asked_ms, skipped });
        }
    }
}

// As the only sensor.
impl Server {
    /// A 32-bit call: its numbers mean something else, so nothing would be seen.
    fn foreign(&mut self, task: Task, number: c_long) -> Reply {
        self.seen += 1;
        if let Some(who) = self.who(task) {
            let detail = format!("call {number} of the 32-bit interface");
            self.recorder.now(who.process, What::Refused { what: "32-bit call".to_owned(), detail });
        }
        Reply::Result(-libc::ENOSYS)
    }

    fn who(&mut self, task: Task) -> Option<Status> {
        let now = boot_ns();
        if let Some((asked, status)) = self.known.get(&task.0)
            && now.saturating_sub(*asked) < KNOWN_NS_MAX
        {
            return Some(*status);
        }
        if self.depth == 0 {
            self.depth = task.depth();
        }
        let status = task.status(self.depth)?;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(task.0, (now, status));
        Some(status)
    }

    /// Meets a process, for the first time or again: whether it is the sample's.
    fn meet(&mut self, who: &Status) -> bool {
        if let Some(met) = self.processes.get(&who.host) {
            return met.sample;
        }
        let sample = self.processes.get(&who.parent).is_some_and(|parent| parent.sample);
        if self.processes.len() < PROCESSES_MAX {
            self.processes.insert(who.host, Met { asked: None, sample });
        }
        if sample && let Some(parent) = Task(who.parent).status(self.depth) {
            self.record(parent.process, What::Fork { child: who.process, thread: false });
        }
        sample
    }

    /// Writes are not seen: what is in a file that was opened for it is looked at once it is likely to be there, and before it is gone.
    fn tell_written(&mut self, which: impl Fn(&Opened, u64) -> bool) {
        if self.opened.is_empty() {
            return;
        }
        let now = boot_ns();
        let (ready, later) = mem::take(&mut self.opened).into_iter().partition(|opened| which(opened, now));
        self.opened = later;
        for Opened { at, task, who, path } in ready {
            if let Some((bytes, head)) = task.content(&path, HEAD_BYTES_MAX as u64).filter(|(bytes, _)| *bytes > 0) {
                let head = BASE64_STANDARD.encode(head);
                self.seen += 1;
                self.state.remember_written(&path);
                self.recorder.at(at, who.process, What::Write { path, bytes, calls: 1, head });
            }
        }
    }

    fn keep(&mut self, kept: Kept<'_>) {
        if let Some(keep) = &mut self.keep {
            keep(kept);
        }
    }

    /// The first calls of a new program: what was asked to run does.
    fn runs(&mut self, task: Task) {
        let Some(who) = self.who(task) else { return };
        self.meet(&who);
        let Some(met) = self.processes.get_mut(&who.host) else { return };
        if met.asked.take().is_none() {
            return;
        }
        met.sample = true;
        let path = task.link("exe");
        let path = path.trim_end_matches(" (deleted)").to_owned();
        let nameless = path.starts_with("memfd:") || !task.has(&path);
        if nameless && let Ok(host) = i32::try_from(who.host) {
            self.keep(Kept::Program { host });
        }
        let parent = Task(who.parent).status(self.depth).map_or(0, |parent| parent.process);
        let known_parent = self.processes.get(&who.parent).is_some_and(|parent| parent.sample);
        let standard = |descriptor| {
            let file = task.opened(descriptor)?;
            stream(file.mode, file.family).filter(|stream| *stream != Stream::File)
        };
        let what = What::Exec {
            written: nameless || self.state.was_written(&path),
            path,
            arguments: strings(&task.file("cmdline"), STRINGS_MAX),
            environment: strings(&task.file("environ"), STRINGS_MAX),
            parent: if known_parent { parent } else { 0 },
            user: who.user,
            nameless,
            standard_input: standard(0),
            standard_output: standard(1),
        };
        self.record(who.process, what);
    }

    fn record(&mut self, process: u32, what: What) {
        self.seen += 1;
        self.recorder.now(process, what);
    }

    fn tell(&mut self, notified: &seccomp_notif, number: c_long) {
        let task = Task(notified.pid);
        let Some(who) = self.who(task) else { return };
        let arguments = notified.data.args;
        let sample = self.meet(&who);
        // Another call of the same thread: what it asked to run did not.
        let pending = self.processes.get_mut(&who.host);
        if let Some((_, path)) = pending.and_then(|met| met.asked.take_if(|(asking, _)| *asking == task)) {
            let result = -i64::from(if task.has(&path) { libc::EACCES } else { libc::ENOENT });
            self.record(who.process, What::ExecFailed { path, result });
        }
        if number == libc::SYS_exit_group {
            self.tell_written(|opened, _| opened.who.host == who.host);
            self.processes.remove(&who.host);
            if !sample {
                return;
            }
            #[expect(clippy::cast_possible_truncation, reason = "the kernel keeps eight bits")]
            let code = i32::from(arguments[0] as u8);
            return self.record(who.process, What::Exit { code, signal: 0, cpu_ms: 0 });
        }
        let Some(call) = calls::find(number) else { return };
        let read = Read::new(task, call, &arguments);
        if !self.listener.still_there(notified.id) {
            return;
        }
        let file = call.interest.file;
        let file =
            if matches!(file, 0 | folder::RESULT) { None } else { opened(task, arguments[usize::from(file) - 1]) };
        // For `dup2` the file that will be there.
        let file = if call.name.starts_with("dup") { opened(task, arguments[0]) } else { file };
        let result = if call.name.starts_with("dup") { i64::try_from(arguments[1]).unwrap_or(0) } else { 0 };
        let mut asked = Asked {
            call,
            arguments,
            result,
            parts: [&read.parts[0], &read.parts[1]],
            folders: read.folders.clone(),
            filesystem: &read.filesystem,
            file,
        };
        let path = asked.path(0);
        if matches!(call.name, "execve" | "execveat") {
            // Without a path it is the file of the descriptor.
            let program = if path.is_empty() { task.link(&format!("fd/{}", arguments[0])) } else { path };
            self.tell_written(|_, _| true);
            self.keep(Kept::File { path: &program, executed: true });
            if let Some(met) = self.processes.get_mut(&who.host) {
                met.asked = Some((task, program));
            }
            return;
        }
        if !sample {
            return;
        }
        if call.name == "listen" {
            let at = asked.file.as_ref().map(|file| self.state.bound(file.id)).unwrap_or_default();
            return self.record(who.process, What::Listen { at, result: 0 });
        }
        let missing = |what: &What| match what {
            What::Open { create: false, path, .. }
            | What::Unlink { path, .. }
            | What::Rename { from: path, .. }
            | What::Link { target: path, symbolic: false, .. }
            | What::Chmod { path, .. } => !task.has(path),
            _ => false,
        };
        let Some(mut what) = translate(&asked) else { return };
        // Its flags are in memory, where the filter cannot look.
        if matches!(&what, What::Namespace { call, flags, .. } if call == "clone3" && flags & NEW_SPACES == 0) {
            return;
        }
        if missing(&what) {
            asked.result = -i64::from(libc::ENOENT);
            what = translate(&asked).unwrap_or(what);
        }
        match &what {
            What::Unlink { path, .. } | What::Rename { from: path, .. } => {
                self.tell_written(|opened, _| opened.path == *path);
            }
            What::Open { path, write: true, .. } if self.opened.len() < OPENED_MAX => {
                let again = self.opened.iter().any(|opened| opened.path == *path && opened.who.host == who.host);
                if !again {
                    self.opened.push_back(Opened { at: boot_ns(), task, who, path: path.clone() });
                }
            }
            _ => {}
        }
        match &what {
            What::Unlink { path, .. } | What::Open { path, truncate: true, .. } | What::Rename { to: path, .. } => {
                self.keep(Kept::File { path, executed: false });
            }
            _ => {}
        }
        self.state.learn(&mut what, asked.file.as_ref());
        self.record(who.process, what);
    }
}

/// An argument that is an `int`.
fn int(argument: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel looks at these bits only")]
    let low = argument as u32;
    low.cast_signed()
}

fn opened(task: Task, descriptor: u64) -> Option<FileSeen> {
    task.opened(int(descriptor))
}

/// What a call's arguments lead to.
struct Read {
    parts: [Vec<u8>; 2],
    folders: [String; 2],
    filesystem: Vec<u8>,
}

impl Read {
    fn new(task: Task, call: &Call, arguments: &[u64; 6]) -> Self {
        let mut read = Self { parts: Default::default(), folders: Default::default(), filesystem: Vec::new() };
        let interest = call.interest;
        for part in 0..2 {
            let argument = usize::from(interest.argument[part]);
            let at = |number: usize| arguments.get(number).copied().unwrap_or(0);
            let (from, next) = (at(argument), at(argument + 1));
            read.parts[part] = match interest.how[part] {
                how::TEXT | how::NAME => task.string(from),
                how::MOUNT => {
                    read.filesystem = task.string(next);
                    task.string(from)
                }
                how::ADDRESS => task.bytes(from, next.min(128)),
                how::MESSAGE => {
                    let message = task.bytes(from, 16);
                    let word = |at: usize| message.get(at..).map_or(0, super::super::translate::number);
                    task.bytes(word(0), (word(8) & 0xffff_ffff).min(128))
                }
                how::STRUCT => task.bytes(from, 24),
                _ => Vec::new(),
            };
            let relative = matches!(interest.how[part], how::TEXT | how::MOUNT) && !read.parts[part].starts_with(b"/");
            if relative && !read.parts[part].is_empty() {
                read.folders[part] = folder_of(task, interest.folder[part], arguments);
            }
        }
        read
    }
}

fn folder_of(task: Task, folder: u8, arguments: &[u64; 6]) -> String {
    let descriptor = |argument: u8| arguments.get(usize::from(argument)).map_or(libc::AT_FDCWD, |value| int(*value));
    match folder {
        0 => String::new(),
        folder::CURRENT => task.link("cwd"),
        argument => match descriptor(argument - 1) {
            libc::AT_FDCWD => task.link("cwd"),
            descriptor => task.link(&format!("fd/{descriptor}")),
        },
    }
}
