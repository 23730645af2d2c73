//! The file systems of the sandbox, mounted in its own namespace below the store's empty folder.

use std::{
    fs,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sys::stat::{Mode, mkdirat},
    unistd::{UnlinkatFlags, chdir, symlinkat, unlinkat},
};

use super::{LaunchError, Plan, below::Root, refused, surroundings, sys};

const QUIET: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Files of `/proc` and `/sys` that a container does not get (moby, `oci/defaults.go`), and a few that only show the host.
const MASKED_FILES: [&str; 9] = [
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/timer_stats",
    "proc/sched_debug",
    "proc/interrupts",
    "proc/kmsg",
    "proc/kpagecount",
];
const MASKED_FOLDERS: [&str; 10] = [
    "proc/asound",
    "proc/acpi",
    "proc/scsi",
    "sys/firmware",
    "sys/devices/virtual/powercap",
    "sys/devices/virtual/dmi",
    "sys/hypervisor",
    "sys/fs/bpf",
    "sys/kernel/debug",
    "sys/kernel/security",
];
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

fn mounted(source: &str, target: &str, kind: &str, flags: MsFlags, data: &str) -> io::Result<()> {
    Ok(mount(Some(source), target, Some(kind), flags, Some(data))?)
}

fn bind(source: &str, target: &str) -> io::Result<()> {
    Ok(mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

fn read_only(target: &str, flags: MsFlags) -> io::Result<()> {
    let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(None::<&str>, target, None::<&str>, flags, None::<&str>)?)
}

/// A path that leads to exactly what `fd` is.
fn by_fd(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Mounts everything. Gives the root, and the upper folder: what the sample writes.
pub(super) fn make(plan: &Plan, tag: &str) -> Result<(Root, OwnedFd), LaunchError> {
    let store = plan.layers.first().map_or(PathBuf::new(), |layer| layer.store().to_owned());
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(refused("make mounts private"))?;
    let (root, upper, show) = overlay(plan, &store, tag)?;
    proc_and_sys(plan, &root, &show).map_err(refused("mount /proc and /sys"))?;
    devices(&root).map_err(refused("mount /dev"))?;
    mask(&root).map_err(refused("mask parts of /proc and /sys"))?;
    Ok((root, upper))
}

/// The layers below a folder on a file system in memory, of bounded bytes and inodes.
fn overlay(plan: &Plan, store: &Path, tag: &str) -> Result<(Root, OwnedFd, PathBuf), LaunchError> {
    let point = store.join("mount");
    let point_text = point.to_str().ok_or_else(|| LaunchError::Store(io::ErrorKind::InvalidFilename.into()))?;
    let limits = &plan.limits;
    // Folders of ours and the files shown in /proc are a few dozen.
    let data = format!("size={},nr_inodes={},mode=0755", limits.disk_bytes, limits.inodes.saturating_add(64));
    mounted("tmpfs", point_text, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, &data)
        .map_err(refused("mount a file system in memory"))?;
    let base = point.join(tag);
    for folder in ["diff", "work", "show", "merged"] {
        fs::create_dir_all(base.join(folder)).map_err(refused("make folders in memory"))?;
    }
    // mount(2) takes one page of options: short names, relative to the folder of layers.
    chdir(&store.join("layers")).map_err(refused("enter the store"))?;
    let lower: Vec<String> = plan.layers.iter().rev().map(super::Layer::name).collect();
    let data =
        format!("lowerdir={},upperdir=../mount/{tag}/diff,workdir=../mount/{tag}/work,userxattr", lower.join(":"));
    if data.len() >= 4_095 {
        return Err(LaunchError::not_started("the image has more layers than can be mounted"));
    }
    let merged = base.join("merged");
    mounted("overlay", merged.to_str().unwrap_or_default(), "overlay", MsFlags::MS_NODEV, &data)
        .map_err(refused("mount the layers (overlay)"))?;
    let root = Root::open(&merged).map_err(refused("open the root"))?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let upper = open(&base.join("diff"), flags, Mode::empty()).map_err(refused("open the upper folder"))?;
    Ok((root, upper, base.join("show")))
}

/// A folder of the root to mount on. The image may have a link or a file there: it is replaced, never followed.
fn point(root: &Root, path: &str) -> io::Result<String> {
    let name = sys::text(path)?;
    let opened = || sys::openat2(root.fd(), &name, libc::O_PATH | libc::O_DIRECTORY, 0, sys::BENEATH);
    let fd = match opened() {
        Ok(fd) => fd,
        Err(_) => {
            match unlinkat(root.fd(), path, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
            mkdirat(root.fd(), path, Mode::from_bits_truncate(0o755))?;
            opened()?
        }
    };
    let text = by_fd(&fd);
    // It is used at once and by number: it stays open until this process runs the sample.
    std::mem::forget(fd);
    Ok(text)
}

/// Something in a file system that we mounted: no link of the image is on the way.
fn within(root: &Root, path: &str) -> io::Result<OwnedFd> {
    sys::openat2(root.fd(), &sys::text(path)?, libc::O_PATH, 0, sys::BENEATH)
}

fn proc_and_sys(plan: &Plan, root: &Root, show: &Path) -> io::Result<()> {
    mounted("proc", &point(root, "proc")?, "proc", QUIET, "")?;
    // No user namespace inside: no way to capabilities again. Counted for this namespace and those in it.
    let limit = within(root, "proc/sys/user/max_user_namespaces")?;
    fs::write(by_fd(&limit), "0")?;
    let sys = point(root, "sys")?;
    if mounted("sysfs", &sys, "sysfs", QUIET | MsFlags::MS_RDONLY, "").is_err() {
        // Where the host's own /sys is partly hidden, the kernel gives none.
        mounted("tmpfs", &sys, "tmpfs", QUIET | MsFlags::MS_RDONLY, "size=0k,mode=0755")?;
    }
    if let Ok(folder) = within(root, "sys/fs/cgroup") {
        let target = by_fd(&folder);
        mounted("cgroup", &target, "tmpfs", QUIET, "size=64k,nr_inodes=64,mode=0755")?;
        let folder = within(root, "sys/fs/cgroup")?;
        for (name, text) in surroundings::cgroup_files(&plan.limits) {
            fs::write(format!("{}/{name}", by_fd(&folder)), text)?;
        }
        read_only(&by_fd(&folder), QUIET)?;
    }
    let proc_files = surroundings::proc_files(&plan.surroundings).into_iter().map(|(name, text)| ("proc", name, text));
    let sys_files = surroundings::sys_files(&plan.surroundings).into_iter().map(|(name, text)| ("sys", name, text));
    for (number, (below, name, text)) in proc_files.chain(sys_files).enumerate() {
        let Ok(target) = within(root, &format!("{below}/{name}")) else { continue };
        let source = show.join(number.to_string());
        let mut file = fs::File::create(&source)?;
        file.write_all(text.as_bytes())?;
        nix::sys::stat::fchmod(&file, Mode::from_bits_truncate(0o444))?;
        bind(source.to_str().unwrap_or_default(), &by_fd(&target))?;
        read_only(&by_fd(&within(root, &format!("{below}/{name}"))?), MsFlags::MS_NOSUID | MsFlags::MS_NODEV)?;
    }
    Ok(())
}

fn devices(root: &Root) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mounted("tmpfs", &point(root, "dev")?, "tmpfs", flags, "size=64k,nr_inodes=256,mode=0755")?;
    let folder = within(root, "dev")?;
    let dev = by_fd(&folder);
    for node in NODES {
        fs::write(format!("{dev}/{node}"), "")?;
        match bind(&format!("/dev/{node}"), &format!("{dev}/{node}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(format!("{dev}/{name}"))?;
    }
    let pts = "newinstance,ptmxmode=0666,mode=0620";
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounted("devpts", &format!("{dev}/pts"), "devpts", quiet, &format!("{pts},gid=5"))
        .or_else(|_| mounted("devpts", &format!("{dev}/pts"), "devpts", quiet, pts))?;
    // Engines refuse to run programs from here. Samples hide theirs here, and a program that runs shows more than one that does not.
    mounted("shm", &format!("{dev}/shm"), "tmpfs", flags, "size=64m,nr_inodes=4096,mode=1777")?;
    let _ = mounted("mqueue", &format!("{dev}/mqueue"), "mqueue", QUIET, "");
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
        ("/proc/kcore", "core"),
    ];
    for (target, name) in links {
        symlinkat(target, OwnedFd::from(fs::File::open(&dev)?), name)?;
    }
    Ok(())
}

fn mask(root: &Root) -> io::Result<()> {
    let null = within(root, "dev/null")?;
    for path in MASKED_FILES {
        if let Ok(target) = within(root, path) {
            bind(&by_fd(&null), &by_fd(&target))?;
        }
    }
    for path in MASKED_FOLDERS {
        if let Ok(target) = within(root, path) {
            mounted("tmpfs", &by_fd(&target), "tmpfs", QUIET | MsFlags::MS_RDONLY, "size=0k,nr_inodes=2")?;
        }
    }
    for path in READ_ONLY {
        if let Ok(target) = within(root, path) {
            bind(&by_fd(&target), &by_fd(&target))?;
            read_only(&by_fd(&within(root, path)?), QUIET)?;
        }
    }
    Ok(())
}
