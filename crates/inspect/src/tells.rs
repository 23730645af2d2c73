//! Tells a kind of tool by what it does, where its names and banners may be changed.
//!
//! A tool is known by several tells that have nothing to do with each other: its options, its payloads, what it sends, how it
//! judges an answer. Each is a pattern; a tool needs all of some and a number of the rest, close together.

use model::FileKind;
use regex::bytes::{Regex, RegexBuilder};

use crate::{
    detectors::{Match, Sample},
    shell::{clues::is_script, text},
};

/// Larger texts are bundles of many things, and programs too: only what stands close together is joined.
const WHOLE_BYTES_MAX: usize = 128 << 10;
/// How far to either side of a literal in those.
const NEAR_BYTES: usize = 16 << 10;
/// Most pieces looked at in one file.
const PIECES_MAX: usize = 16;
/// Most matches of one pattern that are looked at for one that is no quotation.
const QUOTATIONS_MAX: usize = 8;

/// What is looked for: words for people, and a pattern (bytes, `.` is no line end).
pub(crate) type Tell = (&'static str, &'static str);

/// A kind of tool.
pub(crate) struct Tool {
    /// For people.
    pub(crate) name: &'static str,
    /// All of these, without which it does nothing.
    pub(crate) must: &'static [Tell],
    /// And as many of `also`.
    pub(crate) also_min: usize,
    /// What else such a tool has.
    pub(crate) also: &'static [Tell],
}

/// Tools, ready to be looked for.
pub(crate) struct Tools(Vec<(&'static Tool, Vec<Regex>, Vec<Regex>)>);

impl Tools {
    /// # Panics
    ///
    /// If a pattern is wrong: they are constants, and a test runs them.
    pub(crate) fn new(tools: &'static [Tool]) -> Self {
        let compiled = |tells: &[Tell]| tells.iter().map(|(_, pattern)| regex(pattern)).collect();
        Self(tools.iter().map(|tool| (tool, compiled(tool.must), compiled(tool.also))).collect())
    }

    /// The tools in the sample, one match each. What people read (comments, documents, rule files) tells nothing.
    pub(crate) fn found(&self, sample: &Sample<'_>) -> Vec<Match> {
        let is_text = text::TEXT_KINDS.contains(&sample.kind) || sample.kind == FileKind::Archive;
        if is_text && !is_script(sample) {
            return Vec::new();
        }
        let mut found: Vec<Match> = Vec::new();
        let mut named: Vec<&str> = Vec::new();
        for (start, end) in pieces(sample) {
            for (tool, must, also) in &self.0 {
                if named.contains(&tool.name) {
                    continue;
                }
                let seen = |pattern: &Regex| is_seen(sample, is_text, (start, end), pattern);
                if !must.iter().all(seen) {
                    continue;
                }
                let told = |tells: &[Tell], patterns: &[Regex]| {
                    let both = tells.iter().zip(patterns);
                    both.filter(|(_, pattern)| seen(pattern)).map(|((what, _), _)| *what).collect::<Vec<_>>()
                };
                let mut words = told(tool.also, also);
                if words.len() >= tool.also_min {
                    named.push(tool.name);
                    words.extend(tool.must.iter().map(|(what, _)| *what));
                    found.push(Match::new(format!("{}: {}", tool.name, words.join(", ")), start));
                }
            }
        }
        found
    }
}

/// Where to look: the whole of a small script, else around the literals. In order, without overlap.
fn pieces(sample: &Sample<'_>) -> Vec<(usize, usize)> {
    if sample.bytes.len() <= WHOLE_BYTES_MAX && !text::is_program(sample) {
        return vec![(0, sample.bytes.len())];
    }
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for hit in sample.hits {
        let full = pieces.len() == PIECES_MAX;
        let start = hit.offset.saturating_sub(NEAR_BYTES);
        let end = hit.offset.saturating_add(NEAR_BYTES).min(sample.bytes.len());
        match pieces.last_mut() {
            Some((first, last)) if start <= *last && *last - *first < WHOLE_BYTES_MAX => *last = end,
            Some((_, last)) if hit.offset < *last => {}
            _ if full => break,
            _ => pieces.push((start, end)),
        }
    }
    pieces
}

fn is_seen(sample: &Sample<'_>, is_text: bool, (start, end): (usize, usize), pattern: &Regex) -> bool {
    let Some(piece) = sample.bytes.get(start..end) else { return false };
    let mut matches = pattern.find_iter(piece).take(QUOTATIONS_MAX);
    matches.any(|found| !is_text || !text::is_quoted(sample, start + found.start()))
}

/// ASCII only: Unicode case folding is many times slower.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant, and a test runs it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::Hit;

    static TOOLS: &[Tool] = &[Tool {
        name: "opener",
        must: &[("opens", "open_it")],
        also_min: 1,
        also: &[("knocks", "knock[0-9]"), ("rings", "ring")],
    }];

    #[track_caller]
    fn check(bytes: &str, kind: FileKind, expected: &[&str]) {
        let hits: Vec<Hit> = bytes.match_indices("open_it").map(|(offset, _)| Hit { offset, literal: 0 }).collect();
        let found = Tools::new(TOOLS).found(&Sample { bytes: bytes.as_bytes(), kind, hits: &hits, place: None });
        let summaries: Vec<_> = found.iter().map(|found| found.summary.as_str()).collect();
        assert_eq!(summaries, expected);
    }

    #[test]
    fn all_that_must_be_and_enough_of_the_rest() {
        check("#!/bin/sh\nopen_it; knock1\n", FileKind::Script, &["opener: knocks, opens"]);
        check("#!/bin/sh\nopen_it\n", FileKind::Script, &[]);
        check("#!/bin/sh\nopen_it\n# knock1\n", FileKind::Script, &[]);
        check("open_it, then knock1: how it is done\n", FileKind::Text, &[]);
    }

    #[test]
    fn a_program_is_looked_at_around_the_literals() {
        let far = "x".repeat(100_000);
        check(&format!("\x7fELF open_it ring{far}"), FileKind::Elf, &["opener: rings, opens"]);
        check(&format!("\x7fELF open_it{far}ring"), FileKind::Elf, &[]);
        check(&format!("\x7fELF {far}open_it{far}open_it ring"), FileKind::Elf, &["opener: rings, opens"]);
    }
}
