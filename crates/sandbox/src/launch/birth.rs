//! From a plan to a process at its gate: starts the guard, takes what the first process hands over, ends both.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    thread,
    time::Duration,
};

use model::EndReason;
use nix::{
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};

use super::{
    LaunchError, Plan,
    cgroup::Cgroup,
    guard::{self, Guard, Where},
    inside::{self, Inside},
    output::Output,
    refused, sys,
    users::User,
    wire::{self, Message, Tag},
};

/// How long the first process may take to be ready. A sandbox of this kind needs a hundredth of it.
const READY_MS: u16 = 20_000;

/// A process of the sandbox that waits at its gate.
pub(super) struct Gated {
    pub(super) guard: Pid,
    pub(super) control: OwnedFd,
    pub(super) stage: OwnedFd,
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) notify: Option<OwnedFd>,
}

/// What all handles of one sandbox share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) user: User,
    pub(super) filter: Vec<libc::sock_filter>,
    pub(super) cgroup: Cgroup,
    pub(super) tag: String,
    pub(super) output: Output,
}

pub(super) fn refused_step(step: &str, source: io::Error) -> LaunchError {
    LaunchError::Refused { step: step.to_owned(), source }
}

/// Starts a guard and waits until its process stands at the gate. Gives what that handed over.
pub(super) fn birth(
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
    pub(super) fn start(&self) -> Result<(), LaunchError> {
        wire::send(&self.stage, Tag::Go, "", &[]).map_err(refused("open the gate"))?;
        match wire::receive(&self.stage, READY_MS) {
            Ok(None) => Ok(()),
            Ok(Some(Message { text, .. })) => Err(LaunchError::NotStarted { why: text }),
            Err(error) => Err(refused_step("start the program in time", error)),
        }
    }

    /// How it ended, if it did within `wait_ms`.
    pub(super) fn ended(&self, wait_ms: u16) -> Option<EndReason> {
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
    pub(super) fn end(&self) {
        let _ = sys::kill(&self.pidfd);
        let _ = nix::sys::socket::shutdown(self.control.as_raw_fd(), nix::sys::socket::Shutdown::Write);
        reap(self.guard);
    }
}
