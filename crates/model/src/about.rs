//! What a detector or behaviour says of itself.

use crate::{Category, Confidence, Maturity, Severity, Weight};

/// What a detector or behaviour is, apart from how it looks.
#[derive(Debug, Clone)]
pub struct About {
    /// Kebab-case, equal to the file's name with `-` for `_`. No two have the same.
    pub id: &'static str,
    /// What was found, in a few words, for people.
    pub title: &'static str,
    /// What the image is if it holds.
    pub category: Category,
    /// What a match counts for, unless the match says otherwise.
    pub weight: Weight,
    /// How bad, unless the match says otherwise.
    pub severity: Severity,
    /// How sure, unless the match says otherwise.
    pub confidence: Confidence,
    /// How far it is trusted.
    pub maturity: Maturity,
    /// MITRE ATT&CK technique ids.
    pub techniques: &'static [&'static str],
}
