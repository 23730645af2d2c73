//! The handles of one sandbox: prepared, running, finished.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{CapturedFile, EndReason};
use nix::fcntl::OFlag;

use super::{
    Isolation, LAYERS_MAX, LaunchError, Plan,
    birth::{Gated, Shared, birth, refused_step},
    capture::{self, CaptureBudget},
    cgroup::Cgroup,
    guard::{Ids, Where},
    memory::MemoryWatch,
    output::Output,
    refused, seccomp, sweep, sys, users,
    watch::{Keeper, Watch},
};

/// How long the end of everything may take once it was killed.
const END_MS: u16 = 10_000;
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
