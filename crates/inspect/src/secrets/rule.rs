//! One rule: where it looks, and what it takes for a secret.

use model::{Severity, Weight};

use super::{
    allowlist::{Allowlist, Claim},
    checks::{Check, Verdict},
    pattern::Pattern,
    schema::RawRule,
};
use crate::secret;

/// How much of a line is shown to an allowlist, to either side of the match.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Longest secret that is kept.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// A rule, ready to be asked.
pub(crate) struct Rule {
    pub(super) id: String,
    pub(super) description: String,
    /// None for a rule of paths alone.
    pub(super) pattern: Option<Pattern>,
    pub(super) secret_group: usize,
    pub(super) entropy: f64,
    pub(super) path: Option<Pattern>,
    pub(super) allowlists: Vec<Allowlist>,
    /// In lower case.
    pub(super) keywords: Vec<String>,
    pub(super) weight: Weight,
    pub(super) severity: Severity,
    pub(super) check: Option<Check>,
    /// Ours drop what is a placeholder; a user's rule says itself what it allows.
    pub(super) drops_placeholders: bool,
}

/// A secret in some bytes.
pub(crate) struct Found<'a> {
    pub(crate) secret: &'a [u8],
    /// Where the secret begins.
    pub(crate) offset: usize,
    /// What a check read from it, to be shown; may be empty.
    pub(crate) detail: String,
    /// Whether a checksum in it is right.
    pub(crate) is_certain: bool,
}

impl Rule {
    /// Looks at all of `bytes` from `from` to `to` and calls `found` for every secret there, until it says stop.
    ///
    /// What stands before `from` is seen by assertions and not searched. Linear in the bytes.
    pub(super) fn search<'a>(
        &self,
        bytes: &'a [u8],
        from: usize,
        to: usize,
        globals: &[&Allowlist],
        path: Option<&str>,
        mut found: impl FnMut(Found<'a>) -> bool,
    ) {
        let Some(compiled) = self.pattern.as_ref().and_then(Pattern::compiled) else { return };
        let haystack = bytes.get(..to.min(bytes.len())).unwrap_or(bytes);
        let mut at = from;
        while at <= haystack.len() {
            let Some(captures) = compiled.regex.captures_at(haystack, at) else { return };
            let Some(whole) = captures.get(0) else { return };
            at = whole.end().max(whole.start() + 1);
            let group = match self.secret_group {
                0 => captures.iter().skip(1).flatten().find(|group| !group.is_empty()).unwrap_or(whole),
                number => match captures.get(number) {
                    Some(group) => group,
                    None => continue,
                },
            };
            let secret = group.as_bytes();
            if secret.len() > SECRET_BYTES_MAX || (self.entropy > 0.0 && secret::entropy(secret) < self.entropy) {
                continue;
            }
            let claim =
                Claim { secret, matched: whole.as_bytes(), line: lines(bytes, whole.start(), whole.end()), path };
            if globals.iter().copied().chain(&self.allowlists).any(|list| list.allows(&claim)) {
                continue;
            }
            let verdict = self.check.map_or(Verdict::Unknown, |check| check.verdict(secret, whole.as_bytes()));
            let (detail, is_certain) = match verdict {
                Verdict::Wrong => continue,
                Verdict::Certain => (String::new(), true),
                Verdict::Right(detail) => (detail, false),
                Verdict::Unknown => (String::new(), false),
            };
            let is_placeholder = || std::str::from_utf8(secret).is_ok_and(secret::is_placeholder);
            if self.drops_placeholders && !is_certain && is_placeholder() {
                continue;
            }
            if !found(Found { secret, offset: group.start(), detail, is_certain }) {
                return;
            }
        }
    }

    /// For fingerprints and messages.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it finds, in a few words.
    pub(crate) fn description(&self) -> &str {
        &self.description
    }

    /// What a match counts for.
    pub(crate) fn weight(&self) -> Weight {
        self.weight
    }

    /// How bad a match is.
    pub(crate) fn severity(&self) -> Severity {
        self.severity
    }

    /// Whether its answer depends on where a file is.
    pub(super) fn asks_paths(&self) -> bool {
        self.path.is_some() || self.allowlists.iter().any(Allowlist::asks_paths)
    }
}

/// Builds a user's rule, everything compiled.
///
/// # Errors
///
/// One line: what is wrong with it.
pub(super) fn checked(raw: &RawRule) -> Result<Rule, String> {
    if raw.id.trim().is_empty() {
        return Err("it has no id".to_owned());
    }
    if raw.regex.is_empty() && raw.path.is_empty() {
        return Err("it has neither regex nor path".to_owned());
    }
    let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::checked(text.to_owned())).transpose();
    let regex = pattern(&raw.regex)?;
    let groups = regex.as_ref().and_then(Pattern::compiled).map_or(0, |compiled| compiled.regex.captures_len());
    if raw.secret_group > 0 && raw.secret_group >= groups {
        return Err(format!("secretGroup {} is not in the regex, which has {}", raw.secret_group, groups.max(1) - 1));
    }
    let path = pattern(&raw.path).map_err(|error| format!("path: {error}"))?;
    let lists = raw.allowlists.iter().chain(&raw.allowlist).map(Allowlist::new).collect::<Result<Vec<_>, _>>()?;
    Ok(built(raw, regex, path, lists))
}

/// Builds one of ours: its expression is compiled when it is needed.
pub(super) fn own(raw: &RawRule) -> Rule {
    let lists = raw.allowlists.iter().chain(&raw.allowlist).filter_map(|list| Allowlist::new(list).ok()).collect();
    let rule = built(raw, Some(Pattern::later(raw.regex.clone())), None, lists);
    Rule { drops_placeholders: true, ..rule }
}

fn built(raw: &RawRule, pattern: Option<Pattern>, path: Option<Pattern>, allowlists: Vec<Allowlist>) -> Rule {
    Rule {
        id: raw.id.clone(),
        description: if raw.description.is_empty() { raw.id.clone() } else { raw.description.clone() },
        pattern,
        secret_group: raw.secret_group,
        entropy: raw.entropy,
        path,
        allowlists,
        keywords: raw.keywords.iter().map(|word| word.to_ascii_lowercase()).collect(),
        weight: raw.lazaret.weight.unwrap_or(Weight::Proof),
        severity: raw.lazaret.severity.unwrap_or(Severity::Medium),
        check: raw.lazaret.check,
        drops_placeholders: false,
    }
}

/// The whole lines that `start..end` is in.
fn lines(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    let floor = start.saturating_sub(LINE_BYTES_MAX);
    let ceiling = end.saturating_add(LINE_BYTES_MAX).min(bytes.len());
    let before = bytes.get(floor..start).unwrap_or_default();
    let after = bytes.get(end..ceiling).unwrap_or_default();
    let from = memchr::memrchr(b'\n', before).map_or(floor, |newline| floor + newline + 1);
    let to = memchr::memchr(b'\n', after).map_or(ceiling, |newline| end + newline);
    bytes.get(from..to).unwrap_or_default()
}

/// Joins places `(from, to)` that overlap or touch; `places` ascending by `from`.
pub(super) fn joined(places: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (from, to) in places {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}
