//! Recognises scanners by what they do: of ports, of web servers' hidden paths, of web servers' known holes.
//!
//! `hacking-tool` knows the well-known ones by their own texts. Renamed, edited and home-made ones still have the options,
//! probes, tables of states and loops that make a scanner.
//!
//! - Sees: port scanners that connect to ranges or send probes and name states and services; brute-forcers of paths and of
//!   subdomains that request each word of a list and filter answers by status; web scanners that send a table of tests, with
//!   evasions, and report which answers match.
//! - Misses: a scanner of one purpose in a few lines; packed programs.
//! - False alarms: monitors and load balancers connect to ports, too, but to given ones, and have no states, rates or
//!   fingerprints; crawlers follow links and have no list of words.
//! - Source: the manuals of nmap, masscan, dirb, gobuster and nikto; ATT&CK T1046, T1595.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::tells::{Tool, Tools};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "scan-tool",
        title: "Scans for open ports, hidden paths or known holes",
        category: Category::HackingTool,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1046", "T1595"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::Script, FileKind::Text, FileKind::Binary],
        literals: &[
            "scan report for",
            "STATE SERVICE",
            "SYN/Connect",
            "filtered tcp ports",
            "Discovered open port",
            "SMBProgNeg",
            "packets-per-second",
            "connect_ex(",
            "portscan",
            "port scan",
            "open ports",
            "grab_banner",
            "banner_grab",
            "/dev/tcp/$",
            "wordlist",
            "word_list",
            "wordlists/",
            "-evasion",
            "(Evasions:",
            "Random URI encoding",
            "OSVDB",
            "subdomain",
        ],
    },
    inspect,
};

static TOOLS: LazyLock<Tools> = LazyLock::new(|| Tools::new(KINDS));

const KINDS: &[Tool] = &[
    Tool {
        name: "port scanner",
        must: &[],
        also_min: 5,
        also: &[
            (
                "kinds of scan",
                r"(?i)\bsyn[/ _-](?:connect|stealth|scan)|connect\(\)/ack|\b(?:udp|xmas|stealth|null|fin) scan\b",
            ),
            (
                "states of ports",
                r"(?i)port\s+state\s+service|(?:filtered|closed) (?:tcp |udp )?ports\b|open\|filtered|\d/tcp\s+open\b",
            ),
            ("reports by host", r"(?i)scan report for|hosts? (?:is )?up\b|discovered open port"),
            (
                "probes of services",
                r"SMBProgNeg|TerminalServerCookie|Probe TCP \w|OPTIONS / RTSP/1\.0|match \w+ m[|/=]\^",
            ),
            ("banners", r"(?i)\bbanner on port|banner[ _-]?grab|grab[ _-]?banner"),
            ("rates of packets", r"(?i)packets[- ]per[- ]second|--(?:max-|min-)?rate\b|timing template"),
            ("fingerprints of systems", r"(?i)\bos[ _-](?:detection|fingerprint)|\bfingerprints\b"),
            ("ranges of targets", r"(?i)target specification|--(?:top-)?ports\b|\bexclude-?(?:file|hosts)\b"),
        ],
    },
    Tool {
        name: "port scanner as a script",
        must: &[
            (
                "connects",
                r"\.connect_ex\(|\.connect\(\(|/dev/tcp/\$|\bnc\s+-\S*z|new net\.Socket|IO::Socket::INET|DialTimeout\(|TCPSocket\.",
            ),
            (
                "a range of ports",
                r"(?i)range\(\s*\w+\s*,\s*(?:\w*port\w*|1024|1025|6553[56]|10000)|seq 1 (?:1024|65535)|\{1\.\.(?:1024|65535)\}|port\s*(?:<=?)\s*(?:1024|65535|\w*end\w*|\w*max\w*)|1-(?:1024|65535)\b|common_ports|top_ports",
            ),
        ],
        also_min: 2,
        also: &[
            ("says what is open", r"(?i)\bport\b[^\n]{0,40}\bopen\b|\bopen\b[^\n]{0,20}\bports?\b"),
            ("banners", r"(?i)banner"),
            ("networks", r"(?i)ip_network\(|\bcidr\b|\bsubnet\b|\.hosts\(\)|\{1\.\.254\}|seq 1 25[45]"),
            (
                "a table of services",
                r#"(?i)\b22['"]?\s*:\s*['"]ssh|\b21['"]?\s*:\s*['"]ftp|3306['"]?\s*:\s*['"]mysql|getservbyport\("#,
            ),
            ("scans", r"(?i)\bport_?scan|\bscan_?(?:port|host|target)|scanning\b"),
        ],
    },
    Tool {
        name: "brute-forcer of paths",
        must: &[
            ("a list of words", r"(?i)word[_ -]?lists?|words\.txt|(?:dirs?|paths|subdomains?)\.txt"),
            (
                "requests each",
                r#"(?i)['"]/['"] ?\+ ?\w*(?:word|path|dir|line|entry)|/\$\{(?:\w+\.)*\w*(?:word|path|dir|line|entry)\w*\}|f['"][^'"\n]*\}/\{\w*(?:word|path|dir|line|entry)\w*[.}(]|urljoin\([^\n)]*\b(?:word|path|dir|line|entry)|%s/%s['"]\s*%\s*\([^\n)]*(?:word|path|dir|line)|\$\{?\w*(?:url|host|target)\w*\}?/\$\{?\w*(?:word|path|dir|line)|\.replace\(\s*['"]FUZZ['"]"#,
            ),
            ("looks at statuses", r"(?i)status_?code|r(?:es(?:p|ponse)?)?\.status\b|http_code|->code\b|StatusCode"),
        ],
        also_min: 2,
        also: &[
            (
                "hides statuses",
                r#"(?i)\b(?:hide|exclude|filter|ignore|skip|blacklist)[_a-z]*\b[^\n]{0,60}(?:status|code|['"\[( ]40[34])|status[^\n]{0,20}(?:!=|not in|!==)[^\n]{0,20}40[34]|(?:40[34])\b[^\n]{0,40}\.split\("#,
            ),
            ("lengths of answers", r"(?i)content-length|len\(\w+\.(?:content|text)\)|size_download"),
            ("extensions", r"(?i)extensions?\b[^\n]{0,30}\b(?:php|aspx?|jsp)\b"),
            (
                "subdomains",
                r#"(?i)resolve4?\(\s*[`f'"(]*[^\n]{0,6}(?:word|sub|line)|gethostbyname\([^\n]{0,12}(?:word|sub|line)|(?:word|sub|line)\w*\}?\.\$?\{?(?:\w+\.)?(?:dns|domain)"#,
            ),
            (
                "options of a scanner",
                r"(?i)-w\s*<?wordlist|--wordlist|wordlist size|--exclude-status|\bdir(?:b|buster|search)\b|\bgobuster\b",
            ),
        ],
    },
    Tool {
        name: "web scanner",
        must: &[
            (
                "sends a table of tests",
                r#"(?i)->(?:get|request)\(\s*["']?(?:https?://)?[^\n)]*\$(?:uri|url|path|host)|(?:requests\.\w+|urlopen|http\.get|\.get|\.request)\([^\n)]*\b(?:uri|path|test|check)"#,
            ),
            (
                "matches answers",
                r"(?i)(?:content|body|answer|response|res(?:ult)?|text)\w*\s*=~\s*/?\\?Q?\$|re\.search\([^\n]*(?:match|pattern)|(?:match|pattern)\w*\s+in\s+\w+\.(?:text|content|body)",
            ),
        ],
        also_min: 2,
        also: &[
            (
                "evasions",
                r"(?i)random uri encoding|directory self-reference|tab as request spacer|[-'\x22]evasion\b|\(Evasions:",
            ),
            ("a database of tests", r"(?i)\bdb_tests\b|\bosvdb\b|test[-_]id\b"),
            ("choices of tests", r"(?i)\btuning[=\x22']|\bplugins?=|[-'\x22]cgidirs"),
            ("asks for a host", r"(?i)no host[^\n]{0,20}specified|[-\x22']host=s\b|--(?:host|target|url)\b"),
            (
                "reports holes",
                r"(?i)(?:found|vulnerab|is possible|may be)[^\n]{0,60}\b(?:xss|traversal|injection|disclos)|print[^\n]*\x22\+ ",
            ),
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
    fn a_home_made_port_scanner_is_one_and_a_wait_for_a_port_is_none() {
        let scan = "import socket\nfor port in range(1, 1025):\n    s = socket.socket()\n    if s.connect_ex((host, port)) == 0:\n        print('port', port, 'open', s.recv(99))\n# x\nprint('scanning', host)\n";
        let found = run(&DETECTOR, "x.py", 0o644, scan.as_bytes());
        assert_eq!(found.len(), 1, "{found:?}");
        let wait = "import socket, time\nwhile socket.socket().connect_ex((host, port)) != 0:\n    print('port not open yet')\n    time.sleep(1)\n";
        check(&DETECTOR, "x.py", wait.as_bytes(), &[]);
    }

    #[test]
    fn a_program_is_known_whatever_it_is_called() {
        let strings = "\x7fELF\x02\x01\x01\0usage: netmap\0TCP SYN/Connect()/ACK scans\0Check report for %s\0Not shown: %d filtered tcp ports\0SMBProgNeg\0--rate <packets-per-second>\0Enable OS detection\0";
        assert_eq!(run(&DETECTOR, "usr/bin/x", 0o755, strings.as_bytes()).len(), 1);
        // A firewall's log analyser names scans.
        let log = "\x7fELF\x02\x01\x01\0port scan detected from %s\0SYN scan\0%d open ports\0fingerprints\0";
        check(&DETECTOR, "usr/sbin/x", log.as_bytes(), &[]);
    }
}
