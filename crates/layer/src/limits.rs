//! Ceilings for one layer, and the bounded list of what went wrong in it.

use model::{Problem, ProblemKind, text};

/// Ceilings for one layer. Reaching one ends the stream with a named [`Problem`] in the [`Outcome`](crate::Outcome).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Uncompressed bytes of the tar stream, holes of sparse files counted.
    pub unpacked_bytes_max: u64,
    /// Entries, headers of any kind counted. One million costs about 2 s and 320 MB; the largest honest layers have
    /// several hundred thousand.
    pub entries_max: u64,
    /// Entries that may hold nothing: an archive of more must have at least [`ENTRY_BYTES_MIN`] for each. A header alone
    /// has 512, so that only floods of empty entries end here.
    pub empty_entries_max: u64,
    /// Uncompressed bytes per compressed byte, checked after the first `ratio_grace_bytes`.
    pub ratio_max: u64,
    /// Uncompressed bytes before `ratio_max` counts; also the most bytes of holes of sparse files that are unrolled.
    pub ratio_grace_bytes: u64,
    /// Bytes of one long name, link target or pax record set. Go's `archive/tar` stops at 1 MiB.
    pub name_bytes_max: u64,
    /// Bytes of the paths and link targets of all entries, which whoever remembers them needs as memory: 128 for each of
    /// half a million entries.
    pub names_bytes_max: u64,
    /// Wall seconds for the layer; the clock is passed in.
    pub seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes_max: 64 << 30,
            entries_max: 1_000_000,
            empty_entries_max: 150_000,
            ratio_max: 200,
            ratio_grace_bytes: 256 << 20,
            name_bytes_max: 1 << 20,
            names_bytes_max: 64 << 20,
            seconds_max: 3_600,
        }
    }
}

/// Bytes of archive, headers counted, that each entry must have on average beyond [`Limits::empty_entries_max`].
pub(crate) const ENTRY_BYTES_MIN: u64 = 1024;

/// Longest path that is handed on whole: Linux' `PATH_MAX`, beyond which no runtime can create a file.
pub(crate) const PATH_BYTES_MAX: usize = 4_096;

/// Most problems of single entries that are listed; what ends a stream is always listed.
const PROBLEMS_MAX: usize = 1_000;
/// Most characters of a path in a [`Problem`]'s place; a longer one is shortened by [`text::shortened`].
pub const PLACE_CHARS_MAX: usize = 512;

/// The problems of a layer: the first [`PROBLEMS_MAX`], and how many more there were.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    listed: Vec<Problem>,
    more: u64,
    /// Of those that are not listed, how many say that content was not seen.
    more_unseen: u64,
    /// Set in [`ended`](Self::ended): what ended the stream, behind the others.
    last: Vec<Problem>,
}

impl Problems {
    /// Notes something odd about one entry.
    pub(crate) fn note(&mut self, kind: ProblemKind, place: &str, detail: impl FnOnce() -> String) {
        if self.listed.len() < PROBLEMS_MAX {
            self.listed.push(problem(kind, place, detail(), 0));
        } else {
            self.more = self.more.saturating_add(1);
            self.more_unseen = self.more_unseen.saturating_add(u64::from(kind.hides_content()));
        }
    }

    /// Notes what ended the stream, or concerns it as a whole.
    pub(crate) fn ended(&mut self, kind: ProblemKind, place: &str, detail: String, unseen_bytes: u64) {
        self.last.push(problem(kind, place, detail, unseen_bytes));
    }

    /// All of them, with one line more if some were not listed.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let detail =
                format!("{} more problems of single entries are not listed, at most {PROBLEMS_MAX} are", self.more);
            // A flood of oddities must not turn something unseen into an oddity. How much it was nobody counted.
            let kind = if self.more_unseen > 0 { ProblemKind::FindingsLimit } else { ProblemKind::Ambiguous };
            self.listed.push(problem(kind, "", detail, self.more_unseen));
        }
        self.listed.append(&mut self.last);
        self.listed
    }
}

pub(crate) fn problem(kind: ProblemKind, place: &str, detail: String, unseen_bytes: u64) -> Problem {
    Problem { kind, place: text::shortened(place, PLACE_CHARS_MAX).into_owned(), detail, unseen_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_problems_becomes_one_line_and_the_end_is_kept() {
        let mut problems = Problems::default();
        for _ in 0..PROBLEMS_MAX + 5 {
            problems.note(ProblemKind::Ambiguous, "a", || "odd".to_owned());
        }
        problems.note(ProblemKind::Corrupt, "b", || "a map that is none".to_owned());
        problems.ended(ProblemKind::Corrupt, "", "broken".to_owned(), 7);
        let all = problems.finish();
        assert_eq!(all.len(), PROBLEMS_MAX + 2);
        assert!(all[PROBLEMS_MAX].detail.starts_with("6 more"), "{:?}", all[PROBLEMS_MAX]);
        assert_eq!((all[PROBLEMS_MAX].kind, all[PROBLEMS_MAX].unseen_bytes), (ProblemKind::FindingsLimit, 1));
        assert_eq!((all[PROBLEMS_MAX + 1].kind, all[PROBLEMS_MAX + 1].unseen_bytes), (ProblemKind::Corrupt, 7));
    }
}
