//! One image, from manifest to recorded verdict.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io::{self, Read},
    sync::{Arc, atomic::Ordering},
};

use inspect::{ImageView, LAYER_PLACE};
use model::{
    Category, Descriptor, Digest, Disposition, Finding, ImageConfig, ImageIdentity, LayerRecord, LayerSummary,
    Location, Platform, Problem, ProblemKind, SCHEMA, ScanReport, image::CONFIG_BYTES_MAX, text,
};
use registry::{ImageSource, RegistryError, ResolvedImage};
use verdict::Subject;

use crate::{
    Context, Run, ScanError,
    detonate::{self, Ran},
    known, origin,
    overlay::{At, Overlay},
    reach::{Reach, reach},
    read_layer::{depends_on_the_day, lock, read_layer},
};

/// Findings of weight fact kept in one report.
const FACTS_MAX: usize = 2_000;

/// All other findings kept in one report, worst first.
const FINDINGS_MAX: usize = 10_000;

/// An image whose parts are at hand, ready to be judged.
pub(crate) struct Parts {
    pub(crate) image: ResolvedImage,
    pub(crate) config: ImageConfig,
    pub(crate) config_digest: Digest,
    pub(crate) layers: Vec<Part>,
}

/// One layer: read now, remembered, or missing.
pub(crate) struct Part {
    pub(crate) descriptor: Descriptor,
    pub(crate) record: Option<Arc<LayerRecord>>,
    pub(crate) remembered: bool,
    pub(crate) problem: Option<Problem>,
}

/// Scans one resolved image: fetch → unpack → inspect → judge → record. None if it is older than the run asks for.
pub(crate) fn scan_image(
    source: &dyn ImageSource,
    image: ResolvedImage,
    run: &Run<'_>,
) -> Result<Option<ScanReport>, ScanError> {
    let context = run.context;
    if let Some(report) = remembered(&image, run)? {
        return Ok(report);
    }
    let config_bytes = read_config(source, &image)?;
    let config = parse_config(&config_bytes, &image)?;
    if is_too_old(config.created.as_deref(), run) {
        return Ok(None);
    }
    context.progress.image_begins(&image.reference, image.layers.iter().map(|layer| layer.size).sum());
    let mut layers = Vec::new();
    for descriptor in &image.layers {
        layers.push(fetch_layer(source, descriptor, &image.reference, run)?);
    }
    let config_digest = image.config.digest;
    let parts = Parts { image, config, config_digest, layers };
    let Some(how) = context.detonating else { return judge_and_record(&parts, context).map(Some) };
    // What is found at rest says what is worth running, and both are judged together.
    let at_rest = judge(&parts, context, Ran::default())?;
    let ran = detonate::ran(source, &parts, &at_rest.report.findings, at_rest.others, how, context);
    let judged = judge(&parts, context, ran)?;
    record(&judged.report, context)?;
    Ok(Some(judged.report))
}

/// A report under this rule pack and intelligence, if nothing could have changed; none inside if it is older than the run asks for. An
/// archive without a manifest is never answered from its config digest alone: its config does not pin its layers.
fn remembered(image: &ResolvedImage, run: &Run<'_>) -> Result<Option<Option<ScanReport>>, ScanError> {
    let context = run.context;
    let again = context.rescan || context.detonating.is_some_and(|how| how.again);
    let (Some(manifest), false) = (image.manifest, again) else { return Ok(None) };
    // Who only looks is told what was seen when it ran, where that is known.
    let with_runs = context.catalog.report(&manifest, &context.questions_of(true))?;
    let at_rest = || context.catalog.report(&manifest, &context.questions());
    let Some(mut report) = with_runs.map_or_else(at_rest, |report| Ok(Some(report)))? else { return Ok(None) };
    // What is declared rests on the name: an image that calls itself a miner here may be called otherwise there.
    // What it claims to be rests on it, too.
    let claims = report.findings.iter().any(|finding| finding.observation.category == Category::Impersonation)
        || inspect::is_claim(claimed(image), context.known);
    let depends_on_name = report.verdict.concealment.is_some() || claims;
    if (depends_on_name && report.image.reference != image.reference) || depends_on_the_day(&report.problems) {
        return Ok(None);
    }
    if is_too_old(report.image.created.as_deref(), run) {
        return Ok(Some(None));
    }
    report.image.reference.clone_from(&image.reference);
    report.image.index = image.index.or(report.image.index);
    report.remembered = true;
    report.scanned_at = (context.now)();
    for layer in &mut report.image.layers {
        layer.remembered = true;
    }
    context.catalog.put_report(&report)?;
    context.progress.image_begins(&image.reference, 0);
    Ok(Some(Some(report)))
}

/// The name an image goes by.
fn claimed(image: &ResolvedImage) -> &str {
    image.claimed.as_deref().unwrap_or(&image.reference)
}

fn is_too_old(created: Option<&str>, run: &Run<'_>) -> bool {
    run.since.is_some_and(|since| crate::since::is_older(created, since))
}

fn read_config(source: &dyn ImageSource, image: &ResolvedImage) -> Result<Vec<u8>, RegistryError> {
    let what = format!("config of {}", image.reference);
    if image.config.size > CONFIG_BYTES_MAX {
        let detail = format!("it has {} bytes, at most {CONFIG_BYTES_MAX} are read", image.config.size);
        return Err(RegistryError::Invalid { what, detail });
    }
    let mut bytes = Vec::new();
    let blob = source.blob(&image.config)?;
    #[expect(clippy::disallowed_methods, reason = "bounded by take()")]
    let read = blob.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| registry_error(error, &what))?;
    Ok(bytes)
}

pub(crate) fn parse_config(bytes: &[u8], image: &ResolvedImage) -> Result<ImageConfig, RegistryError> {
    ImageConfig::parse(bytes)
        .map_err(|error| RegistryError::Invalid { what: image.reference.clone(), detail: error.to_string() })
}

/// The registry's own error inside an I/O error, or one that says it was not reachable.
fn registry_error(error: io::Error, what: &str) -> RegistryError {
    let text = error.to_string();
    match error.into_inner().map(|inner| inner.downcast::<RegistryError>()) {
        Some(Ok(inner)) => *inner,
        _ => RegistryError::Unreachable { what: what.to_owned(), detail: text },
    }
}

/// One layer, remembered or read; read once however many images of this run need it.
fn fetch_layer(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    reference: &str,
    run: &Run<'_>,
) -> Result<Part, ScanError> {
    let context = run.context;
    let _turn = run.turn(descriptor.digest);
    if context.stop.load(Ordering::Relaxed) {
        return Err(ScanError::Stopped(reference.to_owned()));
    }
    let part = |record, remembered, problem| Part { descriptor: descriptor.clone(), record, remembered, problem };
    if !context.rescan
        && let Some(record) = context.catalog.layer(&descriptor.digest, context.rules.id())?
    {
        context.progress.bytes(reference, descriptor.size);
        return Ok(part(Some(Arc::new(record)), true, None));
    }
    let blob = match source.blob(descriptor) {
        Ok(blob) => blob,
        Err(error) => return Ok(part(None, false, Some(missing_layer(descriptor, &error.to_string())))),
    };
    let counted = Counted { inner: blob, reference, context, unreported: 0 };
    let read = read_layer(descriptor.digest, descriptor.size, counted, context, &run.budget)?;
    if context.stop.load(Ordering::Relaxed) {
        return Err(ScanError::Stopped(reference.to_owned()));
    }
    if let Some(error) = read.blob_error {
        return Ok(part(None, false, Some(missing_layer(descriptor, &error))));
    }
    remember(&read.record, context)?;
    Ok(part(Some(Arc::new(read.record)), false, None))
}

pub(crate) fn remember(record: &LayerRecord, context: &Context<'_>) -> Result<(), ScanError> {
    if !depends_on_the_day(&record.problems) {
        context.catalog.put_layer(record, &[], context.rules.id())?;
    }
    Ok(())
}

fn missing_layer(descriptor: &Descriptor, error: &str) -> Problem {
    let foreign = if descriptor.urls.is_empty() { "" } else { " (a foreign layer; its `urls` are never followed)" };
    Problem {
        kind: if descriptor.media_type.ends_with("+encrypted") {
            ProblemKind::Encrypted
        } else {
            ProblemKind::Unreachable
        },
        place: descriptor.digest.to_string(),
        detail: format!("layer not read: {error}{foreign}"),
        unseen_bytes: descriptor.size.max(1),
    }
}

/// Tells progress about bytes read, and ends the stream when asked to stop.
pub(crate) struct Counted<'a, R> {
    pub(crate) inner: R,
    pub(crate) reference: &'a str,
    pub(crate) context: &'a Context<'a>,
    pub(crate) unreported: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const REPORT_BYTES: u64 = 1 << 20;
        if self.context.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        let count = self.inner.read(buffer)?;
        self.unreported += count as u64;
        if self.unreported >= REPORT_BYTES || count == 0 {
            self.context.progress.bytes(self.reference, self.unreported);
            self.unreported = 0;
        }
        Ok(count)
    }
}

/// Merges the layers, places every finding, judges, and writes the report to the catalog.
pub(crate) fn judge_and_record(parts: &Parts, context: &Context<'_>) -> Result<ScanReport, ScanError> {
    // Only what can be read a second time can be run.
    let ran = if context.detonating.is_some() { detonate::not_from_a_stream() } else { Ran::default() };
    let judged = judge(parts, context, ran)?;
    record(&judged.report, context)?;
    Ok(judged.report)
}

/// A report, and what else could be run.
struct Judged {
    report: ScanReport,
    others: Vec<(String, Vec<String>)>,
}

fn judge(parts: &Parts, context: &Context<'_>, ran: Ran) -> Result<Judged, ScanError> {
    let config_pins_layers = config_pins_layers(parts);
    if parts.image.manifest.is_none() && !config_pins_layers {
        let detail = "its config names other layers than it holds, so that no engine would load it".to_owned();
        return Err(RegistryError::Invalid { what: parts.image.reference.clone(), detail }.into());
    }
    let records: Vec<&LayerRecord> = parts.layers.iter().filter_map(|part| part.record.as_deref()).collect();
    let overlay = Overlay::new(&records);
    let mentions: HashMap<At, &[String]> = records
        .iter()
        .enumerate()
        .flat_map(|(number, layer)| {
            layer.mentions.iter().map(move |(entry, words)| ((number, *entry as usize), words.as_slice()))
        })
        .collect();
    let reached = reach(&parts.config, &overlay, &mentions);

    let mut problems = problems_of(parts, &records, &overlay, &reached);
    problems.extend(ran.problems);
    let unread = parts.layers.iter().filter_map(|part| part.problem.clone());
    let of_image: Vec<Problem> = problems_of_image(parts).chain(unread).collect();
    // What was seen at run time is judged by intelligence as what stands in the config is.
    let mut config_findings = context.rules.config(&parts.config);
    config_findings.extend(ran.findings);
    let view = ImageView {
        reference: claimed(&parts.image),
        config: &parts.config,
        layers: &records,
        problems: &of_image,
        files: &overlay,
        runs: &reached.entries,
        installed: std::cell::OnceCell::new(),
        config_findings: &config_findings,
        intel: context.intel.set(context.catalog)?,
        known: context.known,
        now: (context.now)(),
    };
    let of_whole = context.rules.image(&view);
    let others = if context.detonating.is_some() { detonate::others(&view) } else { Vec::new() };
    let mut findings = config_findings;
    findings.extend(placed_findings(&records, &overlay, &reached));
    findings.extend(of_whole);
    known::subtract(&mut findings, context.known, &records);
    origin::trace(&mut findings, &parts.config, &records, &overlay, &reached);
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    findings.dedup_by(|a, b| a.id == b.id);
    let identity = identity_of(parts, &findings);
    let unpacked_bytes = identity.layers.iter().map(|layer| layer.unpacked_bytes).sum();
    let mut claims = vec![identity.reference.clone(), identity.description.clone()];
    claims.extend(parts.image.claimed.clone());
    claims.extend(parts.config.labels.iter().map(|(key, value)| format!("{key}={value}")));
    let subject = Subject { claims: &claims, command: &identity.command, problems: &problems, unpacked_bytes };
    let verdict = verdict::judge(&findings, &subject);
    let mut problems: Vec<Problem> = problems.into_iter().map(|(problem, _)| problem).collect();
    problems.extend(shorten(&mut findings));

    let report = ScanReport {
        schema: SCHEMA.to_owned(),
        image: identity,
        verdict,
        findings,
        problems,
        rule_pack: context.questions(),
        scanned_at: (context.now)(),
        remembered: false,
        runs: ran.traces,
    };
    Ok(Judged { report, others })
}

/// Writes the report down. What a digest was found to hide under one name stays known, whatever another name declares:
/// then only the sighting is added, which is what an older report does.
fn record(report: &ScanReport, context: &Context<'_>) -> Result<(), ScanError> {
    let known = context.catalog.report(&report.image.subject(), &report.rule_pack)?;
    let is_milder = |known: &ScanReport| {
        known.verdict.disposition == Disposition::Malicious && report.verdict.disposition != Disposition::Malicious
    };
    match known.filter(is_milder) {
        None => context.catalog.put_report(report)?,
        Some(known) => {
            let scanned_at = known.scanned_at.saturating_sub(1);
            context.catalog.put_report(&ScanReport { scanned_at, ..report.clone() })?;
        }
    }
    Ok(())
}

/// Keeps of the findings, worst first, as many as a report lists; the verdict was given over all.
fn shorten(findings: &mut Vec<Finding>) -> Option<Problem> {
    let facts = findings.iter().position(|finding| finding.observation.weight == model::Weight::Fact);
    let facts = facts.unwrap_or(findings.len());
    findings.truncate(facts + FACTS_MAX);
    let left_out = facts.saturating_sub(FINDINGS_MAX);
    findings.drain(facts - left_out..facts);
    let detail = format!("{left_out} findings more counted and are not listed, at most {FINDINGS_MAX} are");
    let place = "the report".to_owned();
    (left_out > 0).then_some(Problem { kind: ProblemKind::FindingsLimit, place, detail, unseen_bytes: 0 })
}

/// Whether the config's DiffIDs are those of the layers. If not, the config's digest may belong to another, honest
/// image, and must not stand for this one.
fn config_pins_layers(parts: &Parts) -> bool {
    let claimed = parts.config.diff_ids.iter();
    let computed = parts.layers.iter().map(|part| part.record.as_ref().and_then(|record| record.diff_id));
    claimed.len() == parts.layers.len()
        && computed.zip(claimed).all(|(computed, claim)| computed.is_some_and(|digest| digest.to_string() == *claim))
}

/// Worst first: weight, severity, confidence, run or not, then place.
fn order(finding: &Finding) -> impl Ord {
    let seen = &finding.observation;
    let place = match &finding.location {
        Location::File { path, .. } => path.clone(),
        Location::Config { field } => field.clone(),
        Location::History { line } => format!("history {line:06}"),
        Location::Layer { .. } | Location::Image => String::new(),
        Location::Captured { run, path, .. } => format!("run {run} {path}"),
        Location::Event { run, sequence } => format!("run {run} {sequence:09}"),
    };
    let reverse = std::cmp::Reverse;
    (
        reverse((seen.weight, seen.severity, seen.confidence, finding.runs)),
        seen.detector.clone(),
        place,
        seen.offset,
        finding.id.clone(),
    )
}

fn placed_findings(records: &[&LayerRecord], overlay: &Overlay<'_>, reached: &Reach) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, layer) in records.iter().enumerate() {
        for (entry, observation) in &layer.observations {
            let at = (number, *entry as usize);
            let record = overlay.entry(at);
            let hidden = overlay.is_hidden(at);
            let location =
                Location::File { layer: layer.digest, path: record.path.clone(), sha256: record.sha256, hidden };
            let runs = !hidden && reached.entries.contains(&at);
            findings.push(Finding::new(observation.clone(), location, runs));
        }
    }
    findings
}

/// Every problem, and whether what is missing is reached by what the image runs.
fn problems_of(
    parts: &Parts,
    records: &[&LayerRecord],
    overlay: &Overlay<'_>,
    reached: &Reach,
) -> Vec<(Problem, bool)> {
    // As problems of a layer write places, long ones too.
    let shown = |at: &At| text::shortened(&overlay.entry(*at).path, layer::PLACE_CHARS_MAX);
    let reached_paths: HashSet<Cow<'_, str>> = reached.entries.iter().map(shown).collect();
    let mut problems = Vec::new();
    if let Some(detail) = &reached.cut {
        let place = "what the image runs".to_owned();
        problems
            .push((Problem { kind: ProblemKind::EntriesLimit, place, detail: detail.clone(), unseen_bytes: 0 }, true));
    }
    for part in &parts.layers {
        // A layer that was not read may replace whatever is run.
        problems.extend(part.problem.clone().map(|problem| (problem, true)));
    }
    for problem in records.iter().flat_map(|layer| &layer.problems) {
        problems.push((problem.clone(), is_reached(problem, &reached_paths)));
    }
    problems.extend(problems_of_image(parts).map(|problem| (problem, false)));
    problems
}

/// What no single layer can tell: a config that is not what its layers are.
fn problems_of_image(parts: &Parts) -> impl Iterator<Item = Problem> {
    let mut problems = Vec::new();
    let ambiguous = |place: &str, detail: String| Problem {
        kind: ProblemKind::Ambiguous,
        place: place.to_owned(),
        detail,
        unseen_bytes: 0,
    };
    let claimed = &parts.config.diff_ids;
    if claimed.len() != parts.layers.len() {
        let detail = format!("config claims {} layers, there are {}", claimed.len(), parts.layers.len());
        problems.push(ambiguous("config rootfs.diff_ids", detail));
    }
    for (part, claim) in parts.layers.iter().zip(claimed) {
        let computed = part.record.as_ref().and_then(|record| record.diff_id);
        if computed.is_some_and(|computed| computed.to_string() != *claim) {
            let detail =
                format!("config claims DiffID {claim} for layer {}, which has another", part.descriptor.digest);
            problems.push(ambiguous("config rootfs.diff_ids", detail));
        }
    }
    problems.extend(parts.config.oddities.iter().map(|field| ambiguous(field, "has an unexpected type".to_owned())));
    problems.into_iter()
}

/// Whether a layer's problem is about something in `paths`. A place inside an archive is `PATH!INNER`, and a path may
/// hold `!` itself.
///
/// A stream that ended early may hold anything behind its end, also another file for the same path: it counts as
/// reached, whatever its share of the bytes.
fn is_reached(problem: &Problem, paths: &HashSet<Cow<'_, str>>) -> bool {
    // What a layer's reading stopped before may be anything, also another file at the path that is run.
    let ends_layer = problem.place.starts_with(LAYER_PLACE) && problem.kind.hides_content();
    let place = problem.place.as_str();
    let outer = place.match_indices('!').map(|(at, _)| &place[..at]);
    ends_layer || outer.chain([place]).any(|path| paths.contains(path))
}

fn identity_of(parts: &Parts, findings: &[Finding]) -> ImageIdentity {
    let config = &parts.config;
    let mut history = config.history.iter().filter(|line| !line.empty_layer);
    let layers = parts.layers.iter().map(|part| {
        let digest = part.descriptor.digest;
        let in_layer = |finding: &&Finding| matches!(finding.location, Location::File { layer, .. } if layer == digest);
        LayerSummary {
            digest,
            diff_id: part.record.as_ref().and_then(|record| record.diff_id),
            packed_bytes: part.descriptor.size,
            unpacked_bytes: part.record.as_ref().map_or(part.descriptor.size, |record| record.unpacked_bytes),
            entries: part.record.as_ref().map_or(0, |record| record.entries.len() as u64),
            history: history.next().map(|line| line.created_by.clone()),
            findings: findings.iter().filter(in_layer).count() as u64,
            remembered: part.remembered,
        }
    });
    let layers = layers.collect();
    let label = |key: &str| config.labels.get(key).cloned().unwrap_or_default();
    let description: Vec<_> =
        [label("org.opencontainers.image.title"), label("org.opencontainers.image.description"), label("description")]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
    let platform = parts.image.platform.clone().unwrap_or_else(|| Platform {
        os: config.os.clone(),
        architecture: config.architecture.clone(),
        variant: None,
    });
    ImageIdentity {
        reference: parts.image.reference.clone(),
        index: parts.image.index,
        manifest: parts.image.manifest,
        config: parts.config_digest,
        config_pins_layers: config_pins_layers(parts),
        platform,
        created: config.created.clone(),
        command: config.entrypoint.iter().chain(&config.cmd).cloned().collect(),
        description: description.join(" · "),
        layers,
    }
}

/// Serialises scans of the same layer within a run.
pub(crate) struct Turn<'r> {
    run: &'r Run<'r>,
    digest: Digest,
}

impl<'r> Run<'r> {
    /// Waits until nobody else of this run reads the layer.
    fn turn(&'r self, digest: Digest) -> Turn<'r> {
        let mut busy = lock(&self.busy);
        while !busy.insert(digest) {
            busy = self.done.wait(busy).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Turn { run: self, digest }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.run.busy).remove(&self.digest);
        self.run.done.notify_all();
    }
}
