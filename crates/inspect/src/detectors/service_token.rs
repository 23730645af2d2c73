//! Finds tokens of code forges, package registries, chat, payment and AI services by their fixed shapes.
//!
//! The shapes are data: `rules/secrets/tokens.toml`, in the schema that gitleaks made common. Where a service builds a
//! checksum into its tokens, a token whose checksum fails is a placeholder and is dropped.
//!
//! - Sees: about forty kinds, wherever the keyword of a kind stands within 512 bytes before the token.
//! - Misses: tokens without a fixed shape (`env-secret` and `credential-file` judge those by name and place).
//! - False alarms: examples in documents; those with the words or the repetitions of a placeholder, or with too little
//!   entropy, are dropped. JSON web tokens and Google API keys are facts: most are meant to be seen.
//! - Source: the services' descriptions of their formats, named in the rules; ATT&CK T1552.001.

use std::{collections::BTreeSet, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bech32::{Bech32, primitives::decode::CheckedHrpstring};
use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::Regex;
use serde::Deserialize;

use super::{About, Detector, Match, Sample, Scope};
use crate::secret;

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

/// The keywords of all rules in the order of the file; a test compares them.
const KEYWORDS: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "npm_",
    "glpat-",
    "gldt-",
    "glrt-",
    "glptt-",
    "glcbt-",
    "glagent-",
    "glft-",
    "glimt-",
    "glsoat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xoxs-",
    "hooks.slack.com/",
    "sk_live_",
    "rk_live_",
    "sendgrid",
    "telegram",
    "com/api/webhooks/",
    "pypi-AgEIcHlwaS5vcmc",
    "dckr_pat_",
    "dckr_oat_",
    "huggingface",
    "hugging_face",
    "hf_token",
    "hub_token",
    "T3BlbkFJ",
    "sk-ant-",
    "twilio",
    "hvs.",
    "hvb.",
    "hvr.",
    "AGE-SECRET-KEY-1",
    "eyJhbGci",
    "eyJ0eXAi",
    "eyJraWQi",
    "dop_v1_",
    "doo_v1_",
    "dor_v1_",
    "shpat_",
    "shpca_",
    "shppa_",
    "shpss_",
    "AIza",
    "GOCSPX-",
    "databricks",
    "glsa_",
    "dp.pt.",
    "dp.st.",
    "dp.ct.",
    "dp.sa.",
    "dp.scim.",
    "lin_api_",
    "PMAK-",
    "pulumi",
    "tskey-",
    "pscale_",
    "rubygems_",
    "NRAK-",
    "xkeysib-",
    "sq0csp-",
    "ATATT3",
    "sntrys_",
    ".atlasv1.",
];

/// How far before a keyword a token may begin.
const BEFORE_BYTES: usize = 128;
/// How far behind a keyword a token may end.
const AFTER_BYTES: usize = 512;
/// Most tokens reported of one file.
const TOKENS_MAX: usize = 64;

/// The file's schema.
#[derive(Deserialize)]
struct RuleFile {
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
struct RawRule {
    id: String,
    description: String,
    regex: String,
    keywords: Vec<String>,
    entropy: f64,
    lazaret: Ours,
}

/// What gitleaks' schema has no place for.
#[derive(Deserialize)]
struct Ours {
    weight: Weight,
    severity: Severity,
    check: Option<Check>,
    #[cfg(test)]
    examples: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
enum Check {
    /// Behind the last `_`: random characters, and their CRC-32 as six base62 digits.
    #[serde(rename = "crc32-base62")]
    Crc32Base62,
    /// Bech32 of BIP 173.
    #[serde(rename = "bech32")]
    Bech32,
    /// The first part is a JSON object that names an algorithm.
    #[serde(rename = "jwt")]
    Jwt,
}

struct Rule {
    raw: RawRule,
    regex: Regex,
}

struct Rules {
    rules: Vec<Rule>,
    /// For every keyword its rule.
    rule_of_keyword: Vec<usize>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let text = include_str!("../../../../rules/secrets/tokens.toml");
    let file: RuleFile = toml::from_str(text).expect("our own file, read by every test");
    let rules: Vec<Rule> = file
        .rules
        .into_iter()
        .map(|raw| Rule { regex: Regex::new(&raw.regex).expect("our own file, read by every test"), raw })
        .collect();
    let rule_of_keyword =
        rules.iter().enumerate().flat_map(|(rule, found)| found.raw.keywords.iter().map(move |_| rule)).collect();
    Rules { rules, rule_of_keyword }
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches = Vec::new();
    let mut seen = BTreeSet::new();
    // Up to where each rule has searched: hits that lie close together are searched once.
    let mut searched = vec![0usize; RULES.rules.len()];
    for hit in sample.hits {
        let Some(&index) = RULES.rule_of_keyword.get(hit.literal) else { continue };
        let (Some(rule), Some(done)) = (RULES.rules.get(index), searched.get_mut(index)) else { continue };
        if matches.len() >= TOKENS_MAX {
            break;
        }
        if hit.offset + AFTER_BYTES / 2 < *done {
            continue;
        }
        let (start, piece) = sample.around(hit.offset, BEFORE_BYTES, AFTER_BYTES);
        *done = start + piece.len();
        for found in rule.regex.captures_iter(piece) {
            let Some(token) = found.get(1) else { continue };
            let Ok(text) = std::str::from_utf8(token.as_bytes()) else { continue };
            if seen.contains(text) || !rule.holds(text) {
                continue;
            }
            seen.insert(text);
            matches.push(rule.report(text, start + token.start()));
        }
    }
    matches
}

impl Rule {
    fn holds(&self, token: &str) -> bool {
        secret::entropy(token.as_bytes()) >= self.raw.entropy
            && match self.raw.lazaret.check {
                Some(Check::Crc32Base62) => has_crc32(token),
                Some(Check::Bech32) => CheckedHrpstring::new::<Bech32>(token).is_ok(),
                Some(Check::Jwt) => is_jwt(token),
                None => !secret::is_placeholder(token),
            }
    }

    fn report(&self, token: &str, offset: usize) -> Match {
        let ours = &self.raw.lazaret;
        let mut found = Match::new(format!("{} {}", self.raw.description, secret::redacted(token)), offset);
        found.weight = Some(ours.weight);
        found.severity = Some(ours.severity);
        if matches!(ours.check, Some(Check::Crc32Base62 | Check::Bech32)) {
            found.confidence = Some(Confidence::Certain);
        }
        found.indicators.push(secret::fingerprint(&self.raw.id, token.as_bytes()));
        found
    }
}

fn has_crc32(token: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((_, body)) = token.rsplit_once('_') else { return false };
    let Some((random, checksum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let value = checksum.bytes().try_fold(0u64, |value, digit| {
        let digit = DIGITS.iter().position(|&known| known == digit)?;
        Some(value * 62 + digit as u64)
    });
    value == Some(u64::from(crc32(random.as_bytes())))
}

/// CRC-32 of IEEE 802.3, a bit at a time: thirty bytes need no table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn is_jwt(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    header.is_some_and(|header| header.starts_with(b"{") && memchr::memmem::find(&header, b"\"alg\"").is_some())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::detectors::testing::{check, run};

    #[test]
    fn the_keywords_are_those_of_the_file() {
        let keywords: Vec<_> = RULES.rules.iter().flat_map(|rule| &rule.raw.keywords).collect();
        assert_eq!(KEYWORDS, keywords);
        assert!(KEYWORDS.iter().all(|keyword| keyword.len() >= 4));
    }

    #[test]
    fn every_rule_finds_its_examples() {
        for rule in &RULES.rules {
            assert!(!rule.raw.lazaret.examples.is_empty(), "{} has no example", rule.raw.id);
            for example in &rule.raw.lazaret.examples {
                let example = STANDARD.decode(example).expect("base64");
                let found = run(&DETECTOR, "x", 0o644, &example);
                let kinds: Vec<_> = found.iter().map(|found| found.indicators[0].value.clone()).collect();
                assert!(kinds.iter().any(|kind| kind.starts_with(&rule.raw.id)), "{}: {kinds:?}", rule.raw.id);
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_no_token() {
        let github = RULES.rules.iter().find(|rule| rule.raw.id == "github-token").expect("is in the file");
        let example = STANDARD.decode(&github.raw.lazaret.examples[0]).expect("base64");
        assert_eq!(run(&DETECTOR, "x", 0o644, &example).len(), 1);
        let mut wrong = example;
        wrong[10] = if wrong[10] == b'a' { b'b' } else { b'a' };
        check(&DETECTOR, "x", &wrong, &[]);
    }

    #[test]
    fn crc32_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
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
}
