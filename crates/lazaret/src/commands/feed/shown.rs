//! Changes and refusals as lines for people.

use std::collections::BTreeSet;

use feed::{Change, Entry, Status, diff::Difference, guard::Refused};
use model::text::visible;

use crate::output::words::counted;

/// Most refusals shown without `-v`.
const REFUSED_MAX: usize = 20;

/// One change a line.
pub(super) fn changes(changes: &[Change]) -> String {
    changes.iter().map(|change| line(change.kind.word(), &change.entry)).collect()
}

/// One difference a line.
pub(super) fn differences(differences: &[Difference]) -> String {
    differences.iter().map(|difference| line(difference.became.word(), difference.entry())).collect()
}

fn line(what: &str, entry: &Entry) -> String {
    let categories: Vec<_> = entry.categories.iter().map(|category| category.word()).collect();
    let gone = entry.status != Status::Active;
    // Why it went is ours, what it is called is not.
    let context = match &entry.reason {
        Some(reason) if gone => reason.clone(),
        _ => entry.references.first().map(|reference| visible(reference).into_owned()).unwrap_or_default(),
    };
    let (list, channel, role) = (entry.list, entry.channel, entry.role);
    let text = format!(
        "{what:<10} {:<12} {list:<6} {channel:<9} {role:<8} {}  {}  {context}",
        entry.id.to_string(),
        entry.digest.short(),
        categories.join(",")
    );
    format!("{}\n", text.trim_end())
}

/// What was not listed and why, a line each, up to a number.
pub(super) fn refused(refused: &BTreeSet<Refused>, all: bool) -> String {
    let shown = if all { usize::MAX } else { REFUSED_MAX };
    let mut text: String = refused
        .iter()
        .take(shown)
        .map(|it| format!("refused    {:<8} {}  {}\n", it.role, it.digest, it.refusal))
        .collect();
    if let Some(more) = refused.len().checked_sub(shown).filter(|more| *more > 0) {
        text.push_str(&format!("refused    {} more: -v shows all\n", counted(more, "digest")));
    }
    text
}
