//! As the only sensor: tells what calls ask for, before they are made.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use libc::{c_long, seccomp_notif};
use model::{What, trace::Stream};
use probes::{folder, how};

use super::{
    Keep, Kept,
    listener::Listener,
    process::{Status, Task},
    server::int,
};
use crate::{
    Recorder,
    record::boot_ns,
    sensor::{
        calls::{self, Call},
        state::{HEAD_BYTES_MAX, State},
        translate::{Asked, FileSeen, number, stream, strings, translate},
    },
};

/// Who a thread is, is asked again after this long: numbers are used again.
const KNOWN_NS_MAX: u64 = 200_000_000;
const KNOWN_MAX: usize = 4_096;
const PROCESSES_MAX: usize = 65_536;
/// Files opened to be written that are remembered, and how long.
const OPENED_MAX: usize = 512;
const WRITTEN_NS_MAX: u64 = 500_000_000;
const STRINGS_MAX: usize = 256;
/// `CLONE_NEW*`, with `CLONE_NEWTIME`.
const NEW_SPACES: u64 = 0x7e02_0080;

/// What is remembered of the sample between its calls.
pub(super) struct Watch {
    pub(super) recorder: Arc<Recorder>,
    state: State,
    seen: u64,
    /// Depth of the sample's process namespace: that of the first process.
    depth: usize,
    known: HashMap<u32, (u64, Status)>,
    keep: Option<Keep>,
    /// Files that were opened to be written: what is in them is told a little later.
    opened: VecDeque<Opened>,
    /// Processes that were met, as the host counts.
    processes: HashMap<u32, Met>,
}

/// What is known of a process.
#[derive(Default)]
struct Met {
    /// What a thread of it asked to run, until it is known whether it runs.
    asked: Option<(Task, String)>,
    /// Whether it is the sample's: the first one is the launcher's until it runs a program.
    sample: bool,
}

/// A file that was opened to be written.
struct Opened {
    at: u64,
    task: Task,
    who: Status,
    path: String,
}

impl Watch {
    pub(super) fn new(recorder: Arc<Recorder>, keep: Option<Keep>) -> Self {
        Self {
            recorder,
            state: State::default(),
            seen: 0,
            depth: 0,
            known: HashMap::new(),
            keep,
            opened: VecDeque::new(),
            processes: HashMap::new(),
        }
    }

    /// Tells what is left, and how much was seen.
    pub(super) fn finish(mut self) -> u64 {
        self.tell_written(|_, _| true);
        self.seen
    }

    /// Tells of files that were opened a while ago.
    pub(super) fn tell_old(&mut self) {
        let old = |opened: &Opened, now: u64| now.saturating_sub(opened.at) > WRITTEN_NS_MAX;
        if self.opened.front().is_some_and(|oldest| old(oldest, boot_ns())) {
            self.tell_written(old);
        }
    }

    /// A 32-bit call: its numbers mean something else, so nothing would be seen.
    pub(super) fn foreign(&mut self, task: Task, number: c_long) {
        self.seen += 1;
        if let Some(who) = self.who(task) {
            let detail = format!("call {number} of the 32-bit interface");
            self.recorder.now(who.process, What::Refused { what: "32-bit call".to_owned(), detail });
        }
    }

    pub(super) fn who(&mut self, task: Task) -> Option<Status> {
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
        // Each listener has one process of the launcher's: the first. A parent may be gone, so it tells nothing.
        let sample = !self.processes.is_empty();
        if self.processes.len() < PROCESSES_MAX {
            self.processes.insert(who.host, Met { asked: None, sample });
        }
        if self.processes.get(&who.parent).is_some_and(|parent| parent.sample)
            && let Some(parent) = Task(who.parent).status(self.depth)
        {
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
    pub(super) fn runs(&mut self, task: Task) {
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

    /// One call. What was read of the caller's memory is its own if it still waits.
    pub(super) fn tell(&mut self, notified: &seccomp_notif, listener: &Listener) {
        let number = c_long::from(notified.data.nr);
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
        if !listener.still_there(notified.id) {
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
                    let word = |at: usize| message.get(at..).map_or(0, number);
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
