//! Puts events of all sources into one order, within ceilings.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{Event, What};

/// Events of one kind by one process that are kept whatever they say.
const SAME_KIND_MAX: u32 = 2_000;
/// Beyond that, events that say something not said before: how many such sayings are remembered.
const SAYINGS_MAX: usize = 100_000;
/// Events of a run in all.
const EVENTS_MAX: usize = 200_000;

/// Sees each event as it is kept.
pub type Live = Box<dyn Fn(&Event) + Send + Sync>;

/// Takes events from the sensor, the simulated internet and the sandbox itself, from any thread.
///
/// What a sample repeats is counted and not kept ([`Recorder::folded`]), so that noise cannot push out what matters: each kind of each
/// process has a share, and beyond it an event is kept if it says something new.
pub struct Recorder {
    /// `CLOCK_BOOTTIME` of the sample's first instruction, in nanoseconds; 0 before it.
    started_ns: AtomicU64,
    skipped_ms: AtomicU64,
    state: Mutex<State>,
    live: Option<Live>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    by_kind: HashMap<(u32, mem::Discriminant<What>), u32>,
    sayings: HashSet<u64>,
    folded: u64,
}

impl Recorder {
    /// `live` sees every event that is kept, at once, before it has its number.
    #[must_use]
    pub fn new(live: Option<Live>) -> Self {
        Self { started_ns: AtomicU64::new(0), skipped_ms: AtomicU64::new(0), state: Mutex::default(), live }
    }

    /// Says when the sample began: `CLOCK_BOOTTIME`, in nanoseconds.
    pub fn begin(&self, boot_ns: u64) {
        self.started_ns.store(boot_ns, Ordering::Relaxed);
    }

    /// A sleep was cut by that much.
    pub fn skipped(&self, ms: u64) {
        self.skipped_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// By how much all sleeps were cut so far, in milliseconds.
    #[must_use]
    pub fn skipped_ms(&self) -> u64 {
        self.skipped_ms.load(Ordering::Relaxed)
    }

    /// Records something that happens now.
    pub fn now(&self, process: u32, what: What) {
        self.at(boot_ns(), process, what);
    }

    /// Records something that happened at `boot_ns` (`CLOCK_BOOTTIME`, in nanoseconds), `process` as the sample sees its id.
    pub fn at(&self, boot_ns: u64, process: u32, what: What) {
        let at_us = boot_ns.saturating_sub(self.started_ns.load(Ordering::Relaxed)) / 1_000;
        let event = Event { sequence: 0, at_us, process, what };
        let mut state = self.state();
        if !state.wants(&event) {
            state.folded += 1;
            return;
        }
        if let Some(live) = &self.live {
            live(&event);
        }
        state.events.push(event);
    }

    /// How many events were counted and not kept so far.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.state().folded
    }

    /// What was recorded so far, in order of time, numbered from 1. For the judge of the evidence so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Event> {
        in_order(self.state().events.clone())
    }

    /// What was recorded, in order of time, numbered from 1; the recorder is empty after it.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        in_order(mem::take(&mut self.state().events))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wants(&mut self, event: &Event) -> bool {
        if self.events.len() >= EVENTS_MAX {
            return false;
        }
        let kind = mem::discriminant(&event.what);
        let count = self.by_kind.entry((event.process, kind)).or_default();
        *count = count.saturating_add(1);
        // A process id can be reused without end: what a process may say is also bounded by the sayings of all.
        *count <= SAME_KIND_MAX && self.by_kind.len() < SAYINGS_MAX || self.is_news(event)
    }

    fn is_news(&mut self, event: &Event) -> bool {
        if self.sayings.len() >= SAYINGS_MAX {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        mem::discriminant(&event.what).hash(&mut hasher);
        said(&event.what).hash(&mut hasher);
        self.sayings.insert(hasher.finish())
    }
}

/// What tells one event of a kind from another, as far as noise goes.
fn said(what: &What) -> (&str, &str) {
    match what {
        What::Exec { path, .. }
        | What::ExecFailed { path, .. }
        | What::Open { path, .. }
        | What::Write { path, .. } => (path, ""),
        What::Rename { from, to, .. } => (from, to),
        What::Unlink { path, .. } | What::Chmod { path, .. } | What::Make { path, .. } => (path, ""),
        What::Link { target, path, .. } => (target, path),
        What::Connect { to, .. } | What::Bind { to, .. } | What::SendTo { to, .. } => (to, ""),
        What::Mount { source, target, .. } => (source, target),
        What::Dns { name, record, .. } => (name, record),
        What::FlowStart { remote, protocol, .. } => (remote, protocol),
        What::Http { url, method, .. } => (url, method),
        What::Tls { server, .. } => (server, ""),
        What::Login { user, password, .. } => (user, password),
        What::Message { text, .. } => (text, ""),
        What::Refused { what, detail } => (what, detail),
        What::Trace { call, .. }
        | What::Identity { call, .. }
        | What::Namespace { call, .. }
        | What::Kernel { call, .. } => (call, ""),
        What::Stratum { method, login, .. } => (method, login),
        _ => ("", ""),
    }
}

fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.at_us);
    for (event, sequence) in events.iter_mut().zip(1..) {
        event.sequence = sequence;
    }
    events
}

/// `CLOCK_BOOTTIME` now, in nanoseconds: what the kernel stamps events with.
#[must_use]
pub fn boot_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("every Linux since 2.6.39 has it");
    u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unlink(path: &str) -> What {
        What::Unlink { path: path.to_owned(), result: 0 }
    }

    #[test]
    fn events_are_numbered_in_the_order_they_happened() {
        let recorder = Recorder::new(None);
        recorder.begin(1_000);
        recorder.at(5_000_000, 1, unlink("/late"));
        recorder.at(3_000_000, 2, unlink("/early"));
        let events = recorder.take();
        assert_eq!(events.iter().map(|event| (event.sequence, event.process)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
    }

    #[test]
    fn noise_does_not_push_out_what_matters() {
        let recorder = Recorder::new(None);
        let noise = EVENTS_MAX + SAYINGS_MAX;
        for number in 0..noise {
            recorder.at(1_000, 1, unlink(&format!("/noise/{}", number % 10)));
        }
        recorder.at(2_000, 1, unlink("/var/log/auth.log"));
        recorder.at(2_000, 1, What::Dns { flow: 1, name: "x.example".into(), record: "A".into(), answer: Vec::new() });
        let folded = recorder.folded();
        let events = recorder.take();
        assert_eq!(events.len() as u64 + folded, noise as u64 + 2);
        assert!(events.len() < 3_000, "{}", events.len());
        assert!(events.iter().any(|event| event.what == unlink("/var/log/auth.log")));
        assert!(events.iter().any(|event| matches!(event.what, What::Dns { .. })));
    }
}
