//! Finds tokens of clouds, code forges, package registries, chat, payment, AI and other services by their shapes.
//!
//! The shapes are data: `rules/secrets/*.toml`, in the schema that gitleaks made common. Where a service builds a
//! checksum or a structure into its tokens, a token that fails it is a placeholder and is dropped.
//!
//! - Sees: more than two hundred kinds, wherever a keyword of the kind stands close by: in the token itself where the
//!   service gave it a prefix (proof), else as the service's name in the same assignment (a sign).
//! - Misses: tokens without a fixed shape (`env-secret` and `credential-file` judge those by name and place).
//! - False alarms: examples in documents; those with the words or the repetitions of a placeholder, or with too little
//!   entropy, are dropped. JSON web tokens and keys that are meant to be seen (Google API keys, publishable keys) are
//!   facts.
//! - Source: the services' descriptions of their formats, named in the rules; ATT&CK T1552.001.

use std::collections::BTreeMap;

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::{
    secret,
    secrets::{
        Found, Rule,
        own::{KEYWORDS, RULES},
    },
};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "service-token",
        title: "Access token of a service",
        category: Category::EmbeddedSecret,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1552.001"],
    },
    scope: Scope::Content { kinds: &[], literals: KEYWORDS },
    inspect,
};

/// Most tokens reported of one file.
const TOKENS_MAX: usize = 64;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    let mut seen: BTreeMap<&[u8], usize> = BTreeMap::new();
    let hits = sample.hits.iter().map(|hit| (hit.literal, hit.offset));
    RULES.search(sample.bytes, hits, |rule, found| {
        if secret::is_known_test(found.secret) {
            return true;
        }
        // One secret is told once, by the rule that says most of it.
        match seen.get(found.secret).and_then(|&at| matches.get_mut(at)) {
            Some(earlier) if earlier.weight < Some(rule.weight()) => *earlier = told(rule, &found),
            Some(_) => {}
            None => {
                seen.insert(found.secret, matches.len());
                matches.push(told(rule, &found));
            }
        }
        matches.len() < TOKENS_MAX
    });
    matches.sort_by_key(|found| found.offset);
    matches
}

fn told(rule: &Rule, found: &Found<'_>) -> Match {
    let shown = secret::redacted(&String::from_utf8_lossy(found.secret));
    let summary = format!("{} {shown} {}", rule.description(), found.detail);
    let mut token = Match::new(summary.trim_end(), found.offset);
    token.weight = Some(rule.weight());
    token.severity = Some(rule.severity());
    if found.is_certain {
        token.confidence = Some(Confidence::Certain);
    } else if rule.weight() == Weight::Sign {
        token.confidence = Some(Confidence::Medium);
    }
    token.secret = Some(found.offset..found.offset + found.secret.len());
    token.indicators.push(secret::fingerprint(rule.id(), found.secret));
    token
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::detectors::testing::{check, run};

    #[test]
    fn a_wrong_checksum_is_no_token() {
        let example = RULES.example("github-token").expect("is in a file");
        let example = STANDARD.decode(example).expect("base64");
        let found = run(&DETECTOR, "x", 0o644, &example);
        assert_eq!(found.first().and_then(|found| found.confidence), Some(Confidence::Certain));
        let mut wrong = example;
        let at = memchr::memmem::find(&wrong, b"_").expect("a prefix") + 5;
        wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
        check(&DETECTOR, "x", &wrong, &[]);
    }

    #[test]
    fn placeholders_are_no_tokens() {
        check(&DETECTOR, "x", b"hvs.your_token_goes_here_and_is_long_enough", &[]);
        check(
            &DETECTOR,
            "x",
            b"npm_config_registry=https://registry.example npm_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            &[],
        );
    }

    #[test]
    fn one_secret_is_told_once() {
        let example = STANDARD.decode(RULES.example("github-token").expect("is in a file")).expect("base64");
        assert_eq!(run(&DETECTOR, "x", 0o644, &[example.as_slice(), b"\n", &example].concat()).len(), 1);
    }

    /// It is a JSON web token as well, which alone is a fact.
    #[test]
    fn the_weightier_rule_tells() {
        let example = RULES.example("kubernetes-service-account-token").expect("is in a file");
        let found = run(&DETECTOR, "x", 0o644, &STANDARD.decode(example).expect("base64"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].weight, Some(Weight::Proof));
        assert!(found[0].summary.ends_with("(RS256, issued by kubernetes/serviceaccount)"), "{}", found[0].summary);
    }
}
