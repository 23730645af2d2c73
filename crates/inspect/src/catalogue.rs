//! What is looked for, as a list for people and for tests.

use model::{Category, Confidence, Maturity, Severity, Weight};

use crate::{
    detectors::{self, About},
    rules,
};

/// The engine itself, where it must say that something was not looked at and has no problem to say it with.
pub(crate) const ENGINE: About = About {
    id: "engine",
    title: "Something was not looked at",
    category: Category::Other,
    weight: Weight::Fact,
    severity: Severity::Info,
    confidence: Confidence::Certain,
    maturity: Maturity::Stable,
    techniques: &[],
};

/// The `//!` headers of the files in `src/detectors`, by id.
const HEADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/headers.rs"));

/// Every detector and every rule of ours, by id.
#[must_use]
pub fn catalogue() -> Vec<&'static About> {
    let mut all = detectors::list();
    all.extend(rules::own().iter().map(|rule| &rule.about));
    all.sort_by_key(|about| about.id);
    all
}

/// What the detector or rule `id` says of itself: what it sees, what it misses, its false alarms, its sources. Of a
/// detector the header of its file, of a rule its text.
#[must_use]
pub fn header(id: &str) -> Option<&'static str> {
    let detector = || HEADERS.iter().find(|(other, _)| *other == id).map(|(_, header)| *header);
    let rule = || {
        let rule = rules::own().iter().find(|rule| rule.about.id == id)?;
        rules::FILES.iter().find_map(|(_, text)| {
            let from = text.find(&format!("rule {} ", rule.name))?;
            let rest = text.get(from..)?;
            rest.get(..rest.find("\n}").map_or(rest.len(), |end| end + 2))
        })
    };
    if detectors::list().iter().any(|about| about.id == id) { detector() } else { rule() }
}

/// What the last evaluation counted, one line a detector. Written by `make eval`.
const MEASURED: &str = include_str!("../../../corpus/images/results/detectors.tsv");

/// On how many of how many honest images the detector or rule `id` raised a sign or a proof. None for what is newer than the
/// last evaluation.
#[must_use]
pub fn measured(id: &str) -> Option<(u32, u32)> {
    let mut lines = MEASURED.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines.find_map(|fields| match fields.as_slice() {
        [name, alarms, images] if *name == id => Some((alarms.parse().ok()?, images.parse().ok()?)),
        _ => None,
    })
}
