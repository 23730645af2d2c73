//! Recognises well-known scanners, crackers and attack tools by what they say of themselves.
//!
//! They are dual use: an image that holds them is worth knowing, not bad. Each is known by several texts of its own
//! (usage, messages, source paths), all of which must be there, in a program or script and not in a manual.
//!
//! - Sees: the tools of the table below, under any name.
//! - Misses: tools not in the table, packed or rebuilt ones without their messages.
//! - False alarms: a wrapper that repeats several of a tool's messages word for word.
//! - Source: the tools as Debian 12 ships them, where it does; nikto, metasploit, deepce and linpeas as their projects publish the
//!   scripts; the Go tools (nuclei, fscan, pspy, cdk, peirates, sliver) by the module and folder names of their sources, mimikatz by its
//!   published texts: these were not seen as programs. ATT&CK T1046, T1110, T1499.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{clues::is_script, text};

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
            "g\0e\0n\0t\0i\0l\0k\0i\0w\0i\0",
            "github.com/ffuf/ffuf/",
            "sqlmap developers (https://sqlmap.org/)",
            "/nikto_core.plugin\";",
            "github.com/projectdiscovery/nuclei/",
            "github.com/shadow1ng/fscan",
            "Metasploit::Framework::Command::Console.start",
            "ARP poisoning needs a non empty hosts list.",
            "PROXYCHAINS_CONF_FILE",
            "Crunch can create a wordlist based on criteria you specify.",
            "Sends deauthentication and disassociation packets to stations",
            "Try mdk3 --fullhelp for all test options",
            "Bruteforce the WPS pin checksum digit",
            "WPS pixie-dust attack tool",
            "PASSWORD FOUND!!!!: pw == %s",
            "found user-password: '%s'",
            "sam_reset_pw: Not a legal V struct?",
            "Usage: samdump2 [OPTION]",
            "Error: wrong Syntax in THC_IPV6_6IN4 variable",
            "tomac@yersinia.net",
            "Usage: dsniff [-cdmn]",
            "# Copyright (C) 2012 Sebastien MACKE",
            "from core.weexceptions import FatalException",
            "class NTDSHashes",
            "CeWL: Custom Word List Generator",
            "dnsenum: multithread script to enumerate information on",
            "from .fuzzobjects import FuzzWordType",
            "SMBMap - Samba Share Enumerator",
            "from ..tools.aircrack import Aircrack",
            "Docker Enumeration, Escalation of Privileges and Container Escapes (DEEPCE)",
            "This script should be used for authorized penetration testing and/or educational purposes only",
            "github.com/dominicbreuker/pspy/",
            "github.com/cdk-team/CDK/pkg/",
            "github.com/inguardians/peirates",
            "github.com/bishopfox/sliver/",
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
    // Wide characters, as Windows programs keep their texts.
    Tool {
        name: "mimikatz (credential dumper)",
        texts: &["g\0e\0n\0t\0i\0l\0k\0i\0w\0i\0", "m\0i\0m\0i\0k\0a\0t\0z\0", "s\0e\0k\0u\0r\0l\0s\0a\0"],
    },
    Tool { name: "ffuf (content scanner)", texts: &["github.com/ffuf/ffuf/", "*ffuf.Job"] },
    Tool {
        name: "sqlmap (SQL injection)",
        texts: &[
            "sqlmap developers (https://sqlmap.org/)",
            "from lib.controller.controller import start",
            "from lib.core.option import initOptions",
        ],
    },
    Tool { name: "nikto (web scanner)", texts: &["/nikto_core.plugin\";", "nprint(", "load_plugins"] },
    Tool {
        name: "nuclei (vulnerability scanner)",
        texts: &["github.com/projectdiscovery/nuclei/", "/internal/runner.(*Runner)"],
    },
    Tool { name: "fscan (intranet scanner)", texts: &["github.com/shadow1ng/fscan", "fscan/Plugins."] },
    Tool {
        name: "metasploit (exploit kit)",
        texts: &["Metasploit::Framework::Command::Console.start", "require 'metasploit/framework/command/console'"],
    },
    Tool {
        name: "ettercap (network attacks)",
        texts: &["ARP poisoning needs a non empty hosts list.", "ARP poisoner deactivated."],
    },
    Tool {
        name: "proxychains (redirects through proxies)",
        texts: &["PROXYCHAINS_CONF_FILE", "Random chain", "Round Robin chain"],
    },
    Tool {
        name: "crunch (wordlist generator)",
        texts: &["Crunch can create a wordlist based on criteria you specify.", "Crunch ending at %s"],
    },
    Tool {
        name: "mdk4 (wireless attacks)",
        texts: &["Sends deauthentication and disassociation packets to stations", "mdk4"],
    },
    Tool { name: "mdk3 (wireless attacks)", texts: &["Try mdk3 --fullhelp for all test options", "Deauth cycles:"] },
    Tool { name: "bully (wireless cracker)", texts: &["Bruteforce the WPS pin checksum digit", "~/.bully/"] },
    Tool { name: "pixiewps (wireless cracker)", texts: &["WPS pixie-dust attack tool", "[-] WPS pin not found!"] },
    Tool { name: "fcrackzip (password cracker)", texts: &["PASSWORD FOUND!!!!: pw == %s", "fcrackzip"] },
    Tool { name: "pdfcrack (password cracker)", texts: &["found user-password: '%s'", "pdfcrack version"] },
    Tool {
        name: "chntpw (password resetter)",
        texts: &["sam_reset_pw: Not a legal V struct?", "list all users in SAM file"],
    },
    Tool { name: "samdump2 (credential dumper)", texts: &["Usage: samdump2 [OPTION]", "SAM_FILE"] },
    Tool {
        name: "thc-ipv6 (network attacks)",
        texts: &["Error: wrong Syntax in THC_IPV6_6IN4 variable", "THC_IPV6_PPPOE"],
    },
    Tool { name: "yersinia (network attacks)", texts: &["tomac@yersinia.net", "yersinia.log"] },
    Tool { name: "dsniff (password sniffer)", texts: &["Usage: dsniff [-cdmn]", "dsniff.services"] },
    Tool { name: "patator (password guesser)", texts: &["# Copyright (C) 2012 Sebastien MACKE", "class SSH_login"] },
    Tool {
        name: "weevely (web shell manager)",
        texts: &["from core.weexceptions import FatalException", "obfuscators_templates_folder_path"],
    },
    Tool {
        name: "impacket (Windows network attacks)",
        texts: &["class NTDSHashes", "class LSASecrets", "class RemoteOperations"],
    },
    Tool { name: "cewl (wordlist generator)", texts: &["CeWL: Custom Word List Generator", "#!/usr/bin/env ruby"] },
    Tool {
        name: "dnsenum (name scanner)",
        texts: &["dnsenum: multithread script to enumerate information on", "Net::DNS"],
    },
    Tool { name: "wfuzz (content scanner)", texts: &["from .fuzzobjects import FuzzWordType", "help_banner2"] },
    Tool { name: "smbmap (share scanner)", texts: &["SMBMap - Samba Share Enumerator", "impacket"] },
    Tool {
        name: "wifite (wireless cracker)",
        texts: &["from ..tools.aircrack import Aircrack", "from ..tools.airodump import Airodump"],
    },
    Tool {
        name: "deepce (container escape kit)",
        texts: &["Docker Enumeration, Escalation of Privileges and Container Escapes (DEEPCE)", "printTip"],
    },
    Tool {
        name: "linpeas (privilege escalation scanner)",
        texts: &[
            "This script should be used for authorized penetration testing and/or educational purposes only",
            "linpeas",
        ],
    },
    Tool { name: "pspy (process spy)", texts: &["github.com/dominicbreuker/pspy/", "pspy/internal/"] },
    Tool { name: "cdk (container escape kit)", texts: &["github.com/cdk-team/CDK/pkg/", "CDK/pkg/exploit"] },
    Tool { name: "peirates (Kubernetes attacks)", texts: &["github.com/inguardians/peirates", "peirates.Main"] },
    Tool { name: "sliver (remote control)", texts: &["github.com/bishopfox/sliver/", "sliver/protobuf/"] },
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
            // A Python or Perl tool begins with `#!` or an import; other text is a manual, a test or a list.
            (whole && (!is_text || is_script(sample))).then(|| Match::new(tool.name, offset))
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
