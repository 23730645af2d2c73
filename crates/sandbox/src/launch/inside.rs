//! What the first process does before it becomes the sample: file systems, identity, limits, filters, then the gate.
//!
//! It runs in a process of one thread, in all its namespaces, with the capabilities of its user namespace until it gives them up.

use std::{
    convert::Infallible,
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::{
    fcntl::{OFlag, open},
    mount::{MntFlags, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        resource::Resource,
        stat::{Mode, umask},
    },
    unistd::{
        Gid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pivot_root, setgroups, sethostname, setresgid,
        setresuid, setsid,
    },
};

use crate::internet::device;

use super::{
    Isolation, LaunchError, Owner, Plan,
    below::Root,
    inside_mounts, program, refused, sys,
    users::User,
    wire::{Tag, send},
};

/// What engines give a container by default (moby, `caps/defaults.go`): `CapBnd: 00000000a80425fb`. Safe here as a whole, because all of it
/// counts in the sandbox's own user namespace only: `mknod` makes no device there, auditing and module loading do not ask it.
const CAPABILITIES: u64 = 0xa804_25fb;
/// Open files of one process; engines give a million, which only loops over all of them notice.
const FILES_MAX: u64 = 65_536;

/// All that the first process, or one beside it, needs.
pub(super) struct Inside<'a> {
    pub(super) plan: &'a Plan,
    pub(super) command: &'a [String],
    pub(super) user: &'a User,
    pub(super) output: RawFd,
    pub(super) stage: RawFd,
    /// A byte comes when the ids are mapped, another when it is in its cgroups; none for a process beside.
    pub(super) told: Option<RawFd>,
    /// Names the folders of this run below the store's mount point.
    pub(super) tag: &'a str,
    pub(super) filter: &'a [libc::sock_filter],
    /// What no cgroup limits.
    pub(super) unlimited: &'a [&'static str],
}

/// Becomes the sample; else says why not, and ends.
pub(super) fn run(inside: &Inside<'_>) -> Infallible {
    let stage = sys::received(inside.stage);
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| become_sample(inside, &stage)));
    let _ = match attempt {
        Ok(Ok(never)) => match never {},
        Ok(Err(LaunchError::Refused { step, source })) => {
            send(&stage, Tag::Refused, &format!("{} {step}", source.raw_os_error().unwrap_or(libc::EIO)), &[])
        }
        Ok(Err(other)) => send(&stage, Tag::NotStarted, &other.to_string(), &[]),
        Err(_) => send(&stage, Tag::Refused, &format!("{} prepare the sandbox (a defect of ours)", libc::EIO), &[]),
    };
    sys::exit(127)
}

fn become_sample(inside: &Inside<'_>, stage: &OwnedFd) -> Result<Infallible, LaunchError> {
    let plan = inside.plan;
    let told = inside.told.map(sys::received);
    let wait = || match &told {
        Some(told) if nix::unistd::read(told, &mut [0]).unwrap_or(0) != 1 => sys::exit(127),
        _ => (),
    };
    wait();
    sys::default_signals();
    sys::die_with_parent().map_err(refused("set the parent's death signal"))?;
    let _ = setsid();
    umask(Mode::from_bits_truncate(0o022));
    if told.is_some() {
        let _ = sethostname(&plan.hostname);
        shift_uptime(plan.surroundings.uptime_seconds);
        let tun = network(plan)?;
        let (root, upper) = inside_mounts::make(plan, inside.tag)?;
        wait();
        // Its root is where this process is now.
        unshare(CloneFlags::CLONE_NEWCGROUP).map_err(refused("make a cgroup namespace"))?;
        plant(plan, inside.user, &root).map_err(refused("put files into the sandbox"))?;
        let mut fds = vec![upper.as_raw_fd(), root.fd().as_raw_fd()];
        fds.extend(tun.as_ref().map(AsRawFd::as_raw_fd));
        send(stage, Tag::Made, "", &fds).map_err(refused("hand over descriptors"))?;
        drop((tun, upper));
        enter_root(&root).map_err(refused("change the root"))?;
    }
    standard_streams(inside).map_err(refused("set the standard streams"))?;
    let environment = environment(plan, inside.user);
    work_folder(&plan.folder)?;
    identity(inside).map_err(refused("take the image's identity"))?;
    // Again as the image's user, as engines do: what it may not enter is its own fault.
    chdir(plan_folder(&plan.folder))
        .map_err(|error| LaunchError::not_started(format!("working folder {}: {}", plan.folder, error.desc())))?;
    let command = inside.command.first().map_or("", String::as_str);
    let path = program::find(command, &environment).map_err(LaunchError::not_started)?;
    let nul = |_| LaunchError::not_started("a NUL in the image's command or environment");
    let path = sys::text(path.as_os_str().as_bytes()).map_err(nul)?;
    let arguments = texts(inside.command).map_err(nul)?;
    let environment = texts(&environment).map_err(nul)?;
    limits(inside).map_err(refused("set resource limits"))?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(refused("forbid new privileges"))?;
    sys::close_all_on_exec().map_err(refused("close descriptors"))?;

    // The kernel gives the lowest free number; who wants the descriptor takes it by that.
    let lowest = stage.try_clone().map_err(refused("duplicate a descriptor"))?.as_raw_fd();
    send(stage, Tag::Ready, &lowest.to_string(), &[]).map_err(refused("say that it is ready"))?;
    sys::seccomp(inside.filter, false).map_err(refused("install the seccomp filter"))?;
    // From here on a call may wait for the sensor.
    let listener = match &plan.notify {
        Some(program) => sys::seccomp(program, true).map_err(refused("install the sensor's seccomp filter"))?,
        None => None,
    };
    let mut gate = [0];
    if nix::unistd::read(stage, &mut gate).unwrap_or(0) != 1 || gate != [Tag::Go as u8] {
        sys::exit(127);
    }
    let error = sys::execute(&path, &arguments, &environment);
    drop(listener);
    Err(LaunchError::not_started(format!("{command}: {error}")))
}

/// Uptime is the boot clock's; who may not shift it shows the real one.
fn shift_uptime(seconds: u64) {
    if seconds == 0 || unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)).is_err() {
        return;
    }
    let offsets = format!("boottime {seconds} 0\nmonotonic {seconds} 0\n");
    let _ = fs::write("/proc/self/timens_offsets", offsets);
    if let Ok(namespace) = File::open("/proc/self/ns/time_for_children") {
        let _ = setns(namespace, CloneFlags::from_bits_retain(libc::CLONE_NEWTIME));
    }
}

/// The device node gives a device of the namespace that opened it, so it is opened here.
fn network(plan: &Plan) -> Result<Option<OwnedFd>, LaunchError> {
    let Some(address) = &plan.network else { return Ok(None) };
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let node = open("/dev/net/tun", flags, Mode::empty()).map_err(refused("open /dev/net/tun"))?;
    device::create(std::os::fd::AsFd::as_fd(&node), address).map(Some).map_err(refused("make the network device"))
}

fn plant(plan: &Plan, user: &User, root: &Root) -> io::Result<()> {
    for file in &plan.planted {
        let path = match file.path.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", user.home.trim_end_matches('/')),
            None => file.path.clone(),
        };
        let owner = match (plan.isolation, file.owner) {
            (Isolation::Namespace, Owner::User) => Some((user.uid, user.gid)),
            _ => None,
        };
        root.write(&path, file.mode, owner, &file.bytes)?;
    }
    Ok(())
}

fn enter_root(root: &Root) -> nix::Result<()> {
    nix::unistd::fchdir(root.fd())?;
    // pivot_root(2): with the same folder twice the old root lies on top of the new one, and is taken off.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}

/// Engines show a container its pipes; nothing is ever read.
fn standard_streams(inside: &Inside<'_>) -> io::Result<()> {
    let null = File::options().read(true).open("/dev/null")?;
    let output = sys::received(inside.output);
    let _ = nix::unistd::fchown(&output, Some(inside.user.uid.into()), Some(inside.user.gid.into()));
    dup2_stdin(&null)?;
    dup2_stdout(&output)?;
    dup2_stderr(&output)?;
    Ok(())
}

fn environment(plan: &Plan, user: &User) -> Vec<String> {
    let mut all = plan.environment.clone();
    let defaults = [("PATH", program::PATH), ("HOSTNAME", plan.hostname.as_str()), ("HOME", user.home.as_str())];
    for (name, value) in defaults {
        let set = |entry: &String| entry.split('=').next() == Some(name);
        if !all.iter().any(set) {
            all.push(format!("{name}={value}"));
        }
    }
    all
}

fn texts(texts: &[String]) -> io::Result<Vec<CString>> {
    texts.iter().map(|text| sys::text(text.as_str())).collect()
}

fn plan_folder(folder: &str) -> &str {
    if folder.is_empty() { "/" } else { folder }
}

/// Makes the working folder as engines do: root's, `0755`.
fn work_folder(folder: &str) -> Result<(), LaunchError> {
    let folder = plan_folder(folder);
    if !folder.starts_with('/') {
        return Err(LaunchError::not_started(format!("working folder {folder:?} is not absolute")));
    }
    match fs::create_dir_all(Path::new(folder)) {
        Ok(()) => Ok(()),
        Err(error) => Err(LaunchError::not_started(format!("working folder {folder}: {error}"))),
    }
}

/// Takes the image's user. Capabilities of the namespace stay until `execve`, which leaves only [`CAPABILITIES`] to root and none to others:
/// until then this process has more of them than the sample, so that the kernel lets no process of a running sample look at it. It is
/// a copy of lazaret, and its `/proc/PID/exe` leads to lazaret's own file (compare CVE-2019-5736).
fn identity(inside: &Inside<'_>) -> io::Result<()> {
    let user = inside.user;
    sys::bound_capabilities(CAPABILITIES)?;
    // In a rootless sandbox the one id that is mapped is the image's user already.
    if inside.plan.isolation == Isolation::Namespace {
        let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        sys::prctl(libc::PR_SET_KEEPCAPS, 1)?;
        setresuid(uid, uid, uid)?;
    }
    if user.uid == 0 { Ok(()) } else { sys::set_aside_capabilities() }
}

fn limits(inside: &Inside<'_>) -> io::Result<()> {
    let limits = &inside.plan.limits;
    sys::limit(Resource::RLIMIT_CORE, 0)?;
    sys::limit(Resource::RLIMIT_NOFILE, FILES_MAX)?;
    sys::limit(Resource::RLIMIT_MEMLOCK, 8 << 20)?;
    // Queued signals are memory of the kernel.
    sys::limit(Resource::RLIMIT_SIGPENDING, 4_096)?;
    // Counted in the user namespace, hence of the sandbox only. The kernel does not hold it against the host's root.
    sys::limit(Resource::RLIMIT_NPROC, limits.tasks)?;
    if inside.unlimited.contains(&"memory") {
        // For each process; what they have together is watched from outside.
        sys::limit(Resource::RLIMIT_DATA, limits.memory_bytes)?;
    }
    if inside.unlimited.contains(&"cpu") {
        sys::be_nice();
    }
    Ok(())
}
