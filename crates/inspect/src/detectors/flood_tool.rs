//! Recognises programs that flood others with traffic.
//!
//! A flooder lists several methods and counts what it sent; with targets built in or fetched it attacks somebody. Bots of
//! the Mirai kind carry a command table of methods and a scanner for the next victims.
//!
//! - Sees: three or more flood methods (by name, or by the payload they send) with an attacker's messages, in programs and
//!   scripts; targets (also compiled in), target lists, bot tables.
//! - Misses: single-method tools, packed bots, generic load generators given targets at run time.
//! - False alarms: firewalls and intrusion detection name floods too, but attack nothing: they lack the messages.
//! - Source: public descriptions of Mirai and Gafgyt command tables, and of 2022's volunteer images; ATT&CK T1498, T1499.

use std::{net::IpAddr, ops::Range, sync::LazyLock};

use model::{Category, Confidence, FileKind, Indicator, IndicatorKind, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{Host, text};

/// As many different hosts are targets and not a project's own pages.
const TARGETS_MIN: usize = 8;
/// As many `host:port` beside the methods of a program are: a project's own pages have no ports.
const TARGETS_WITH_PORT_MIN: usize = 5;
/// As many different payloads that make others answer are no scanner's.
const PAYLOADS_MIN: usize = 3;
/// As many hosts alone beside those payloads are whom they are for.
const TARGETS_OF_PAYLOADS_MIN: usize = 3;
/// How far from a method's name a program's targets are looked for: compilers keep a module's strings together.
const TARGET_REACH_BYTES: usize = 8 << 10;
/// Larger files are looked at only near their literals …
const WHOLE_BYTES_MAX: usize = 1 << 20;
/// … so far to both sides.
const NEAR_BYTES: usize = 64 << 10;
/// Most targets kept.
const TARGETS_MAX: usize = 32;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "flood-tool",
        title: "Floods others with traffic",
        category: Category::HackingTool,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1498", "T1499"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::Script, FileKind::Text],
        literals: &[
            "udpflood",
            "synflood",
            "httpflood",
            "ackflood",
            "udp flood",
            "syn flood",
            "http flood",
            "ack flood",
            "dns flood",
            "slowloris",
            "udp_flood",
            "syn_flood",
            "http_flood",
            "attack_udp",
            "attack_tcp",
            "udpplain",
            "tcp flood",
            "tcpflood",
            "vse flood",
            "cfbuam",
            "TSource Engine Query",
            "\x17\x00\x03\x2a",
            "\\x17\\x00\\x03\\x2a",
            "\x00\x01\x00\x00stats",
            "\\x00\\x01\\x00\\x00stats",
            "\"cldap\"",
            "'cldap'",
            "layer7",
        ],
    },
    inspect,
};

static METHODS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?i)udp[ _-]?flood|attack_(?:method_)?udp|\bflood_?udp|\budpplain",
        r"(?i)syn[ _-]?flood|attack_(?:method_)?tcp_?syn|\bflood_?syn",
        r"(?i)ack[ _-]?flood|attack_(?:method_)?tcp_?ack",
        r"(?i)(?:https?|get|post|layer ?7)[ _-]?flood|attack_(?:method_)?(?:app_)?http|\bflood_?http|\bcfbuam\b",
        r"(?i)\bslow[ _-]?loris|\brudy\b|r-u-dead-yet",
        r"(?i)dns[ _-]?flood|attack_(?:method_)?(?:udp_)?dns|water ?torture",
        r"(?i)icmp[ _-]?flood|ping[ _-]?flood",
        r"(?i)(?:ntp|dns|memcached?|ssdp|cldap|chargen|snmp|ard)[ _-]?(?:amp\b|amplif|reflect)",
        r"(?i)\bvse[ _-]?flood|attack_(?:method_)?(?:udp_)?vse|\bgre(?:ip|eth)\b|attack_(?:method_)?gre",
        // Payloads that make others answer with much more, as bytes or as source text has them.
        r"\x17\x00\x03\x2a|\\x17\\x00\\x03\\x2a|monlist",
        r"\x00\x01\x00\x00stats|\\x00\\x01\\x00\\x00stats",
        r"(?i)M-SEARCH \* HTTP/1\.1[^\x00]{0,160}ssdp:(?:all|discover)",
        r"TSource Engine Query",
        r"(?i)\x02\x01[\x00-\x7f]c[^\x00]{0,4}\x04\x00\x0a\x01\x00|objectclass0\x84|\\x0bobjectclass0",
        r"(?i)\x02\x01\x01\x04\x06public\xa5|\\x06public\\xa5",
        // A table of short names, as tools that choose a method by name have it.
        r"(?i)[\x22'](?:cldap|mem|char|ntp|ard|rdp|vse|syn|cps|connection|ovh|stress|cfb|bypass|rhex|stomp|dgb|apache|xmlrpc|killer|gsb|null|avb|slow|even|cookie|pps|downloader)[\x22']\s*,\s*[\x22'](?:[a-z_]{2,12}[\x22']\s*,\s*[\x22']){3,}[a-z_]{2,12}[\x22'][^\x00]{0,4000}(?:(?-i:CLDAP)|(?-i:CFBUAM)|(?-i:RHEX)|(?-i:STOMP)|(?-i:XMLRPC))",
        r"(?i)xmas[ _-]?flood|tcp[ _-]?flood|attack_(?:method_)?(?:tcp_)?(?:stomp|xmas)",
    ]
    .iter()
    .map(|pattern| regex(pattern))
    .collect()
});
/// Which of them, by index, are payloads that make others answer.
const PAYLOADS: Range<usize> = 9..15;
static ACTIONS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?i)attack (?:started|sent|finished|stopped|launched|on %|complete)|(?:start|stop|launch|begin)(?:ing|ed)?[ _]attack|attack_(?:start|stop|init|kill|parse)",
        r"(?i)(?:packets?|requests?|bytes|pps|rps)[ _](?:sent|per second)|total (?:packets|requests)|sent (?:packets|requests)",
        r"(?i)\b(?:now )?flooding\b|flood(?:er|s) (?:started|running)",
        r"(?i)\btargets?\b[^\n]{0,24}(?:port|url|ip|host|list|s\.txt)|victim",
        r"(?i)\b(?:threads?|workers?|bots?|sockets?)\b[ _]*(?:count|number|per|=|:|%d|\))",
        r"(?i)\breflectors?\b|\bspoofed (?:source|address|packets?|ip)",
        r"(?i)\bduration\b|attack time|\bproxies\b|proxy[_ ]list|useragents?\b|user_agents",
    ]
    .iter()
    .map(|pattern| regex(pattern))
    .collect()
});
/// Words of systems that defend: they name floods to stop them.
static DEFENDER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)iptables|nftables|netfilter|intrusion (?:detection|prevention)|\bids/ips\b|mitigat|anti-?ddos|protection against|syn ?cookies|threshold|rate[- ]limit|detect(?:ed|s|ion)[^\n\x00]{0,20}flood|flood[^\n\x00]{0,20}(?:detect|protect|prevent)",
    )
});
static BOT: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?i)attack_(?:parse|init|start|kill_all)|KILLATTK|!\* ?(?:udp|tcp|std|http|kill)|BOTKILL",
        r"(?i)scanner_init|telnet ?scan|/bin/busybox [A-Z]{3,8}\b|applet not found|SCANNER ON",
        r"(?i)killer_init|watchdog|resolve_cnc|cnc_|\bC2\b|LOLNOGTFO",
    ]
    .iter()
    .map(|pattern| regex(pattern))
    .collect()
});
static TARGET: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)https?://([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?/?(?:[\x00\s\x22',|)\]]|$)"));
/// The strings of a Rust or Go program follow each other without a NUL, so nothing is asked of what stands around.
static TARGET_WITH_PORT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}):[0-9]{2,5}"));
/// Search engines that requests name as referrer, and ends of file names: `main.rs:42` is a place in a source.
const NO_TARGETS: &[&str] =
    &["google", "bing", "yahoo", "baidu", "yandex", "duckduckgo", "facebook", "twitter", "w3", "mozilla"];
const SOURCE_ENDS: &[&str] = &["rs", "py", "go", "cc", "sh", "so", "pl", "java", "js", "ts", "rb", "cpp", "inc"];
static LIST: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)https?://[^\s\x00"'<>]{4,160}(?:targets?|victims?|sites|urls|list)[^\s\x00"'<>/]{0,24}\.(?:txt|json|csv|lst|ya?ml)"#,
    )
});

/// ASCII only: Unicode case folding made a 5 MB program take a second.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant, and a test runs it")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.first() else { return Vec::new() };
    let is_text = !text::is_program(sample);
    if is_text && text::is_document(sample, first.offset) && sample.kind != FileKind::Script {
        return Vec::new();
    }
    let pieces = pieces(sample);
    let is_there = |pattern: &&Regex| pieces.iter().any(|piece| pattern.is_match(piece));
    let count = |patterns: &[Regex]| patterns.iter().filter(is_there).count();
    let methods = count(&METHODS);
    let bot = count(&BOT);
    if methods < 3 && !(methods >= 1 && is_text) {
        return Vec::new();
    }
    let actions = count(&ACTIONS);
    if actions < 3 && bot < 3 || pieces.iter().flat_map(|piece| DEFENDER.find_iter(piece)).take(3).count() == 3 {
        return Vec::new();
    }
    let list = pieces
        .iter()
        .find_map(|piece| LIST.find(piece))
        .map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned());
    let targets = if is_text { targets(sample.bytes) } else { targets_beside(sample) };
    let payloads = METHODS.get(PAYLOADS).map_or(0, &count);
    let victims = if is_text || payloads < PAYLOADS_MIN { Vec::new() } else { alone_beside(sample) };
    let mut found = Match::new(String::new(), first.offset);
    if bot == 3 && methods >= 3 {
        found.summary = format!("bot with {methods} flood methods, a scanner and a controller");
        found.category = Some(Category::Ddos);
        found.severity = Some(Severity::Critical);
    } else if let Some(url) = list.filter(|_| actions >= 3) {
        found.summary = format!("flooder that fetches its targets from {}", model::text::shortened(&url, 160));
        found.category = Some(Category::Ddos);
        found.indicators.push(Indicator { kind: IndicatorKind::Url, value: url });
    } else if victims.len() >= TARGETS_OF_PAYLOADS_MIN {
        found.summary = format!(
            "has others answer to {} hosts built in, by {payloads} payloads, first {}",
            victims.len(),
            victims.first().map_or("", |first| first)
        );
        found.category = Some(Category::Ddos);
        found.indicators = victims.into_iter().map(indicator).collect();
    } else if targets.len() >= if is_text { TARGETS_MIN } else { TARGETS_WITH_PORT_MIN } {
        found.summary = format!(
            "flooder with {} targets built in, first {}",
            targets.len(),
            targets.first().map_or("", |first| first)
        );
        found.category = Some(Category::Ddos);
        found.indicators = targets.into_iter().map(indicator).collect();
    } else if methods >= 3 {
        found.summary = format!("flooder with {methods} methods and no targets of its own");
        found.severity = Some(Severity::Medium);
    } else {
        return Vec::new();
    }
    vec![found]
}

/// What is looked at: the whole, or of a large file what stands near its literals. The strings of a module stay together, and a bundle
/// of many modules is not judged as one.
fn pieces<'a>(sample: &Sample<'a>) -> Vec<&'a [u8]> {
    if sample.bytes.len() <= WHOLE_BYTES_MAX {
        return vec![sample.bytes];
    }
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for hit in sample.hits {
        let (start, end) = (hit.offset.saturating_sub(NEAR_BYTES), hit.offset.saturating_add(NEAR_BYTES));
        match ranges.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges.into_iter().filter_map(|range| sample.bytes.get(range.start..range.end.min(sample.bytes.len()))).collect()
}

/// Different hosts that stand as bare URLs, at most [`TARGETS_MAX`].
fn targets(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    collect(&TARGET, bytes, &mut found);
    found
}

/// Different hosts with a port, or many as bare URLs, beside the methods of a program.
fn targets_beside(sample: &Sample<'_>) -> Vec<String> {
    let (mut with_port, mut as_url) = (Vec::new(), Vec::new());
    let mut searched = 0;
    for hit in sample.hits {
        let start = hit.offset.saturating_sub(TARGET_REACH_BYTES).max(searched);
        let end = hit.offset.saturating_add(TARGET_REACH_BYTES).min(sample.bytes.len());
        let Some(piece) = sample.bytes.get(start..end) else { continue };
        collect(&TARGET_WITH_PORT, piece, &mut with_port);
        collect(&TARGET, piece, &mut as_url);
        searched = end;
    }
    if as_url.len() >= TARGETS_MIN { as_url } else { with_port }
}

/// Different hosts and networks that are a string of their own, beside the methods of a program.
fn alone_beside(sample: &Sample<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut searched = 0;
    for hit in sample.hits {
        let start = hit.offset.saturating_sub(TARGET_REACH_BYTES).max(searched);
        let end = hit.offset.saturating_add(TARGET_REACH_BYTES).min(sample.bytes.len());
        let Some(piece) = sample.bytes.get(start..end) else { continue };
        for text in piece.split(|byte| *byte == 0).filter(|text| (4..=253).contains(&text.len())) {
            let Ok(text) = str::from_utf8(text) else { continue };
            let host = text.split('/').next().unwrap_or_default().to_ascii_lowercase();
            let is_host = host.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
            // Files end as no domain does.
            let is_file = host.parse::<IpAddr>().is_err()
                && !psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known());
            if is_host && !is_file && found.len() < TARGETS_MAX && is_target(&host) && !found.contains(&host) {
                found.push(host);
            }
        }
        searched = end;
    }
    found
}

fn collect(pattern: &Regex, bytes: &[u8], found: &mut Vec<String>) {
    for captures in pattern.captures_iter(bytes) {
        let Some(host) = captures.get(1) else { continue };
        let host = String::from_utf8_lossy(host.as_bytes()).to_ascii_lowercase();
        if found.len() < TARGETS_MAX && is_target(&host) && !found.contains(&host) {
            found.push(host);
        }
    }
}

/// Names that RFC 2606 reserves count: inert samples use them. `www.example.com` and the like do not.
fn is_target(host: &str) -> bool {
    let (rest, end) = host.rsplit_once('.').unwrap_or(("", host));
    let is_reserved = matches!(end, "example" | "invalid") && Host::of(&format!("{rest}.net")).is_outside();
    let is_known = host.split('.').any(|label| NO_TARGETS.contains(&label)) || SOURCE_ENDS.contains(&end);
    (Host::of(host).is_outside() || is_reserved) && !is_known
}

fn indicator(value: String) -> Indicator {
    let is_address = value.parse::<IpAddr>().is_ok();
    Indicator { kind: if is_address { IndicatorKind::Address } else { IndicatorKind::Domain }, value }
}

#[cfg(test)]
mod tests {
    use model::Category;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    const TOOL: &str = "#!/usr/bin/env python3\nMETHODS = {'udpflood': udp, 'synflood': syn, 'httpflood': http, 'slowloris': slow}\n\
        print('Attack started on', target_ip, 'threads:', threads)\nprint('packets sent', sent)\ntarget_port = 80\n";

    #[test]
    fn targets_make_an_attack_of_a_tool() {
        let found = run(&DETECTOR, "x", 0o755, TOOL.as_bytes());
        assert_eq!((found.len(), found[0].category), (1, None));
        let sites: String = (0..9).map(|i| format!("'https://site{i}.invented-target.ru/',\n")).collect();
        let found = run(&DETECTOR, "x", 0o755, format!("{TOOL}TARGETS = [{sites}]\n").as_bytes());
        assert_eq!((found[0].category, found[0].indicators.len()), (Some(Category::Ddos), 9));
        let fetched = format!("{TOOL}LIST = 'https://raw.githubusercontent.com/somebody/x/main/targets.txt'\n");
        assert_eq!(run(&DETECTOR, "x", 0o755, fetched.as_bytes())[0].category, Some(Category::Ddos));
    }

    #[test]
    fn a_firewall_is_none() {
        check(&DETECTOR, "x", b"#!/bin/sh\n# SYN flood, UDP flood, ICMP flood protection\niptables -N SYN_FLOOD\niptables -A UDP_FLOOD -m limit\niptables -A ICMP_FLOOD\n", &[]);
    }

    #[test]
    fn payloads_and_whom_they_are_for_are_an_attack() {
        let tool = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x17\0\x03\x2a\0\0\0\x01\0\0stats\r\n\0M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\0%d reflectors loaded\0packets per second\0<target> <port>\0crtstuff.c\0";
        assert_eq!(run(&DETECTOR, "x", 0o755, tool.as_bytes())[0].category, None);
        let attack = format!("{tool}198.51.100.7\0www.bank-sample.ru\0203.0.113.0/24\0");
        let found = run(&DETECTOR, "x", 0o755, attack.as_bytes());
        assert_eq!((found[0].category, found[0].indicators.len()), (Some(Category::Ddos), 3), "{found:?}");
    }

    /// As a compiler leaves them: sorted, merged, with other strings around.
    #[test]
    fn targets_compiled_into_a_program_are_seen() {
        let methods = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0udpfloodackfloodsynfloodslowlorispackets per second\0attack duration\0threads per target: ";
        let program = format!(
            "{methods}bank.example:443no storage space\0game-server.example:27015ministry.example:80news.invalid:80\0203.0.113.9:53\0src/main.rs:42"
        );
        let found = run(&DETECTOR, "x", 0o755, program.as_bytes());
        assert_eq!((found[0].category, found[0].indicators.len()), (Some(Category::Ddos), 5), "{found:?}");
        assert_eq!(found[0].summary, "flooder with 5 targets built in, first bank.example");
        let tool =
            format!("{methods}src/main.rs:42 www.example.com:80 127.0.0.1:80 lib.go:11 tool.py:77 a.rs:10 b.rs:10");
        let found = run(&DETECTOR, "x", 0o755, tool.as_bytes());
        assert_eq!((found[0].category, found[0].indicators.len()), (None, 0), "{found:?}");
    }
}
