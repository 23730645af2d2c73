//! Runs an image in a quarantine it cannot leave, and records what it does. The only code that starts a sample.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@detonate`] | all runs of one image within one budget |
//! | [`launch`] | layers to an overlay, namespaces, cgroup, seccomp; start, limits, end, sweep |
//! | [`internet`] | the simulated internet: a TCP/IP stack on a TUN device, one service a file, the packet capture |
//! | [`sensor`] | what the sample asks of the kernel: BPF, seccomp notification, replay; skipped sleeps, shifted clock |
//! | [`record`] | puts events of all of them into one order, within ceilings |

mod check;
pub mod detonate;
pub mod internet;
pub mod launch;
pub mod record;
pub mod sensor;

pub use check::Check;
pub use record::Recorder;
