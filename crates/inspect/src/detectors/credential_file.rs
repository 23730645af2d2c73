//! Finds the files in which tools keep their log-ins, by content.
//!
//! - Sees: Docker registry log-ins (`auths`), npm `_authToken`, kubeconfig client keys, `.netrc`, `.pypirc`, and
//!   `https://user:password@` of code forges as in `.git-credentials`.
//! - Misses: credential helpers and key rings, which keep nothing in the file.
//! - False alarms: documentation and test data; values that are templates, well-known defaults, or not random enough
//!   are dropped.
//! - Source: docker-config(5) "auths"; npmrc(5); netrc(5); git-credential-store(1); ATT&CK T1552.001.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, env_secret::looks_random, private_key};
use crate::secret;

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "credential-file",
        title: "Stored log-in of a tool",
        category: Category::EmbeddedSecret,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.001"],
    },
    scope: Scope::Content {
        kinds: &[],
        literals: &[
            "\"auths\"",
            ":_authToken=",
            "client-key-data:",
            "machine ",
            "index-servers",
            "@github.com",
            "@gitlab.com",
            "@bitbucket.org",
            "@dev.azure.com",
        ],
    },
    inspect,
};

/// Most log-ins reported of one file.
const FOUND_MAX: usize = 32;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    // Docker's and pip's files are read in kilobytes from a hit on: not again at every repetition.
    let mut done = 0;
    for hit in sample.hits {
        if matches.len() >= FOUND_MAX {
            break;
        }
        if matches!(hit.literal, 0 | 4) {
            if hit.offset < done {
                continue;
            }
            done = hit.offset + 2048;
        }
        let found = match hit.literal {
            0 => docker(sample, hit.offset),
            1 => npm(sample, hit.offset),
            2 => kubernetes(sample, hit.offset),
            3 => netrc(sample, hit.offset),
            4 => pypi(sample, hit.offset),
            _ => git(sample, hit.offset),
        };
        let Some((what, value)) = found else { continue };
        let indicator = secret::fingerprint("password", value.as_bytes());
        if matches.iter().any(|earlier| earlier.indicators.contains(&indicator)) {
            continue;
        }
        let mut found = Match::new(format!("{what}: {}", secret::redacted(&value)), hit.offset);
        found.indicators.push(indicator);
        found.secret = written(sample, hit.offset, &value);
        matches.push(found);
    }
    matches
}

/// Where the secret of a log-in that was found at `offset` is written: as it is, or as Docker keeps it, in base64 with the
/// user before it; then from the field on, so that no other reading of the field repeats it.
fn written(sample: &Sample<'_>, offset: usize, value: &str) -> Option<Range<usize>> {
    const BEFORE_BYTES: usize = 256;
    const BEHIND_BYTES: usize = 16 << 10;
    let (start, near) = sample.around(offset, BEFORE_BYTES, BEHIND_BYTES);
    if let Some(at) = memchr::memmem::find(near, value.as_bytes()) {
        return Some(start + at..start + at + value.len());
    }
    let field = memchr::memmem::find(near, b"\"auth\"")?;
    let end = near.get(field..)?.iter().position(|byte| *byte == b'}')?;
    Some(start + field..start + field + end)
}

/// What it is, and the secret value.
type Found = Option<(String, String)>;

/// The text from `offset` on, at most `bytes_max` of it.
fn text_from<'a>(sample: &Sample<'a>, offset: usize, bytes_max: usize) -> std::borrow::Cow<'a, str> {
    String::from_utf8_lossy(sample.around(offset, 0, bytes_max).1)
}

/// `"auths": {"host": {"auth": "base64 of user:password"}}`.
fn docker(sample: &Sample<'_>, offset: usize) -> Found {
    let text = text_from(sample, offset, 8 << 10);
    text.split("\"auth\"").skip(1).find_map(|after| {
        let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?;
        let decoded = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        looks_random(password).then(|| (format!("Docker registry log-in of {user}"), password.to_owned()))
    })
}

fn npm(sample: &Sample<'_>, offset: usize) -> Found {
    let rest = sample.around(offset + ":_authToken=".len(), 0, 256).1;
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_=./+".contains(b))).unwrap_or(rest.len());
    let value = std::str::from_utf8(rest.get(..end)?).ok()?;
    if !looks_random(value) {
        return None;
    }
    let before = sample.around(offset, 128, 0).1;
    let registry = before.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    Some((format!("npm log-in for {}", model::text::excerpt(registry)), value.to_owned()))
}

fn kubernetes(sample: &Sample<'_>, offset: usize) -> Found {
    let rest = sample.around(offset + "client-key-data:".len(), 0, 16 << 10).1.trim_ascii_start();
    let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')));
    let value = std::str::from_utf8(rest.get(..end.unwrap_or(rest.len()))?).ok()?;
    let decoded = STANDARD.decode(value).ok()?;
    let (_, key) = private_key::parse_at(&decoded, memchr::memmem::find(&decoded, b"PRIVATE KEY-----")?)?;
    (!key.is_known()).then(|| (format!("Kubernetes client key ({})", key.describe()), value.to_owned()))
}

/// `machine HOST login USER password VALUE`, on one line or several.
fn netrc(sample: &Sample<'_>, offset: usize) -> Found {
    let (start, _) = sample.line(offset, 64);
    if !sample.bytes.get(start..offset)?.trim_ascii().is_empty() {
        return None;
    }
    let text = text_from(sample, offset, 512);
    let mut words = text.split_ascii_whitespace().skip(1);
    let host = words.next().filter(|host| host.contains('.') && !host.contains("example"))?;
    let ("login", user, "password", value) = (words.next()?, words.next()?, words.next()?, words.next()?) else {
        return None;
    };
    let value = value.trim_matches('"');
    looks_random(value).then(|| (format!("netrc log-in of {user} at {host}"), value.to_owned()))
}

/// `.pypirc`: sections with `username` and `password`.
fn pypi(sample: &Sample<'_>, offset: usize) -> Found {
    let text = text_from(sample, offset, 4 << 10);
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(['=', ':'])?;
        let value = value.trim();
        let is_password = name.trim() == "password" && looks_random(value);
        is_password.then(|| ("log-in for a Python package index".to_owned(), value.to_owned()))
    })
}

/// `https://USER:PASSWORD` right before the hit.
fn git(sample: &Sample<'_>, offset: usize) -> Found {
    let (_, before) = sample.around(offset, 256, 0);
    let before = String::from_utf8_lossy(before);
    let (_, user_info) = before.rsplit_once("://")?;
    let (user, value) = user_info.split_once(':')?;
    let plain = user_info.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'"' | b'\'' | b'<' | b'{'));
    // What stands for one character of a URL is no more random than it.
    let is_random = looks_random(value) && looks_random(&unescaped(value));
    (plain && is_random).then(|| (format!("git log-in of {user}"), value.to_owned()))
}

/// `%40` and the like as one character. Source: RFC 3986, 2.1.
fn unescaped(value: &str) -> String {
    let mut pieces = value.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (code, piece.get(2..)) {
            (Some(code), Some(rest)) => plain.extend([char::from(code)].into_iter().chain(rest.chars())),
            _ => plain.extend(['%'].into_iter().chain(piece.chars())),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn docker_log_ins_are_decoded() {
        let log_in = |password: &str| {
            let auth = STANDARD.encode(format!("ci:{password}"));
            format!(r#"{{"auths": {{"registry.corp.invalid": {{"auth": "{auth}"}}}}}}"#)
        };
        check(&DETECTOR, "x", log_in("h7Gq2Lx9Vb4Nw1Zs").as_bytes(), &["Docker registry log-in of ci: h7Gq…Zs"]);
        let text = log_in("h7Gq2Lx9Vb4Nw1Zs");
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        let cut = found.first().and_then(|found| found.secret.clone()).and_then(|range| text.get(range));
        assert!(cut.is_some_and(|cut| cut.contains(&STANDARD.encode("ci:h7Gq2Lx9Vb4Nw1Zs"))), "{cut:?}");
        check(&DETECTOR, "x", log_in("password").as_bytes(), &[]);
        check(&DETECTOR, "x", br#"{"auths": {"registry.corp.invalid": {}}, "credsStore": "pass"}"#, &[]);
    }

    #[test]
    fn npm_templates_are_no_log_ins() {
        check(&DETECTOR, "x", b"//npm.corp.invalid/:_authToken=${NPM_TOKEN}\n", &[]);
        let line = b"//npm.corp.invalid/:_authToken=h7Gq2Lx9Vb4Nw1Zs\n";
        check(&DETECTOR, "x", line, &["npm log-in for //npm.corp.invalid/: h7Gq…Zs"]);
    }

    #[test]
    fn netrc_needs_all_its_words() {
        let entry = b"machine git.corp.invalid\n  login ci\n  password h7Gq2Lx9Vb4Nw1Zs\n";
        check(&DETECTOR, "x", entry, &["netrc log-in of ci at git.corp.invalid: h7Gq…Zs"]);
        check(&DETECTOR, "x", b"a virtual machine that needs a login and a password\n", &[]);
    }

    #[test]
    fn passwords_in_git_urls() {
        check(&DETECTOR, "x", b"https://ci:h7Gq2Lx9Vb4Nw1Zs@github.com\n", &["git log-in of ci: h7Gq…Zs"]);
        check(&DETECTOR, "x", b"'https://maintainer:not-re%40l@github.com/a/b'", &[]);
        check(&DETECTOR, "x", b"git@github.com:a/b.git https://github.com/a user@github.com", &[]);
    }
}
