//! The runtime half of one image: unpack, run, judge the traces, look into the files it wrote. What it gives is judged together with what
//! static analysis found.

use std::{
    collections::HashSet,
    io::{self, Read},
    sync::Arc,
};

use inspect::{At, ImageView, Place};
use model::{
    CapturedFile, Category, Digest, Disposition, EndReason, Event, Finding, ImageConfig, ImageIdentity, Location,
    Maturity, Observation, Platform, Problem, ProblemKind, SCHEMA, ScanReport, Trace, Weight, What,
};
use registry::ImageSource;
use sandbox::{
    detonate::{self, Detonation, Observer, Options, SCRIPTS_MAX, Subject},
    launch::{LaunchError, Layer, Store, UnpackLimits},
};

use crate::{Context, documented, image::Parts};

/// Events of one run that a report keeps: those that findings name, then those that tell most.
const EVENTS_MAX: usize = 2_000;
/// Lost events of a thousand from which on a trace counts as incomplete.
const LOST_PER_MILLE_MAX: u64 = 10;
/// Files from a run that are looked into.
const FILES_MAX: usize = 500;
/// Findings of one captured file.
const FINDINGS_OF_FILE_MAX: usize = 64;

/// How images are run, where they are.
pub struct Detonating<'a> {
    /// Unpacked layers.
    pub store: &'a Store,
    /// Budget, isolation, limits. `now` and `seed` are set for each image.
    pub options: &'a Options,
    /// Told what happens.
    pub observer: &'a Arc<dyn Observer>,
    /// Run also what attacks the kernel that all sandboxes share with us.
    pub force: bool,
    /// Run also what the catalog has a report on.
    pub again: bool,
    /// Gets every complete detonation, to be recorded.
    pub keep: &'a (dyn Fn(&Detonation) + Sync),
}

/// Names what runtime analysis asks: a report under this id, beside the rule pack's, knows what the image does.
pub(crate) fn id() -> String {
    format!("run-{}", behaviour::ID)
}

/// What the merged layers say to who runs them.
#[derive(Default)]
pub(crate) struct WorthRunning {
    /// Scripts and programs that nothing starts, with the reason.
    others: Vec<(String, Vec<String>)>,
    /// Absolute paths of all files.
    files: HashSet<String>,
}

impl WorthRunning {
    pub(crate) fn of(image: &ImageView<'_>) -> Self {
        let files = image.visible_files().map(|(_, entry)| format!("/{}", entry.path)).collect();
        Self { others: others(image), files }
    }
}

/// What the runs add to the judgement.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) findings: Vec<Finding>,
    /// With whether they matter to what the image runs.
    pub(crate) problems: Vec<(Problem, bool)>,
    /// For the report.
    pub(crate) traces: Vec<Trace>,
}

/// Runs the image. What fails is a problem, never an error: the static verdict stands.
pub(crate) fn ran(
    source: &dyn ImageSource,
    parts: &Parts,
    found: &[Finding],
    worth_running: WorthRunning,
    how: &Detonating<'_>,
    context: &Context<'_>,
) -> Ran {
    if let Some(why) = refused(parts, found, how) {
        return Ran { problems: vec![unwatched(why)], ..Ran::default() };
    }
    let mut layers = Vec::new();
    for part in &parts.layers {
        match unpacked(source, part, how.store) {
            Ok(layer) => layers.push(layer),
            Err(error) => return Ran { problems: vec![unwatched(told(&error))], ..Ran::default() },
        }
    }
    let subject = subject(parts, worth_running.others);
    let options = Options { now: (context.now)(), seed: seed(parts), ..how.options.clone() };
    match detonate::detonate(&layers, &subject, &options, context.seconds, how.observer, context.stop) {
        Err(error) => Ran { problems: vec![unwatched(told(&error))], ..Ran::default() },
        Ok(detonation) => {
            (how.keep)(&detonation);
            judged(detonation, &subject, worth_running.files, context)
        }
    }
}

/// Why it is not run at all.
fn refused(parts: &Parts, found: &[Finding], how: &Detonating<'_>) -> Option<String> {
    if parts.config.os != "linux" && !parts.config.os.is_empty() {
        return Some(format!("it is made for {}, which does not run here", parts.config.os));
    }
    let attacks_kernel = |finding: &&Finding| {
        finding.observation.category == Category::ContainerEscape
            && finding.observation.weight == Weight::Proof
            && finding.observation.techniques.iter().any(|technique| technique == "T1068")
    };
    let attack = found.iter().find(attacks_kernel).filter(|_| !how.force)?;
    let what = &attack.observation.summary;
    Some(format!(
        "not run: it attacks the kernel, which every sandbox here shares with the host ({what}); --force runs it"
    ))
}

fn unpacked(source: &dyn ImageSource, part: &crate::image::Part, store: &Store) -> Result<Layer, LaunchError> {
    let descriptor = &part.descriptor;
    let blob = || {
        let blob = source.blob(descriptor).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Box::new(blob) as Box<dyn Read + Send>)
    };
    store.layer(&descriptor.digest, blob, &UnpackLimits::default())
}

fn subject(parts: &Parts, others: Vec<(String, Vec<String>)>) -> Subject {
    let config = &parts.config;
    Subject {
        digest: Some(parts.image.manifest.unwrap_or(parts.config_digest)),
        command: config.entrypoint.iter().chain(&config.cmd).cloned().collect(),
        environment: config.env.clone(),
        folder: config.working_dir.clone(),
        user: config.user.clone(),
        ports: ports(config),
        others: documented::examples(config).into_iter().chain(others).collect(),
    }
}

/// The TCP ports it says it serves: `80/tcp`, `80`.
fn ports(config: &ImageConfig) -> Vec<u16> {
    let port = |text: &String| match text.split_once('/') {
        None => text.parse().ok(),
        Some((port, "tcp")) => port.parse().ok(),
        Some(_) => None,
    };
    config.exposed_ports.iter().filter_map(port).collect()
}

/// The same image is told the same every time.
fn seed(parts: &Parts) -> u64 {
    let digest = parts.config_digest;
    digest.as_bytes().first_chunk::<8>().map_or(1, |bytes| u64::from_le_bytes(*bytes))
}

/// Scripts and programs that nothing starts and that stand where nobody's package puts them.
fn others(image: &ImageView<'_>) -> Vec<(String, Vec<String>)> {
    const PLACES: [&str; 9] =
        ["opt/", "root/", "tmp/", "home/", "srv/", "app/", "var/tmp/", "dev/shm/", "usr/local/bin/"];
    let told: HashSet<At> = image
        .layers
        .iter()
        .enumerate()
        .flat_map(|(layer, record)| {
            let weighs = |observation: &model::Observation| observation.weight != Weight::Fact;
            let seen = record.observations.iter().filter(move |(_, observation)| weighs(observation));
            seen.map(move |(entry, _)| (layer, *entry as usize))
        })
        .collect();
    let mut found: Vec<(bool, &str)> = image
        .visible_files()
        .filter(|(at, entry)| {
            let alone = PLACES.iter().any(|place| entry.path.starts_with(place)) || !entry.path.contains('/');
            alone && entry.mode & 0o111 != 0 && entry.size > 0 && !image.runs.contains(at)
        })
        .map(|(at, entry)| (!told.contains(&at), entry.path.as_str()))
        .collect();
    // What static analysis already minds comes first; a folder full of tools is a package's.
    let many = found.len() > 4 * SCRIPTS_MAX;
    found.retain(|(is_quiet, _)| !many || !is_quiet);
    found.sort_unstable();
    let run = |(_, path): (bool, &str)| (format!("nothing starts /{path}"), vec![format!("/{path}")]);
    found.into_iter().take(SCRIPTS_MAX).map(run).collect()
}

/// Judges recorded runs by themselves: nothing is known of the image.
#[must_use]
pub fn replayed(name: &str, traces: Vec<Trace>, context: &Context<'_>) -> ScanReport {
    let command = traces.first().map(|trace| trace.head.command.clone()).unwrap_or_default();
    let subject = traces.first().map_or_else(|| Digest::of(b""), |trace| trace.head.subject);
    let detonation = Detonation { traces, ..Detonation::default() };
    let ran = judged(detonation, &Subject { command: command.clone(), ..Subject::default() }, HashSet::new(), context);
    let problems: Vec<Problem> = ran.problems.iter().map(|(problem, _)| problem.clone()).collect();
    let about = verdict::Subject { claims: &[], command: &command, problems: &ran.problems, unpacked_bytes: 1 };
    let verdict = verdict::judge(&ran.findings, &about);
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: format!("replay:{name}"),
            index: None,
            manifest: None,
            config: subject,
            config_pins_layers: false,
            platform: Platform::host(),
            created: None,
            command,
            description: String::new(),
            layers: Vec::new(),
        },
        verdict,
        findings: ran.findings,
        problems,
        rule_pack: context.questions(),
        scanned_at: (context.now)(),
        remembered: false,
        runs: ran.traces,
    }
}

fn judged(detonation: Detonation, subject: &Subject, files: HashSet<String>, context: &Context<'_>) -> Ran {
    let about = behaviour::Context { command: subject.command.clone(), exposed: subject.ports.clone(), files };
    let seen = behaviour::judge(&detonation.traces, &about);
    let mut findings: Vec<Finding> = seen
        .into_iter()
        .map(|seen| Finding::new(seen.observation, Location::Event { run: seen.run, sequence: seen.event }, true))
        .collect();
    let mut problems: Vec<(Problem, bool)> = detonation.traces.iter().filter_map(incomplete).collect();
    let mut inspector = context.rules.inspector();
    let served: HashSet<_> = detonation.served.iter().copied().collect();
    let own = detonation.files.iter().filter(|(_, file, _)| !served.contains(&file.sha256));
    for (run, file, bytes) in own.take(FILES_MAX) {
        findings.extend(of_file(run, file, bytes, &mut inspector));
        if file.executed
            && let Some(kind) = file.cut
        {
            let (place, detail) = (file.path.clone(), "written and run, not taken as a whole".to_owned());
            problems.push((Problem { kind, place, detail, unseen_bytes: file.size }, true));
        }
    }
    let traces = detonation.traces.into_iter().map(|trace| shortened(trace, &findings)).collect();
    Ran { findings, problems, traces }
}

/// What static analysis says of a file that the sample wrote or ran.
fn of_file(run: &str, file: &CapturedFile, bytes: &[u8], inspector: &mut inspect::Inspector<'_>) -> Vec<Finding> {
    let facts = inspector.content(bytes);
    let path = file.path.trim_start_matches('/');
    let place = Place { path, mode: file.mode, uid: 0, kind: facts.kind, size: file.size };
    let placed = inspector.place(&place, bytes);
    let location = Location::Captured { run: run.to_owned(), path: file.path.clone(), sha256: file.sha256 };
    let observations = facts.observations.into_iter().chain(placed).take(FINDINGS_OF_FILE_MAX);
    // A secret that a run writes is one it made (a host key) or one of our decoys that it copied: the image gives nothing away.
    let weighed = observations.map(|observation| match observation.category {
        Category::EmbeddedSecret => Observation { weight: Weight::Fact, ..observation },
        _ => observation,
    });
    weighed.map(|observation| Finding::new(observation, location.clone(), file.executed)).collect()
}

/// Whether a trace has gaps, or there is none.
fn incomplete(trace: &Trace) -> Option<(Problem, bool)> {
    let (head, end) = (&trace.head, &trace.end);
    let place = format!("run {} ({})", head.run, head.purpose);
    if let EndReason::NotStarted { why } = &end.reason {
        let problem = Problem { kind: ProblemKind::NotRunnable, place, detail: why.clone(), unseen_bytes: 0 };
        return Some((problem, false));
    }
    let gaps = end.events_lost.saturating_mul(1_000) > end.events_seen.saturating_mul(LOST_PER_MILLE_MAX);
    let detail =
        format!("{} of {} events were lost: what happened in between is not known", end.events_lost, end.events_seen);
    gaps.then_some((Problem { kind: ProblemKind::Unwatched, place, detail, unseen_bytes: 0 }, true))
}

fn unwatched(detail: String) -> (Problem, bool) {
    (Problem { kind: ProblemKind::Unwatched, place: "the run".to_owned(), detail, unseen_bytes: 0 }, true)
}

/// An image that comes as a stream is gone once it was looked at.
pub(crate) fn not_from_a_stream() -> Ran {
    let why = "a stream is read once: write the archive to a file, and name that to have it run";
    Ran { problems: vec![unwatched(why.to_owned())], ..Ran::default() }
}

fn told(error: &LaunchError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A trace with the events that a report keeps, in order. Findings name events by number, so numbers stay.
fn shortened(mut trace: Trace, findings: &[Finding]) -> Trace {
    let evidence: HashSet<u64> = findings
        .iter()
        .filter_map(|finding| match &finding.location {
            Location::Event { run, sequence } if *run == trace.head.run => Some(*sequence),
            _ => None,
        })
        .collect();
    let mut order: Vec<(u8, u64)> = trace.events.iter().map(|event| (rank(event, &evidence), event.sequence)).collect();
    order.sort_unstable();
    let kept: HashSet<u64> = order.into_iter().take(EVENTS_MAX).map(|(_, sequence)| sequence).collect();
    trace.events.retain(|event| kept.contains(&event.sequence));
    trace
}

/// How much an event tells; 0 is the most.
fn rank(event: &Event, evidence: &HashSet<u64>) -> u8 {
    match &event.what {
        _ if evidence.contains(&event.sequence) => 0,
        What::Exec { .. } | What::Refused { .. } | What::Flood { .. } | What::Sweep { .. } | What::Stratum { .. } => 1,
        What::FlowStart { .. } | What::Http { .. } | What::Dns { .. } | What::Tls { .. } | What::Login { .. } => 2,
        What::Message { .. } | What::FlowEnd { .. } | What::Usage { .. } | What::Poke { .. } | What::Memfd { .. } => 3,
        What::Connect { .. }
        | What::Listen { .. }
        | What::Kernel { .. }
        | What::Mount { .. }
        | What::Namespace { .. } => 4,
        What::Trace { .. } | What::Identity { .. } | What::Redirect { .. } | What::ExecFailed { .. } => 4,
        What::Exit { .. } | What::Fork { thread: false, .. } | What::Write { .. } | What::Rename { .. } => 5,
        What::Unlink { .. } | What::Chmod { .. } | What::Link { .. } | What::Make { .. } => 5,
        _ => 6,
    }
}

/// Whether the evidence could not get better: malicious by stable findings alone.
fn is_certain(seen: Vec<behaviour::Seen>) -> bool {
    let mut findings: Vec<Finding> = Vec::new();
    for seen in seen.into_iter().filter(|seen| seen.observation.maturity == Maturity::Stable) {
        findings.push(Finding::new(seen.observation, Location::Event { run: seen.run, sequence: seen.event }, true));
    }
    let subject = verdict::Subject { claims: &[], command: &[], problems: &[], unpacked_bytes: 0 };
    verdict::judge(&findings, &subject).disposition == Disposition::Malicious
}

/// An [`Observer`] that is told of findings, too, as they come.
pub trait Onlooker: Observer {
    /// Something was seen in run `run`; told again and again.
    fn found(&self, _run: &str, _observation: &model::Observation) {}
}

/// Looks at nothing.
pub struct Unwatched;

impl Observer for Unwatched {}
impl Onlooker for Unwatched {}

/// An [`Observer`] that ends runs whose evidence is certain, and tells another one the rest.
pub struct UntilCertain(pub Arc<dyn Onlooker>);

impl Observer for UntilCertain {
    fn run_begins(&self, head: &model::TraceHead) {
        self.0.run_begins(head);
    }

    fn event(&self, run: &str, event: &Event) {
        self.0.event(run, event);
    }

    fn is_certain(&self, trace: &Trace) -> bool {
        let seen = behaviour::judge(std::slice::from_ref(trace), &behaviour::Context::default());
        seen.iter().for_each(|seen| self.0.found(&seen.run, &seen.observation));
        is_certain(seen)
    }
}
