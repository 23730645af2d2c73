//! One run: prepare, attach, start, watch, end.

use std::{
    collections::HashSet,
    fs::File,
    io::Write,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use model::{
    CapturedFile, Digest, EndReason, Event, Trace, TraceEnd, TraceHead, What,
    trace::{TRACE_SCHEMA, clipped},
};

use super::{Observer, Options, Planned, Subject, trust};
use crate::{
    Recorder,
    internet::{self, Authority, InternetPlan, Protocol, device},
    launch::{self, CaptureBudget, LaunchError, Layer, Plan, Prepared, Running, Surroundings},
    record::boot_ns,
    sensor::{Sensor, SensorCounts, Tricks, bpf, guard, notify},
};

/// How often we look whether it ended, in milliseconds.
const TICK_MS: u64 = 100;
/// How often what it uses is recorded.
const USAGE_MS: u64 = 1_000;
/// When its ports are tried, after the start.
const POKES_MS: [u64; 3] = [1_500, 5_000, 15_000];
/// When the evidence so far is judged.
const JUDGE_MS: [u64; 5] = [4_000, 8_000, 14_000, 24_000, 40_000];
/// Largest packet capture that is kept.
const PACKETS_BYTES_MAX: usize = 64 << 20;
/// Ports that are tried.
const PORTS_MAX: usize = 16;

pub(super) struct Run<'a> {
    pub(super) number: usize,
    pub(super) planned: Planned,
    pub(super) layers: &'a [Layer],
    pub(super) subject: &'a Subject,
    pub(super) options: &'a Options,
    pub(super) room_ms: u64,
    /// Whether another is planned behind it.
    pub(super) more: bool,
}

/// What a run gave.
pub(super) struct Ended {
    pub(super) trace: Trace,
    pub(super) files: Vec<(CapturedFile, Vec<u8>)>,
    pub(super) packets: Option<Vec<u8>>,
    pub(super) served: Vec<Digest>,
    pub(super) output: Vec<u8>,
}

/// Programs that were in memory only.
type Nameless = Arc<Mutex<Vec<(CapturedFile, Vec<u8>)>>>;

impl Run<'_> {
    pub(super) fn run(
        &self,
        seconds: &(dyn Fn() -> f64 + Sync),
        observer: &Arc<dyn Observer>,
        stop: &AtomicBool,
    ) -> Result<Ended, LaunchError> {
        let prefers_bpf = self.options.prefers_bpf();
        match self.attempt(prefers_bpf, seconds, observer, stop) {
            Err(Failed::NoBpf(why)) => {
                tracing::warn!("no BPF sensor ({why}); going on with seccomp notification");
                self.attempt(false, seconds, observer, stop).map_err(Failed::into_launch)
            }
            other => other.map_err(Failed::into_launch),
        }
    }

    fn attempt(
        &self,
        with_bpf: bool,
        seconds: &(dyn Fn() -> f64 + Sync),
        observer: &Arc<dyn Observer>,
        stop: &AtomicBool,
    ) -> Result<Ended, Failed> {
        let began_ns = boot_ns();
        let name = self.number.to_string();
        let shift = self.planned.clock_shift_seconds;
        let tricks =
            Tricks { skip_sleeps: self.options.skip_sleeps && self.planned.skip_sleeps, clock_shift_seconds: shift };
        let shown_now = self.options.now.saturating_add_signed(shift);
        let authority =
            Authority::new(shown_now).map_err(|error| Failed::host("make a certificate authority", &error))?;
        let address = device::Address::of_container(u8::try_from(self.options.seed % 12).unwrap_or(0));
        let hostname = format!("{:012x}", self.options.seed & 0xffff_ffff_ffff);
        let (planted, canaries) =
            trust::planted(authority.pem(), self.options.seed, &self.subject.user, &hostname, &address);
        let plan = Plan {
            layers: self.layers.to_vec(),
            command: self.planned.command.clone(),
            environment: trust::environment(&self.subject.environment),
            folder: self.subject.folder.clone(),
            user: self.subject.user.clone(),
            hostname,
            isolation: self.options.isolation,
            limits: self.options.limits.clone(),
            planted,
            surroundings: Surroundings {
                cores: 4,
                memory_bytes: 8 << 30,
                uptime_seconds: 9 * 86_400 + self.options.seed % 86_400,
                clock_shift_seconds: shift,
            },
            network: Some(address),
            notify: notify::filter(&tricks, !with_bpf),
        };
        let mut head = TraceHead {
            schema: TRACE_SCHEMA.to_owned(),
            run: name.clone(),
            subject: self.subject.digest.unwrap_or_else(|| Digest::of(b"")),
            command: self.planned.command.clone(),
            purpose: self.planned.purpose.clone(),
            clock_shift_seconds: shift,
            sleeps_skipped: tricks.skip_sleeps,
            isolation: self.options.isolation.name().to_owned(),
            sensor: if with_bpf { "bpf" } else { "notify" }.to_owned(),
            network: "tun".to_owned(),
            blind_spots: Vec::new(),
            started_at: self.options.now,
            canaries: canaries.clone(),
            environment: self.subject.environment.iter().map(|line| clipped(line)).collect(),
        };

        let live = {
            let observer = Arc::clone(observer);
            Box::new(move |event: &Event| observer.event(&name, event))
        };
        let recorder = Arc::new(Recorder::new(Some(live)));
        let mut prepared = match launch::prepare(&plan) {
            Ok(prepared) => prepared,
            Err(LaunchError::NotStarted { why }) => return Ok(not_started(head, why, observer)),
            Err(error) => return Err(Failed::Launch(error)),
        };

        let prepared_ns = boot_ns();
        let guarding = guarding(&prepared, with_bpf);
        // Everything that watches, before the gate opens.
        let nameless = Nameless::default();
        let mut sensors: Vec<Box<dyn Sensor>> = Vec::new();
        if with_bpf {
            let taken = Arc::clone(&nameless);
            let options = bpf::Options {
                sleeps: !tricks.skip_sleeps,
                on_program: Some(Box::new(move |pid, name| take_program(pid, name, &taken))),
                ..bpf::Options::default()
            };
            let sensor = bpf::attach_with(prepared.cgroup_id(), Arc::clone(&recorder), options);
            sensors.push(sensor.map_err(|error| Failed::NoBpf(error.to_string()))?);
        }
        if let Some(listener) = prepared.take_notify() {
            sensors.push(notify::serve(listener, tricks, !with_bpf, Arc::clone(&recorder)));
        }
        let watched_ns = boot_ns();
        for sensor in &sensors {
            head.blind_spots.extend(sensor.blind_spots());
        }
        let mut problems: Vec<String> = prepared.problems().to_vec();
        let packets = self.options.capture_packets.then(Packets::default);
        let network = match prepared.take_tun() {
            None => {
                "none".clone_into(&mut head.network);
                problems.push("no network device: the sample could reach nothing".to_owned());
                None
            }
            Some(tun) => {
                let plan = InternetPlan {
                    seed: self.options.seed,
                    now: shown_now,
                    address,
                    canaries,
                    pcap: packets.clone().map(|packets| Box::new(packets) as Box<dyn Write + Send>),
                    statistics: device::Statistics::of_process(prepared.first_pid()).ok(),
                };
                let started = internet::start(tun, plan, authority, Arc::clone(&recorder));
                Some(started.map_err(|error| Failed::host("start the simulated internet", &error))?)
            }
        };
        let guard = match guarding.map(|thread| thread.join()) {
            None => None,
            Some(Ok(Ok(guard))) => Some(guard),
            Some(failed) => {
                let why = failed.map_or_else(|_| "it failed".to_owned(), |why| why.err().unwrap_or_default());
                problems.push(format!("no second guard of the network: {why}"));
                None
            }
        };
        observer.run_begins(&head);

        let ready_ns = boot_ns();
        recorder.begin(boot_ns());
        let began = seconds();
        let (reason, finished, start_overhead_us) = match prepared.start() {
            Err(LaunchError::NotStarted { why }) => (Some(EndReason::NotStarted { why }), None, 0),
            Err(error) => return Err(Failed::Launch(error)),
            Ok(running) => {
                let overhead = boot_ns().saturating_sub(began_ns) / 1_000;
                let ms = |ns: u64| ns.saturating_sub(began_ns) / 1_000_000;
                let (prepared, watched, ready) = (ms(prepared_ns), ms(watched_ns), ms(ready_ns));
                tracing::debug!(
                    "prepared {prepared} ms, sensors {watched} ms, network {ready} ms, runs {} ms",
                    overhead / 1_000
                );
                if self.more {
                    super::warm(self.options);
                }
                let watch = Watch { run: self, recorder: &recorder, head: &head, seconds, observer, stop };
                let reason = watch.until_the_end(&running, network.as_ref());
                let finished = running.finish(&CaptureBudget::default());
                (reason, Some(finished), overhead)
            }
        };
        let duration_ms = ((seconds() - began) * 1_000.0) as u64;

        let mut counts = SensorCounts::default();
        for sensor in sensors {
            let of_one = sensor.finish();
            counts.seen += of_one.seen;
            counts.lost += of_one.lost;
        }
        let network = network.map(internet::Internet::finish).unwrap_or_default();
        let escapes_refused = guard.map_or(0, |guard| guard.total());
        if escapes_refused > 0 {
            let detail = format!("{escapes_refused} connections or packets past the sandbox's own device");
            recorder.now(0, What::Refused { what: "network".to_owned(), detail });
        }
        let mut files = std::mem::take(&mut *nameless.lock().unwrap_or_else(PoisonError::into_inner));
        let mut output = Vec::new();
        let mut cpu_ms = 0;
        let mut found_reason = EndReason::Stopped;
        if let Some(finished) = finished {
            for (what, detail) in finished.refused {
                recorder.now(0, What::Refused { what, detail });
            }
            files.extend(finished.captured);
            problems.extend(finished.problems);
            output = finished.output;
            cpu_ms = finished.usage.cpu_ms;
            found_reason = finished.reason;
        }
        let events_folded = recorder.folded();
        let events = recorder.take();
        let end = TraceEnd {
            reason: reason.unwrap_or(found_reason),
            duration_ms,
            start_overhead_us,
            cpu_ms,
            events_seen: counts.seen,
            events_lost: counts.lost,
            events_folded,
            packets_out: network.packets_out,
            packets_in: network.packets_in,
            packets_lost: network.packets_lost,
            escapes_refused,
            files: files.iter().map(|(file, _)| file.clone()).collect(),
            problems,
        };
        let packets = packets.map(Packets::into_bytes);
        let served = network.downloads.iter().map(|(digest, _)| *digest).collect();
        Ok(Ended { trace: Trace { head, events, end }, files, packets, served, output })
    }
}

/// Why a run did not come about.
enum Failed {
    NoBpf(String),
    Launch(LaunchError),
}

impl Failed {
    fn host(step: &str, error: &dyn std::error::Error) -> Self {
        Self::Launch(LaunchError::Refused { step: step.to_owned(), source: std::io::Error::other(error.to_string()) })
    }

    fn into_launch(self) -> LaunchError {
        match self {
            Self::Launch(error) => error,
            Self::NoBpf(why) => {
                LaunchError::Refused { step: "attach a sensor".to_owned(), source: std::io::Error::other(why) }
            }
        }
    }
}

fn not_started(head: TraceHead, why: String, observer: &Arc<dyn Observer>) -> Ended {
    observer.run_begins(&head);
    let end = TraceEnd {
        reason: EndReason::NotStarted { why },
        duration_ms: 0,
        start_overhead_us: 0,
        cpu_ms: 0,
        events_seen: 0,
        events_lost: 0,
        events_folded: 0,
        packets_out: 0,
        packets_in: 0,
        packets_lost: 0,
        escapes_refused: 0,
        files: Vec::new(),
        problems: Vec::new(),
    };
    Ended {
        trace: Trace { head, events: Vec::new(), end },
        files: Vec::new(),
        packets: None,
        served: Vec::new(),
        output: Vec::new(),
    }
}

/// Attaches the second guard beside what else is made ready: the kernel checks its programs for some tens of milliseconds.
fn guarding(prepared: &Prepared, with_bpf: bool) -> Option<thread::JoinHandle<Result<guard::Guard, String>>> {
    let (first, cgroup) = (prepared.first_pid(), prepared.cgroup_id());
    let attach = move || {
        let network = File::open(format!("/proc/{first}/ns/net")).map_err(|error| error.to_string())?;
        guard::attach(cgroup, network.as_fd()).map_err(|error| error.to_string())
    };
    with_bpf.then(|| thread::spawn(attach))
}

/// Takes a program that has no name in any folder, while its process stands still.
fn take_program(pid: i32, name: &str, taken: &Nameless) {
    let Ok((_, bytes, all)) = launch::read_program(pid) else { return };
    let sha256 = Digest::of(&bytes);
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.iter().any(|(file, _)| file.sha256 == sha256) {
        return;
    }
    let file = CapturedFile {
        path: name.to_owned(),
        sha256,
        size: bytes.len() as u64,
        mode: 0o777,
        executed: true,
        deleted: true,
        cut: (!all).then_some(model::ProblemKind::BytesLimit),
    };
    taken.push((file, bytes));
}

/// Waits, tries ports, and judges.
struct Watch<'a> {
    run: &'a Run<'a>,
    recorder: &'a Recorder,
    head: &'a TraceHead,
    seconds: &'a (dyn Fn() -> f64 + Sync),
    observer: &'a Arc<dyn Observer>,
    stop: &'a AtomicBool,
}

impl Watch<'_> {
    /// Why we end it; none if it ended by itself.
    fn until_the_end(&self, running: &Running, network: Option<&internet::Internet>) -> Option<EndReason> {
        let began = (self.seconds)();
        let (mut pokes, mut judgements) = (POKES_MS.iter().peekable(), JUDGE_MS.iter().peekable());
        let mut next_usage = 0;
        let ports: HashSet<u16> = self.run.subject.ports.iter().copied().take(PORTS_MAX).collect();
        loop {
            let elapsed = (((self.seconds)() - began) * 1_000.0) as u64;
            if elapsed >= next_usage {
                next_usage = elapsed + USAGE_MS;
                let usage = running.usage();
                let (cpu_ms, memory_bytes, tasks) = (usage.cpu_ms, usage.memory_bytes, usage.tasks);
                self.recorder
                    .now(0, What::Usage { cpu_ms, memory_bytes, tasks, skipped_ms: self.recorder.skipped_ms() });
            }
            if self.stop.load(Ordering::Relaxed) {
                return Some(EndReason::Stopped);
            }
            if elapsed >= self.run.room_ms {
                return Some(EndReason::TimeBudget);
            }
            if pokes.next_if(|at| elapsed >= **at).is_some()
                && let Some(network) = network
            {
                ports.iter().for_each(|port| network.poke(*port, Protocol::Tcp));
            }
            if judgements.next_if(|at| elapsed >= **at).is_some() && self.observer.is_certain(&self.so_far()) {
                return Some(EndReason::Certain);
            }
            if running.wait(Duration::from_millis(TICK_MS)).is_some() {
                return None;
            }
        }
    }

    fn so_far(&self) -> Trace {
        let Ended { trace, .. } =
            not_started(self.head.clone(), String::new(), &(Arc::new(Silent) as Arc<dyn Observer>));
        Trace { events: self.recorder.so_far(), ..trace }
    }
}

struct Silent;

impl Observer for Silent {}

/// Packets in memory, bounded.
#[derive(Clone, Default)]
struct Packets(Arc<Mutex<Vec<u8>>>);

impl Packets {
    fn into_bytes(self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Packets {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() + bytes.len() > PACKETS_BYTES_MAX {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
