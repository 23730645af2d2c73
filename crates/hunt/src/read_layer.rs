//! Reads one layer: streams its files to workers, which hash, look up and inspect them.
//!
//! Files up to a window arrive whole; longer ones as overlapping windows. A window is remembered by its own digest, so
//! that a large file that is known in another layer is not matched again. Memory is bounded by [`Budget`].

use std::{
    cmp::Reverse,
    collections::HashMap,
    io::Read,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use inspect::{Inspector, LAYER_PLACE, Place, WINDOW_BYTES_MAX, WINDOW_OVERLAP_BYTES};
use layer::{Entry, Outcome};
use model::{
    Digest, EntryKind, EntryRecord, FileFacts, FileKind, Hasher, LayerRecord, Observation, Problem, ProblemKind,
};
use store::StoreError;

use crate::{
    Context,
    package_notes::{Note, PackageNotes},
    read_ahead::ReadAhead,
};

/// Bytes of file content in memory at once, over all layers read side by side.
pub(crate) const BUFFER_BYTES_MAX: usize = 3 * WINDOW_BYTES_MAX;
/// Files waiting for a worker.
const JOBS_MAX: usize = 1024;
/// Files' facts gathered before they go to the catalog in one transaction.
const FACTS_BATCH: usize = 20_000;
/// Observations kept of one layer, proofs first: an honest image has a few hundred.
const OBSERVATIONS_MAX: usize = 20_000;
/// Problems inside files kept of one layer.
const PROBLEMS_MAX: usize = 2_000;
/// Most bytes of a file's head that place detectors see again at a known content.
const HEAD_BYTES_MAX: usize = WINDOW_BYTES_MAX;

/// What reading one layer gave.
pub(crate) struct LayerRead {
    /// What was found. Only to be trusted (and remembered) if `blob_error` is none.
    pub(crate) record: LayerRecord,
    /// The blob could not be read or is not what its digest says.
    pub(crate) blob_error: Option<String>,
}

/// Hands out bytes of memory; waits when there are none.
pub(crate) struct Budget {
    left: Mutex<usize>,
    freed: Condvar,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: Mutex::new(bytes), freed: Condvar::new() }
    }

    fn take(&self, bytes: usize) {
        let mut left = lock(&self.left);
        while *left < bytes {
            left = self.freed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
    }

    fn give(&self, bytes: usize) {
        *lock(&self.left) += bytes;
        self.freed.notify_all();
    }
}

/// A lock whose holder panicked still guards whole values here: every update is a single push or insert.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One piece of work: a whole file, or one window of a long one.
struct Job {
    entry: u32,
    bytes: Vec<u8>,
    window: Option<Window>,
    /// Path, mode and owner, for place detectors: with the first piece of a file only.
    place: Option<(String, u32, u64, u64)>,
}

#[derive(Clone, Copy)]
struct Window {
    offset: u64,
    /// Known from the first window.
    kind: Option<FileKind>,
}

/// What the workers gathered.
#[derive(Default)]
struct Gathered {
    hashes: Vec<(u32, Digest)>,
    observations: Vec<(u32, Observation)>,
    mentions: Vec<(u32, Vec<String>)>,
    problems: Vec<(u32, Problem)>,
    packages: PackageNotes,
    /// New facts on their way to the catalog; looked up too, for the same content twice in a layer.
    facts: HashMap<Digest, FileFacts>,
    store_error: Option<StoreError>,
    /// Observations that were let go.
    dropped: u64,
    /// Problems that were let go.
    dropped_problems: u64,
}

impl Gathered {
    /// Lets the least go once there are many more than are kept. What stays does not depend on who came first.
    fn keep_the_worst(&mut self, spare: usize) {
        if self.problems.len() > PROBLEMS_MAX + spare {
            self.problems.sort_by(|a, b| by_entry(a).cmp(&by_entry(b)));
            self.dropped_problems += (self.problems.len() - PROBLEMS_MAX) as u64;
            self.problems.truncate(PROBLEMS_MAX);
        }
        if self.observations.len() <= OBSERVATIONS_MAX + spare {
            return;
        }
        self.observations.sort_by(|a, b| (Reverse(a.1.weight), by_place(a)).cmp(&(Reverse(b.1.weight), by_place(b))));
        self.observations.dedup();
        self.dropped += self.observations.len().saturating_sub(OBSERVATIONS_MAX) as u64;
        self.observations.truncate(OBSERVATIONS_MAX);
    }
}

fn by_entry((entry, problem): &(u32, Problem)) -> impl Ord {
    (!problem.kind.hides_content(), *entry, &problem.place, problem.kind, &problem.detail)
}

fn by_place((entry, seen): &(u32, Observation)) -> impl Ord {
    (*entry, &seen.detector, seen.offset, &seen.summary)
}

/// Reads `blob` to its end and inspects every file in it.
///
/// # Errors
///
/// Only where the catalog fails.
pub(crate) fn read_layer(
    digest: Digest,
    packed_bytes: u64,
    blob: impl Read + Send,
    context: &Context<'_>,
    budget: &Budget,
) -> Result<LayerRead, StoreError> {
    let gathered = Mutex::new(Gathered::default());
    let (sender, receiver) = bounded::<Job>(JOBS_MAX);
    let mut entries: Vec<EntryRecord> = Vec::new();
    let outcome = std::thread::scope(|scope| {
        for _ in 0..context.workers.max(1) {
            let (receiver, gathered) = (receiver.clone(), &gathered);
            scope.spawn(move || work(&receiver, gathered, context, budget));
        }
        drop(receiver);
        let blob = ReadAhead::start(scope, blob);
        let outcome = layer::stream_layer(blob, context.limits, context.seconds, |entry, content| {
            let Ok(number) = u32::try_from(entries.len()) else { return };
            entries.push(record_of(entry));
            if entry.kind == EntryKind::File {
                let hash = send_file(number, entry, content, &sender, budget);
                if let Some(record) = entries.last_mut() {
                    record.sha256 = hash;
                }
            }
        });
        drop(sender);
        outcome
    });
    let mut gathered = gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    flush(&mut gathered, context);
    if let Some(error) = gathered.store_error {
        return Err(error);
    }
    Ok(assemble(digest, packed_bytes, outcome, entries, gathered))
}

fn record_of(entry: &Entry) -> EntryRecord {
    EntryRecord {
        path: entry.path.clone(),
        kind: entry.kind,
        mode: entry.mode,
        size: entry.size,
        sha256: None,
        link: entry.link.clone(),
    }
}

/// Sends a file to the workers. A file of one piece is hashed by its worker (returns none); a longer one here.
fn send_file(
    number: u32,
    entry: &Entry,
    content: &mut dyn Read,
    sender: &Sender<Job>,
    budget: &Budget,
) -> Option<Digest> {
    let mut place = Some((entry.path.clone(), entry.mode, entry.uid, entry.size));
    let expected = usize::try_from(entry.size).unwrap_or(usize::MAX).min(WINDOW_BYTES_MAX);
    budget.take(expected);
    let first = read_piece(content, Vec::with_capacity(expected), expected);
    if (first.len() as u64) >= entry.size || first.len() < expected {
        give_back(budget, expected, first.len());
        send(sender, budget, Job { entry: number, bytes: first, window: None, place });
        return None;
    }
    let mut hasher = Hasher::new();
    hasher.update(&first);
    let kind = inspect::kind::sniff(&first);
    let mut tail = tail_of(&first);
    let mut offset = first.len() as u64;
    let window = Some(Window { offset: 0, kind: None });
    send(sender, budget, Job { entry: number, bytes: first, window, place: place.take() });
    while offset < entry.size {
        budget.take(WINDOW_BYTES_MAX);
        let overlap = tail.len();
        let bytes = read_piece(content, std::mem::take(&mut tail), WINDOW_BYTES_MAX);
        let fresh = bytes.get(overlap..).unwrap_or_default();
        if fresh.is_empty() {
            budget.give(WINDOW_BYTES_MAX);
            break;
        }
        hasher.update(fresh);
        let window = Some(Window { offset: offset - overlap as u64, kind: Some(kind) });
        offset += fresh.len() as u64;
        if offset < entry.size {
            tail = tail_of(&bytes);
        }
        give_back(budget, WINDOW_BYTES_MAX, bytes.len());
        send(sender, budget, Job { entry: number, bytes, window, place: None });
    }
    Some(hasher.finish())
}

fn tail_of(bytes: &[u8]) -> Vec<u8> {
    let mut tail = Vec::with_capacity(WINDOW_BYTES_MAX);
    tail.extend_from_slice(&bytes[bytes.len().saturating_sub(WINDOW_OVERLAP_BYTES)..]);
    tail
}

/// Appends to `bytes` until it holds `bytes_max` or the content ends. A read error ends the content: the layer's
/// outcome names it.
fn read_piece(content: &mut dyn Read, mut bytes: Vec<u8>, bytes_max: usize) -> Vec<u8> {
    let wanted = bytes_max.saturating_sub(bytes.len()) as u64;
    #[expect(clippy::disallowed_methods, reason = "bounded by take() to one window")]
    let _ = content.take(wanted).read_to_end(&mut bytes);
    bytes
}

fn give_back(budget: &Budget, taken: usize, used: usize) {
    if used < taken {
        budget.give(taken - used);
    }
}

fn send(sender: &Sender<Job>, budget: &Budget, job: Job) {
    let bytes = job.bytes.len();
    if sender.send(job).is_err() {
        budget.give(bytes);
    }
}

fn work(jobs: &Receiver<Job>, gathered: &Mutex<Gathered>, context: &Context<'_>, budget: &Budget) {
    let mut inspector = context.rules.inspector();
    for job in jobs {
        let bytes = job.bytes.len();
        inspect_job(job, &mut inspector, gathered, context);
        budget.give(bytes);
    }
}

fn inspect_job(job: Job, inspector: &mut Inspector<'_>, gathered: &Mutex<Gathered>, context: &Context<'_>) {
    let sha256 = Digest::of(&job.bytes);
    let key = job.window.map_or(sha256, |window| window_key(sha256, window));
    let facts = known_facts(&key, gathered, context);
    let is_new = facts.is_none();
    let facts = facts.unwrap_or_else(|| match job.window {
        None => inspector.content(&job.bytes),
        Some(window) => inspector.window(&job.bytes, window.offset, window.kind),
    });
    let (mut placed, mut note) = (Vec::new(), None);
    if let Some((path, mode, uid, size)) = job.place {
        let head = job.bytes.get(..HEAD_BYTES_MAX).unwrap_or(&job.bytes);
        placed = inspector.place(&Place { path: &path, mode, uid, kind: facts.kind, size }, head);
        note = Some(Note::of(&path, facts.kind, job.window.is_none().then_some(job.bytes.as_slice())));
    }

    let mut gathered = lock(gathered);
    if job.window.is_none() {
        gathered.hashes.push((job.entry, sha256));
    }
    if let Some(note) = note {
        gathered.packages.take(job.entry, note);
    }
    let observations = facts.observations.iter().cloned().chain(placed);
    gathered.observations.extend(observations.map(|observation| (job.entry, observation)));
    gathered.keep_the_worst(OBSERVATIONS_MAX);
    if !facts.mentions.is_empty() {
        gathered.mentions.push((job.entry, facts.mentions.clone()));
    }
    gathered.problems.extend(facts.problems.iter().cloned().map(|problem| (job.entry, problem)));
    if is_new {
        gathered.facts.insert(key, facts);
        if gathered.facts.len() >= FACTS_BATCH {
            flush(&mut gathered, context);
        }
    }
}

/// Facts about a window depend on where it stands and what the whole file is.
///
/// The bits are turned around at the end: an image may hold a harmless file whose bytes are just what is hashed here,
/// and its facts must not be found for the window.
fn window_key(sha256: Digest, window: Window) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"window");
    hasher.update(sha256.as_bytes());
    hasher.update(&window.offset.to_le_bytes());
    hasher.update(format!("{:?}", window.kind).as_bytes());
    Digest::from_bytes(hasher.finish().as_bytes().map(|byte| !byte))
}

fn known_facts(key: &Digest, gathered: &Mutex<Gathered>, context: &Context<'_>) -> Option<FileFacts> {
    {
        let gathered = lock(gathered);
        if let Some(facts) = gathered.facts.get(key) {
            return Some(facts.clone());
        }
    }
    if context.rescan {
        return None;
    }
    match context.catalog.file(key, context.rules.id()) {
        Ok(facts) => facts,
        Err(error) => {
            lock(gathered).store_error.get_or_insert(error);
            None
        }
    }
}

/// Moves new facts to the catalog. They hold for the content whatever becomes of the layer: the key is our own hash.
fn flush(gathered: &mut Gathered, context: &Context<'_>) {
    let facts: Vec<_> = gathered.facts.drain().collect();
    if facts.is_empty() || gathered.store_error.is_some() {
        return;
    }
    if let Err(error) = context.catalog.put_files(&facts, context.rules.id()) {
        gathered.store_error = Some(error);
    }
}

fn assemble(
    digest: Digest,
    packed_bytes: u64,
    outcome: Outcome,
    mut entries: Vec<EntryRecord>,
    mut gathered: Gathered,
) -> LayerRead {
    gathered.keep_the_worst(0);
    for (number, sha256) in std::mem::take(&mut gathered.hashes) {
        entries[number as usize].sha256 = Some(sha256);
    }
    let mut problems = outcome.problems;
    for problem in problems.iter_mut().filter(|problem| problem.place.is_empty()) {
        problem.place = format!("{LAYER_PLACE}{}", digest.short());
    }
    problems.extend(std::mem::take(&mut gathered.problems).into_iter().map(|(number, problem)| {
        let path = &entries[number as usize].path;
        // An archive that can be read in two ways is a file that can: `x.tar!` is not the layer's own entry `x.tar`.
        let is_whole_file = problem.place.is_empty() && problem.kind != ProblemKind::Ambiguous;
        let place = if is_whole_file { path.clone() } else { format!("{path}!{}", problem.place) };
        Problem { place, ..problem }
    }));
    let mut limit = |detail, unseen_bytes| {
        let place = format!("layer {}", digest.short());
        problems.push(Problem { kind: ProblemKind::FindingsLimit, place, detail, unseen_bytes });
    };
    if gathered.dropped > 0 {
        let dropped = gathered.dropped;
        limit(format!("{dropped} observations more are not kept, at most {OBSERVATIONS_MAX} are"), 0);
    }
    if gathered.dropped_problems > 0 {
        let dropped = gathered.dropped_problems;
        limit(format!("{dropped} problems inside files are not listed, at most {PROBLEMS_MAX} are"), dropped);
    }
    // Workers finish in any order; what is recorded must not depend on it.
    problems.sort_by(|a, b| (&a.place, a.kind, &a.detail).cmp(&(&b.place, b.kind, &b.detail)));
    let mut observations = gathered.observations;
    observations.sort_by(|a, b| by_place(a).cmp(&by_place(b)));
    observations.dedup();
    let mut mentions = gathered.mentions;
    mentions.sort();
    let packages = gathered.packages.finish(&entries);
    let record = LayerRecord {
        digest,
        diff_id: outcome.diff_id,
        compression: outcome.compression.to_owned(),
        packed_bytes,
        unpacked_bytes: outcome.unpacked_bytes,
        entries,
        observations,
        mentions,
        problems,
        packages,
    };
    LayerRead { record, blob_error: outcome.read_error }
}

/// Whether asking again could give another answer: such a record is not remembered.
pub(crate) fn depends_on_the_day(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| matches!(problem.kind, ProblemKind::TimeLimit | ProblemKind::Unreachable))
}

#[cfg(test)]
mod tests {
    use model::{Digest, FileKind};

    use super::{Window, window_key};

    #[test]
    fn no_file_has_the_key_of_a_window() {
        let window = Digest::of(b"a window of something large");
        let forged = [b"window", window.as_bytes().as_slice(), &7_u64.to_le_bytes(), b"Some(Elf)"].concat();
        let key = window_key(window, Window { offset: 7, kind: Some(FileKind::Elf) });
        assert_ne!(key, Digest::of(&forged));
    }
}
