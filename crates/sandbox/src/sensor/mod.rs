//! What the sample asks of the kernel.
//!
//! | module | what it does |
//! |---|---|
//! | [`bpf`] | the main sensor: BPF programs read calls as they return |
//! | [`notify`] | seccomp notification: skips sleeps and shifts the date; where BPF is not permitted, the only sensor |
//! | [`replay`] | a recording, written and read back |
//! | [`guard`] | the second guard of the network: refuses and counts what does not leave through the sample's own device |
//! | [`mod@doctor`] | which of these work here |
//! | `calls` | which system calls are of interest, one line each |
//! | `translate` | a call and what is known of it to an event; the same for both sensors |
//! | `state` | what must be remembered between events: known processes, folded writes |

pub mod bpf;
mod calls;
pub mod doctor;
pub mod guard;
pub mod notify;
pub mod replay;
mod state;
mod translate;

pub use doctor::doctor;

/// Something that records what a sample asks of the kernel.
pub trait Sensor: Send {
    /// `bpf`, `notify` or `replay`.
    fn name(&self) -> &'static str;
    /// What it cannot see, one line each.
    fn blind_spots(&self) -> Vec<String>;
    /// Takes what is still on its way, ends, and says how much it saw.
    fn finish(self: Box<Self>) -> SensorCounts;
}

/// How much a sensor saw. Exact: each event is counted where it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SensorCounts {
    /// Events, those it lost among them.
    pub seen: u64,
    /// Events it lost on the way.
    pub lost: u64,
}

/// Why a sensor or guard cannot be used here. All end in: use another one, or none.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    /// The kernel tells nothing of its types, or nothing that can be read.
    #[error("the kernel's BTF cannot be read: {0}")]
    Btf(String),
    /// The kernel refused a program, a map, or to attach it.
    #[error("the kernel refused {what}: {why}")]
    Refused {
        /// What of it.
        what: String,
        /// Its words.
        why: String,
    },
    /// There is no such cgroup, or no such namespace.
    #[error("nothing to attach to: {0}")]
    Target(String),
    /// This machine is none that the sensor knows.
    #[error("not made for this processor")]
    Machine,
}

/// What is played on the sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tricks {
    /// Whether its sleeps end at once.
    pub skip_sleeps: bool,
    /// By how much its clocks are ahead; 0 for not at all.
    pub clock_shift_seconds: i64,
}
