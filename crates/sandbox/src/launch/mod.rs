//! Layers to an overlay, namespaces, cgroup, seccomp; start, limits, end, sweep.
//!
//! ```text
//! lazaret ──fork──► guard ──clone3──► first process: mounts, pivot_root, limits, seccomp, gate, execve: the sample
//! ```
//!
//! The guard lives as long as the sample. It holds one end of a socket: should lazaret die, however it dies, the guard ends the sample and
//! removes its cgroups. All mounts are in the sample's own namespace and vanish with it. What a `kill -9` of both leaves, [`sweep`] removes.
//!
//! | module | what it does |
//! |---|---|
//! | [`store`] | unpacked layers by digest, shared and bounded |
//! | [`unpack`] | one layer to a folder, in the form that overlayfs reads |
//! | [`users`] | the image's USER, by the image's own `/etc/passwd` |
//! | [`cgroup`] | limits and usage, v1 and v2 |
//! | [`guard`] | the process between us and the sample |
//! | [`inside`] | what the first process does before it becomes the sample |
//! | [`inside_mounts`] | its file systems |
//! | [`surroundings`] | what `/proc` and `/sys` show |
//! | [`seccomp`] | the calls that are refused |
//! | [`program`] | finds the program, and says why it cannot run |
//! | [`birth`] | from a plan to a process at its gate |
//! | [`memory`], [`output`] | what it uses where no cgroup counts, what it prints |
//! | [`running`] | the handles: prepared, running, finished |
//! | [`watch`] | what is written, run and deleted meanwhile |
//! | [`capture`] | takes the files at the end |
//! | [`sweep`](mod@sweep) | removes what a killed lazaret left |
//! | [`doctor`](mod@doctor) | what this host gives |

mod below;
mod birth;
mod capture;
mod cgroup;
mod doctor;
mod guard;
mod inside;
mod inside_mounts;
mod memory;
mod output;
mod program;
mod running;
mod seccomp;
mod store;
mod surroundings;
mod sweep;
mod sys;
mod unpack;
mod users;
mod watch;
mod wire;

use std::io;

use model::Digest;

pub use capture::{CaptureBudget, read_program};
pub use doctor::doctor;
pub use running::{Also, Finished, Prepared, Running, Usage, prepare};
pub use seccomp::REFUSED_CALLS;
pub use store::{Layer, Store};
pub use sweep::{SweepReport, sweep};
pub use unpack::UnpackLimits;
pub use watch::Keeper;

use crate::internet::device::Address;

/// How the sample is kept apart from the host. Both share the host's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Started by root: cgroup limits, every user id of the image.
    Namespace,
    /// Started by anyone: one user id of the image only, limits as far as the host delegates cgroups.
    Rootless,
}

impl Isolation {
    /// As in [`model::TraceHead::isolation`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Rootless => "rootless",
        }
    }
}

/// What the sample may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory of all its processes, beside [`disk_bytes`](Self::disk_bytes), which is memory too.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub tasks: u64,
    /// What it may write to its file system, kept in memory. The host gives at most the sum of both.
    pub disk_bytes: u64,
    /// Files and folders it may make.
    pub inodes: u64,
    /// Of one core: 150 is one and a half.
    pub cpu_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, tasks: 512, disk_bytes: 1 << 30, inodes: 200_000, cpu_percent: 200 }
    }
}

/// A file that is put into the sandbox before the sample starts.
#[derive(Debug, Clone)]
pub struct Planted {
    /// Absolute; `~/` is the home folder of the image's user. Parents are made, a link on the way is followed inside.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Whose a planted file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root's.
    Root,
    /// The image's user's.
    User,
}

/// What the sample is shown of the machine.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Cores in `/proc/cpuinfo` and `/sys`; 0 shows the real ones.
    pub cores: u32,
    /// Memory in `/proc/meminfo`; 0 shows the real one.
    pub memory_bytes: u64,
    /// Added to the machine's uptime, by a time namespace.
    pub uptime_seconds: u64,
    /// What the sensor adds to the time of day; noted here only.
    pub clock_shift_seconds: i64,
}

/// One run to be prepared.
#[derive(Clone)]
pub struct Plan {
    /// Lowest first; at most [`LAYERS_MAX`].
    pub layers: Vec<Layer>,
    /// ENTRYPOINT and CMD.
    pub command: Vec<String>,
    /// `NAME=value` of the image. `PATH`, `HOME` and `HOSTNAME` are added where missing, as engines do.
    pub environment: Vec<String>,
    /// Working folder; made where missing.
    pub folder: String,
    /// USER of the image: empty, `name`, `name:group`, `uid`, `uid:gid`.
    pub user: String,
    /// Host name the sample sees.
    pub hostname: String,
    /// Which kind of sandbox.
    pub isolation: Isolation,
    /// What it may use.
    pub limits: Limits,
    /// Files to put in.
    pub planted: Vec<Planted>,
    /// What it is shown of the machine.
    pub surroundings: Surroundings,
    /// The network device to make; none leaves it with an empty loopback.
    pub network: Option<Address>,
    /// The sensor's seccomp program with `SECCOMP_RET_USER_NOTIF`, if any.
    pub notify: Option<Vec<libc::sock_filter>>,
}

/// Most layers of an image: Docker's own limit, and what fits the page of options that `mount(2)` takes.
pub const LAYERS_MAX: usize = 127;

/// Why a sample was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The image's fault: it would not run anywhere. One line.
    #[error("{why}")]
    NotStarted {
        /// Why.
        why: String,
    },
    /// The host refused a step: see `doctor`.
    #[error("the host refuses: {step}")]
    Refused {
        /// Which step.
        step: String,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
    /// A layer could not be unpacked.
    #[error("unpack layer {digest}: {why}")]
    Layer {
        /// Which.
        digest: Digest,
        /// Why.
        why: String,
    },
    /// The folder of unpacked layers failed.
    #[error("the store of layers fails")]
    Store(#[from] io::Error),
}

impl LaunchError {
    pub(super) fn not_started(why: impl Into<String>) -> Self {
        Self::NotStarted { why: why.into() }
    }
}

/// Whether this process is root: then [`Isolation::Namespace`] is possible.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Names the step that the host refused.
pub(super) fn refused<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> LaunchError {
    move |source| LaunchError::Refused { step: step.to_owned(), source: source.into() }
}
