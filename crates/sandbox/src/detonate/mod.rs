//! Runs one image, several times within one budget: as it would start, with the date moved on, and what else it holds that could be run.

mod run;
mod trust;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
};

use model::{CapturedFile, Digest, EndReason, Event, Trace, TraceHead, What};

use crate::{
    launch::{Isolation, LaunchError, Layer, Limits},
    sensor::bpf,
};

/// How far the date is moved on in the second run: far enough for every month and weekday to have come.
pub const CLOCK_SHIFT_SECONDS: i64 = 400 * 86_400;
/// Of the budget, what the first run may use, in percent.
const FIRST_RUN_PERCENT: u64 = 60;
/// Shortest run that is worth its start, in milliseconds.
const RUN_MS_MIN: u64 = 1_500;
/// Longest run of a script that nothing starts, in milliseconds.
const SCRIPT_MS_MAX: u64 = 8_000;
/// Scripts that are tried.
pub const SCRIPTS_MAX: usize = 4;

/// What is run.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The image's manifest, or config where it has none.
    pub digest: Option<Digest>,
    /// ENTRYPOINT and CMD.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Working folder.
    pub folder: String,
    /// USER.
    pub user: String,
    /// TCP ports it says it serves.
    pub ports: Vec<u16>,
    /// Other commands worth a run: scripts that nothing starts, arguments that its documentation names; with the reason. At most
    /// [`SCRIPTS_MAX`] are tried.
    pub others: Vec<(String, Vec<String>)>,
}

/// How it is run.
#[derive(Clone)]
pub struct Options {
    /// Which kind of sandbox.
    pub isolation: Isolation,
    /// Wall time of all runs together, in milliseconds.
    pub budget_ms: u64,
    /// What each run may use.
    pub limits: Limits,
    /// Now, in seconds since 1970 (UTC).
    pub now: u64,
    /// Of everything the simulated internet invents: the same seed gives the same answers.
    pub seed: u64,
    /// Whether sleeps are cut short.
    pub skip_sleeps: bool,
    /// Whether there is a run with the date moved on.
    pub shift_clock: bool,
    /// Whether the packets are kept.
    pub capture_packets: bool,
    /// Use the rootless sensor also where BPF would be permitted.
    pub without_bpf: bool,
}

/// Told what happens, from several threads.
pub trait Observer: Send + Sync {
    /// A run begins.
    fn run_begins(&self, _head: &TraceHead) {}
    /// Something happened in run `run`; the event has no number yet.
    fn event(&self, _run: &str, _event: &Event) {}
    /// Whether what this run showed so far is enough to end it. Asked a few times in a run.
    fn is_certain(&self, _trace: &Trace) -> bool {
        false
    }
}

/// What the runs of one image gave.
#[derive(Debug, Default)]
pub struct Detonation {
    /// One a run, in order.
    pub traces: Vec<Trace>,
    /// Files it wrote or ran, with their content, each content once; the run they are from.
    pub files: Vec<(String, CapturedFile, Vec<u8>)>,
    /// Packets of all runs, each `pcapng` of its own: the run, the bytes.
    pub packets: Vec<(String, Vec<u8>)>,
    /// What the simulated internet served, by digest: a file with one of these is ours.
    pub served: Vec<Digest>,
    /// What the sample printed in the first run, shortened.
    pub output: Vec<u8>,
}

impl Options {
    fn prefers_bpf(&self) -> bool {
        self.isolation == Isolation::Namespace && !self.without_bpf
    }
}

/// Gets ready what the next run needs whatever it runs, on a thread beside what goes on: the kernel takes most of 100 ms to check the sensor.
pub fn warm(options: &Options) {
    if options.prefers_bpf() {
        // Without a thread the run does it itself.
        let _ = std::thread::Builder::new().name("warm".to_owned()).spawn(bpf::warm);
    }
}

/// Runs the image. `seconds` is a monotonic clock.
///
/// # Errors
///
/// [`LaunchError`] if not even the first run could be prepared, by the host's fault. An image that cannot run (no program, another
/// processor) is a run that ended as `not-started`.
pub fn detonate(
    layers: &[Layer],
    subject: &Subject,
    options: &Options,
    seconds: &(dyn Fn() -> f64 + Sync),
    observer: &Arc<dyn Observer>,
    stop: &AtomicBool,
) -> Result<Detonation, LaunchError> {
    let began = seconds();
    let mut found = Detonation::default();
    let left = || options.budget_ms.saturating_sub(((seconds() - began) * 1_000.0) as u64);
    let mut planned: VecDeque<Planned> = runs(subject, options).into();
    while let Some(planned_now) = planned.pop_front() {
        let room = left().min(planned_now.ms_max);
        if stop.load(std::sync::atomic::Ordering::Relaxed) || (room < RUN_MS_MIN && !found.traces.is_empty()) {
            break;
        }
        let number = found.traces.len() + 1;
        let more = !planned.is_empty();
        let run = run::Run { number, planned: planned_now, layers, subject, options, room_ms: room, more };
        let ended = run.run(seconds, observer, stop)?;
        let name = ended.trace.head.run.clone();
        if found.traces.is_empty() && gave_up_early(&ended.trace) {
            planned.push_back(Planned { skip_sleeps: false, ..entry(subject, "real sleeps", 0, options.budget_ms) });
        }
        if matches!(ended.trace.end.reason, EndReason::NotStarted { .. }) {
            // It would not start on another day either.
            planned.retain(|other| other.command != ended.trace.head.command);
        }
        let is_over = matches!(ended.trace.end.reason, EndReason::Certain | EndReason::Stopped);
        for (file, bytes) in ended.files {
            if !found.files.iter().any(|(_, known, _)| known.sha256 == file.sha256) {
                found.files.push((name.clone(), file, bytes));
            }
        }
        found.served.extend(ended.served);
        found.packets.extend(ended.packets.map(|bytes| (name, bytes)));
        if found.traces.is_empty() {
            found.output = ended.output;
        }
        found.traces.push(ended.trace);
        if is_over {
            break;
        }
    }
    Ok(found)
}

/// One run as planned.
#[derive(Debug, Clone)]
struct Planned {
    purpose: String,
    command: Vec<String>,
    clock_shift_seconds: i64,
    skip_sleeps: bool,
    ms_max: u64,
}

/// Whether it ended by itself after a sleep that was cut short: it may have measured how long the sleep really took.
fn gave_up_early(trace: &Trace) -> bool {
    matches!(trace.end.reason, EndReason::Exited { .. } | EndReason::Signalled { .. })
        && trace.events.iter().any(|event| matches!(event.what, What::Sleep { skipped: true, .. }))
}

fn entry(subject: &Subject, purpose: &str, clock_shift_seconds: i64, ms_max: u64) -> Planned {
    let command = subject.command.clone();
    Planned { purpose: purpose.to_owned(), command, clock_shift_seconds, skip_sleeps: true, ms_max }
}

fn runs(subject: &Subject, options: &Options) -> Vec<Planned> {
    let others = subject.others.iter().take(SCRIPTS_MAX);
    let mut runs = Vec::new();
    if !subject.command.is_empty() || subject.others.is_empty() {
        let alone = !options.shift_clock && subject.others.is_empty();
        let percent = if alone { 100 } else { FIRST_RUN_PERCENT };
        runs.push(entry(subject, "entry point", 0, options.budget_ms * percent / 100));
        if options.shift_clock {
            let for_others = others.len() as u64 * SCRIPT_MS_MAX / 2;
            let rest = (options.budget_ms * (100 - percent) / 100).saturating_sub(for_others);
            runs.push(entry(subject, "shifted date", CLOCK_SHIFT_SECONDS, rest.max(RUN_MS_MIN)));
        }
    }
    runs.extend(others.map(|(purpose, command)| Planned {
        purpose: purpose.clone(),
        command: command.clone(),
        clock_shift_seconds: 0,
        skip_sleeps: true,
        ms_max: SCRIPT_MS_MAX,
    }));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            isolation: Isolation::Namespace,
            budget_ms: 60_000,
            limits: Limits::default(),
            now: 0,
            seed: 1,
            skip_sleeps: true,
            shift_clock: true,
            capture_packets: false,
            without_bpf: false,
        }
    }

    #[test]
    fn the_runs_share_one_budget() {
        let script = ("script".to_owned(), vec!["/x.sh".to_owned()]);
        let subject = Subject { command: vec!["/x".to_owned()], others: vec![script], ..Subject::default() };
        let planned = runs(&subject, &options());
        assert_eq!(planned.len(), 3);
        assert!(planned.iter().take(2).map(|run| run.ms_max).sum::<u64>() <= 60_000);
        assert_eq!(planned.iter().map(|run| run.clock_shift_seconds > 0).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn an_image_without_an_entry_point_is_tried_by_its_scripts() {
        let script = ("script".to_owned(), vec!["/x.sh".to_owned()]);
        let planned = runs(&Subject { others: vec![script; 9], ..Subject::default() }, &options());
        assert_eq!(planned.len(), SCRIPTS_MAX);
        assert_eq!(runs(&Subject::default(), &options()).len(), 2, "so that the trace says why nothing ran");
    }
}
