//! Seccomp notification: the kernel stops a thread at its call and asks us.
//!
//! Beside BPF it plays the tricks: sleeps that end at once, and clocks that are ahead. Without BPF it is also the sensor: it sees calls before
//! they are made, with the arguments as they are then, and costs about 10 µs a call.

mod clock;
mod filter;
mod listener;
mod process;
mod server;
pub(crate) mod vdso;
mod watch;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

pub use filter::filter;

use super::{Sensor, SensorCounts, Tricks};
use crate::Recorder;

/// What is about to be gone, and can still be kept: the call that does it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept<'a> {
    /// A file that will be run (`executed`), overwritten or deleted, by its absolute path in the sandbox.
    File {
        /// Which.
        path: &'a str,
        /// Whether it will be run.
        executed: bool,
    },
    /// A process, as the host counts, runs a program that has no name in any folder.
    Program {
        /// Which process.
        host: i32,
    },
}

/// Keeps what is about to be gone.
pub type Keep = Box<dyn FnMut(Kept<'_>) + Send>;

/// Serves the listener of [`filter`]'s program, on a thread of its own, until its last user is gone or [`Sensor::finish`].
///
/// `tricks` and `full` are those the program was made with. What the launcher does in the process before it runs a program is not recorded.
/// A thread of the sample that calls after `finish` gets `ENOSYS`.
#[must_use]
pub fn serve(listener: OwnedFd, tricks: Tricks, full: bool, recorder: Arc<Recorder>) -> Box<dyn Sensor> {
    serve_with(listener, tricks, full, recorder, None)
}

/// As [`serve`]; with `full`, `keep` is told what is about to be gone.
#[must_use]
pub fn serve_with(
    listener: OwnedFd,
    tricks: Tricks,
    full: bool,
    recorder: Arc<Recorder>,
    keep: Option<Keep>,
) -> Box<dyn Sensor> {
    let stop = Arc::new(AtomicBool::new(false));
    let server = server::Server::new(listener, tricks, full, recorder, keep);
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new().name("notify".to_owned()).spawn(move || server.run(&stopped));
    Box::new(Notify { tricks, full, stop, thread: thread.ok() })
}

struct Notify {
    tricks: Tricks,
    full: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<SensorCounts>>,
}

impl Sensor for Notify {
    fn name(&self) -> &'static str {
        "notify"
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = Vec::new();
        let mut add = |spot: &str| spots.push(spot.to_owned());
        if self.full {
            add("calls are seen before they are made: their result is 0, unless a file is plainly missing");
            add("arguments are read from memory that another thread may change after that");
            add(
                "writes are not seen: what is in a file that was opened for them is told once, as it is a little later",
            );
            add("connections that are taken, and ends of processes by a signal, are not seen");
            add("a process is seen from its first call of interest on; processes that make none are not");
            add("32-bit calls are refused");
            add("operations through io_uring are not seen");
        }
        if self.tricks.skip_sleeps {
            add("waits in poll for a file, and timers (alarm, setitimer, timerfd) take as long as they ask for");
            if self.tricks.clock_shift_seconds == 0 {
                add(
                    "the clock does not show skipped sleeps, and waits in ppoll, select or epoll for a file, or for a futex, take as long as they ask for",
                );
            }
        }
        if self.tricks.clock_shift_seconds != 0 {
            add(
                "the times of files, timerfd and timer_settime with a date, /proc/uptime, sysinfo and the processor's counter show the real time",
            );
            add(
                "a program that reads the clock before its first call of brk, arch_prctl or set_tid_address sees the real time once",
            );
        }
        spots
    }

    fn finish(mut self: Box<Self>) -> SensorCounts {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
