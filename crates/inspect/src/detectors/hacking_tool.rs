//! Recognises well-known scanners, crackers and attack tools by what they say of themselves.
//!
//! They are dual use: an image that holds them is worth knowing, not bad. Each is known by several texts of its own
//! (usage, messages, source paths), all of which must be there, in a program or script and not in a manual.
//!
//! - Sees: the tools of the table below, under any name.
//! - Misses: tools not in the table, packed or rebuilt ones without their messages.
//! - False alarms: a wrapper that repeats several of a tool's messages word for word.
//! - Source: the tools as Debian 12 ships them; ATT&CK T1046, T1110, T1499.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "hacking-tool",
        title: "Scanner, cracker or attack tool",
        category: Category::HackingTool,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1046", "T1110"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::Script, FileKind::Text, FileKind::Binary],
        // The first text of each row of `TOOLS`; a test holds them equal.
        literals: &[
            "Usage: nmap [Scan Type(s)]",
            "masscan --nmap",
            "send thread %hhu finished (max targets of %u reached)",
            "Syntax: hydra [[[-l LOGIN",
            "JoMo-Kun / Foofus Networks",
            "Usage: ncrack [Options]",
            "hashcat will NOT check for or remove targets present in the potfile",
            "John the Ripper password cracker",
            "Quitting aircrack-ng...",
            "hping in flood mode, no replies will be shown",
            "[+] Pixiewps: success: setting pin to %s",
            "slowhttptest, a tool to test for slow HTTP DoS",
            "*gobusterdir.",
            "github.com/bettercap/bettercap/session.",
            "(!) FATAL: Error opening wordlist file: %s",
            "Usage: arpspoof [-i interface]",
            "sekurlsa::logonpasswords",
            "github.com/ffuf/ffuf/",
            "sqlmap developers (https://sqlmap.org/)",
            "$VARIABLES{'DIV'}",
            "github.com/projectdiscovery/nuclei/",
            "github.com/shadow1ng/fscan",
            "Metasploit::Framework::",
        ],
    },
    inspect,
};

/// A tool: its name, and texts that must all be there.
struct Tool {
    name: &'static str,
    texts: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { name: "nmap (port scanner)", texts: &["Usage: nmap [Scan Type(s)]", "Nmap done: %", "HOST DISCOVERY:"] },
    Tool {
        name: "masscan (port scanner)",
        texts: &["masscan --nmap", "Masscan version %s", "expeced \"masscan/1.1\""],
    },
    Tool {
        name: "zmap (port scanner)",
        texts: &["send thread %hhu finished (max targets of %u reached)", "max_targets"],
    },
    Tool { name: "hydra (password guesser)", texts: &["Syntax: hydra [[[-l LOGIN", "attack finished for %s"] },
    Tool { name: "medusa (password guesser)", texts: &["JoMo-Kun / Foofus Networks", "ACCOUNT FOUND: %s"] },
    Tool { name: "ncrack (password guesser)", texts: &["Usage: ncrack [Options]", "Discovered credentials on %s"] },
    Tool {
        name: "hashcat (password cracker)",
        texts: &["hashcat will NOT check for or remove targets present in the potfile", "hashcat.net/faq/"],
    },
    Tool {
        name: "john (password cracker)",
        texts: &["John the Ripper password cracker", "[PASSWORD-FILES]", "--wordlist"],
    },
    Tool { name: "aircrack-ng (wireless cracker)", texts: &["Quitting aircrack-ng...", "KEY FOUND! [ %s ]"] },
    Tool {
        name: "hping3 (packet generator)",
        texts: &["hping in flood mode, no replies will be shown", "hping3: missing host argument"],
    },
    Tool { name: "reaver (wireless cracker)", texts: &["[+] Pixiewps: success: setting pin to %s", "WPS pin:"] },
    Tool {
        name: "slowhttptest (stress tool)",
        texts: &["slowhttptest, a tool to test for slow HTTP DoS", "slow body a.k.a R-U-Dead-Yet"],
    },
    Tool { name: "gobuster (content scanner)", texts: &["*gobusterdir.", "*gobusterdns."] },
    Tool {
        name: "bettercap (network attacks)",
        texts: &["github.com/bettercap/bettercap/session.", "github.com/bettercap/bettercap/modules/"],
    },
    Tool { name: "dirb (content scanner)", texts: &["(!) FATAL: Error opening wordlist file: %s", "crea_wordlist()"] },
    Tool { name: "arpspoof (network attacks)", texts: &["Usage: arpspoof [-i interface]", "host|both"] },
    Tool { name: "mimikatz (credential dumper)", texts: &["sekurlsa::logonpasswords", "lsadump::", "kerberos::"] },
    Tool { name: "ffuf (content scanner)", texts: &["github.com/ffuf/ffuf/", "*ffuf.Job"] },
    Tool {
        name: "sqlmap (SQL injection)",
        texts: &[
            "sqlmap developers (https://sqlmap.org/)",
            "from lib.controller.controller import start",
            "from lib.core.option import initOptions",
        ],
    },
    Tool { name: "nikto (web scanner)", texts: &["$VARIABLES{'DIV'}", "nikto_core", "load_plugins"] },
    Tool {
        name: "nuclei (vulnerability scanner)",
        texts: &["github.com/projectdiscovery/nuclei/", "/internal/runner.(*Runner)"],
    },
    Tool { name: "fscan (intranet scanner)", texts: &["github.com/shadow1ng/fscan", "fscan/Plugins."] },
    Tool {
        name: "metasploit (exploit kit)",
        texts: &["Metasploit::Framework::", "require 'metasploit/framework/command/console'"],
    },
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for hit in sample.hits {
        if rows.iter().all(|(row, _)| *row != hit.literal) {
            rows.push((hit.literal, hit.offset));
        }
    }
    let is_text = text::TEXT_KINDS.contains(&sample.kind) || sample.kind == FileKind::Archive;
    let found: Vec<Match> = rows
        .into_iter()
        .filter_map(|(row, offset)| {
            let tool = TOOLS.get(row)?;
            let whole = tool.texts.iter().all(|text| memmem::find(sample.bytes, text.as_bytes()).is_some());
            // A Python or Perl tool begins with `#!`; a file of text without is a manual, a test or a list.
            (whole && (!is_text || sample.kind == FileKind::Script)).then(|| Match::new(tool.name, offset))
        })
        .collect();
    // A program that speaks for many tools is a wrapper or a signature list.
    if found.len() > 2 { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::{DETECTOR, Scope, TOOLS};
    use crate::detectors::testing::check;

    #[test]
    fn each_row_is_led_by_its_literal() {
        let Scope::Content { literals, .. } = DETECTOR.scope else { panic!("it looks at content") };
        let first: Vec<_> = TOOLS.iter().map(|tool| tool.texts[0]).collect();
        assert_eq!(first, literals);
    }

    #[test]
    fn a_program_is_known_and_its_manual_is_not() {
        let strings = "Usage: nmap [Scan Type(s)] [Options]\0HOST DISCOVERY:\0Nmap done: %u %s\0";
        check(
            &DETECTOR,
            "usr/bin/java",
            format!("\x7fELF\x02\x01\x01\0{strings}").as_bytes(),
            &["nmap (port scanner)"],
        );
        check(&DETECTOR, "usr/share/doc/nmap.txt", strings.replace('\0', "\n").as_bytes(), &[]);
        check(&DETECTOR, "usr/bin/nmap", b"\x7fELF\x02\x01\x01\0Usage: nmap [Scan Type(s)]\0", &[]);
    }
}
