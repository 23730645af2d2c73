//! Finds the keys of cloud accounts.
//!
//! An id alone opens nothing and is often kept in documents, so an id counts as a sign and only the pair is proof.
//!
//! - Sees: AWS access key ids (`AKIA`) with the 40-character secret within 512 bytes, or alone; Alibaba `LTAI5t` ids
//!   likewise with a 30-character secret; Google service accounts with a well-formed private key; Azure storage and
//!   Cosmos DB connection strings. The AWS account number, which the id encodes, stands in the summary.
//! - Misses: AWS session keys (`ASIA`): they expire within 36 hours; pairs split over files.
//! - False alarms: keys of the makers' documentation (`…EXAMPLE`), those in `rules/secrets/known_test_keys.txt`, of the Azure
//!   emulators and the ids in signed URLs are ignored; a pair in a manual is a sign.
//! - Source: AWS IAM user guide, "IAM identifiers"; A. Mehta, "AWS account id from access key id" (2023); Azure
//!   "Configure connection strings"; ATT&CK T1552.001.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, private_key};
use crate::{secret, shell::text};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "cloud-key",
        title: "Key of a cloud account",
        category: Category::EmbeddedSecret,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1552.001"],
    },
    scope: Scope::Content { kinds: &[], literals: &["AKIA", "LTAI5t", "private_key_id", "AccountKey="] },
    inspect,
};

/// How far an id and its secret may be apart, in bytes.
const PAIR_BYTES_MAX: usize = 512;
/// What stands before the id in a signed URL. Source: AWS S3 API reference, "Authenticating requests: query parameters".
const SIGNED_BY: &[u8] = b"X-Amz-Credential=";
/// Most keys reported of one file.
const KEYS_MAX: usize = 64;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    // Service accounts are looked for in kilobytes behind a hit: not again at every repetition.
    let mut accounts_done = 0;
    for hit in sample.hits {
        if matches.len() >= KEYS_MAX {
            break;
        }
        let found = match hit.literal {
            0 => pair(sample, hit.offset, &AWS),
            1 => pair(sample, hit.offset, &ALIBABA),
            2 if hit.offset < accounts_done => None,
            2 => {
                accounts_done = hit.offset + 512;
                google(sample, hit.offset)
            }
            _ => azure(sample, hit.offset),
        };
        let Some(found) = found else { continue };
        if !matches.iter().any(|earlier| earlier.indicators == found.indicators) {
            matches.push(found);
        }
    }
    matches
}

/// An id with a fixed beginning, and the secret that belongs to it.
struct Pair {
    kind: &'static str,
    name: &'static str,
    prefix: &'static str,
    id_bytes: Range<usize>,
    is_id: fn(&u8) -> bool,
    secret_bytes: usize,
    is_secret: fn(&u8) -> bool,
}

const AWS: Pair = Pair {
    kind: "aws",
    name: "AWS access key",
    prefix: "AKIA",
    id_bytes: 20..21,
    is_id: |b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'),
    secret_bytes: 40,
    is_secret: |b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+'),
};

const ALIBABA: Pair = Pair {
    kind: "alibaba",
    name: "Alibaba Cloud access key",
    prefix: "LTAI5t",
    id_bytes: 20..31,
    is_id: u8::is_ascii_alphanumeric,
    secret_bytes: 30,
    is_secret: u8::is_ascii_alphanumeric,
};

fn pair(sample: &Sample<'_>, offset: usize, pair: &Pair) -> Option<Match> {
    let rest = sample.bytes.get(offset..)?;
    let preceded = offset.checked_sub(1).and_then(|before| sample.bytes.get(before));
    if !rest.starts_with(pair.prefix.as_bytes()) || preceded.is_some_and(|b| is_base64(b) || *b == b'_') {
        return None;
    }
    let length = rest.iter().take(pair.id_bytes.end).take_while(|b| (pair.is_id)(b)).count();
    let followed = rest.get(length).is_some_and(|b| is_base64(b) || *b == b'_');
    let id = std::str::from_utf8(rest.get(..length)?).ok()?;
    if !pair.id_bytes.contains(&length)
        || followed
        || secret::is_placeholder(id)
        || secret::entropy(id.as_bytes()) < 3.0
        || secret::is_known_test(id.as_bytes())
        // Every signed URL names who signed it.
        || sample.around(offset, SIGNED_BY.len(), 0).1.eq_ignore_ascii_case(SIGNED_BY)
    {
        return None;
    }
    let account = if pair.kind == "aws" { aws_account(id) } else { None };
    let account = account.map_or(String::new(), |account| format!(" of account {account:012}"));
    let id = format!("{} {}{account}", pair.name, secret::redacted(id));
    let (near_start, near) = sample.around(offset, PAIR_BYTES_MAX, PAIR_BYTES_MAX);
    match near_secret(near, pair) {
        Some((_, value)) if secret::is_known_test(value.as_bytes()) => None,
        Some((at, value)) => {
            let mut found = Match::new(format!("{id} with its secret {}", secret::redacted(value)), offset);
            found.secret = Some(near_start + at..near_start + at + value.len());
            if is_manual(sample, offset) {
                (found.weight, found.confidence) = (Some(Weight::Sign), Some(Confidence::Low));
            }
            found.indicators.push(secret::fingerprint(pair.kind, value.as_bytes()));
            Some(found)
        }
        None => {
            let mut found = Match::new(format!("{id}, its secret not beside it"), offset);
            found.indicators.push(secret::fingerprint(pair.kind, rest.get(..length)?));
            found.secret = Some(offset..offset + length);
            (found.weight, found.severity) = (Some(Weight::Sign), Some(Severity::Medium));
            found.confidence = Some(Confidence::Medium);
            Some(found)
        }
    }
}

/// Whether it is read by people: an example of a manual, which is real now and then. A config or a script is none.
fn is_manual(sample: &Sample<'_>, offset: usize) -> bool {
    sample.kind == FileKind::Text && text::is_document(sample, offset)
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

/// A run of exactly the right length that looks drawn at random: lower and upper case, digits, no path, no hash. With where
/// it begins.
fn near_secret<'a>(near: &'a [u8], pair: &Pair) -> Option<(usize, &'a str)> {
    let mut next = 0;
    let runs = near.split(|b| !(pair.is_secret)(b)).map(|run| {
        let start = next;
        next += run.len() + 1;
        (start, run)
    });
    runs.filter(|(_, run)| run.len() == pair.secret_bytes).find_map(|(start, run)| {
        let text = std::str::from_utf8(run).ok()?;
        let mixed = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit]
            .iter()
            .all(|class| run.iter().any(class));
        (mixed && secret::entropy(run) >= 4.0 && !secret::is_placeholder(text)).then_some((start, text))
    })
}

/// The account number in the 48 bits behind the prefix; none for ids from before 2019, which do not hold it.
fn aws_account(id: &str) -> Option<u64> {
    let digits = id.as_bytes().get(4..14)?;
    if digits.starts_with(b"I") || digits.starts_with(b"J") {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, &digit| {
        let five_bits = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        Some(value << 5 | u64::from(five_bits))
    })?;
    // 50 bits were read: the first 48 are the six bytes, of which the top and the lowest seven bits are not the number.
    let account = (value >> 2 & 0x7fff_ffff_ff80) >> 7;
    (account < 1_000_000_000_000).then_some(account)
}

/// A service account: id, address, and a private key with the right structure.
fn google(sample: &Sample<'_>, offset: usize) -> Option<Match> {
    let (start, near) = sample.around(offset, 512, 6 << 10);
    memchr::memmem::find(near, b".gserviceaccount.com")?;
    let label = start + memchr::memmem::find(near, b"PRIVATE KEY-----")?;
    let (armour, key) = private_key::parse_at(sample.bytes, label)?;
    if key.is_known() {
        return None;
    }
    let address = field(near, b"client_email").unwrap_or("unnamed");
    if address.contains("example") {
        return None;
    }
    let mut found = Match::new(format!("Google service account {address} with its private key"), offset);
    found.indicators.push(secret::fingerprint("private-key", &key.body));
    found.secret = Some(armour..armour + key.armour_bytes);
    Some(found)
}

/// The value of the JSON string field `name`.
fn field<'a>(json: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let rest = json.get(memchr::memmem::find(json, name)? + name.len()..)?;
    std::str::from_utf8(rest.split(|&b| b == b'"').nth(2)?).ok()
}

/// Beginnings of the account keys that Azure's own emulators use and document.
const AZURE_EMULATORS: &[&str] = &["Eby8vdM02xNOcqFlqUwJ", "C2y6yDjf5/R+ob0N8A7C"];

fn azure(sample: &Sample<'_>, offset: usize) -> Option<Match> {
    let start = offset + "AccountKey=".len();
    let rest = sample.bytes.get(start..)?;
    let value = std::str::from_utf8(rest.get(..88)?).ok()?;
    let key = STANDARD.decode(value).ok()?;
    if key.len() != 64 || secret::entropy(&key) < 4.5 || AZURE_EMULATORS.iter().any(|known| value.starts_with(known)) {
        return None;
    }
    let (_, before) = sample.around(offset, 256, 0);
    let account = memchr::memmem::rfind(before, b"AccountName=").and_then(|at| before.get(at + 12..));
    let account = account.and_then(|name| name.split(|&b| b == b';').next()).map(model::text::excerpt);
    let account = account.map_or(String::new(), |account| format!(" of {account}"));
    let mut found = Match::new(format!("Azure account key{account} {}", secret::redacted(value)), offset);
    found.indicators.push(secret::fingerprint("azure", value.as_bytes()));
    found.secret = Some(start..start + value.len());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{DETECTOR, aws_account};
    use crate::detectors::testing::{check, run};
    use model::Weight;

    // Put together at run time, so that no scanner takes this file for a leak.
    fn id() -> String {
        ["AKIA", "QNZGKIQY56JQ", "7WML"].concat()
    }

    #[test]
    fn the_account_is_read_from_the_id() {
        assert_eq!(aws_account(&id()), Some(29_608_264_753));
        assert_eq!(aws_account("AKIAIOSFODNN7EXAMPLE"), None);
    }

    #[test]
    fn a_pair_is_proof_and_an_id_alone_a_sign() {
        let secret = ["h8Gk2vQz7LrT", "9wXnB4mYc1Ds6FpJ", "0aEuKqRi3tVo"].concat();
        let both = format!("[default]\naws_access_key_id={}\naws_secret_access_key={secret}\n", id());
        check(
            &DETECTOR,
            "x",
            both.as_bytes(),
            &["AWS access key AKIA…ML of account 029608264753 with its secret h8Gk…Vo"],
        );
        let found = run(&DETECTOR, "x", 0o644, both.as_bytes());
        let cut = found.first().and_then(|found| found.secret.clone()).and_then(|range| both.get(range));
        assert_eq!(cut, Some(secret.as_str()), "what else is said of the file leaves it out");
        let alone = run(&DETECTOR, "x", 0o644, id().as_bytes());
        assert_eq!(alone.first().and_then(|found| found.weight), Some(Weight::Sign));
    }

    #[test]
    fn a_signed_url_names_who_signed_it() {
        let url = format!("https://b.s3.amazonaws.com/x?X-Amz-Credential={}%2F20190814%2Fus-west-2", id());
        check(&DETECTOR, "x", url.as_bytes(), &[]);
    }

    #[test]
    fn documentation_is_no_leak() {
        check(&DETECTOR, "x", b"AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &[]);
        let inside_base64 = format!("iVBORw0KGgo{}AAAA", id());
        check(&DETECTOR, "x", inside_base64.as_bytes(), &[]);
    }
}
