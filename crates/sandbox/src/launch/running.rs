//! The handles of one sandbox: prepared, running, finished.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use model::{CapturedFile, EndReason};
use nix::{
    fcntl::OFlag,
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};

use super::{
    Isolation, LAYERS_MAX, LaunchError, Plan,
    capture::{self, CaptureBudget},
    cgroup::Cgroup,
    guard::{self, Guard, Ids, Where},
    inside::{self, Inside},
    refused, seccomp, sweep, sys,
    users::{self, User},
    watch::{Keeper, Watch},
    wire::{self, Message, Tag},
};

/// How long the first process may take to be ready. A sandbox of this kind needs a hundredth of it.
const READY_MS: u16 = 20_000;
/// How long the end of everything may take once it was killed.
const END_MS: u16 = 10_000;
/// First bytes of what the sample prints that are kept.
const OUTPUT_BYTES_MAX: u64 = 256 << 10;
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// What a sandbox uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time so far, in milliseconds.
    pub cpu_ms: u64,
    /// Memory now, its file system's among it.
    pub memory_bytes: u64,
    /// Processes and threads now.
    pub tasks: u64,
}

/// Everything a run left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended. `TimeBudget` and the like are the caller's to say: who killed it gets `Stopped`.
    pub reason: EndReason,
    /// What its limits refused it: which limit, and how often or how far.
    pub refused: Vec<(String, String)>,
    /// At the end; of tasks and memory, the last known.
    pub usage: Usage,
    /// Files it wrote or ran, with their content.
    pub captured: Vec<(CapturedFile, Vec<u8>)>,
    /// The first of what it printed.
    pub output: Vec<u8>,
    /// What was not done or seen, one line each.
    pub problems: Vec<String>,
}

/// A process of the sandbox that waits at its gate.
struct Gated {
    guard: Pid,
    control: OwnedFd,
    stage: OwnedFd,
    pid: i32,
    pidfd: OwnedFd,
    notify: Option<OwnedFd>,
}

/// What all handles of one sandbox share.
struct Shared {
    plan: Plan,
    user: User,
    filter: Vec<libc::sock_filter>,
    cgroup: Cgroup,
    tag: String,
    output: Output,
}

/// Everything made, sample not yet running: its first process waits at a gate just before `execve`. Dropped, all is removed.
pub struct Prepared {
    sandbox: Sandbox,
    tun: Option<OwnedFd>,
}

/// A sandbox whose sample runs. Dropped, all is removed.
pub struct Running {
    sandbox: Sandbox,
}

/// One more process that waits at its gate, in a running sandbox.
pub struct Also {
    gated: Gated,
}

struct Sandbox {
    shared: Shared,
    first: Gated,
    beside: Mutex<Vec<Gated>>,
    upper: OwnedFd,
    watch: Option<Watch>,
    problems: Vec<String>,
    ended: Mutex<Option<EndReason>>,
    killed: AtomicBool,
    memory: Option<MemoryWatch>,
}

/// Makes a sandbox for `plan`, with everything but the sample's first instruction.
///
/// # Errors
///
/// [`LaunchError::NotStarted`] where the image is at fault, [`LaunchError::Refused`] where the host is. Nothing is left of it.
pub fn prepare(plan: &Plan) -> Result<Prepared, LaunchError> {
    check(plan)?;
    let user = users::resolve(&plan.layers, &plan.user)?;
    let rootless = plan.isolation == Isolation::Rootless;
    let cgroup = Cgroup::make(&plan.limits);
    if !rootless && (!nix::unistd::geteuid().is_root() || cgroup.id() == 0) {
        let why = if cgroup.id() == 0 { "make a cgroup" } else { "be root" };
        return Err(refused_step(why, io::Error::from_raw_os_error(libc::EPERM)));
    }
    let filter = seccomp::program(plan.notify.is_some(), rootless);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let tag = format!("{}-{serial}", sweep::owner());
    let (output, output_end) = Output::open().map_err(refused("make a pipe"))?;
    let shared = Shared { plan: plan.clone(), user, filter, cgroup, tag, output };
    let (told, told_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(refused("make a pipe"))?;
    let ids = if rootless { Ids::One { uid: shared.user.uid, gid: shared.user.gid } } else { Ids::All };
    let place = Where::Fresh { ids: &ids, told: told_end.as_raw_fd() };
    let born = birth(&shared, &plan.command, &output_end, Some(&told), place)?;
    drop((told, told_end, output_end));
    let (gated, mut made) = born;
    if made.len() < 2 {
        return Err(refused_step("hand over descriptors", io::ErrorKind::InvalidData.into()));
    }
    let tun = (made.len() > 2).then(|| made.remove(2));
    let (root, upper) = (made.remove(1), made.remove(0));
    let mut problems = Vec::new();
    let mut watch = Watch::new(Keeper::new(root, shared.cgroup.processes(), gated.pid));
    if let Err(error) = watch.begin() {
        problems.push(format!(
            "files that were written and deleted are taken only if the sensor keeps them: fanotify: {error}"
        ));
    }
    for what in &shared.cgroup.missing {
        problems.push(format!("no cgroup limits {what}: limits of single processes stand in"));
    }
    let memory = shared
        .cgroup
        .missing
        .contains(&"memory")
        .then(|| MemoryWatch::begin(&gated.pidfd, gated.pid, plan))
        .transpose();
    let memory = memory.map_err(refused("watch memory"))?;
    let sandbox = Sandbox {
        shared,
        first: gated,
        beside: Mutex::default(),
        upper,
        watch: Some(watch),
        problems,
        ended: Mutex::default(),
        killed: AtomicBool::new(false),
        memory,
    };
    Ok(Prepared { sandbox, tun })
}

fn check(plan: &Plan) -> Result<(), LaunchError> {
    if plan.command.is_empty() {
        return Err(LaunchError::not_started("the image names no command: neither ENTRYPOINT nor CMD"));
    }
    if plan.layers.is_empty() || plan.layers.len() > LAYERS_MAX {
        return Err(LaunchError::not_started(format!(
            "the image has {} layers: 1 to {LAYERS_MAX} can run",
            plan.layers.len()
        )));
    }
    Ok(())
}

fn refused_step(step: &str, source: io::Error) -> LaunchError {
    LaunchError::Refused { step: step.to_owned(), source }
}

/// Starts a guard and waits until its process stands at the gate. Gives what that handed over.
fn birth(
    shared: &Shared,
    command: &[String],
    output: &OwnedFd,
    told: Option<&OwnedFd>,
    place: Where<'_>,
) -> Result<(Gated, Vec<OwnedFd>), LaunchError> {
    let (control, control_end) = wire::pair().map_err(refused("make a socket"))?;
    let (stage, stage_end) = wire::pair().map_err(refused("make a socket"))?;
    let doors = shared.cgroup.doors();
    let inside = Inside {
        plan: &shared.plan,
        command,
        user: &shared.user,
        output: output.as_raw_fd(),
        stage: stage_end.as_raw_fd(),
        told: told.map(AsRawFd::as_raw_fd),
        tag: &shared.tag,
        filter: &shared.filter,
        unlimited: &shared.cgroup.missing,
    };
    let mut keep = vec![inside.output, inside.stage];
    keep.extend(inside.told);
    let fresh = told.is_some();
    let guard = Guard {
        control: control_end.as_raw_fd(),
        place,
        cgroup: shared.cgroup.folder(),
        doors: &doors,
        folders: if fresh { shared.cgroup.folders() } else { Vec::new() },
        keep,
    };
    let pid = guard::start(&guard, &|| match inside::run(&inside) {}).map_err(refused("fork"))?;
    drop((control_end, stage_end));
    let reaper = Reaper(Some(pid));
    let born = expect(&control, Tag::Born)?;
    let first = born.text.parse().unwrap_or(0);
    let pidfd = born
        .fds
        .into_iter()
        .next()
        .ok_or_else(|| refused_step("hand over a process", io::ErrorKind::InvalidData.into()))?;
    // From here on: closing `control` makes the guard end the process.
    let made = if fresh { expect_or(&stage, Tag::Made, &control)?.fds } else { Vec::new() };
    let ready = expect_or(&stage, Tag::Ready, &control)?;
    let notify = match &shared.plan.notify {
        Some(_) => Some(listener(&pidfd, &ready.text)?),
        None => None,
    };
    let guard = reaper.keep();
    Ok((Gated { guard, control, stage, pid: first, pidfd, notify }, made))
}

/// Waits for the guard, unless it is kept: an error closes its socket first, which ends it.
struct Reaper(Option<Pid>);

impl Reaper {
    fn keep(mut self) -> Pid {
        self.0.take().unwrap_or(Pid::from_raw(0))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It ends by itself when the sockets close, which are dropped after this: so not here, but on a thread.
            thread::spawn(move || reap(pid));
        }
    }
}

/// Waits for a guard. One that does not end, for whatever reason, is ended, and its process with it.
fn reap(guard: Pid) {
    for _ in 0..10_000 {
        match waitpid(guard, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
    let _ = nix::sys::signal::kill(guard, nix::sys::signal::Signal::SIGKILL);
    let _ = waitpid(guard, None);
}

/// The next message, which must be of that kind.
fn expect(from: &OwnedFd, tag: Tag) -> Result<Message, LaunchError> {
    let message = wire::receive(from, READY_MS).map_err(refused("answer in time"))?;
    match message {
        Some(message) if message.tag == tag => Ok(message),
        Some(Message { tag: Tag::NotStarted, text, .. }) => Err(LaunchError::NotStarted { why: text }),
        Some(Message { tag: Tag::Refused, text, .. }) => {
            let (code, step) = text.split_once(' ').unwrap_or(("5", &text));
            Err(refused_step(step, io::Error::from_raw_os_error(code.parse().unwrap_or(libc::EIO))))
        }
        _ => Err(refused_step("keep the first process alive", io::ErrorKind::BrokenPipe.into())),
    }
}

/// As [`expect`]; where the process is gone without a word, the guard may know why.
fn expect_or(from: &OwnedFd, tag: Tag, guard: &OwnedFd) -> Result<Message, LaunchError> {
    expect(from, tag).map_err(|error| match &error {
        LaunchError::Refused { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            match wire::receive(guard, 1_000) {
                Ok(Some(message)) if message.tag == Tag::Refused => {
                    let (code, step) = message.text.split_once(' ').unwrap_or(("5", &message.text));
                    refused_step(step, io::Error::from_raw_os_error(code.parse().unwrap_or(libc::EIO)))
                }
                Ok(Some(message)) => refused_step(
                    &format!("keep the first process alive ({})", message.text),
                    io::ErrorKind::BrokenPipe.into(),
                ),
                _ => error,
            }
        }
        _ => error,
    })
}

/// Takes the sensor's descriptor out of the process, which has it as soon as its filter stands. It cannot send it: the filter may stop that call.
fn listener(process: &OwnedFd, number: &str) -> Result<OwnedFd, LaunchError> {
    let number = number.parse().unwrap_or(-1);
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..20_000 {
        match sys::pidfd_getfd(process, number) {
            Ok(fd) => return Ok(fd),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => last = error,
            Err(error) => return Err(refused_step("take the sensor's descriptor", error)),
        }
        thread::sleep(Duration::from_micros(100));
    }
    Err(refused_step("install the sensor's seccomp filter", last))
}

impl Gated {
    /// Opens the gate; comes back when the program runs.
    fn start(&self) -> Result<(), LaunchError> {
        wire::send(&self.stage, Tag::Go, "", &[]).map_err(refused("open the gate"))?;
        match wire::receive(&self.stage, READY_MS) {
            Ok(None) => Ok(()),
            Ok(Some(Message { text, .. })) => Err(LaunchError::NotStarted { why: text }),
            Err(error) => Err(refused_step("start the program in time", error)),
        }
    }

    /// How it ended, if it did within `wait_ms`.
    fn ended(&self, wait_ms: u16) -> Option<EndReason> {
        let unknown = EndReason::Signalled { signal: libc::SIGKILL };
        match wire::receive(&self.control, wait_ms) {
            Ok(Some(message)) if message.tag == Tag::Ended => {
                let (kind, number) = message.text.split_once(' ').unwrap_or(("", ""));
                let number = number.parse().unwrap_or(0);
                Some(match kind {
                    "exited" => EndReason::Exited { code: number },
                    _ => EndReason::Signalled { signal: number },
                })
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => None,
            // The guard is gone: the process must be, too.
            _ => {
                let _ = sys::kill(&self.pidfd);
                Some(unknown)
            }
        }
    }

    /// Kills it and waits for its guard.
    fn end(&self) {
        let _ = sys::kill(&self.pidfd);
        let _ = nix::sys::socket::shutdown(self.control.as_raw_fd(), nix::sys::socket::Shutdown::Write);
        reap(self.guard);
    }
}

impl Prepared {
    /// The cgroup v2 id: what `bpf_get_current_cgroup_id` gives for every process of the sample. 0 where there is no cgroup.
    #[must_use]
    pub fn cgroup_id(&self) -> u64 {
        self.sandbox.shared.cgroup.id()
    }

    /// The device's descriptor, once.
    pub fn take_tun(&mut self) -> Option<OwnedFd> {
        self.tun.take()
    }

    /// The descriptor of the sensor's seccomp notifications, once. It must be served before [`start`](Self::start).
    pub fn take_notify(&mut self) -> Option<OwnedFd> {
        self.sandbox.first.notify.take()
    }

    /// Host process id of the first process.
    #[must_use]
    pub fn first_pid(&self) -> i32 {
        self.sandbox.first.pid
    }

    /// Keeps files for the end of the run, for a sensor that sees them before they are gone.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        self.sandbox.keeper()
    }

    /// What this sandbox lacks, one line each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.sandbox.problems
    }

    /// Opens the gate. Comes back when the sample's program runs.
    ///
    /// # Errors
    ///
    /// [`LaunchError::NotStarted`] where the kernel does not run it.
    pub fn start(self) -> Result<Running, LaunchError> {
        self.sandbox.first.start()?;
        Ok(Running { sandbox: self.sandbox })
    }
}

impl Also {
    /// Its descriptor of seccomp notifications, once. It must be served before [`start`](Self::start).
    pub fn take_notify(&mut self) -> Option<OwnedFd> {
        self.gated.notify.take()
    }

    /// Opens its gate.
    ///
    /// # Errors
    ///
    /// As [`Prepared::start`].
    pub fn start(self, running: &Running) -> Result<(), LaunchError> {
        let started = self.gated.start();
        if started.is_err() {
            self.gated.end();
            return started;
        }
        running.sandbox.beside.lock().unwrap_or_else(PoisonError::into_inner).push(self.gated);
        Ok(())
    }
}

impl Running {
    /// Another process inside, as the image's user in its working folder: for found scripts. It waits at its gate.
    ///
    /// # Errors
    ///
    /// As [`prepare`].
    pub fn run_also(&self, command: &[String]) -> Result<Also, LaunchError> {
        let shared = &self.sandbox.shared;
        let output = shared.output.end().map_err(refused("make a pipe"))?;
        let place = Where::Beside { first: &self.sandbox.first.pidfd };
        let (gated, _) = birth(shared, command, &output, None, place)?;
        Ok(Also { gated })
    }

    /// How the first process ended, and all others with it; none while it runs.
    pub fn ended(&self) -> Option<EndReason> {
        self.sandbox.ended(0)
    }

    /// Waits for the end, at most that long.
    pub fn wait(&self, most: Duration) -> Option<EndReason> {
        self.sandbox.ended(u16::try_from(most.as_millis()).unwrap_or(u16::MAX - 1))
    }

    /// What it uses now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.sandbox.usage()
    }

    /// Host process id of the first process.
    #[must_use]
    pub fn first_pid(&self) -> i32 {
        self.sandbox.first.pid
    }

    /// See [`Prepared::cgroup_id`].
    #[must_use]
    pub fn cgroup_id(&self) -> u64 {
        self.sandbox.shared.cgroup.id()
    }

    /// The first of what it printed so far.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.sandbox.shared.output.kept()
    }

    /// Ends everything inside at once.
    pub fn kill(&self) {
        self.sandbox.kill();
    }

    /// Ends everything, takes the files, removes all.
    #[must_use]
    pub fn finish(mut self, budget: &CaptureBudget) -> Finished {
        let sandbox = &mut self.sandbox;
        let early = sandbox.ended(0);
        let usage = sandbox.usage();
        if early.is_none() {
            sandbox.kill();
        }
        let last = early.or_else(|| sandbox.ended(END_MS)).unwrap_or(EndReason::Stopped);
        let refused = sandbox.limits_reached();
        let stopped = sandbox.killed.load(Ordering::Relaxed);
        let out_of_memory = refused.iter().any(|(what, _)| what == "memory");
        let reason = match last {
            EndReason::Signalled { signal: libc::SIGKILL } if out_of_memory => {
                EndReason::Limit { what: "memory".to_owned() }
            }
            EndReason::Signalled { signal: libc::SIGKILL } if stopped => EndReason::Stopped,
            other => other,
        };
        let usage = Usage { cpu_ms: sandbox.shared.cgroup.cpu_us() / 1_000, ..usage };
        let planted: Vec<_> = sandbox.shared.plan.planted.iter().map(|file| file.bytes.as_slice()).collect();
        let seen = sandbox.watch.take().map(Watch::end).unwrap_or_default();
        let (captured, mut problems) = capture::take(&sandbox.upper, seen, &planted, budget);
        problems.splice(0..0, std::mem::take(&mut sandbox.problems));
        let output = sandbox.shared.output.kept();
        Finished { reason, refused, usage, captured, output, problems }
    }
}

impl Sandbox {
    fn keeper(&self) -> Keeper {
        self.watch.as_ref().expect("it is taken at the end only").keeper.clone()
    }

    fn ended(&self, wait_ms: u16) -> Option<EndReason> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            *ended = self.first.ended(wait_ms);
        }
        ended.clone()
    }

    fn usage(&self) -> Usage {
        let cgroup = &self.shared.cgroup;
        let mut usage =
            Usage { cpu_ms: cgroup.cpu_us() / 1_000, memory_bytes: cgroup.memory_bytes(), tasks: cgroup.tasks() };
        if let Some(memory) = &self.memory {
            usage.memory_bytes = memory.bytes.load(Ordering::Relaxed);
            usage.tasks = usage.tasks.max(memory.tasks.load(Ordering::Relaxed));
            usage.cpu_ms = usage.cpu_ms.max(memory.cpu_ms.load(Ordering::Relaxed));
        }
        usage
    }

    fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.shared.cgroup.kill();
        let _ = sys::kill(&self.first.pidfd);
    }

    fn limits_reached(&self) -> Vec<(String, String)> {
        let mut refused = Vec::new();
        let mut note = |what: &str, times: u64, detail: String| {
            if times > 0 {
                refused.push((what.to_owned(), detail));
            }
        };
        let killed = self.shared.cgroup.out_of_memory();
        note("memory", killed, format!("{killed} processes were ended because memory ran out"));
        let forks = self.shared.cgroup.out_of_tasks();
        note("processes", forks, format!("{forks} times no process could be made"));
        if let Some(memory) = &self.memory {
            note(
                "memory",
                u64::from(memory.over.load(Ordering::Relaxed)),
                "together its processes used more memory than allowed".to_owned(),
            );
        }
        if let Ok(disk) = nix::sys::statvfs::fstatvfs(&self.upper) {
            note(
                "disk",
                u64::from(disk.blocks_available() == 0),
                format!("all {} bytes are used", self.shared.plan.limits.disk_bytes),
            );
            note(
                "inodes",
                u64::from(disk.files_available() == 0),
                format!("all {} inodes are used", self.shared.plan.limits.inodes),
            );
        }
        refused
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
        for gated in self.beside.get_mut().unwrap_or_else(PoisonError::into_inner) {
            gated.end();
        }
        self.first.end();
        drop(self.watch.take());
        drop(self.memory.take());
    }
}

/// Reads what the sample prints, so that it never waits for us, and keeps the first of it.
struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Another end for a process beside; closed at the end, which ends the reader.
    end: OwnedFd,
}

impl Output {
    fn open() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&kept);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            let mut read = File::from(read);
            let mut buffer = [0; 16 << 10];
            while let Ok(bytes @ 1..) = read.read(&mut buffer) {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                let left = usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(0).saturating_sub(kept.len());
                kept.extend_from_slice(buffer.get(..bytes.min(left)).unwrap_or_default());
            }
        })?;
        let end = write.try_clone()?;
        Ok((Self { kept, end }, write))
    }

    fn end(&self) -> io::Result<OwnedFd> {
        self.end.try_clone()
    }

    fn kept(&self) -> Vec<u8> {
        // What was printed last may still be in the pipe.
        for _ in 0..20 {
            let mut fds = [nix::poll::PollFd::new(self.end.as_fd(), nix::poll::PollFlags::POLLOUT)];
            let _ = nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO);
            let mut waiting = 0;
            if sys::waiting_bytes(&self.end, &mut waiting).is_err() || waiting == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where no cgroup limits memory: adds up what all processes of the sandbox use, and ends them when it is too much.
struct MemoryWatch {
    bytes: Arc<AtomicU64>,
    tasks: Arc<AtomicU64>,
    cpu_ms: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    fn begin(first: &OwnedFd, pid: i32, plan: &Plan) -> io::Result<Self> {
        let first = first.try_clone()?;
        let [bytes, tasks, cpu_ms] = [0; 3].map(|_: u8| Arc::new(AtomicU64::new(0)));
        let [over, stop] = [0; 2].map(|_: u8| Arc::new(AtomicBool::new(false)));
        let mut watch = Self { bytes, tasks, cpu_ms, over, stop, thread: None };
        let (bytes, tasks, cpu_ms) = (Arc::clone(&watch.bytes), Arc::clone(&watch.tasks), Arc::clone(&watch.cpu_ms));
        let (over, stop) = (Arc::clone(&watch.over), Arc::clone(&watch.stop));
        let most = plan.limits.memory_bytes;
        watch.thread = Some(thread::Builder::new().name("memory".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let used = capture::usage_of_namespace(pid);
                bytes.store(used.memory_bytes, Ordering::Relaxed);
                tasks.store(used.tasks, Ordering::Relaxed);
                cpu_ms.fetch_max(used.cpu_ms, Ordering::Relaxed);
                if used.memory_bytes > most {
                    over.store(true, Ordering::Relaxed);
                    let _ = sys::kill(&first);
                }
                thread::sleep(Duration::from_millis(50));
            }
        })?);
        Ok(watch)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
