//! Whether everything was looked at, and whether what was not could matter.

use std::cmp::Reverse;

use model::{Completeness, Problem, text::shortened};

/// Most lines of what was not looked at; one more says how many were left out.
const LINES_MAX: usize = 50;
/// Longest place or detail quoted, in characters.
const TEXT_CHARS_MAX: usize = 240;
/// Unseen bytes matter from one in this many: DESIGN.md, "more than 1 % of the bytes".
const ONE_IN: u128 = 100;

/// What was not looked at, and in one line why it matters, if it does.
pub(crate) fn completeness(problems: &[(Problem, bool)], unpacked_bytes: u64) -> (Completeness, Option<String>) {
    let mut unseen: Vec<_> = problems.iter().filter(|(problem, _)| problem.kind.hides_content()).collect();
    if unseen.is_empty() {
        return (Completeness::Complete, None);
    }
    unseen.sort_by_key(|(problem, reached)| {
        (Reverse(*reached), Reverse(problem.unseen_bytes), &problem.place, &problem.detail)
    });
    let mut lines: Vec<_> = unseen.iter().take(LINES_MAX).map(|(problem, reached)| line(problem, *reached)).collect();
    if unseen.len() > LINES_MAX {
        lines.push(format!("and {} more", unseen.len() - LINES_MAX));
    }
    let matters = why_it_matters(&unseen, unpacked_bytes);
    (Completeness::Partial { not_looked_at: lines }, matters)
}

fn why_it_matters(unseen: &[&(Problem, bool)], unpacked_bytes: u64) -> Option<String> {
    if let Some((problem, _)) = unseen.iter().find(|(_, reached)| *reached) {
        let place = shortened(&problem.place, TEXT_CHARS_MAX);
        return Some(format!("what the image runs was not looked at: {place}"));
    }
    let bytes: u128 = unseen.iter().map(|(problem, _)| u128::from(problem.unseen_bytes)).sum();
    if unpacked_bytes == 0 {
        return Some("nothing could be unpacked, and something was not looked at".to_owned());
    }
    (bytes * ONE_IN > u128::from(unpacked_bytes))
        .then(|| format!("{bytes} bytes were not looked at, of {unpacked_bytes} unpacked: more than 1 %"))
}

fn line(problem: &Problem, reached: bool) -> String {
    let place = shortened(&problem.place, TEXT_CHARS_MAX);
    let detail = shortened(&problem.detail, TEXT_CHARS_MAX);
    let bytes = match problem.unseen_bytes {
        0 => String::new(),
        bytes => format!(" ({bytes} bytes)"),
    };
    let reached = if reached { ", reached by what the image runs" } else { "" };
    format!("{place}: {detail}{bytes}{reached}")
}
