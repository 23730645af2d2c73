//! Makes observations of what detectors and rules matched.

use model::{Category, Confidence, Maturity, Observation, Severity, Weight};

use crate::{
    detectors::{About, Match},
    engine::Matched,
    rules,
};

/// A detector's match, completed by what the detector says of itself.
pub(crate) fn observation(about: &About, found: Match, offset: Option<u64>) -> Observation {
    Observation {
        detector: about.id.to_owned(),
        title: about.title.to_owned(),
        category: found.category.unwrap_or(about.category),
        weight: found.weight.unwrap_or(about.weight),
        severity: found.severity.unwrap_or(about.severity),
        confidence: found.confidence.unwrap_or(about.confidence),
        maturity: about.maturity,
        techniques: about.techniques.iter().map(|&id| id.to_owned()).collect(),
        summary: found.summary,
        offset,
        indicators: found.indicators,
        inside: None,
    }
}

/// A URL may be a secret or hold one: nobody repeats what another detector calls one, whole or cut.
pub(crate) fn redact(observations: &mut [Observation], secrets: &[String]) {
    /// So many characters of a secret are never shown.
    const HEAD_CHARS: usize = 12;
    for secret in secrets {
        let head: String = secret.chars().take(HEAD_CHARS).collect();
        for seen in observations.iter_mut() {
            let texts = seen.indicators.iter_mut().map(|indicator| &mut indicator.value);
            for text in texts.chain([&mut seen.summary]).filter(|text| text.contains(&head)) {
                *text = without(text, secret, &head);
            }
        }
    }
}

/// `text` with the longest beginnings of `secret` cut.
fn without(text: &str, secret: &str, head: &str) -> String {
    let (mut cut, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(head) {
        let (before, from) = rest.split_at(at);
        let same = from.bytes().zip(secret.bytes()).take_while(|(left, right)| left == right).count();
        let end = (0..=same).rev().find(|&end| from.is_char_boundary(end)).unwrap_or(0).max(head.len());
        cut.push_str(before);
        // A third: webhooks begin as every address of their service does.
        if end * 3 >= secret.len() {
            cut.push_str(&crate::secret::redacted(secret));
        } else {
            cut.push_str(from.get(..end).unwrap_or_default());
        }
        rest = from.get(end..).unwrap_or_default();
    }
    cut.push_str(rest);
    cut
}

/// Where no problem can be reported: the detector's answer is missing here.
pub(crate) fn failed(about: &About) -> Observation {
    let found = Match {
        weight: Some(Weight::Fact),
        severity: Some(Severity::Info),
        ..Match::new("this detector failed here: its answer is missing", None)
    };
    observation(about, found, None)
}

/// A match of one of our rules.
pub(crate) fn own_rule(matched: &Matched, offset: Option<u64>) -> Observation {
    match rules::own().iter().find(|rule| rule.name == matched.name) {
        Some(rule) => observation(&rule.about, Match::new(summary(matched), None), offset),
        None => user_rule(matched, offset),
    }
}

/// A match of a user's rule. Category, weight, severity, confidence, maturity and description are taken from its
/// `meta` where they are our words; otherwise it is a draft sign of medium severity.
pub(crate) fn user_rule(matched: &Matched, offset: Option<u64>) -> Observation {
    fn word<T: std::str::FromStr>(matched: &Matched, key: &str, otherwise: T) -> T {
        matched.meta.get(key).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    }
    let title = matched.meta.get("description").map_or(matched.name.as_str(), String::as_str);
    let techniques = matched.meta.get("technique").map(String::as_str).unwrap_or_default();
    Observation {
        detector: format!("yara:{}.{}", matched.namespace, matched.name),
        title: model::text::shortened(title, model::text::SUMMARY_CHARS_MAX).into_owned(),
        category: word(matched, "category", Category::Other),
        weight: word(matched, "weight", Weight::Sign),
        severity: word(matched, "severity", Severity::Medium),
        confidence: word(matched, "confidence", Confidence::Medium),
        maturity: word(matched, "maturity", Maturity::Draft),
        techniques: techniques.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        summary: Match::new(summary(matched), None).summary,
        offset,
        indicators: Vec::new(),
        inside: None,
    }
}

/// Names the strings and quotes none: they may be secrets.
fn summary(matched: &Matched) -> String {
    if matched.strings.is_empty() {
        format!("rule {} matches", matched.name)
    } else {
        format!("rule {} matches with {}", matched.name, matched.strings.join(", "))
    }
}
