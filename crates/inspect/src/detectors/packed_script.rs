//! Flags a script that is mostly one encoded blob which it decodes and runs.
//!
//! - Sees: scripts and text of which at least half is one run of base64 or hex (line breaks allowed, 256 characters and more), with
//!   a decoder whose output goes to a shell, `eval` or `exec`.
//! - Misses: blobs split into variables, other alphabets, compression without text armour.
//! - False alarms: self-extracting installers that armour their archive usually write files and run them later: not seen.
//! - Source: ATT&CK T1027.010, T1140.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, history_facts};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "packed-script",
        title: "Script that decodes and runs itself",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1027.010", "T1140"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Script, FileKind::Text],
        literals: &["base64 -d", "base64 --decode", "xxd -r", "openssl enc -d", "b64decode(", "fromhex("],
    },
    inspect,
};

/// Shorter runs are hashes and keys.
const BLOB_BYTES_MIN: usize = 256;
/// How far around the decoder the shell is looked for, besides the blob itself.
const NEAR_BYTES: usize = 256;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some((start, length)) = longest_blob(sample.bytes) else { return Vec::new() };
    if length * 2 < sample.bytes.len() {
        return Vec::new();
    }
    // Without the blob what remains is at most as long, and short enough to read as a whole.
    let (head, tail) = (sample.bytes.get(..start), sample.bytes.get(start + length..));
    let (head, tail) = (head.unwrap_or_default(), tail.unwrap_or_default());
    let before = head.get(head.len().saturating_sub(NEAR_BYTES)..).unwrap_or_default();
    let after = tail.get(..NEAR_BYTES).unwrap_or(tail);
    let around = [before, b" ", after].concat();
    let rest: Vec<&[u8]> = vec![head.get(..NEAR_BYTES * 4).unwrap_or(head), tail.get(..NEAR_BYTES * 4).unwrap_or(tail)];
    let runs = [around.as_slice()]
        .into_iter()
        .chain(rest)
        .any(|text| history_facts::decodes_into_shell(&String::from_utf8_lossy(text)));
    if !runs {
        return Vec::new();
    }
    let share = length * 100 / sample.bytes.len().max(1);
    vec![Match::new(format!("{share} % of it is one blob of {length} bytes that it decodes and runs"), start)]
}

/// Start and length of the longest run of base64 characters, single line breaks included.
fn longest_blob(bytes: &[u8]) -> Option<(usize, usize)> {
    let is_blob = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let (mut best, mut start, mut at) = ((0, 0), 0, 0);
    let mut longest_line = 0;
    for line in bytes.split_inclusive(|b| !is_blob(*b)) {
        let ended_by = line.last().copied().filter(|b| !is_blob(*b));
        let run = line.len() - usize::from(ended_by.is_some());
        at += line.len();
        longest_line = longest_line.max(run);
        let length = at - usize::from(ended_by.is_some()) - start;
        // Words of prose are short: a run goes on over a line break only between long lines.
        if longest_line >= 32 && length > best.1 {
            best = (start, length);
        }
        if ended_by != Some(b'\n') || run < 32 {
            (start, longest_line) = (at, 0);
        }
    }
    (best.1 >= BLOB_BYTES_MIN).then_some(best)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::DETECTOR;
    use crate::detectors::testing::check;

    fn blob() -> String {
        let bytes: Vec<u8> = (0..450u32).map(|i| (i * 167 % 251) as u8).collect();
        STANDARD.encode(bytes)
    }

    #[test]
    fn a_blob_that_runs_is_seen() {
        let expected = ["95 % of it is one blob of 600 bytes that it decodes and runs"];
        check(&DETECTOR, "x", format!("#!/bin/sh\necho {}|base64 -d|sh\n", blob()).as_bytes(), &expected);
        let eval = format!("#!/bin/sh\neval \"$(echo {} | base64 -d)\"\n", blob());
        check(&DETECTOR, "x", eval.as_bytes(), &["94 % of it is one blob of 600 bytes that it decodes and runs"]);
    }

    #[test]
    fn a_blob_that_is_stored_is_not() {
        check(&DETECTOR, "x", format!("#!/bin/sh\necho {}|base64 -d > /etc/logo.png\n", blob()).as_bytes(), &[]);
        check(&DETECTOR, "x", b"#!/bin/sh\necho ZWNobyBoaQo= | base64 -d | sh\n", &[]);
    }
}
