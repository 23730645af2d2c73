//! The second guard of the network: BPF programs on the sample's cgroup that refuse, and count, what goes through another network
//! namespace than the sample's own. There a device of ours and the loopback are all there is.
//!
//! The first guard is that no other namespace is in reach. This one is for a descriptor, a bug or an attack that makes it so.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    thread,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::PerCpuArray,
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr},
};

use super::{SensorError, bpf};

const REFUSED: [&str; 3] = ["connect", "send", "packet"];

/// The programs, attached until dropped.
pub struct Guard {
    refused: PerCpuArray<aya::maps::MapData, u64>,
    /// Whether packets are looked at too, and not only addresses.
    packets: bool,
    _programs: Ebpf,
}

/// Attaches the guard to a cgroup, by its id, and all below it. `network` is the sample's network namespace: `/proc/PID/ns/net`, opened.
///
/// Where the kernel does not tell packets' namespaces (before 6.15), calls are guarded and packets are not: [`Guard::packets`].
///
/// # Errors
///
/// [`SensorError`] where the kernel refuses it, or the namespace cannot be entered to learn its name; nothing stays attached then.
pub fn attach(cgroup_id: u64, network: BorrowedFd<'_>) -> Result<Guard, SensorError> {
    let folder = folder_of(cgroup_id).ok_or_else(|| SensorError::Target(format!("no cgroup {cgroup_id}")))?;
    let folder = File::open(folder).map_err(|error| SensorError::Target(format!("cgroup: {error}")))?;
    let cookie = cookie_of(network).map_err(|error| SensorError::Target(format!("network namespace: {error}")))?;
    let types = bpf::kernel_types()?;
    let mut programs = EbpfLoader::new()
        .btf(Some(types))
        .override_global("own_namespace", &cookie, true)
        .load(probes::guard())
        .map_err(|error| bpf::refused("the guard", error))?;
    // Links stand beside each other; the mode is for the older way.
    for name in ["connect4", "connect6", "sendmsg4", "sendmsg6"] {
        let program = programs.program_mut(name).ok_or_else(|| SensorError::Btf(format!("no {name}")))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(|error| bpf::refused(name, error))?;
        program.load().map_err(|error| bpf::refused(name, error))?;
        program.attach(&folder, CgroupAttachMode::Single).map_err(|error| bpf::refused(name, error))?;
    }
    let packets = guard_packets(&mut programs, &folder).is_ok();
    let refused = programs.take_map("refused").ok_or_else(|| SensorError::Btf("no counters".to_owned()))?;
    let refused = PerCpuArray::try_from(refused).map_err(|error| bpf::refused("the counters", error))?;
    Ok(Guard { refused, packets, _programs: programs })
}

fn guard_packets(programs: &mut Ebpf, folder: &File) -> Result<(), SensorError> {
    let program = programs.program_mut("egress").ok_or_else(|| SensorError::Btf("no egress".to_owned()))?;
    let program: &mut CgroupSkb = program.try_into().map_err(|error| bpf::refused("egress", error))?;
    program.load().map_err(|error| bpf::refused("egress", error))?;
    program
        .attach(folder, CgroupSkbAttachType::Egress, CgroupAttachMode::Single)
        .map_err(|error| bpf::refused("egress", error))?;
    Ok(())
}

impl Guard {
    /// What was refused so far: `connect`, `send` (a datagram with an address) and `packet`, and how many.
    #[must_use]
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        let count = |which| self.refused.get(&which, 0).map_or(0, |values| values.iter().sum());
        REFUSED.into_iter().zip(0_u32..).map(|(what, which)| (what, count(which))).collect()
    }

    /// All of that in one number.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.refused().iter().map(|(_, count)| count).sum()
    }

    /// Whether packets are guarded, besides calls.
    #[must_use]
    pub fn packets(&self) -> bool {
        self.packets
    }
}

/// What the kernel calls a network namespace: `SO_NETNS_COOKIE` of a socket made in it, by a thread that goes there for that.
fn cookie_of(network: BorrowedFd<'_>) -> io::Result<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let network = network.try_clone_to_owned()?;
    let ask = move || {
        nix::sched::setns(network.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET)?;
        let mut cookie = 0_u64;
        let mut length = libc::socklen_t::try_from(size_of::<u64>()).expect("small");
        #[expect(unsafe_code, reason = "nix does not know this option")]
        // SAFETY: a descriptor that was made here is owned here; the buffer is as long as said.
        let answer = unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
            if socket < 0 {
                return Err(io::Error::last_os_error());
            }
            let socket = OwnedFd::from_raw_fd(socket);
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_NETNS_COOKIE,
                (&raw mut cookie).cast(),
                &raw mut length,
            )
        };
        if answer == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
    };
    thread::spawn(ask).join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

/// Where the cgroup2 hierarchy is mounted.
pub(super) fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (place, kind) = (fields.nth(1)?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    })
}

/// The folder of a cgroup: its id is the folder's inode.
fn folder_of(cgroup_id: u64) -> Option<PathBuf> {
    fn search(folder: &Path, id: u64, deeper: u32) -> Option<PathBuf> {
        if fs::metadata(folder).ok()?.ino() == id {
            return Some(folder.to_owned());
        }
        let inner = fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let folders = inner.filter(|entry| deeper > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.filter_map(|entry| search(&entry.path(), id, deeper - 1)).next()
    }
    search(&hierarchy()?, cgroup_id, 8)
}
