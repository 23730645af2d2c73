//! Finds passwords and tokens that an image carries in its environment or that its build was given.
//!
//! `ENV` and build arguments stay in the config and the history for everybody who can pull.
//!
//! - Sees: `NAME=value` in the environment and in history lines, where the name says password, token, secret or key and
//!   the value looks drawn at random; `user:password@` in their URLs.
//! - Misses: secrets under innocent names (those with a fixed shape are `service-token`'s); passwords made of words.
//! - False alarms: defaults and placeholders (`postgres`, `changeme`) are facts; names that say where a secret is, or
//!   how long it lives (`_FILE`, `_URL`, `_TTL`), are skipped.
//! - Source: K. Dahlmanns et al., "Secrets Revealed in Container Images" (2023); ATT&CK T1552.001.

use std::collections::BTreeSet;

use model::{Category, Confidence, ImageConfig, Location, Maturity, Severity, Weight};

use super::{About, ConfigDetector, Match};
use crate::secret;

pub(crate) const DETECTOR: ConfigDetector = ConfigDetector {
    about: About {
        id: "env-secret",
        title: "Secret in the environment or in build arguments",
        category: Category::EmbeddedSecret,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.001"],
    },
    inspect,
};

const SECRET_NAMES: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "AUTH_KEY",
    "ENCRYPTION_KEY",
    "SIGNING_KEY",
    "CREDENTIAL",
];

/// Endings of names whose value is about a secret without being one.
const INNOCENT_ENDS: &[&str] = &[
    "_FILE",
    "_PATH",
    "_DIR",
    "_URL",
    "_URI",
    "_ENDPOINT",
    "_HOST",
    "_NAME",
    "_TYPE",
    "_ID",
    "_TTL",
    "_LENGTH",
    "_LEN",
    "_EXPIRY",
    "_EXPIRES",
    "_EXPIRATION",
    "_HEADER",
    "_ENABLED",
    "_REQUIRED",
    "_ALGORITHM",
    "_PUBLIC_KEY",
    "_SHA256",
    "_SHA512",
    "_VERSION",
    "_POLICY",
    "_COMMAND",
    "_CMD",
    "_PROVIDER",
    "_ISSUER",
];

/// Passwords that everybody knows; compared in lower case as a part of the value.
const DEFAULTS: &[&str] = &[
    "password",
    "passwd",
    "passw0rd",
    "p@ssw0rd",
    "secret",
    "postgres",
    "mysql",
    "mariadb",
    "admin",
    "root",
    "guest",
    "default",
    "test",
    "letmein",
    "qwerty",
    "foobar",
    "docker",
    "development",
    "minio",
    "mongo",
    "rabbit",
];

/// Most findings of one config.
const FINDINGS_MAX: usize = 64;

fn inspect(config: &ImageConfig) -> Vec<(Location, Match)> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, entry) in config.env.iter().enumerate() {
        let here = || Location::Config { field: format!("config.Env[{index}]") };
        findings.extend(
            entry
                .split_once('=')
                .and_then(|(name, value)| assignment(name, value, &mut seen))
                .map(|found| (here(), found)),
        );
        findings.extend(url_password(entry, &mut seen).map(|found| (here(), found)));
    }
    for (line, step) in config.history.iter().enumerate() {
        for word in words(&step.created_by) {
            let assigned = word.split_once('=').and_then(|(name, value)| assignment(name, value, &mut seen));
            let found = assigned.into_iter().chain(url_password(word, &mut seen));
            findings.extend(found.map(|found| (Location::History { line }, found)));
            if findings.len() >= FINDINGS_MAX {
                return findings;
            }
        }
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

/// Words of a shell line: quotes keep spaces together, and stay.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    line.split(move |c: char| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            false
        }
        None => {
            if matches!(c, '"' | '\'') {
                quote = Some(c);
            }
            c.is_whitespace() || matches!(c, ';' | '&' | '|')
        }
    })
    .filter(|word| !word.is_empty())
}

fn assignment(name: &str, value: &str, seen: &mut BTreeSet<String>) -> Option<Match> {
    let name = name.trim_start_matches(['-', '"', '\'']);
    let upper = name.to_ascii_uppercase().replace('-', "_");
    let value = value.trim_matches(['"', '\'']);
    let is_name =
        name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !is_name
        || !SECRET_NAMES.iter().any(|word| upper.contains(word))
        || INNOCENT_ENDS.iter().any(|end| upper.ends_with(end))
        || is_no_secret(value)
        || !seen.insert(format!("{upper}={value}"))
    {
        return None;
    }
    let mut found = Match::new(format!("{name}={}", secret::redacted(value)), None);
    if looks_random(value) {
        found.indicators.push(secret::fingerprint("password", value.as_bytes()));
    } else {
        (found.weight, found.severity) = (Some(Weight::Fact), Some(Severity::Low));
    }
    Some(found)
}

/// Switches, numbers, paths, addresses and references to somewhere else.
fn is_no_secret(value: &str) -> bool {
    value.len() < 4
        || value.starts_with(['$', '/', '.', '<', '%', '{'])
        || value.contains("://")
        || value.contains("$(")
        || value.bytes().all(|b| b.is_ascii_digit())
        || ["true", "false", "none", "null", "required"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// At least ten characters of two classes with a digit, of some entropy, without a known default in it.
pub(crate) fn looks_random(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let classes = [
        value.bytes().any(|b| b.is_ascii_lowercase()),
        value.bytes().any(|b| b.is_ascii_uppercase()),
        value.bytes().any(|b| b.is_ascii_punctuation()),
    ];
    (10..=4096).contains(&value.len())
        && !value.contains(char::is_whitespace)
        && value.bytes().any(|b| b.is_ascii_digit())
        && classes.contains(&true)
        && secret::entropy(value.as_bytes()) >= 3.0
        && !secret::is_placeholder(value)
        && !DEFAULTS.iter().any(|known| lower.contains(known))
}

/// `https://user:password@host`, as `git clone` and `pip` take it.
fn url_password(text: &str, seen: &mut BTreeSet<String>) -> Option<Match> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '"', '\'']).next()?;
    let (user_info, host) = authority.rsplit_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    if !looks_random(password) || !seen.insert(format!("{host} {password}")) {
        return None;
    }
    let mut found = Match::new(format!("password {} in a URL of {host}", secret::redacted(password)), None);
    found.indicators.push(secret::fingerprint("password", password.as_bytes()));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(env: &[&str], history: &str) -> Vec<(String, bool)> {
        let line = model::HistoryLine { created_by: history.to_owned(), ..Default::default() };
        let env = env.iter().map(|&entry| entry.to_owned()).collect();
        let config = ImageConfig { env, history: vec![line], ..Default::default() };
        inspect(&config).into_iter().map(|(_, found)| (found.summary, found.weight.is_none())).collect()
    }

    #[test]
    fn only_random_values_are_proof() {
        assert_eq!(found(&["DB_PASSWORD=q8Zr!m2Vx0Lw"], ""), [("DB_PASSWORD=q…".to_owned(), true)]);
        assert_eq!(found(&["POSTGRES_PASSWORD=postgres"], ""), [("POSTGRES_PASSWORD=p…".to_owned(), false)]);
        assert_eq!(found(&["DB_PASSWORD_FILE=/run/secrets/db", "TOKEN=${TOKEN}", "API_KEY="], ""), []);
        assert_eq!(found(&["GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D", "PATH=/bin"], ""), []);
    }

    #[test]
    fn build_arguments_are_read_and_told_once() {
        let line = "|2 A=b NPM_AUTH_TOKEN=h7Gq2Lx9Vb4Nw1Zs /bin/sh -c npm ci";
        assert_eq!(found(&[], line), [("NPM_AUTH_TOKEN=h7Gq…Zs".to_owned(), true)]);
        assert_eq!(found(&["NPM_AUTH_TOKEN=h7Gq2Lx9Vb4Nw1Zs"], line).len(), 1);
    }

    #[test]
    fn a_password_in_a_url_is_found() {
        let line = "RUN git clone https://ci:h7Gq2Lx9Vb4Nw1Zs@git.corp.invalid/a.git";
        assert_eq!(found(&[], line), [("password h7Gq…Zs in a URL of git.corp.invalid".to_owned(), true)]);
        assert_eq!(found(&[], "RUN git clone https://user:password@git.corp.invalid/a.git"), []);
    }
}
