//! Recognises attacks on somebody: a flooding command or loop together with whom it is aimed at.
//!
//! Volunteers' images of 2022 held a small script around a load tool, a list of one country's sites, or a place to fetch
//! the list from. Neither the tool nor the list is bad by itself; the two together in one file are the attack.
//!
//! - Sees: flooding tools told a host outside, also by a variable that the script fills; load tools told several hosts, or in
//!   a loop over a fetched list; endless loops of requests over many hosts, most of them under one country's domain.
//! - Misses: targets in another file than the loop; loops put together at run time; hosts of many countries in a loop that
//!   names no load tool (see `flood-code`).
//! - False alarms: link checkers and monitors loop over hosts too, but call nobody a target; mirror lists have no loop.
//! - Source: public reports on volunteer DDoS images (CrowdStrike, May 2022), manuals of the tools; ATT&CK T1498, T1499.

use std::{collections::BTreeMap, sync::LazyLock};

use model::{Category, Confidence, Indicator, IndicatorKind, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{Host, text};

/// Most bytes of a file that are read.
const SCRIPT_BYTES_MAX: usize = 256 << 10;
/// So many hosts are a list of targets and not a project's own pages.
const TARGETS_MIN: usize = 3;
/// So many hosts, four fifths of them under one country's domain, are a campaign.
const ONE_COUNTRY_MIN: usize = 15;
/// Most targets kept.
const TARGETS_MAX: usize = 32;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "attack-targets",
        title: "Attacks hosts that are built in or fetched",
        category: Category::Ddos,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1498", "T1499"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "hping3",
            "--flood",
            "bombardier ",
            "slowhttptest",
            "vegeta attack",
            "goldeneye",
            "slowloris",
            "torshammer",
            "dripper",
            "mhddos",
            "db1000n",
            "distress",
            "siege -",
            "wrk -",
            "ab -n",
            "ab -k",
            "hammer.py",
            "targets = [",
            "targets = {",
            "targets = (",
            "targets=[",
        ],
    },
    inspect,
};

/// A flooding tool, told a host. The host is the last group.
static FLOODS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"(?i)\bhping3?\b[^\n;|&]*\s--flood\b[^\n;|&]*?\s([a-z0-9.-]+\.[a-z0-9-]+)\s*(?:$|[\n;|&>)])",
        r"(?i)\bhping3?\b[^\n;|&]*?\s([a-z0-9-]+(?:\.[a-z0-9-]+)+)\b[^\n;|&]*\s--flood\b",
        r"(?i)\bslowhttptest\b[^\n;|&]*\s-u\s+(?:https?://)?([a-z0-9.-]+)",
        r"(?i)\b(?:(?:goldeneye|slowloris|torshammer|hammer|d?ripper)\.(?:py|pl)|xerxes)\s[^\n;|&]*?(?:https?://|\s)([a-z0-9-]+(?:\.[a-z0-9-]+)+)[^\n;|&]*(?:-t|-s|--threads|-w|-m|-p|\d{2,})",
        r"(?i)\b(?:mhddos_proxy|mhddos|distress|db1000n|d?ripper)\b[^\n;|&]*?(?:https?://|tcp://|udp://)([a-z0-9-]+(?:\.[a-z0-9-]+)+)",
    ])
});
/// A flooding tool, told a variable.
static FLOODS_VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r#"(?im)^[^#\n]*\b(?:hping3?\b[^\n;|&]*\s--flood\b[^\n;|&]*\$\{?\w|hping3?\b[^\n;|&]*\$\{?\w[^\n;|&]*\s--flood\b|slowhttptest\b[^\n;|&]*\s-u\s+[^\n;|&\s]*\$\{?\w)"#,
    )
});
/// What a shell assigns, or goes through.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r#"(?m)^[ \t]*(?:(?:export|local|readonly|declare[ \t]+-\w+)[ \t]+)?\w+\+?=(?:\(([^)]+)\)|"([^"]+)"|'([^']+)')|^[ \t]*for[ \t]+\w+[ \t]+in[ \t]+([^;\n]+)"#,
    )
});
/// A load tool at work.
static LOADS: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?im)(?:^|[\s;&|(/])(?:bombardier\s+[^\n]*-[cdn]\b|vegeta\s+attack|siege\s+-|wrk2?\s+-|ab\s+-[nktc]|hping3?\s|slowhttptest\s)",
    )
});
static FETCHED: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r#"(?i)https?://[^\s"'<>]{4,160}(?:targets?|victims?|sites|urls|hosts|list)[^\s"'<>/]{0,24}\.(?:txt|json|csv|lst|ya?ml)"#,
    )
});
static ENDLESS: LazyLock<Regex> =
    LazyLock::new(|| one(r"(?i)while\s*(?:\(\s*)?(?:true|:|1\b|\[\s*1)|for\s*\(\s*;\s*;\s*\)|setInterval\("));
static REQUESTS: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?i)requests\.(?:get|post|head|request)|session\.(?:get|post|head)|urlopen|httpx\.|aiohttp|\bfetch\(|axios|https?\.(?:get|request)\(|http\.Get|\bcurl\b|\bwget\b|\.send(?:to|all)?\(|new Image\(|XMLHttpRequest",
    )
});
static MANY_AT_ONCE: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?im)thread|asyncio\.gather|concurrent|multiprocess|Promise\.all|xargs\b[^\n]*-P|\bparallel\b|\bgo func|[^&]&\s*(?:$|done)|cluster\.fork|worker|setInterval\(",
    )
});
static HOSTILE: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?i)\bd?dos\b|\battack|\bflood|\bvictim|\btargets?\b|\bstress(?:er)?\b|\boverload|take[ _]?down|user-?agents?\b|proxies|proxy_?list",
    )
});
static URL_HOST: LazyLock<Regex> = LazyLock::new(|| {
    one(r#"(?i)(?:https?|tcp|udp)://([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6})(?::\d{1,5})?/?(?:["'\s,)\]<>]|$)"#)
});

fn one(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

fn all(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|pattern| one(pattern)).collect()
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.iter().take(16).find(|hit| !text::is_quoted(sample, hit.offset)) else {
        return Vec::new();
    };
    if text::is_program(sample) || sample.bytes.len() > SCRIPT_BYTES_MAX || !text::stands_in_text(sample, first.offset)
    {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(sample.bytes);
    let mut floods: Vec<String> = FLOODS
        .iter()
        .flat_map(|pattern| pattern.captures_iter(&text).take(TARGETS_MAX))
        .filter(|found| found.get(0).is_some_and(|whole| !text::is_quoted(sample, whole.start())))
        .filter_map(|found| found.get(1).map(|host| host.as_str().to_ascii_lowercase()))
        .filter(|host| is_target(host))
        .collect();
    if FLOODS_VARIABLE.find(&text).is_some_and(|whole| !text::is_quoted(sample, whole.start())) {
        floods.extend(assigned(&text));
    }
    if let Some(target) = floods.first() {
        let more = if floods.len() > 1 { format!(" and {} more", floods.len() - 1) } else { String::new() };
        return vec![found(format!("floods {target}{more}"), first.offset, floods)];
    }
    if !ENDLESS.is_match(&text) {
        return Vec::new();
    }
    let hostile = HOSTILE.find_iter(&text).take(3).count();
    let loads = LOADS.find(&text).is_some_and(|whole| !text::is_quoted(sample, whole.start()));
    if loads && hostile >= 2 {
        if let Some(list) = FETCHED.find(&text) {
            let mut one = found(format!("floods whom {} lists", list.as_str()), first.offset, Vec::new());
            one.indicators.push(Indicator { kind: IndicatorKind::Url, value: list.as_str().to_owned() });
            return vec![one];
        }
        let mut hosts = hosts(&text);
        hosts.extend(assigned(&text));
        if hosts.len() >= TARGETS_MIN {
            let first_host = hosts.first().map_or("", |host| host);
            return vec![found(
                format!("endless load on {} hosts, first {first_host}", hosts.len()),
                first.offset,
                hosts,
            )];
        }
    }
    // Hosts of many lands in an endless loop are anybody's: one land makes targets of them. A monitor calls nobody one.
    if hostile < 2 || !REQUESTS.is_match(&text) || !MANY_AT_ONCE.is_match(&text) {
        return Vec::new();
    }
    let hosts = hosts(&text);
    let Some(country) = country(&hosts).filter(|_| hosts.len() >= ONE_COUNTRY_MIN) else { return Vec::new() };
    let first_host = hosts.first().map_or("", |host| host);
    let summary =
        format!("endless requests to {} hosts, most of them under .{country}, first {first_host}", hosts.len());
    vec![found(summary, first.offset, hosts)]
}

/// Hosts outside that stand as words of their own in what a shell assigns or goes through.
fn assigned(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for captures in ASSIGNED.captures_iter(text).take(256) {
        let Some(words) = captures.iter().skip(1).flatten().next() else { continue };
        for word in words.as_str().split([' ', '\t', '\n', ',', '"', '\'']) {
            let word = word.split_once("://").map_or(word, |(_, rest)| rest);
            let host = word.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
            if found.len() < TARGETS_MAX && host.contains('.') && is_target(&host) && !found.contains(&host) {
                found.push(host);
            }
        }
    }
    found
}

fn found(summary: String, offset: usize, hosts: Vec<String>) -> Match {
    let mut one = Match::new(summary, offset);
    let indicator = |value: String| {
        let is_address = value.parse::<std::net::IpAddr>().is_ok();
        Indicator { kind: if is_address { IndicatorKind::Address } else { IndicatorKind::Domain }, value }
    };
    one.indicators = hosts.into_iter().take(TARGETS_MAX).map(indicator).collect();
    one
}

/// Different hosts outside, in order.
fn hosts(text: &str) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for captures in URL_HOST.captures_iter(text).take(4096) {
        let Some(host) = captures.get(1).map(|host| host.as_str().to_ascii_lowercase()) else { continue };
        if is_target(&host) && seen.insert(host.clone()) {
            found.push(host);
        }
    }
    found
}

/// Names that RFC 2606 reserves count: inert samples use them. File names and method calls do not.
pub(super) fn is_target(host: &str) -> bool {
    const NONE: &[&str] = &[
        "py", "js", "sh", "go", "md", "txt", "json", "html", "css", "php", "rs", "ts", "yml", "yaml", "log", "get",
        "post", "length", "push", "map", "random", "choice", "start", "join", "append", "format", "read", "split",
        "com/", "parse", "keys", "conf",
    ];
    const KNOWN: &[&str] = &[
        "github",
        "githubusercontent",
        "google",
        "bing",
        "yahoo",
        "w3",
        "mozilla",
        "pypi",
        "npmjs",
        "debian",
        "ubuntu",
        "docker",
        "python",
        "cloudflare",
        "yandex",
        "vk",
        "facebook",
        "baidu",
        "check-host",
        "googleapis",
        "jsdelivr",
        "wikipedia",
    ];
    let (rest, end) = host.rsplit_once('.').unwrap_or(("", host));
    let is_reserved = matches!(end, "example" | "invalid") && Host::of(&format!("{rest}.net")).is_outside();
    (Host::of(host).is_outside() || is_reserved)
        && !NONE.contains(&end)
        && !host.split('.').any(|label| KNOWN.contains(&label))
}

/// The country's domain that four fifths of the hosts are under.
fn country(hosts: &[String]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for end in hosts.iter().filter_map(|host| host.rsplit('.').next()) {
        *counts.entry(end).or_default() += 1;
    }
    let (end, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    // Two letters are a country's (ISO 3166); those that are sold as words for everybody are none.
    let is_country = end.len() == 2
        && end.bytes().all(|b| b.is_ascii_alphabetic())
        && !matches!(end, "io" | "ai" | "co" | "me" | "tv" | "cc");
    (is_country && count * 5 >= hosts.len() * 4).then(|| end.to_owned())
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    fn weight(text: &str) -> Option<Weight> {
        run(&DETECTOR, "x", 0o755, text.as_bytes()).first().map(|found| found.weight.unwrap_or(Weight::Proof))
    }

    #[test]
    fn a_flood_at_somebody_is_an_attack() {
        check(&DETECTOR, "x", b"#!/bin/sh\nhping3 -S -p 80 --flood bank.invalid\n", &["floods bank.invalid"]);
        check(&DETECTOR, "x", b"#!/bin/sh\nhping3 -S -p 80 --flood $1\n", &[]);
        check(&DETECTOR, "x", b"#!/bin/sh\nhping3 -S --flood 127.0.0.1\n", &[]);
        let script = b"#!/bin/sh\nHOSTS=\"198.51.100.7 www.bank-sample.ru\"\nfor h in $HOSTS; do hping3 --flood -p 443 \"$h\" & done\n";
        check(&DETECTOR, "x", script, &["floods 198.51.100.7 and 1 more"]);
    }

    #[test]
    fn one_countrys_hosts_in_an_endless_loop_are_a_campaign() {
        let sites: String = (0..20).map(|n| format!("  'https://office{n}.invented-ministry.by/',\n")).collect();
        let script = format!(
            "import threading, requests\nTARGETS = [\n{sites}]\ndef attack(target):\n    while True:\n        requests.get(target)\nfor t in TARGETS:\n    threading.Thread(target=attack, args=(t,)).start()\n"
        );
        let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
        assert_eq!((found[0].weight, found[0].indicators.len()), (None, 20));
        assert!(found[0].summary.contains("under .by"), "{}", found[0].summary);
    }

    #[test]
    fn a_fetched_list_is_as_good() {
        let script = "#!/bin/sh\nwhile true; do\n  curl -s https://raw.githubusercontent.com/somebody/x/main/targets.txt > /tmp/targets\n  while read -r target; do bombardier -c 1000 -d 60s \"$target\" & done < /tmp/targets\n  wait\ndone\n";
        assert_eq!(weight(script), Some(Weight::Proof));
    }

    #[test]
    fn a_load_test_and_a_monitor_are_none() {
        check(&DETECTOR, "x", b"#!/bin/sh\nwrk -t4 -c100 -d30s http://localhost:8080/\n", &[]);
        let sites: String = (0..12).map(|n| format!("'https://shop{n}.somewhere.net/', ")).collect();
        let monitor = format!(
            "import requests, time, threading\nSITES = [{sites}]\nwhile True:\n    for s in SITES: requests.get(s)\n    time.sleep(60)\n"
        );
        assert_eq!(weight(&monitor), None);
    }
}
