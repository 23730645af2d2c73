//! Sees names tried that a formula made, as bots look for their controller.
//!
//! - Sees: many names that do not exist, each under a domain of its own, that no person would choose.
//! - Misses: formulas that join words, unless they are many.
//! - False alarms: a search domain appended to one's own names has one domain; Chromium asks for three single labels.
//! - Source: Plohmann et al., "A Comprehensive Measurement Study of Domain Generating Malware" (2016); ATT&CK T1568.002.

use std::collections::BTreeMap;

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "generated-names",
        title: "Looks for its controller under generated names",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1568.002"],
    },
    judge: Judge::Run(judge),
};

/// Fewest domains of a proof, and of a sign.
const PROOF_MIN: usize = 12;
const SIGN_MIN: usize = 6;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut missing: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (at, event) in story.events() {
        if let What::Dns { name, answer, .. } = &event.what
            && answer.is_empty()
            && let Some((label, zone)) = label(name)
        {
            missing.entry(label).or_insert((at, zone));
        }
    }
    let strange = missing.keys().filter(|label| is_generated(label)).count();
    if strange < SIGN_MIN || strange * 2 < missing.len() {
        return Vec::new();
    }
    // Where most are chance, the others of their length are too: some chances look like words.
    let generated: Vec<_> = missing.iter().filter(|(label, _)| label.len() >= 7 && !label.contains('-')).collect();
    let at = generated.iter().map(|(_, (at, _))| *at).max().unwrap_or(0);
    let shown: Vec<_> = generated.iter().take(4).map(|(label, (_, zone))| format!("{label}.{zone}")).collect();
    let told =
        Match::new(at, format!("{} generated names that do not exist: {}, …", generated.len(), shown.join(", "))).with(
            generated
                .iter()
                .take(32)
                .map(|(label, (_, zone))| indicators::of(IndicatorKind::Domain, format!("{label}.{zone}"))),
        );
    vec![if generated.len() >= PROOF_MIN { told } else { told.sign() }]
}

/// The label somebody registered, and what is behind it.
fn label(name: &str) -> Option<(&str, &str)> {
    let name = name.trim_end_matches('.');
    if name.ends_with(".arpa") || name.ends_with(".local") || name.ends_with(".internal") || name.ends_with(".lan") {
        return None;
    }
    let mut labels = name.rsplitn(3, '.');
    let (top, label) = (labels.next()?, labels.next()?);
    // `abc.co.uk`: the second label is the registry's.
    if label.len() <= 3
        && top.len() == 2
        && let Some(rest) = labels.next()
    {
        return Some((rest.rsplit('.').next()?, name.get(name.len() - label.len() - top.len() - 1..)?));
    }
    Some((label, top))
}

/// Whether a label looks like chance: hardly a vowel, long runs of consonants, digits strewn in.
fn is_generated(label: &str) -> bool {
    if label.len() < 7 || label.contains('-') {
        return false;
    }
    let (mut vowels, mut letters, mut run, mut longest, mut switches, mut last_digit) = (0, 0, 0, 0, 0, None);
    for byte in label.bytes() {
        let digit = byte.is_ascii_digit();
        if last_digit.is_some_and(|last| last != digit) {
            switches += 1;
        }
        last_digit = Some(digit);
        if digit {
            run = 0;
            continue;
        }
        letters += 1;
        if b"aeiouy".contains(&byte) {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    let rare = label.bytes().filter(|byte| b"qxzjkvw".contains(byte)).count();
    longest >= 5
        || switches >= 3
        || letters >= 7 && vowels * 5 < letters
        || longest >= 4 && rare * 6 >= label.len()
        || rare * 4 >= label.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    const CHANCE: &[&str] = &[
        "xkqjvbnwtr",
        "qpwmzkdlsx",
        "bvtrnqkxpw",
        "zjxkwqmtbn",
        "hgfdkqwzxv",
        "mnbvqwkzjx",
        "a8f3k2q9zx",
        "lkjhgqwxzv",
        "wqzxkvjtrb",
        "pqkxzvwmnb",
        "tq4x9z2kvw",
        "rtkqxzvwbn",
        "vbnqkxwzjt",
        "kxqzwvjbnm",
    ];

    #[test]
    fn many_names_of_chance() {
        let mut run = Run::new();
        for name in CHANCE {
            run.dns(0, &format!("{name}.com"), "A", &[]);
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "14 generated names");
    }

    #[test]
    fn a_few_are_a_sign() {
        let mut run = Run::new();
        for name in &CHANCE[..7] {
            run.dns(0, &format!("www.{name}.info"), "A", &[]);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "7 generated names");
    }

    #[test]
    fn search_domains_and_services_that_are_missing_are_none() {
        let mut run = Run::new();
        for name in [
            "postgres",
            "redis",
            "rabbitmq",
            "kafka-broker-1",
            "elasticsearch",
            "prometheus",
            "alertmanager",
            "zookeeper",
            "memcached",
            "consul",
        ] {
            run.dns(1, name, "A", &[]);
            run.dns(1, &format!("{name}.example.org"), "A", &[]);
            run.dns(1, &format!("{name}.org"), "A", &[]);
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_browser_that_tests_its_network_is_none() {
        let mut run = Run::of("/usr/bin/chromium", &["chromium", "--headless"]);
        for name in ["xkqjvbnwtr", "qpwmzkdlsx", "bvtrnqkxpw"] {
            run.dns(1, name, "A", &[]);
        }
        miss(&BEHAVIOUR, run);
    }
}
