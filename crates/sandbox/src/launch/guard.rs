//! The process between lazaret and the sample: starts it in its namespaces, waits for it, and ends it should lazaret be gone.
//!
//! It is a copy of lazaret that holds three descriptors and does nothing but wait. It is outside the sandbox and its cgroup, so that the
//! sample can neither reach nor starve it, and in a session of its own, so that a terminal's signals do not.

use std::{
    fs,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, setns},
    sys::{
        signal::SigSet,
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, setsid},
};

use super::{
    below::read_text,
    cgroup, sweep, sys,
    wire::{Tag, send},
};

/// Which namespaces the first process gets. That of cgroups it makes itself, once it is in its cgroups.
pub(super) const NEW: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET) as u64;

/// User ids of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ids {
    /// As outside, all that we have: root of the sandbox owns its files, and may do nothing outside.
    All,
    /// One id inside for ours outside.
    One { uid: u32, gid: u32 },
}

/// What the guard starts.
pub(super) enum Where<'a> {
    /// The first process of new namespaces. A byte into `told` says that its ids are set, another that it is in its cgroups.
    Fresh { ids: &'a Ids, told: RawFd },
    /// One more process in the namespaces of that one.
    Beside { first: &'a OwnedFd },
}

/// All that the guard needs.
pub(super) struct Guard<'a> {
    pub(super) control: RawFd,
    pub(super) place: Where<'a>,
    pub(super) cgroup: Option<OwnedFd>,
    /// Files of cgroups of v1 that the new process is put into, opened where they can be reached.
    pub(super) doors: &'a [fs::File],
    /// Cgroups to be removed if lazaret cannot; empty for a process beside.
    pub(super) folders: Vec<PathBuf>,
    /// Descriptors that the new process needs.
    pub(super) keep: Vec<RawFd>,
}

/// Forks the guard. `child` becomes the sample.
pub(super) fn start(guard: &Guard<'_>, child: &dyn Fn()) -> io::Result<Pid> {
    match sys::fork()? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(guard, child)));
            sys::exit(if matches!(end, Ok(Ok(()))) { 0 } else { 1 })
        }
    }
}

fn run(guard: &Guard<'_>, child: &dyn Fn()) -> io::Result<()> {
    let _ = SigSet::all().thread_set_mask();
    setsid()?;
    let _ = nix::sys::prctl::set_name(c"lazaret-guard");
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    drop(null);
    let mut keep = guard.keep.clone();
    keep.push(guard.control);
    keep.extend(guard.doors.iter().map(AsRawFd::as_raw_fd));
    keep.extend(guard.cgroup.as_ref().map(AsRawFd::as_raw_fd));
    if let Where::Fresh { told, .. } = &guard.place {
        keep.push(*told);
    }
    if let Where::Beside { first } = &guard.place {
        keep.push(first.as_raw_fd());
    }
    sys::close_all_but(&keep)?;
    let control = sys::received(guard.control);

    let flags = match &guard.place {
        Where::Fresh { .. } => NEW,
        Where::Beside { first } => {
            if let Err(error) = enter(first) {
                return refuse(&control, "enter the sandbox's namespaces", &error);
            }
            0
        }
    };
    let (pid, pidfd) = match sys::clone3(flags, guard.cgroup.as_ref().map(AsFd::as_fd)) {
        Ok(sys::Cloned::Child) => {
            drop(control);
            child();
            sys::exit(127)
        }
        Ok(sys::Cloned::Parent { pid, pidfd }) => (pid, pidfd),
        Err(error) => return refuse(&control, "make namespaces (clone3)", &error),
    };
    // What the first process uses must not be held open here: its end is seen by the other side.
    for fd in &guard.keep {
        drop(sys::received(*fd));
    }
    let told = match &guard.place {
        Where::Fresh { told, .. } => Some(sys::received(*told)),
        Where::Beside { .. } => None,
    };
    let settled = settle(guard, pid, told.as_ref());
    if let Err((step, error)) = settled {
        let _ = sys::kill(&pidfd);
        let _ = waitpid(Pid::from_raw(pid), None);
        return refuse(&control, step, &error);
    }
    drop(told);
    send(&control, Tag::Born, &pid.to_string(), &[pidfd.as_raw_fd()])?;
    wait(&control, pid, &pidfd, &guard.folders)
}

/// Gives the new process its ids and its place in the cgroups of v1, while it already mounts: that wait is the kernel's longest.
fn settle(guard: &Guard<'_>, pid: i32, told: Option<&OwnedFd>) -> Result<(), (&'static str, io::Error)> {
    if let (Where::Fresh { ids, .. }, Some(told)) = (&guard.place, told) {
        map(pid, ids).map_err(|error| ("map user ids", error))?;
        nix::unistd::write(told, b"m").map_err(|error| ("speak to the first process", error.into()))?;
    }
    for mut door in guard.doors {
        door.write_all(pid.to_string().as_bytes()).map_err(|error| ("enter the cgroup", error))?;
    }
    if let Some(told) = told {
        nix::unistd::write(told, b"c").map_err(|error| ("speak to the first process", error.into()))?;
    }
    Ok(())
}

fn refuse(control: &OwnedFd, step: &str, error: &io::Error) -> io::Result<()> {
    send(control, Tag::Refused, &format!("{} {step}", error.raw_os_error().unwrap_or(libc::EIO)), &[])
}

/// The user namespace comes first: it gives the right to enter the others.
fn enter(first: &OwnedFd) -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP;
    setns(first, flags | CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))
        .or_else(|_| setns(first, flags))
        .map_err(io::Error::from)
}

/// user_namespaces(7): without privilege one line, after giving up `setgroups`.
fn map(pid: i32, ids: &Ids) -> io::Result<()> {
    let (users, groups) = match ids {
        Ids::All => (identity("/proc/self/uid_map")?, identity("/proc/self/gid_map")?),
        Ids::One { uid, gid } => {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
            let (our_uid, our_gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
            (format!("{uid} {our_uid} 1"), format!("{gid} {our_gid} 1"))
        }
    };
    fs::write(format!("/proc/{pid}/uid_map"), users)?;
    fs::write(format!("/proc/{pid}/gid_map"), groups)
}

/// Every id that we have, as itself.
fn identity(map: &str) -> io::Result<String> {
    let mut lines = String::new();
    for line in read_text(map)?.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if let [inside, _, count] = fields[..] {
            lines.push_str(&format!("{inside} {inside} {count}\n"));
        }
    }
    Ok(lines)
}

fn wait(control: &OwnedFd, pid: i32, pidfd: &OwnedFd, folders: &[PathBuf]) -> io::Result<()> {
    let mut orphaned = false;
    loop {
        let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN), PollFd::new(control.as_fd(), PollFlags::POLLIN)];
        let watched = if orphaned { fds.get_mut(..1) } else { Some(&mut fds[..]) };
        match poll(watched.unwrap_or_default(), PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [ended, gone] = fds.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if ended {
            break;
        }
        if gone && !orphaned {
            orphaned = true;
            sweep::kill_all(folders);
            let _ = sys::kill(pidfd);
        }
    }
    let text = match waitpid(Pid::from_raw(pid), None)? {
        WaitStatus::Exited(_, code) => format!("exited {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("signalled {}", signal as i32),
        _ => "signalled 9".to_owned(),
    };
    if send(control, Tag::Ended, &text, &[]).is_err() || orphaned {
        cgroup::remove(folders);
    }
    Ok(())
}
