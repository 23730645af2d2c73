//! Recognises code that floods somebody: how it sends, together with whom it has to send to.
//!
//! A client asks for something and waits for the answer. A flood asks for nothing, without end, many times at once, and takes
//! care that no cache answers and no filter sees who asks. Each of these is in honest programs too; four together are not.
//!
//! - Sees: scripts in common languages that loop without end and send noise, addresses that no cache has, payloads that make
//!   others answer, or requests broken off at once; with forged senders. Hosts built in, lists opened or fetched, and what is
//!   fetched to hide behind make an attack of it; without any of them it is a tool.
//! - Misses: floods put together over several files; programs (see `flood-tool`); hosts in the arguments alone.
//! - False alarms: load tests repeat on purpose, but say who they are; crawlers forge agents, but want the answer.
//! - Source: public descriptions of volunteer tools of 2022, of UDP and slow HTTP flooders, and of CVE-2023-44487; ATT&CK
//!   T1498, T1499.

use std::sync::LazyLock;

use memchr::memmem;
use model::{Category, Confidence, Indicator, IndicatorKind, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope, attack_targets::is_target};
use crate::shell::text;

/// Longer files are programs of many parts.
const CODE_BYTES_MAX: usize = 128 << 10;
/// As many tells make a flood.
const TELLS_MIN: usize = 4;
/// As many hosts are built in: one is where a program belongs to.
const TARGETS_MIN: usize = 2;
/// Most targets kept.
const TARGETS_MAX: usize = 32;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "flood-code",
        title: "Code that floods whom it names or fetches",
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
            "_urandom(",
            "randbytes(",
            "NGHTTP2_CANCEL",
            "x-forwarded-for",
            "random.choice(",
            "X-a: ",
            "pack(\"a$",
            "\\x17\\x00\\x03\\x2a",
            "TSource Engine",
            "useragents",
            "user_agents",
            "referers",
        ],
    },
    inspect,
};

/// What a tell says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    /// It does not end.
    Endless,
    /// It does it many times at once.
    Parallel,
    /// What it sends is for no answer.
    Noise,
    /// It says that somebody else sends.
    Forged,
}

static TELLS: LazyLock<Vec<(Tell, Regex)>> = LazyLock::new(|| {
    [
        (
            Tell::Endless,
            r"while\s*\(?\s*(?:true|1)\b|while\s+\w+\.send|for\s*\(\s*;[^;\n]{0,40};\s*\)|\bsetInterval\(|\bfor \{|while\s*\(?\s*time(?:\.time)?\b|while\s*:",
        ),
        (
            Tell::Parallel,
            r"range\(\s*(?:\d{3,}|\w*threads?\w*|int\()|threading\.Thread|Thread->|run_in_executor|ThreadPool|cluster\.fork|new Worker\(|Promise\.all|asyncio\.gather|\bgo func|multiprocessing|\(\s*1\s*\.\.\s*\d{3,}\s*\)|\bfork\(\)|args\.(?:sockets|threads|connections)",
        ),
        // An address that no cache has.
        (
            Tell::Noise,
            r#"["'`/]\?[\w=]{0,8}["'`]\s*[+.]\s*(?:str\(|String\()?\s*(?:random|crypto\.random|math\.random|rand\b|uuid)|\?[\w=]{0,8}(?:\{|\$\{)\s*(?:random|math\.random|crypto\.random|uuid)"#,
        ),
        // Bytes that mean nothing.
        (
            Tell::Noise,
            r#"send(?:to|all)?\s*\([^\n]{0,60}(?:urandom\(|randbytes\(|random_bytes|pack\(\s*["']a\$|randomBytes\()|=\s*random\._urandom\("#,
        ),
        // Ports by chance.
        (Tell::Noise, r"port\s*=\s*(?:int\(\s*rand\(\s*6\d{4}|(?:random\.)?randint\(\s*\d{1,4}\s*,\s*65\d{3})"),
        // A request that is never finished, or broken off at once.
        (Tell::Noise, r#"["']X-a: |\.close\(\s*[\w.]*NGHTTP2_CANCEL|rstStream\(\s*[\w.]*(?:CANCEL|8)"#),
        // Payloads that make others answer with more.
        (
            Tell::Noise,
            r"\\x17\\x00\\x03\\x2a|(?:\\xff){4}(?:\\x54\\x53\\x6f\\x75\\x72\\x63\\x65|TSource Engine)|\\x00\\x01\\x00\\x00(?:stats|gets)",
        ),
        // Methods by the names that such tools gave them.
        (
            Tell::Noise,
            r#"["'](?:BYPASS|CFB|CFBUAM|STOMP|RHEX|OVH|DGB|XMLRPC)["'][^\n]{0,300}["'](?:CLDAP|VSE|SLOW|ARD|CPS|CHAR|KILLER|STOMP|RHEX)["']"#,
        ),
        (
            Tell::Forged,
            r#"user-?agent["']?\s*[:=,]\s*["']?\s*\+?\s*(?:random\.|\w*agents?\w*\[|choice\()|choice\(\s*\w*(?:agents?|uas?)\w*\s*\)|\w*agents?\[[^\]\n]{0,40}(?:%|rand)"#,
        ),
        (
            Tell::Forged,
            r#"referr?er["']?\s*[:=,]\s*["']?\s*\+?\s*(?:random\.|\w*referr?ers?\w*\[|choice\()|choice\(\s*\w*referr?ers?\w*\s*\)"#,
        ),
        (Tell::Forged, r#"x-forwarded-for["']?\s*[:=,]\s*[^\n]{0,80}rand"#),
        (Tell::Forged, r"prox(?:y|ies)\w*\[[^\]\n]{0,40}rand|choice\(\s*\w*prox(?:y|ies)\w*\s*\)"),
    ]
    .into_iter()
    .map(|(tell, pattern)| (tell, regex(pattern)))
    .collect()
});
/// A list of hosts, or of machines to hide behind, that is fetched.
static FETCHED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"https?://[^\s"'<>]{4,160}(?:(?:targets?|victims?|prox(?:y|ies)|socks[45]?|https?)[\w-]{0,24}\.(?:txt|json|csv|lst|ya?ml)|getproxies|proxytype=)"#,
    )
});
/// A list that is opened at a fixed place.
static OPENED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?:open|readFileSync|file|fopen)\(\s*(?:["']<["'],\s*)?["']([\w./-]{0,80}(?:targets?|victims?|sites|urls)[\w-]{0,24}(?:\.(?:txt|json|csv|lst|ya?ml))?)["']"#,
    )
});
/// Lines of any list at a fixed place.
static LISTED: LazyLock<Regex> = LazyLock::new(|| regex(r#"\bin\s+open\(\s*["'](/[\w./-]{2,120})["']"#));
/// A host or its address alone in quotes.
static QUOTED_HOST: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"["'](?:(?:https?|tcp|udp)://)?([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6})(?::\d{1,5})?(?:/[\w./-]{0,80})?["']\s*[,)\]}\n]"#,
    )
});

fn regex(pattern: &str) -> Regex {
    let built = RegexBuilder::new(pattern).case_insensitive(true).unicode(false).build();
    built.expect("the pattern is a constant, and a test runs it")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.iter().find(|hit| !text::is_quoted(sample, hit.offset)) else { return Vec::new() };
    if text::is_program(sample) || sample.bytes.len() > CODE_BYTES_MAX || !sends(sample.bytes) {
        return Vec::new();
    }
    let seen: Vec<Tell> =
        TELLS.iter().filter(|(_, pattern)| pattern.is_match(sample.bytes)).map(|(tell, _)| *tell).collect();
    let count = |tell| seen.iter().filter(|other| **other == tell).count();
    let noise = count(Tell::Noise);
    if count(Tell::Endless) == 0 || noise == 0 || noise + count(Tell::Forged) < 2 {
        return Vec::new();
    }
    let tells = seen.len();
    let mut found = Match::new(String::new(), first.offset);
    let fetched = FETCHED.find(sample.bytes).map(|url| String::from_utf8_lossy(url.as_bytes()).into_owned());
    let listed = || LISTED.captures(sample.bytes).filter(|_| tells > TELLS_MIN);
    let opened = OPENED.captures(sample.bytes).or_else(listed).and_then(|found| found.get(1));
    let hosts = hosts(sample.bytes);
    if tells >= TELLS_MIN && fetched.is_some() {
        let url = fetched.unwrap_or_default();
        found.summary = format!("floods by {tells} tells with what {} lists", model::text::shortened(&url, 160));
        found.indicators.push(Indicator { kind: IndicatorKind::Url, value: url });
    } else if let Some(path) = opened.filter(|_| tells >= TELLS_MIN) {
        found.summary = format!("floods by {tells} tells whom {} lists", String::from_utf8_lossy(path.as_bytes()));
    } else if tells >= TELLS_MIN && hosts.len() >= TARGETS_MIN {
        found.summary =
            format!("floods by {tells} tells {} hosts, first {}", hosts.len(), hosts.first().map_or("", |host| host));
        found.indicators = hosts.into_iter().map(indicator).collect();
    } else if noise >= 2 && tells >= TELLS_MIN {
        found.summary = format!("flooder by {tells} tells, and no targets of its own");
        found.category = Some(Category::HackingTool);
        found.severity = Some(Severity::Medium);
    } else {
        return Vec::new();
    }
    vec![found]
}

/// Whether anything goes over a network: cheap, and most files end here.
fn sends(bytes: &[u8]) -> bool {
    ["socket", "request", "urlopen", "http", "fetch(", "send("]
        .iter()
        .any(|word| memmem::find(bytes, word.as_bytes()).is_some())
}

/// Different hosts outside, in order, at most [`TARGETS_MAX`].
fn hosts(bytes: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for captures in QUOTED_HOST.captures_iter(bytes).take(4096) {
        let Some(host) = captures.get(1) else { continue };
        let host = String::from_utf8_lossy(host.as_bytes()).to_ascii_lowercase();
        if found.len() < TARGETS_MAX && is_target(&host) && !found.contains(&host) {
            found.push(host);
        }
    }
    found
}

fn indicator(value: String) -> Indicator {
    let is_address = value.parse::<std::net::IpAddr>().is_ok();
    Indicator { kind: if is_address { IndicatorKind::Address } else { IndicatorKind::Domain }, value }
}

#[cfg(test)]
mod tests {
    use model::Category;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    const FLOOD: &str = "import random, threading, urllib.request\ndef go(site):\n    while True:\n        url = site + '?' + str(random.random())\n        h = {'User-Agent': random.choice(AGENTS), 'Referer': random.choice(REFERERS)}\n        urllib.request.urlopen(urllib.request.Request(url, headers=h))\n";

    #[track_caller]
    fn category(text: &str, expected: Option<Category>) {
        let found = run(&DETECTOR, "x", 0o755, text.as_bytes());
        assert_eq!(found.first().map(|found| found.category.unwrap_or(Category::Ddos)), expected, "{text}: {found:?}");
    }

    #[test]
    fn whom_it_is_for_makes_an_attack_of_a_flood() {
        category(&format!("{FLOOD}for s in open('/srv/targets.txt'): go(s)\n"), Some(Category::Ddos));
        category(
            &format!("{FLOOD}for s in ['http://a.bank-sample.ru/', 'b.bank-sample.ru']: go(s)\n"),
            Some(Category::Ddos),
        );
        category(&format!("{FLOOD}LIST = 'https://lists.sample.ru/x/targets.json'\n"), Some(Category::Ddos));
        category(&format!("{FLOOD}go(sys.argv[1])\n"), None);
    }

    #[test]
    fn noise_without_a_target_is_a_tool() {
        let udp = "import random, socket, sys, threading\nnoise = random._urandom(1024)\ndef go():\n    while True:\n        port = random.randint(1, 65535)\n        s.sendto(noise, (sys.argv[1], port))\nfor _ in range(500): threading.Thread(target=go).start()\n";
        category(udp, Some(Category::HackingTool));
        category(&format!("{udp}TARGETS = ['198.51.100.7', 'play.sample.net']\n"), Some(Category::Ddos));
    }

    #[test]
    fn perl_and_node_are_read_too() {
        let perl = "#!/usr/bin/perl\nmy @hosts = (\"198.51.100.7\", \"play.sample.net\");\nfor (; time < $end;) {\n  my $port = int(rand(65500)) + 1;\n  send(s, pack(\"a$size\", \"x\"), 0, pack_sockaddr_in($port, inet_aton($ip)));\n  print $sock \"X-a: b\\r\\n\";\n}\n";
        category(perl, Some(Category::Ddos));
        let node = "const http2 = require('http2');\nhttps.get('https://api.sample.net/?request=getproxies&proxytype=http', read);\nsetInterval(() => {\n  const r = client.request({ ':path': path + '?' + crypto.randomBytes(8), 'x-forwarded-for': crypto.randomInt(255) + '.7' });\n  r.close(http2.constants.NGHTTP2_CANCEL);\n}, 1);\n";
        category(node, Some(Category::Ddos));
    }

    #[test]
    fn crawlers_and_clients_are_silent() {
        let crawler = "import random, requests, threading\nSITES = ['a.shop-sample.ru', 'b.shop-sample.ru']\nwhile True:\n    page = requests.get(pick(), headers={'User-Agent': random.choice(user_agents)}, proxies={'http': random.choice(proxies)})\n    store(page)\n";
        check(&DETECTOR, "x", crawler.as_bytes(), &[]);
        let stun = "import random, socket\nSERVERS = ['stun.one-sample.org', 'stun.two-sample.org']\nwhile True:\n    s.sendto(HEADER + random.randbytes(12), (random.choice(SERVERS), 3478))\n    print(s.recv(100))\n";
        check(&DETECTOR, "x", stun.as_bytes(), &[]);
    }
}
