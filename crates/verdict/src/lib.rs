//! Findings in, verdict out: pure, deterministic, explainable.

use model::{Finding, Problem, Verdict};

/// What is judged, besides the findings.
pub struct Subject<'a> {
    /// Repository name and tags, labels, description, entry point: what the image says of itself. Hostile text.
    pub claims: &'a [String],
    /// What the image runs, for concealment.
    pub command: &'a [String],
    /// Everything not looked at; `true` where what is missing is reached by what the image runs.
    pub problems: &'a [(Problem, bool)],
    /// Bytes of all layers, uncompressed, as far as known.
    pub unpacked_bytes: u64,
}

/// Judges one image by the table in DESIGN.md, "Vocabulary".
#[must_use]
pub fn judge(findings: &[Finding], subject: &Subject<'_>) -> Verdict {
    let _ = (findings, subject);
    unimplemented!()
}
