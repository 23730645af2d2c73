//! What of each category stands.
//!
//! - A finding of weight `fact` never counts.
//! - A category *holds* by a proof, or by two signs of different detectors.
//! - Draft evidence alone, however many detectors agree, raises at most `risky`; beside a stable finding of its category it
//!   may be the second sign. `deprecated` detectors count as drafts.
//! - What a later layer hides counts, but the image does not run it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Finding, Location, Maturity, Weight};

/// How strongly a category is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// By one detector's signs.
    Sign,
    /// By a proof, or two detectors' signs: the category holds.
    Proof,
}

/// The findings of one category that count.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) category: Category,
    /// Never empty.
    pub(crate) findings: Vec<&'a Finding>,
    pub(crate) strength: Strength,
    /// Whether the image runs any of it.
    pub(crate) runs: bool,
    /// Whether no stable detector is among them.
    pub(crate) draft_only: bool,
}

impl<'a> Evidence<'a> {
    /// The files that show it.
    pub(crate) fn paths(&self) -> Vec<&'a str> {
        let path = |finding: &&'a Finding| match &finding.location {
            Location::File { path, .. } => Some(path.as_str()),
            _ => None,
        };
        self.findings.iter().filter_map(path).collect()
    }
}

/// One [`Evidence`] a category that has any, in the order of the categories.
pub(crate) fn by_category(findings: &[Finding]) -> Vec<Evidence<'_>> {
    let mut grouped: BTreeMap<Category, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.observation.weight != Weight::Fact) {
        grouped.entry(finding.observation.category).or_default().push(finding);
    }
    grouped.into_iter().map(|(category, findings)| weighed(category, findings)).collect()
}

fn weighed(category: Category, findings: Vec<&Finding>) -> Evidence<'_> {
    let draft_only = !findings.iter().any(|finding| is_stable(finding));
    let proof = findings
        .iter()
        .any(|finding| finding.observation.weight == Weight::Proof && (draft_only || is_stable(finding)));
    let two_detectors = findings.windows(2).any(|pair| pair[0].observation.detector != pair[1].observation.detector);
    let strength = if proof || two_detectors { Strength::Proof } else { Strength::Sign };
    let runs = findings.iter().any(|finding| is_run(finding));
    Evidence { category, findings, strength, runs, draft_only }
}

/// Whether a finding of an attack and one of any malice support each other: of different detectors, one of them stable, one
/// of them at work. "Planted SSH key: suspicious; malicious with any second sign."
pub(crate) fn corroborated<'a>(attack: &Evidence<'a>, malice: impl Iterator<Item = &'a Evidence<'a>>) -> bool {
    let traits =
        |finding: &&'a Finding| (finding.observation.detector.as_str(), is_stable(finding), is_at_work(finding));
    // As sets: a hostile image has thousands of findings, but only so many detectors fire.
    let firsts: BTreeSet<_> = attack.findings.iter().map(traits).collect();
    let seconds: BTreeSet<_> = malice.flat_map(|evidence| &evidence.findings).map(traits).collect();
    firsts
        .iter()
        .any(|first| seconds.iter().any(|second| first.0 != second.0 && (first.1 || second.1) && (first.2 || second.2)))
}

/// Whether the image runs it.
pub(crate) fn is_run(finding: &Finding) -> bool {
    finding.runs && !is_hidden(finding)
}

/// Whether a later layer deletes or replaces it.
pub(crate) fn is_hidden(finding: &Finding) -> bool {
    matches!(finding.location, Location::File { hidden: true, .. })
}

/// Whether it takes effect: it is run, or it is an SSH key for a login (ATT&CK T1098.004), which works by lying there.
fn is_at_work(finding: &Finding) -> bool {
    let key = finding.observation.techniques.iter().any(|technique| technique == "T1098.004");
    is_run(finding) || (key && !is_hidden(finding))
}

pub(crate) fn is_stable(finding: &Finding) -> bool {
    finding.observation.maturity == Maturity::Stable
}
