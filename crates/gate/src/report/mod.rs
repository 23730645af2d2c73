//! Decisions as people and programs read them, one format a file. Names and places are hostile text: each format escapes them in its
//! own way, after [`model::text::visible`] took out what moves a cursor.

mod github;
mod gitlab;
mod json;
mod junit;
mod sarif;
mod table;

#[cfg(test)]
mod testing;

use std::borrow::Cow;

use feed::{EntryId, Role};
use model::text::{shortened, visible};

pub(crate) use json::hit as hit_json;

use crate::{Decision, Effect, inputs::Asked};

/// Longest name or place shown, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// One image and what was decided of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was asked.
    pub asked: Asked,
    /// The answer.
    pub decision: Decision,
}

/// What a report is of.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// In the order they were asked.
    pub rows: &'a [Row],
    /// Sequence number of the feed.
    pub sequence: u64,
    /// How long ago it was published.
    pub age_s: u64,
    /// Show what is allowed, too.
    pub verbose: bool,
}

/// A way to write a report.
pub struct Format {
    /// The word that chooses it.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Writes it, with a line end at the end unless it is empty. May hold colours of ours.
    pub write: fn(&Checked<'_>) -> String,
}

/// Every format.
pub const FORMATS: &[Format] =
    &[table::FORMAT, json::FORMAT, sarif::FORMAT, junit::FORMAT, github::FORMAT, gitlab::FORMAT];

/// What all rows together come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing is denied, and everything was decided.
    Passed,
    /// Nothing listed is denied, but something could not be decided.
    Undecided,
    /// Something listed is denied.
    Denied,
}

impl Row {
    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.decision.hits.iter().any(|hit| hit.effect == Effect::Deny) {
            Outcome::Denied
        } else if self.decision.undecided.is_some() || self.decision.effect == Effect::Deny {
            Outcome::Undecided
        } else {
            Outcome::Passed
        }
    }

    /// The name as it was written, or the first digest, safe to show.
    #[must_use]
    pub fn name(&self) -> String {
        let subject = &self.asked.subject;
        let digest = || subject.digests.first().map(|(digest, _)| digest.to_string());
        let unnamed = || if self.asked.place.is_empty() { "?".to_owned() } else { self.asked.place.clone() };
        let name = subject.reference.clone().or_else(digest).unwrap_or_else(unnamed);
        shown(&name)
    }

    /// Where it stands: `compose.yaml:7, service web`; empty for a name on the command line.
    #[must_use]
    pub fn place(&self) -> String {
        let asked = &self.asked;
        let line = asked.line.map_or(String::new(), |line| format!(":{line}"));
        let file = asked.file.as_deref().map(|file| format!("{}{line}", shown(file)));
        let parts = [file, Some(shown(&asked.place)).filter(|place| !place.is_empty())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The id that messages and rules go by: the gravest entry, or a word for what could not be decided.
    #[must_use]
    pub fn rule(&self) -> String {
        match self.decision.hits.iter().find(|hit| hit.effect == self.decision.effect).or(self.decision.hits.first()) {
            Some(hit) => hit.listed.id.to_string(),
            None => "undecided".to_owned(),
        }
    }

    /// Ids of its entries, each once, gravest first.
    #[must_use]
    pub fn entries(&self) -> Vec<EntryId> {
        let mut ids = Vec::new();
        for hit in &self.decision.hits {
            if !ids.contains(&hit.listed.id) {
                ids.push(hit.listed.id);
            }
        }
        ids
    }

    /// Whether there is anything to tell of it.
    #[must_use]
    pub fn matters(&self) -> bool {
        self.decision.effect != Effect::Allow || self.decision.undecided.is_some() || !self.decision.hits.is_empty()
    }
}

/// What `rows` come to.
#[must_use]
pub fn outcome(rows: &[Row]) -> Outcome {
    rows.iter().map(Row::outcome).max().unwrap_or(Outcome::Passed)
}

/// `text` on one line, safe for a terminal, not longer than people read.
fn shown(text: &str) -> String {
    visible(&shortened(text, SHOWN_CHARS_MAX)).into_owned()
}

/// JSON over several lines, with a line end, that is safe to look at in a terminal: what could move the cursor or reorder a line is
/// written as `\uXXXX`. The values stay what they are.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    let text = format!("{value:#}\n");
    let is_unsafe = |character: char| {
        // Line ends stand only between values: within them JSON escapes them itself.
        character != '\n' && matches!(visible(character.encode_utf8(&mut [0; 4])), Cow::Owned(_))
    };
    if !text.contains(is_unsafe) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if is_unsafe(character) {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(character);
        }
    }
    safe
}

const fn role_word(role: Role) -> &'static str {
    role.word()
}

#[cfg(test)]
mod tests {
    use super::{testing::rows, *};

    #[test]
    fn denied_outranks_undecided_outranks_passed() {
        let rows = rows();
        assert_eq!(
            rows.iter().map(Row::outcome).collect::<Vec<_>>(),
            [Outcome::Denied, Outcome::Passed, Outcome::Passed, Outcome::Undecided, Outcome::Undecided,]
        );
        assert_eq!(outcome(&rows), Outcome::Denied);
        assert_eq!(outcome(&rows[1..]), Outcome::Undecided);
        assert_eq!(outcome(&[]), Outcome::Passed);
    }

    #[test]
    fn every_format_escapes_hostile_names() {
        let mut rows = rows();
        for row in &mut rows {
            let poison = "\x1b[31m\u{202e}<a&\"']]>,::\r\n::error::%0A";
            row.asked.subject.reference = Some(poison.to_owned());
            row.asked.place = poison.to_owned();
            row.asked.file = Some(poison.to_owned());
        }
        for format in FORMATS {
            let text = (format.write)(&Checked { rows: &rows, sequence: 7, age_s: 60, verbose: true });
            let plain = text.replace("\x1b[0m", "");
            assert!(!plain.contains("\x1b[31m\\") && !plain.contains('\u{202e}'), "{}", format.name);
            assert!(!text.lines().any(|line| line.starts_with("::error::")), "{}: {text}", format.name);
        }
    }
}
