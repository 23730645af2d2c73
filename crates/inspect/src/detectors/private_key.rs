//! Finds private keys in PEM armour, inside any text or binary.
//!
//! Whoever has the image has the key. The armour alone proves nothing (parsers, documents and templates hold it too), so
//! the body must decode to the DER, OpenSSH or OpenPGP structure that the label promises.
//!
//! - Sees: RSA, EC, DSA, PKCS#8, OpenSSH and OpenPGP private keys; line ends also written as `\n`, quoted, or indented.
//!   Keys that were put into base64 once more.
//! - Misses: bare DER, PKCS#12, Java key stores; keys split over files.
//! - False alarms: keys that only tests and documents use: the known ones are listed by fingerprint in
//!   `rules/secrets/known_test_keys.txt`. Most other keys in packages are tests' as well, so a key is a fact here and its
//!   place (`private-key-file`) tells what it is for; in a script it is a sign, as the value of a setting proof.
//! - Source: RFC 7468, RFC 8017 A.1.2, RFC 5915, RFC 5958, RFC 9580 5.5.3; OpenSSH `PROTOCOL.key`; ATT&CK T1552.004.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::secret;

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "private-key",
        title: "Private key",
        category: Category::EmbeddedSecret,
        weight: Weight::Fact,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1552.004"],
    },
    scope: Scope::Content { kinds: &[], literals: &["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----", WRAPPED] },
    inspect,
};

/// `-----BEGIN ` in base64, up to where the next byte matters.
const WRAPPED: &str = "LS0tLS1CRUdJTi";
/// Longest armoured body looked at: an RSA key of 16,384 bits needs 12.5 KB, an OpenPGP key with subkeys more.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Most keys reported of one file.
const KEYS_MAX: usize = 64;

/// A private key, decoded as far as its kind and protection go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrivateKey {
    /// The label of its armour.
    pub(super) label: String,
    /// Size of the modulus, for RSA.
    pub(super) bits: Option<usize>,
    /// A passphrase protects it.
    pub(super) encrypted: bool,
    /// The decoded body.
    pub(super) body: Vec<u8>,
    /// Length of the armour from the first `-` of its beginning to where its body ends.
    pub(super) armour_bytes: usize,
    /// The line ends were written as `\n`.
    pub(super) escaped: bool,
}

impl PrivateKey {
    /// Kind and size, for people.
    pub(super) fn describe(&self) -> String {
        let bits = self.bits.map_or(String::new(), |bits| format!(", {bits} bits"));
        let protection = if self.encrypted { ", protected by a passphrase" } else { "" };
        format!("{}{bits}{protection}", self.label.to_ascii_lowercase())
    }

    /// Whether it is listed as used by tests and documents only.
    pub(super) fn is_known(&self) -> bool {
        secret::is_known_test(&self.body)
    }
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches = Vec::new();
    let mut done = 0;
    for hit in sample.hits {
        if hit.offset < done || matches.len() >= KEYS_MAX {
            continue;
        }
        if hit.literal == 2 {
            let (found, end) = wrapped(sample, hit.offset);
            matches.extend(found);
            done = end;
            continue;
        }
        let Some((start, key)) = parse_at(sample.bytes, hit.offset) else { continue };
        done = start + key.armour_bytes;
        if !key.is_known() {
            matches.push(judge(sample, start, &key));
        }
    }
    matches
}

/// A key whose armour was put into base64 once more, as variables, manifests and scripts carry it, so that it stays on one
/// line; and where the base64 ends. A script that holds one writes it to a file.
fn wrapped(sample: &Sample<'_>, start: usize) -> (Option<Match>, usize) {
    let rest = sample.bytes.get(start..).unwrap_or_default();
    let rest = rest.get(..BODY_BYTES_MAX).unwrap_or(rest);
    let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
    let end = start + length;
    let found = || {
        let decoded = decoder().decode(rest.get(..length)?).ok()?;
        let label = memchr::memmem::find(&decoded, b"PRIVATE KEY")?;
        let (_, key) = parse_at(&decoded, label).filter(|(_, key)| !key.is_known())?;
        let mut found = Match::new(format!("{}, in base64", key.describe()), start);
        found.indicators.push(secret::fingerprint("private-key", &key.body));
        found.secret = Some(start..end);
        if key.encrypted {
            found.severity = Some(Severity::Low);
        } else if sample.kind == FileKind::Script || is_setting(sample.bytes, start, false) {
            found.weight = Some(Weight::Proof);
        } else {
            found.weight = Some(Weight::Sign);
        }
        Some(found)
    };
    (found(), end)
}

/// A value of a configuration is meant to be used; a key among other text may be a test's.
fn judge(sample: &Sample<'_>, start: usize, key: &PrivateKey) -> Match {
    let mut found = Match::new(key.describe(), start);
    found.indicators.push(secret::fingerprint("private-key", &key.body));
    if key.encrypted {
        found.severity = Some(Severity::Low);
    } else if is_setting(sample.bytes, start, key.escaped) {
        found.weight = Some(Weight::Proof);
    } else if sample.kind == FileKind::Script {
        found.weight = Some(Weight::Sign);
    }
    found
}

/// Whether the armour is the value of `"private_key": "…"` or `NAME_KEY=…`, as in credentials and environments. With
/// real line ends only the second, written as shells and environments do: upper case, at most one quote, no spaces.
fn is_setting(bytes: &[u8], start: usize, escaped: bool) -> bool {
    let before = bytes.get(start.saturating_sub(64)..start).unwrap_or_default();
    let line = before.rsplit(|&b| b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let upper = |b: &u8| b.is_ascii_uppercase() || matches!(b, b'_' | b'=' | b'"' | b'\'' | b'0'..=b'9');
    let shell = before.len() - before.iter().rev().take_while(|b| upper(b)).count();
    let assigned =
        before.get(shell..).is_some_and(|word| word.iter().filter(|b| matches!(b, b'"' | b'\'')).count() < 2);
    let word_starts = shell == 0 || before.get(shell - 1).is_some_and(u8::is_ascii_whitespace);
    let in_shell = assigned && word_starts && line.contains('=');
    if !(escaped || in_shell) {
        return false;
    }
    let name = line.trim_end_matches(['"', '\'', ' ']);
    let Some(name) = name.strip_suffix([':', '=']) else { return false };
    let name = name.trim_end_matches(['"', '\'', ' ']);
    let word = name.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    ["private_key", "_key", "_pem", "ssh_key", "privatekey"].iter().any(|end| word.ends_with(end))
        && !word.contains("test")
}

/// The key whose label's `PRIVATE KEY` is at `label_offset`, and where its armour begins.
pub(super) fn parse_at(bytes: &[u8], label_offset: usize) -> Option<(usize, PrivateKey)> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let before = bytes.get(label_offset.saturating_sub(24)..label_offset)?;
    let begin = memchr::memmem::rfind(before, BEGIN)?;
    let start = label_offset - (before.len() - begin);
    let rest = bytes.get(start + BEGIN.len()..)?;
    let label_end = memchr::memmem::find(rest.get(..64).unwrap_or(rest), b"-----")?;
    let label = std::str::from_utf8(rest.get(..label_end)?).ok()?;
    let body = rest.get(label_end + 5..)?;
    let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
    // A body holds no dashes, so that armours without an end cannot make this search the same bytes again and again.
    let body_end = memchr::memmem::find(body, b"-----").filter(|&at| body.get(at + 5..at + 8) == Some(b"END"))?;
    let armour_bytes = BEGIN.len() + label_end + 5 + body_end;
    let escaped = memchr::memmem::find(body.get(..body_end)?, b"\\n").is_some();
    let armoured = dearmour(body.get(..body_end)?)?;
    let structure = match label {
        "RSA PRIVATE KEY" | "DSA PRIVATE KEY" | "EC PRIVATE KEY" if armoured.encrypted => {
            (armoured.body.len() >= 48 && armoured.body.len() % 8 == 0).then_some((None, true))
        }
        "RSA PRIVATE KEY" => rsa(&armoured.body),
        "EC PRIVATE KEY" => shaped(&armoured.body, &[INTEGER, OCTETS]),
        "DSA PRIVATE KEY" => shaped(&armoured.body, &[INTEGER; 6]),
        "PRIVATE KEY" => pkcs8(&armoured.body),
        "ENCRYPTED PRIVATE KEY" => shaped(&armoured.body, &[SEQUENCE, OCTETS]).map(|_| (None, true)),
        "OPENSSH PRIVATE KEY" => openssh(&armoured.body),
        "PGP PRIVATE KEY BLOCK" => openpgp(&armoured.body),
        _ => None,
    };
    let (bits, encrypted) = structure?;
    Some((start, PrivateKey { label: label.to_owned(), bits, encrypted, body: armoured.body, armour_bytes, escaped }))
}

struct Armoured {
    body: Vec<u8>,
    encrypted: bool,
}

/// Strips what source code, JSON, YAML and shells put around the lines of an armour, and decodes them. None if
/// anything is left that is neither a header nor base64: a template, or prose.
fn dearmour(text: &[u8]) -> Option<Armoured> {
    let text = String::from_utf8_lossy(text);
    let text: Cow<'_, str> = if text.contains('\\') {
        Cow::Owned(text.replace("\\\\", "\\").replace("\\r", "\n").replace("\\n", "\n"))
    } else {
        text
    };
    let (mut base64, mut encrypted) = (String::with_capacity(text.len()), false);
    for line in text.split(['\n', '\r']) {
        let line = line.trim_matches(|c: char| c.is_whitespace() || "\"',;\\#*|.()".contains(c));
        let line = line.strip_suffix('+').filter(|rest| rest.ends_with([' ', '"', '\''])).unwrap_or(line);
        let line = line.trim_matches(|c: char| c.is_whitespace() || "\"'\\".contains(c));
        if line.contains(": ") || line.ends_with(':') {
            encrypted |= line.contains("ENCRYPTED");
        } else if line != "+" && !line.starts_with('=') {
            base64.extend(line.split_whitespace());
        }
    }
    let body = decoder().decode(base64.as_bytes()).ok()?;
    Some(Armoured { body, encrypted })
}

/// Base64 as careless writers leave it: with padding or without.
fn decoder() -> GeneralPurpose {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT.with_decode_allow_trailing_bits(true))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// Size in bits where known, and whether a passphrase is needed.
type Structure = Option<(Option<usize>, bool)>;

/// The first DER element: its tag, its content, and what follows.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0usize, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A sequence that fills `body` and begins with elements of these tags, none of them empty.
fn shaped(body: &[u8], tags: &[u8]) -> Structure {
    let (SEQUENCE, mut inner, rest) = der(body)? else { return None };
    // Some writers pad the last block.
    if rest.len() > 16 {
        return None;
    }
    for &wanted in tags {
        let (tag, content, next) = der(inner)?;
        if tag != wanted || content.is_empty() {
            return None;
        }
        inner = next;
    }
    Some((None, false))
}

fn rsa(body: &[u8]) -> Structure {
    shaped(body, &[INTEGER; 9])?;
    let (_, inner, _) = der(body)?;
    let (_, _, inner) = der(inner)?;
    let (_, modulus, _) = der(inner)?;
    let bits = modulus.iter().skip_while(|&&b| b == 0).count() * 8;
    (bits >= 512).then_some((Some(bits), false))
}

fn pkcs8(body: &[u8]) -> Structure {
    shaped(body, &[INTEGER, SEQUENCE, OCTETS])?;
    let (_, inner, _) = der(body)?;
    let (_, _, inner) = der(inner)?;
    let (_, algorithm, inner) = der(inner)?;
    let (OBJECT, _, _) = der(algorithm)? else { return None };
    let (_, key, _) = der(inner)?;
    let bits = rsa(key).and_then(|(bits, _)| bits);
    (key.len() >= 32).then_some((bits, false))
}

fn openssh(body: &[u8]) -> Structure {
    let rest = body.strip_prefix(b"openssh-key-v1\0")?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let cipher = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (cipher.len() < 64 && body.len() >= 150).then_some((None, cipher != b"none"))
}

/// A secret-key packet of version 4 or later. Protected unless the usage byte behind the public part is 0.
fn openpgp(body: &[u8]) -> Structure {
    let (&tag, rest) = body.split_first()?;
    let length_bytes = match tag {
        0x94..=0x96 => 1usize << (tag & 3),
        0xc5 => match rest.first()? {
            0..192 => 1,
            192..224 => 2,
            255 => 5,
            _ => return None,
        },
        _ => return None,
    };
    let packet = rest.get(length_bytes..)?;
    let (&version, &algorithm) = (packet.first()?, packet.get(5)?);
    if !(4..=6).contains(&version) || body.len() < 60 {
        return None;
    }
    let numbers = match algorithm {
        1..=3 => 2,
        16 => 3,
        17 => 4,
        _ => return Some((None, version != 4)),
    };
    let mut rest = packet.get(6..)?;
    for _ in 0..numbers {
        let (bits, next) = rest.split_first_chunk::<2>()?;
        rest = next.get(usize::from(u16::from_be_bytes(*bits)).div_ceil(8)..)?;
    }
    Some((None, *rest.first()? != 0))
}

#[cfg(test)]
pub(super) mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};
    use model::Weight;

    /// A PKCS#8 Ed25519 structure whose 32 key bytes count up from `seed`: shaped like a key, and nobody's.
    pub(crate) fn invented_key(seed: u8) -> String {
        let mut der = hex::decode("302e020100300506032b657004220420").expect("hex");
        der.extend((0..32).map(|i| seed.wrapping_add(i)));
        let label = "PRIVATE KEY";
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn a_key_is_recognised_by_its_structure() {
        check(&DETECTOR, "x", invented_key(7).as_bytes(), &["private key"]);
        let broken = invented_key(7).replace("MC4C", "MD4C");
        check(&DETECTOR, "x", broken.as_bytes(), &[]);
    }

    #[test]
    fn templates_and_parsers_are_no_keys() {
        let label = "RSA PRIVATE KEY";
        check(&DETECTOR, "x", format!("-----BEGIN {label}-----\n...\n-----END {label}-----").as_bytes(), &[]);
        check(&DETECTOR, "x", format!("if line == '-----BEGIN {label}-----':").as_bytes(), &[]);
        check(&DETECTOR, "x", b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----", &[]);
    }

    #[test]
    fn a_setting_is_proof() {
        let key = invented_key(9).replace('\n', "\\n");
        let found = run(&DETECTOR, "x", 0o644, format!("{{\"private_key\": \"{key}\"}}").as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), Some(Weight::Proof));
        let variable = format!("SSH_PRIVATE_KEY={}", invented_key(9));
        let found = run(&DETECTOR, "x", 0o644, variable.as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), Some(Weight::Proof));
        let python = format!("SERVER_KEY = \"\"\"{}\"\"\"", invented_key(9));
        let found = run(&DETECTOR, "x", 0o644, python.as_bytes());
        assert_eq!(found.first().map(|found| found.weight), Some(None), "a fact, as usual");
        let source = format!("const TEST_KEY = \"{key}\"");
        let found = run(&DETECTOR, "x", 0o644, source.as_bytes());
        assert_eq!(found.first().map(|found| found.weight), Some(None), "a fact, as usual");
    }

    #[test]
    fn a_key_in_base64_is_still_one() {
        let wrapped = STANDARD.encode(invented_key(5));
        let script = format!("#!/bin/sh\necho {wrapped} | base64 -d > /etc/ssl/server.key\n");
        let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
        let found = found.first().expect("one");
        assert_eq!((found.summary.as_str(), found.weight), ("private key, in base64", Some(Weight::Proof)));
        let cut = found.secret.clone().and_then(|range| script.get(range));
        assert_eq!(cut, Some(wrapped.trim_end_matches('=')));
        let manifest = format!("data:\n  tls.key: {wrapped}\n");
        assert_eq!(
            run(&DETECTOR, "x", 0o644, manifest.as_bytes()).first().map(|it| it.weight),
            Some(Some(Weight::Sign))
        );
        let certificate = STANDARD.encode("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        check(&DETECTOR, "x", format!("ca: {certificate}\n").as_bytes(), &[]);
    }

    /// Searching each to its ceiling would read 6.5 GB.
    #[test]
    fn armours_without_end_take_linear_time() {
        let text = ["-----BEGIN PRIVATE", " KEY-----"].concat().repeat(100_000);
        check(&DETECTOR, "x", text.as_bytes(), &[]);
    }

    #[test]
    fn keys_in_source_code_are_joined() {
        let source = invented_key(3).replace('\n', "\\n\" +\n    \"");
        check(&DETECTOR, "x", source.as_bytes(), &["private key"]);
    }
}
