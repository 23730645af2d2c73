//! Findings in, verdict out: pure, deterministic, explainable.
//!
//! | module | what it decides |
//! |---|---|
//! | `evidence` | what of each category stands: signs, proofs, whether the image runs them |
//! | `table` | the table of DESIGN.md, "Vocabulary": a category and its evidence in, a disposition out |
//! | `concealment` | whether the image admits what it does |
//! | `completeness` | whether what was not looked at could matter |
//! | `reasons` | the lines that say why |
//!
//! No rule here rests on a name alone: a finding exists only because a detector recognised content, a config field or a
//! history line, and what an image says of itself can lower one row (a declared miner) and raise none.

mod completeness;
mod concealment;
mod evidence;
mod reasons;
mod table;

use model::{Category, Concealment, Confidence, Disposition, Finding, Problem, Severity, Verdict};

use crate::evidence::{Evidence, Strength};

/// What is judged, besides the findings.
pub struct Subject<'a> {
    /// Repository name and tags, labels, description: what the image says of itself, besides `command`. Hostile text.
    pub claims: &'a [String],
    /// What the image runs, for concealment.
    pub command: &'a [String],
    /// Everything not looked at; `true` where what is missing is reached by what the image runs.
    pub problems: &'a [(Problem, bool)],
    /// Bytes of all layers, uncompressed, as far as known.
    pub unpacked_bytes: u64,
}

/// Judges one image by the table in DESIGN.md, "Vocabulary". The order of findings and problems does not matter.
///
/// `categories` are those whose row is above `clean`. Severity is the worst and confidence the best among the findings of
/// the categories that carry the disposition, stable ones if there are any; where none carries it, both are the lowest word.
#[must_use]
pub fn judge(findings: &[Finding], subject: &Subject<'_>) -> Verdict {
    let evidence = evidence::by_category(findings);
    let rows: Vec<Row<'_>> = evidence.iter().map(|one| Row::new(one, &evidence, subject)).collect();

    let found = rows.iter().map(|row| row.disposition).max().unwrap_or(Disposition::Clean);
    let (completeness, missing) = completeness::completeness(subject.problems, subject.unpacked_bytes);
    // What was not looked at can only make it worse, and nothing is worse than malicious.
    let undetermined = missing.filter(|_| found < Disposition::Malicious);

    let carrying = rows.iter().filter(|row| row.disposition == found && found > Disposition::Clean);
    let observations = || carrying.clone().flat_map(Row::supporting).map(|finding| &finding.observation);
    Verdict {
        disposition: if undetermined.is_some() { Disposition::Undetermined } else { found },
        categories: rows.iter().filter(|row| row.disposition > Disposition::Clean).map(Row::category).collect(),
        severity: observations().map(|observation| observation.severity).max().unwrap_or(Severity::Info),
        confidence: observations().map(|observation| observation.confidence).max().unwrap_or(Confidence::Low),
        concealment: rows.iter().filter_map(Row::concealment).max(),
        reasons: reasons::reasons(&rows, undetermined),
        completeness,
    }
}

/// A category's evidence, and how the table answers.
struct Row<'a> {
    evidence: &'a Evidence<'a>,
    declared: bool,
    disposition: Disposition,
    /// Rules that changed the table's answer.
    notes: Vec<&'static str>,
}

impl<'a> Row<'a> {
    fn new(evidence: &'a Evidence<'a>, all: &'a [Evidence<'a>], subject: &Subject<'_>) -> Self {
        let category = evidence.category;
        let malice = all.iter().filter(|other| table::is_malice(other.category));
        // "Impersonation with any malicious category: malicious and concealed."
        let impersonates = all.iter().any(|other| other.category == Category::Impersonation && !other.draft_only);
        let declared =
            !impersonates && concealment::declares(category, subject.claims, subject.command, &evidence.paths());
        let mut notes = Vec::new();
        if declared {
            notes.push("its name or description and its entry point say so");
        }

        let mut disposition = table::disposition(category, evidence.strength, evidence.runs, !declared);
        let lower = disposition < Disposition::Malicious;
        if lower && table::is_attack(category) && evidence::corroborated(evidence, malice) {
            disposition = Disposition::Malicious;
            notes.push("a second sign stands beside it");
        } else if lower && impersonates && table::is_malice(category) && evidence.strength == Strength::Proof {
            disposition = Disposition::Malicious;
            notes.push("it claims to be something else");
        }
        if evidence.draft_only && disposition > Disposition::Risky {
            disposition = Disposition::Risky;
            notes.push("only draft detectors say so: risky at most");
        }
        Self { evidence, declared, disposition, notes }
    }

    fn category(&self) -> Category {
        self.evidence.category
    }

    /// The findings it rests on: drafts only where there is nothing stable.
    fn supporting(&self) -> impl Iterator<Item = &'a Finding> {
        let Evidence { findings, draft_only, .. } = self.evidence;
        findings.iter().copied().filter(move |finding| *draft_only || evidence::is_stable(finding))
    }

    /// None where nothing is to admit.
    fn concealment(&self) -> Option<Concealment> {
        let serious = self.disposition >= Disposition::Suspicious && table::is_malice(self.category());
        match (self.declared, serious) {
            (true, _) => Some(Concealment::Declared),
            (false, true) => Some(Concealment::Concealed),
            (false, false) => None,
        }
    }
}
