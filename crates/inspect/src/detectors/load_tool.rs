//! Recognises generators of load that are made to overload: without pauses, without waiting for answers, or by never ending a
//! request. Without targets of their own they are tools.
//!
//! - Sees: HTTP load generators with a flood mode or no pauses, with what they measure; scripts that hold many sockets open and
//!   send one header after another.
//! - Misses: benchmarks that wait for each answer (they are ordinary tools); packed programs.
//! - False alarms: none known; `ab`, `wrk`, `iperf3` and `redis-benchmark` measure and do not flood.
//! - Source: the manuals of siege and slowhttptest; the description of Slowloris of 2009; ATT&CK T1499.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::tells::{Tool, Tools};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "load-tool",
        title: "Overloads servers that it is told",
        category: Category::HackingTool,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1499"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::Script, FileKind::Text, FileKind::Binary],
        literals: &[
            "Transaction rate:",
            "--flood",
            "no delays between requests",
            "flood mode",
            "X-a: ",
            "keep-alive headers",
            "randuseragent",
            "Number of sockets",
            "sockets to use",
            "socket count",
            "slow headers",
            "low bandwidth",
        ],
    },
    inspect,
};

static TOOLS: LazyLock<Tools> = LazyLock::new(|| Tools::new(KINDS));

const KINDS: &[Tool] = &[
    Tool {
        name: "load generator that floods",
        must: &[(
            "never pauses",
            r"(?i)no delays? between requests|--flood\b|flood mode|(?:do not|don't|without) wait(?:ing)? for (?:answers?|repl|responses?)",
        )],
        also_min: 4,
        also: &[
            (
                "concurrent users",
                r"(?i)--concurrent\b|concurrent users|--threads\b|--connections\b|number of connections",
            ),
            ("a duration", r"(?i)timed testing|--time=|--duration\b|timelimit|attack time"),
            ("what was measured", r"(?i)transaction rate|requests per second|latency distribution|availability: "),
            (
                "counts of requests",
                r"(?i)complete requests|longest transaction|trans/sec|\[#/sec\]|packets? sent|requests sent",
            ),
            ("a request as a template", r"(?:GET|POST|HEAD|%s) %s HTTP/1"),
            ("more ways to flood", r"(?i)\b(?:syn|udp|icmp|ack) flood"),
            ("sources at random", r"(?i)--rand(?:om)?-source|spoof(?:ed)? source"),
            ("a warning to its user", r"(?i)only what you own|your own (?:servers?|sites?)|without permission"),
        ],
    },
    Tool {
        name: "slow HTTP attack",
        must: &[
            ("sends headers one by one", r#"(?i)[b'"]X-[a-z]{1,12}: ?(?:\{|%[sd]|['"] ?\+|[a-z0-9]{1,8}\\r)[^\n]*"#),
            ("goes on until stopped", r"while (?:True|1|\(true\)|true|not )|for ?\(;;\)|setInterval\("),
        ],
        also_min: 3,
        also: &[
            ("a request that does not end", r#"(?i)(?:GET|POST) /[^'"\n]{0,60} HTTP/1\.[01]\\r\\n['"]"#),
            (
                "many sockets",
                r"(?i)sockets?\w*\.(?:append|push)\(|list_of_sockets|for _ in range\([^\n]*sock|number of sockets|socket count",
            ),
            ("replaces those that end", r"(?i)sockets?\w*\.remove\(|recreat|reconnect"),
            ("waits between headers", r"(?i)\bsleep\(|setTimeout\(|setInterval\("),
            ("says what it does", r"(?i)keep-?alive headers|slow[ _-]?(?:loris|headers?|http|post|body)|low bandwidth"),
            ("invents who asks", r"(?i)rand\w*useragent|user_?agents\b|randint\(|Math\.random|rand\("),
        ],
    },
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    TOOLS.found(sample)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn headers_without_end_are_an_attack() {
        let slow = "import random, socket, time\nsockets = []\nwhile True:\n    s = socket.create_connection((host, 80))\n    s.send(b'GET / HTTP/1.1\\r\\n')\n    sockets.append(s)\n    for s in sockets:\n        s.send(f\"X-a: {random.randint(1, 9)}\\r\\n\".encode())\n    time.sleep(15)\n";
        assert_eq!(run(&DETECTOR, "x.py", 0o644, slow.as_bytes()).len(), 1);
        let client = "import http.client, time\nwhile True:\n    c = http.client.HTTPConnection(host)\n    c.request('GET', '/', headers={'X-a: ': 'b'})\n    time.sleep(60)\n";
        check(&DETECTOR, "x.py", client.as_bytes(), &[]);
    }

    #[test]
    fn a_benchmark_that_waits_is_none() {
        let strings = "\x7fELF\x02\x01\x01\0--concurrent=NUM\0--time=NUM\0Transaction rate: %.2f trans/sec\0Complete requests: %d\0GET %s HTTP/1.1\0";
        check(&DETECTOR, "usr/bin/x", strings.as_bytes(), &[]);
        let floods = format!("{strings}--flood\0");
        assert_eq!(run(&DETECTOR, "usr/bin/x", 0o755, floods.as_bytes()).len(), 1);
    }
}
