//! What secrets have in common: how random they look, what a placeholder looks like, and how they are shown.

use std::sync::LazyLock;

use model::{Digest, Indicator, IndicatorKind};

/// Shannon entropy in bits per byte: 0 for one repeated byte, about 4 for random hex, 4.5 to 5 for random base62.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / total).map(|p| -p * p.log2()).sum()
}

/// Words that nobody draws at random; compared in lower case.
const PLACEHOLDER_WORDS: &[&str] = &[
    "example",
    "changeme",
    "change_me",
    "change-me",
    "change_this",
    "placeholder",
    "dummy",
    "sample",
    "redacted",
    "your_",
    "your-",
    "yourtoken",
    "yoursecret",
    "insert",
    "replace",
    "xxxx",
    "fake",
    "123456",
    "abcdef",
    "deadbeef",
    "0000000",
    "<",
    ">",
    "${",
    "$(",
    "{{",
    "%(",
    "***",
    "...",
];

/// Whether a value stands for a secret instead of being one: it says so, is a template, or repeats itself.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    lower.starts_with('$')
        || PLACEHOLDER_WORDS.iter().any(|word| lower.contains(word))
        || lower.as_bytes().windows(6).any(|run| run.iter().all(|b| Some(b) == run.first()))
}

/// `KIND:` and the first 16 hex digits of the value's SHA-256.
pub(crate) fn fingerprint(kind: &str, value: &[u8]) -> Indicator {
    let hex = Digest::of(value).hex();
    Indicator { kind: IndicatorKind::SecretFingerprint, value: format!("{kind}:{}", hex.get(..16).unwrap_or(&hex)) }
}

/// Whether a package ships this secret for its tests or documents: it protects nothing, wherever it is copied to. Of a PEM
/// key the decoded body is asked.
pub(crate) fn is_known_test(value: &[u8]) -> bool {
    let hex = Digest::of(value).hex();
    KNOWN.binary_search(&hex.get(..16).unwrap_or(&hex)).is_ok()
}

/// Fingerprints of keys that packages ship for their tests, sorted.
static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let list = include_str!("../../../rules/secrets/known_test_keys.txt");
    let mut known: Vec<_> = list.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next()).collect();
    known.sort_unstable();
    known
});

/// First four and last two characters, or less of a short value.
pub(crate) fn redacted(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    match characters.len() {
        16.. => {
            let (head, tail) = (&characters[..4], &characters[characters.len() - 2..]);
            format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
        }
        8.. => format!("{}…", characters[0]),
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_secrets() {
        for placeholder in ["AKIAIOSFODNN7EXAMPLE", "${TOKEN}", "xxxxxxxxxxxx", "your-token-here", "aaaaaaaaaaaa"] {
            assert!(is_placeholder(placeholder), "{placeholder}");
        }
        assert!(!is_placeholder("f3Kq81LmZp0Vt7RwYh2N"));
    }

    #[test]
    fn a_redacted_value_cannot_be_used() {
        assert_eq!(redacted("f3Kq81LmZp0Vt7RwYh2N"), "f3Kq…2N");
        assert_eq!(redacted("secret12"), "s…");
        assert_eq!(redacted("short"), "…");
    }

    #[test]
    fn entropy_is_bits_per_byte() {
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abcd"), 2.0);
        assert_eq!(entropy(b""), 0.0);
    }
}
