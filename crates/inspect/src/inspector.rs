//! Runs the detectors over files: prefilter, routing, each detector on its own, rules, what is inside archives, what is
//! encoded in them.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use model::{Digest, FileFacts, FileKind, Inside, Observation, Problem, ProblemKind, Weight, record::MENTIONS_MAX};

use crate::{
    Place, RulePack,
    decode::{self, Budget, Stage},
    detectors::{self, About, Detector, Match, Sample, Scope},
    engine::{RuleScanner, RuleSet, SCAN_SECONDS_MAX, ScanFailure},
    kind::sniff,
    mentions::mentions,
    observe::{self, observation},
    prefilter::Hits,
    route::Routed,
    secrets::user::Where,
    utf16,
};

/// Most matches of one detector that are kept of one file (window, inner file).
const MATCHES_MAX: usize = 64;
/// Most observations that are kept of one outer file with everything inside it.
const OBSERVATIONS_MAX: usize = 4_096;
/// Most problems that are kept of one outer file.
const PROBLEMS_MAX: usize = 256;

/// Runs the detectors over files, one after another.
pub struct Inspector<'p> {
    pack: &'p RulePack,
    routed: Routed,
    own: Option<RuleScanner<'p>>,
    user: Option<RuleScanner<'p>>,
    /// For the user's rules for secrets.
    hits: Hits,
    /// The path inside an archive of what is looked at; empty for a text of a config.
    inner: Option<String>,
}

/// How offsets in the bytes that are looked at become offsets in the file.
#[derive(Clone, Copy)]
pub(crate) struct Offsets {
    base: u64,
    scale: u64,
}

impl Offsets {
    pub(crate) const PLAIN: Self = Self { base: 0, scale: 1 };

    pub(crate) fn in_file(self, offset: usize) -> u64 {
        self.base.saturating_add((offset as u64).saturating_mul(self.scale))
    }
}

/// What was seen and what was not.
#[derive(Default)]
pub(crate) struct Answers {
    /// Secrets of the bytes that are being looked at.
    secrets: Vec<String>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) problems: Vec<Problem>,
}

impl Answers {
    fn problem(&mut self, kind: ProblemKind, detail: impl Into<String>, unseen_bytes: u64) {
        self.problems.push(Problem { kind, place: String::new(), detail: detail.into(), unseen_bytes });
    }
}

/// One outer file on its way: what may still be decoded of it, and what its stages lead to.
struct Outer {
    budget: Budget,
    mentions: Vec<String>,
}

impl Outer {
    fn new(bytes: &[u8]) -> Self {
        Self { budget: Budget::new(bytes.len()), mentions: Vec::new() }
    }
}

impl<'p> Inspector<'p> {
    pub(crate) fn new(pack: &'p RulePack) -> Self {
        Self { pack, routed: Routed::default(), own: None, user: None, hits: Hits::default(), inner: None }
    }

    /// Looks at a whole file's content, archives inside it and what is encoded in it included.
    pub fn content(&mut self, bytes: &[u8]) -> FileFacts {
        let kind = sniff(bytes);
        let (mut outer, mut answers) = (Outer::new(bytes), Answers::default());
        let stages = self.file(bytes, kind, 0, &mut outer, &mut answers);
        if kind == FileKind::Archive {
            self.archive(bytes, 0, &mut outer, &mut answers);
            once(&mut answers.observations);
        }
        self.stages(stages, 0, &mut outer, &mut answers);
        let mentions = led_to(bytes, kind, outer.mentions, &mut answers);
        bounded(&mut answers);
        FileFacts { kind, observations: answers.observations, mentions, problems: answers.problems }
    }

    /// Looks at one window of a longer file that starts at `offset`. `kind` is none for the first window and what that
    /// returned for the others. Archives longer than a window are not opened: the first window says so as a problem.
    ///
    /// What is in the overlap of two windows is seen twice, equal in every field: keep it once.
    pub fn window(&mut self, bytes: &[u8], offset: u64, kind: Option<FileKind>) -> FileFacts {
        let kind = kind.unwrap_or_else(|| sniff(bytes));
        let (mut outer, mut answers) = (Outer::new(bytes), Answers::default());
        let stages = self.file(bytes, kind, offset, &mut outer, &mut answers);
        if kind == FileKind::Archive && offset == 0 {
            let detail = "an archive longer than one window is not opened";
            answers.problem(ProblemKind::BytesLimit, detail, bytes.len() as u64);
        }
        self.stages(stages, 0, &mut outer, &mut answers);
        let mentions = if offset == 0 { led_to(bytes, kind, outer.mentions, &mut answers) } else { Vec::new() };
        bounded(&mut answers);
        FileFacts { kind, observations: answers.observations, mentions, problems: answers.problems }
    }

    /// Looks at an occurrence: path, mode, owner together with the content's head (at most one window).
    /// Runs at every occurrence, also where the content is known.
    ///
    /// A detector that fails is named by an observation that is a mere fact.
    pub fn place(&mut self, place: &Place<'_>, head: &[u8]) -> Vec<Observation> {
        let mut answers = Answers::default();
        for detector in detectors::ALL {
            let Scope::Place(wanted) = &detector.scope else { continue };
            let look = || {
                if !wanted(place) {
                    return Vec::new();
                }
                (detector.inspect)(&Sample { bytes: head, kind: place.kind, hits: &[], place: Some(place) })
            };
            match catch_unwind(AssertUnwindSafe(look)) {
                Ok(found) => keep(&detector.about, found, Offsets::PLAIN, &mut answers),
                Err(_) => answers.observations.push(observe::failed(&detector.about)),
            }
        }
        if self.pack.secrets.as_ref().is_some_and(|user| user.asks_paths()) {
            let at = Where::AlsoAt(place.path);
            self.secrets(head, place.kind, at, Offsets::PLAIN, &mut answers);
            if place.kind == FileKind::Utf16 {
                let offsets = Offsets { base: 0, scale: 2 };
                self.secrets(&utf16::narrowed(head), FileKind::Text, at, offsets, &mut answers);
            }
        }
        bounded(&mut answers);
        answers.observations
    }

    /// One text of an image config.
    pub(crate) fn text(&mut self, text: &str) -> Answers {
        let (mut outer, mut answers) = (Outer::new(text.as_bytes()), Answers::default());
        self.inner = Some(String::new());
        let stages = self.pass(text.as_bytes(), FileKind::Text, Offsets::PLAIN, &mut outer, &mut answers);
        self.stages(stages, 0, &mut outer, &mut answers);
        self.inner = None;
        bounded(&mut answers);
        answers
    }

    /// One file, archive member or stage, without what is inside it if it is an archive. Returns what is encoded in it.
    fn file(
        &mut self,
        bytes: &[u8],
        kind: FileKind,
        base: u64,
        outer: &mut Outer,
        answers: &mut Answers,
    ) -> Vec<Stage> {
        let mut stages = self.pass(bytes, kind, Offsets { base, scale: 1 }, outer, answers);
        if kind == FileKind::Utf16 {
            let narrow = utf16::narrowed(bytes);
            stages.extend(self.pass(&narrow, FileKind::Text, Offsets { base, scale: 2 }, outer, answers));
        }
        stages
    }

    /// Everything that sees plain bytes.
    fn pass(
        &mut self,
        bytes: &[u8],
        kind: FileKind,
        offsets: Offsets,
        outer: &mut Outer,
        answers: &mut Answers,
    ) -> Vec<Stage> {
        let pack = self.pack;
        let already = answers.observations.len();
        pack.router.route(bytes, kind, &mut self.routed);
        if let Some(from) = self.routed.hits.unseen_from {
            let unseen = bytes.len().saturating_sub(from) as u64;
            let literal = self.routed.flood.as_deref().unwrap_or_default();
            let detail = format!("{literal:?} is there too often, the detectors that look for it stopped");
            answers.problem(ProblemKind::FindingsLimit, detail, unseen);
        }
        for (detector, hits) in pack.router.asked(kind, &self.routed) {
            let sample = Sample { bytes, kind, hits, place: None };
            ask(detector, &sample, offsets, answers);
        }
        observe::redact(answers.observations.get_mut(already..).unwrap_or_default(), &answers.secrets);
        answers.secrets.clear();
        pack.without_disabled(&mut answers.observations);
        if self.routed.rules {
            apply(&mut self.own, || pack.own(), bytes, offsets, observe::own_rule, answers);
        }
        // A transcoded text is ours: the user's rules see the file as it is, with `wide` if they want.
        if offsets.scale == 1
            && let Some(user) = &pack.user
        {
            apply(&mut self.user, || user, bytes, offsets, observe::user_rule, answers);
        }
        if pack.secrets.is_some() {
            let inner = self.inner.take();
            let at = inner.as_deref().map_or(Where::AnyPlace, Where::At);
            self.secrets(bytes, kind, at, offsets, answers);
            self.inner = inner;
        }
        let (stages, problems) = decode::stages(&pack.router, &self.routed, bytes, kind, offsets, &mut outer.budget);
        answers.problems.extend(problems);
        stages
    }

    /// The user's rules for secrets.
    fn secrets(&mut self, bytes: &[u8], kind: FileKind, at: Where<'_>, offsets: Offsets, answers: &mut Answers) {
        let Some(user) = &self.pack.secrets else { return };
        let hits = &mut self.hits;
        match catch_unwind(AssertUnwindSafe(|| user.look(bytes, kind, at, hits))) {
            Ok(answer) => {
                if let Some(from) = answer.unseen_from {
                    let unseen = bytes.len().saturating_sub(from) as u64;
                    answers.problem(ProblemKind::FindingsLimit, "too many literals of the user's rules", unseen);
                }
                for mut seen in answer.observations {
                    seen.offset = seen.offset.map(|offset| offsets.in_file(usize::try_from(offset).unwrap_or(0)));
                    answers.observations.push(seen);
                }
            }
            Err(_) => {
                let detail = "the user's rules for secrets failed";
                answers.problem(ProblemKind::DetectorFailed, detail, bytes.len() as u64);
            }
        }
    }

    /// What is inside an archive, which may be a stage at `depth`.
    fn archive(&mut self, bytes: &[u8], depth: u32, outer: &mut Outer, answers: &mut Answers) {
        let mut limits = layer::NestedLimits::default();
        if depth > 0 {
            limits.unpacked_bytes_max = outer.budget.bytes_left() as u64;
        }
        let around = self.inner.clone();
        let mut visit = |path: &str, inner: &[u8]| {
            let mut inside = Answers::default();
            let around = self.inner.replace(path.to_owned());
            let kind = sniff(inner);
            let stages = self.file(inner, kind, 0, outer, &mut inside);
            self.stages(stages, depth, outer, &mut inside);
            if depth > 0 {
                outer.budget.spend(inner.len());
                lead_on(inner, kind, outer, &mut inside);
            }
            self.inner = around;
            moved(path, inner, inside, answers);
            bounded(answers);
        };
        let expanded = catch_unwind(AssertUnwindSafe(|| layer::expand(bytes, &limits, &mut visit)));
        self.inner = around;
        match expanded {
            Ok(problems) => answers.problems.extend(problems),
            Err(_) => answers.problem(ProblemKind::DetectorFailed, "the archive reader failed", bytes.len() as u64),
        }
    }

    /// What was encoded in a file that is itself at `depth`: each stage a file of its own.
    fn stages(&mut self, stages: Vec<Stage>, depth: u32, outer: &mut Outer, answers: &mut Answers) {
        for Stage { word, maker, bytes } in stages {
            if !outer.budget.is_new(&bytes) {
                continue;
            }
            if depth == decode::DEPTH_MAX {
                answers.problems.push(decode::too_deep(bytes.len()));
                return;
            }
            let kind = sniff(&bytes);
            let mut inside = Answers::default();
            outer.budget.enter(maker);
            let deeper = self.file(&bytes, kind, 0, outer, &mut inside);
            outer.budget.enter("");
            if kind == FileKind::Archive {
                self.archive(&bytes, depth + 1, outer, &mut inside);
                once(&mut inside.observations);
            }
            self.stages(deeper, depth + 1, outer, &mut inside);
            lead_on(&bytes, kind, outer, &mut inside);
            // What the file says in plain words needs no second finding in a stage.
            let plain: HashSet<_> =
                answers.observations.iter().map(|seen| (seen.detector.clone(), seen.summary.clone())).collect();
            inside.observations.retain(|seen| !plain.contains(&(seen.detector.clone(), seen.summary.clone())));
            moved(&word, &bytes, inside, answers);
            bounded(answers);
        }
    }
}

/// What was seen in an inner file or stage, moved to the file that holds it.
fn moved(path: &str, bytes: &[u8], inside: Answers, answers: &mut Answers) {
    if inside.observations.is_empty() && inside.problems.is_empty() {
        return;
    }
    let joined = |deeper: &str| format!("{path}!{deeper}");
    let innermost = std::cell::LazyCell::new(|| Digest::of(bytes));
    for mut seen in inside.observations {
        seen.inside = Some(match seen.inside {
            Some(deeper) => Inside { path: joined(&deeper.path), sha256: deeper.sha256 },
            None => Inside { path: path.to_owned(), sha256: *innermost },
        });
        answers.observations.push(seen);
    }
    for mut problem in inside.problems {
        problem.place = if problem.place.is_empty() { path.to_owned() } else { joined(&problem.place) };
        answers.problems.push(problem);
    }
}

/// Notes what a stage, or a file in an archive that is one, leads to.
fn lead_on(bytes: &[u8], kind: FileKind, outer: &mut Outer, inside: &mut Answers) {
    let (mentions, is_cut) = mentions(bytes, kind);
    if is_cut {
        inside.problem(ProblemKind::FindingsLimit, MENTIONS_CUT, 0);
    }
    outer.mentions.extend(mentions.into_iter().take(MENTIONS_MAX.saturating_sub(outer.mentions.len())));
}

const MENTIONS_CUT: &str = "a script that names more files and commands than are followed";

/// What a script leads to, together with what its stages do. One that names more than is kept may run what nobody followed.
fn led_to(bytes: &[u8], kind: FileKind, stages: Vec<String>, answers: &mut Answers) -> Vec<String> {
    let (mut mentions, mut is_cut) = match kind {
        // Control bytes in the head make no script of a binary, and no shell minds them.
        FileKind::Binary => mentions(&decode::text_lines(bytes), FileKind::Text),
        _ => mentions(bytes, kind),
    };
    let mut known: HashSet<String> = mentions.iter().cloned().collect();
    for mention in stages {
        if mentions.len() == MENTIONS_MAX {
            is_cut = true;
            break;
        }
        if known.insert(mention.clone()) {
            mentions.push(mention);
        }
    }
    if is_cut {
        answers.problem(ProblemKind::FindingsLimit, MENTIONS_CUT, 0);
    }
    mentions
}

/// What stands in an uncompressed archive is seen in its raw bytes too: it is kept where it belongs.
fn once(observations: &mut Vec<Observation>) {
    fn place(seen: &Observation) -> &str {
        seen.inside.as_ref().map_or("", |inside| &inside.path)
    }
    let mut deeper = HashSet::new();
    for seen in observations.iter().filter(|seen| seen.inside.is_some()) {
        let outer = place(seen).match_indices('!').filter_map(|(end, _)| place(seen).get(..end));
        for outer in outer.chain([""]) {
            deeper.insert((outer.to_owned(), seen.detector.clone(), seen.summary.clone()));
        }
    }
    if !deeper.is_empty() {
        observations
            .retain(|seen| !deeper.contains(&(place(seen).to_owned(), seen.detector.clone(), seen.summary.clone())));
    }
}

/// Asks one detector. If it fails, that costs its own answer.
fn ask(detector: &Detector, sample: &Sample<'_>, offsets: Offsets, answers: &mut Answers) {
    match catch_unwind(AssertUnwindSafe(|| (detector.inspect)(sample))) {
        Ok(found) => {
            let secrets = found.iter().filter_map(|found| sample.bytes.get(found.secret.clone()?));
            answers.secrets.extend(secrets.map(|secret| String::from_utf8_lossy(secret).into_owned()));
            keep(&detector.about, found, offsets, answers);
        }
        Err(_) => {
            let detail = format!("detector {} failed", detector.about.id);
            answers.problem(ProblemKind::DetectorFailed, detail, sample.bytes.len() as u64);
        }
    }
}

/// Keeps at most [`MATCHES_MAX`] matches, the weightiest first among equals in their order. What is more is said: by a
/// problem, or, where all of it is mere facts, in the last summary.
fn keep(about: &About, mut found: Vec<Match>, offsets: Offsets, answers: &mut Answers) {
    let more = found.len().saturating_sub(MATCHES_MAX);
    if more > 0 {
        let weight = |found: &Match| found.weight.unwrap_or(about.weight);
        found.sort_by_key(|found| std::cmp::Reverse(weight(found)));
        let dropped = found.split_off(MATCHES_MAX);
        if dropped.iter().any(|found| weight(found) != Weight::Fact) {
            let detail = format!("{}: {more} more matches, {MATCHES_MAX} are kept", about.id);
            answers.problem(ProblemKind::FindingsLimit, detail, 0);
        } else if let Some(last) = found.last_mut() {
            let room = model::text::SUMMARY_CHARS_MAX - 24;
            last.summary = format!("{} … and {more} more", model::text::shortened(&last.summary, room));
        }
        found.sort_by_key(|found| found.offset);
    }
    for found in found {
        let offset = found.offset.map(|offset| offsets.in_file(offset));
        answers.observations.push(observation(about, found, offset));
    }
}

/// Applies a rule set; makes the thread's scanner when it is first needed.
fn apply<'p>(
    scanner: &mut Option<RuleScanner<'p>>,
    rules: impl FnOnce() -> &'p RuleSet,
    bytes: &[u8],
    offsets: Offsets,
    observe: fn(&crate::engine::Matched, Option<u64>) -> Observation,
    answers: &mut Answers,
) {
    let scan = || scanner.get_or_insert_with(|| rules().scanner()).scan(bytes);
    let unseen = bytes.len() as u64;
    match catch_unwind(AssertUnwindSafe(scan)) {
        Ok(Ok(matched)) => {
            for matched in matched {
                let offset = matched.offset.map(|offset| offsets.in_file(offset));
                answers.observations.push(observe(&matched, offset));
            }
        }
        Ok(Err(ScanFailure::TimedOut)) => {
            let detail = format!("YARA rules took longer than {SCAN_SECONDS_MAX} s");
            answers.problem(ProblemKind::TimeLimit, detail, unseen);
        }
        Ok(Err(ScanFailure::Failed(error))) => {
            answers.problem(ProblemKind::DetectorFailed, format!("YARA: {error}"), unseen);
        }
        Err(_) => {
            *scanner = None;
            answers.problem(ProblemKind::DetectorFailed, "YARA failed", unseen);
        }
    }
}

/// Cuts what one outer file may say, and says that it was cut.
fn bounded(answers: &mut Answers) {
    if answers.observations.len() > OBSERVATIONS_MAX {
        // Weightiest first, otherwise in their order: a flood of facts hides no proof.
        answers.observations.sort_by_key(|seen| std::cmp::Reverse(seen.weight));
        answers.observations.truncate(OBSERVATIONS_MAX);
        let detail = format!("more than {OBSERVATIONS_MAX} observations in one file");
        if !answers.problems.iter().any(|problem| problem.detail == detail) {
            answers.problem(ProblemKind::FindingsLimit, detail, 0);
        }
    }
    if answers.problems.len() > PROBLEMS_MAX {
        let dropped = answers.problems.split_off(PROBLEMS_MAX - 1);
        let unseen = dropped.iter().fold(0, |sum: u64, problem| sum.saturating_add(problem.unseen_bytes));
        let detail = format!("{} more problems in one file", dropped.len());
        answers.problem(ProblemKind::FindingsLimit, detail, unseen);
    }
}

#[cfg(test)]
mod tests {
    use model::{Category, Confidence, Maturity, Severity};

    use super::*;

    fn detector(weight: Weight, inspect: fn(&Sample<'_>) -> Vec<Match>) -> Detector {
        let about = About {
            id: "test",
            title: "A test",
            category: Category::Other,
            weight,
            severity: Severity::Low,
            confidence: Confidence::Low,
            maturity: Maturity::Draft,
            techniques: &[],
        };
        Detector { about, scope: Scope::Content { kinds: &[], literals: &[] }, inspect }
    }

    fn answers(detector: &Detector) -> Answers {
        let mut answers = Answers::default();
        let sample = Sample { bytes: b"four", kind: FileKind::Text, hits: &[], place: None };
        ask(detector, &sample, Offsets::PLAIN, &mut answers);
        answers
    }

    #[test]
    fn a_detector_that_panics_costs_its_own_answer() {
        let answers = answers(&detector(Weight::Sign, |_| panic!("a mistake")));
        assert!(answers.observations.is_empty());
        assert_eq!(answers.problems[0].kind, ProblemKind::DetectorFailed);
        assert_eq!(answers.problems[0].unseen_bytes, 4);
    }

    #[test]
    fn a_flood_of_matches_is_cut_and_the_weightiest_stay() {
        let flood = |_: &Sample<'_>| {
            let mut found = vec![Match::new("sign", 0); 100];
            found.push(Match { weight: Some(Weight::Proof), ..Match::new("proof", 100) });
            found
        };
        let answers = answers(&detector(Weight::Sign, flood));
        assert_eq!(answers.observations.len(), MATCHES_MAX);
        assert_eq!(answers.observations.last().map(|seen| seen.summary.as_str()), Some("proof"));
        assert_eq!(answers.problems[0].detail, "test: 37 more matches, 64 are kept");
    }

    /// Facts never change a verdict, so many of them are no reason to doubt one.
    #[test]
    fn a_flood_of_facts_is_no_problem() {
        let answers = answers(&detector(Weight::Fact, |_| vec![Match::new("fact", 0); 100]));
        assert_eq!(answers.observations.last().map(|seen| seen.summary.as_str()), Some("fact … and 36 more"));
        assert!(answers.problems.is_empty());
    }
}
