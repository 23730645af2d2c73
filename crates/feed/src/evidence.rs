//! Which findings a digest is listed for.

use std::collections::BTreeSet;

use model::{Category, Digest, Finding, Location, Maturity, ScanReport, Weight};

use crate::entry::EvidenceKind;

/// How much findings prove without the rest of their image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strength {
    /// Signs of two detectors for one category.
    Signs,
    /// A proof.
    Proof,
}

/// What makes a thing of a category malicious.
enum Harm {
    /// That it is there.
    Present,
    /// That it is run: what merely lies there is also in the images of honest security people.
    Run,
}

/// None for what is risky or suspicious at most, however sure it is. A scanner or a leaked key beside a miner is not listed
/// for it. Follows the table in `verdict`.
const fn harm(category: Category) -> Option<Harm> {
    use Category as C;
    match category {
        C::Cryptominer | C::Proxyware | C::Ddos | C::Phishing => Some(Harm::Present),
        C::Backdoor
        | C::Worm
        | C::CredentialTheft
        | C::Ransomware
        | C::Wiper
        | C::ContainerEscape
        | C::MaliciousWebsite => Some(Harm::Run),
        C::HackingTool
        | C::EmbeddedSecret
        | C::NewlyRegisteredDomain
        | C::DynamicDns
        | C::ProxyAvoidance
        | C::Impersonation
        | C::Spam
        | C::Other => None,
    }
}

/// The findings of malice that the verdict names, in categories that a stable detector supports: a draft may be the second
/// sign beside it.
pub(crate) fn malice(report: &ScanReport) -> Vec<&Finding> {
    supported(report, |category| harm(category).is_some())
}

/// As [`malice`], of whatever the verdict names: for what is advised on.
pub(crate) fn concerns(report: &ScanReport) -> Vec<&Finding> {
    supported(report, |_| true)
}

fn supported(report: &ScanReport, counts: impl Fn(Category) -> bool) -> Vec<&Finding> {
    let counts = |finding: &&Finding| {
        let seen = &finding.observation;
        seen.weight != Weight::Fact && counts(seen.category) && report.verdict.categories.contains(&seen.category)
    };
    let counted: Vec<&Finding> = report.findings.iter().filter(counts).collect();
    let supported: BTreeSet<Category> =
        counted.iter().filter(|finding| is_stable(finding)).map(|finding| finding.observation.category).collect();
    counted.into_iter().filter(|finding| supported.contains(&finding.observation.category)).collect()
}

pub(crate) fn is_stable(finding: &Finding) -> bool {
    finding.observation.maturity == Maturity::Stable
}

/// Which kind of evidence a finding is: detectors that compare with what others list are named so.
pub(crate) fn kind(finding: &Finding) -> EvidenceKind {
    if finding.observation.detector.starts_with("known-bad-") {
        return EvidenceKind::Intelligence;
    }
    match finding.location {
        Location::Event { .. } | Location::Captured { .. } => EvidenceKind::Runtime,
        Location::File { .. }
        | Location::Config { .. }
        | Location::History { .. }
        | Location::Layer { .. }
        | Location::Image => EvidenceKind::Static,
    }
}

/// What stable findings prove by themselves; none if too little.
pub(crate) fn strength(findings: &[&Finding]) -> Option<Strength> {
    let standing = || findings.iter().filter(|finding| does_harm(finding)).map(|finding| &finding.observation);
    if standing().any(|seen| seen.weight == Weight::Proof) {
        return Some(Strength::Proof);
    }
    let signs: BTreeSet<(Category, &str)> = standing().map(|seen| (seen.category, seen.detector.as_str())).collect();
    let categories: BTreeSet<Category> = signs.iter().map(|(category, _)| *category).collect();
    (signs.len() > categories.len()).then_some(Strength::Signs)
}

fn does_harm(finding: &Finding) -> bool {
    let hidden = matches!(finding.location, Location::File { hidden: true, .. });
    match harm(finding.observation.category) {
        None => false,
        Some(Harm::Present) => true,
        // A planted SSH key (ATT&CK T1098.004) works by lying there.
        Some(Harm::Run) => {
            let key = finding.observation.techniques.iter().any(|technique| technique == "T1098.004");
            !hidden && (finding.runs || key)
        }
    }
}

/// The files a finding is about: the one in the layer and, if that is an archive, the innermost one.
pub(crate) fn files(finding: &Finding) -> BTreeSet<Digest> {
    let outer = match &finding.location {
        Location::File { sha256, .. } => *sha256,
        Location::Config { .. }
        | Location::History { .. }
        | Location::Layer { .. }
        | Location::Image
        | Location::Captured { .. }
        | Location::Event { .. } => None,
    };
    outer.into_iter().chain(finding.observation.inside.as_ref().map(|inside| inside.sha256)).collect()
}
