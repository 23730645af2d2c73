//! Recognises PAM modules and SSH servers that keep what users type or know a password of their own.
//!
//! Who has been root once replaces what asks for passwords: it lets him in with a word that is compiled in, writes down everybody
//! else's in a hidden file, or sends them away. What distributions ship does none of this.
//!
//! - Sees: ELF modules that define `pam_sm_authenticate`, and SSH servers and clients by the texts of OpenSSH and Dropbear, that hold
//!   at least two of: a format that prints a name with its password, a hidden file below a system folder, a web address that is
//!   filled in, words for a password that opens everything, `HISTFILE`. One of the first four is a sign.
//! - Misses: modules whose texts are encoded; changes to libpam itself.
//! - False alarms: debugging builds that print passwords are as dangerous.
//! - Source: pam_sm_authenticate(3); OpenSSH `auth.c` (`auth_log`) for the texts; libpam-modules of Debian 12, quiet (its
//!   modules name their shared debug symbols below `.dwz`); ATT&CK T1556.003, T1556, T1554.

use std::sync::LazyLock;

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::symbols::{symbols, texts};

/// Larger programs are no login program.
const PROGRAM_BYTES_MAX: usize = 8 << 20;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "login-backdoor",
        title: "Login program that keeps passwords or knows one of its own",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1556.003", "T1556", "T1554"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf],
        literals: &[
            "\0pam_sm_authenticate\0",
            "Accepted %s for %s",
            "SSH-2.0-%",
            "SSH-2.0-dropbear",
            "Permission denied, please try again.",
        ],
    },
    inspect,
};

/// Deeds, each with words and the texts that show it.
static DEEDS: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [
        (
            "prints names with passwords",
            r"(?i)\buser\w*[^%\n]{0,16}%s[^\n]{0,60}[^/]\bpass(?:word|wd)?[^%\w\n]{1,6}%s|[^/]\bpass(?:word|wd)?\s?(?:[:=]|-+>)\s*%s|%s[:|]%s[:|]%s\n",
        ),
        (
            "keeps a hidden file",
            r"^/(?:usr|var|etc|dev|lib|lib64|opt|tmp|bin|sbin|run)/(?:[\w.%-]+/)*\.[A-Za-z0-9_][\w.%-]*(?:/[\w.%-]+)*\n?$",
        ),
        ("fills in a web address", r"^https?://[^\s/]+/\S*=%s"),
        ("has a password that opens everything", r"(?i)back ?door|(?:magic|master|secret|universal|skeleton)[ _-]?(?:pass|key\b)"),
        ("leaves no history", r"HISTFILE"),
    ]
    .map(|(words, pattern)| (words, Regex::new(pattern).expect("the pattern is a constant, and a test runs it")))
});

/// Hidden files that honest login programs know.
const KNOWN: &[&str] = &[
    "/.pwd.lock",
    "/.ssh",
    "/.X11-unix",
    "/.ICE-unix",
    "/.hushlogin",
    "/.nologin",
    "/.heim",
    "/.k5",
    "/.updated",
    "/.dwz/",
    "/.build-id/",
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    if sample.bytes.len() > PROGRAM_BYTES_MAX {
        return Vec::new();
    }
    let says = |text: &str| memmem::find(sample.bytes, text.as_bytes()).is_some();
    let is_module = says("pam_sm_authenticate")
        && symbols(sample.bytes).is_some_and(|symbols| symbols.defines("pam_sm_authenticate"));
    let is_ssh = says("Accepted %s for %s") || (says("SSH-2.0-") && (says("OpenSSH_") || says("dropbear")));
    if !is_module && !is_ssh {
        return Vec::new();
    }
    let mut seen = [false; 5];
    for text in texts(sample.bytes, 6) {
        // Long texts are tables and licences.
        if text.len() > 512 || KNOWN.iter().any(|known| text.contains(known)) {
            continue;
        }
        for (seen, (_, pattern)) in seen.iter_mut().zip(DEEDS.iter()) {
            *seen = *seen || pattern.is_match(text);
        }
    }
    let words: Vec<&str> = DEEDS.iter().zip(seen).filter(|(_, seen)| *seen).map(|((words, _), _)| *words).collect();
    if words.is_empty() || words == ["leaves no history"] {
        return Vec::new();
    }
    let what = if is_module { "PAM module" } else { "SSH program" };
    let mut found = Match::new(format!("{what}: {}", words.join(", ")), sample.hits.first().map(|hit| hit.offset));
    if words == ["keeps a hidden file"] {
        // Lock files begin with a dot too.
        (found.weight, found.severity) = (Some(Weight::Fact), Some(Severity::Info));
    } else if words.len() < 2 {
        (found.weight, found.severity) = (Some(Weight::Sign), Some(Severity::Medium));
    }
    vec![found]
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::{DETECTOR, Match};
    use crate::detectors::testing::run;

    fn server(texts: &[&str]) -> Vec<Match> {
        let texts = texts.join("\0");
        run(&DETECTOR, "x", 0o755, format!("\x7fELF\x02\x01\x01\0OpenSSH_9.2\0SSH-2.0-%s\0{texts}\0").as_bytes())
    }

    #[test]
    fn two_deeds_are_a_proof_and_one_a_sign() {
        let harvest = "+user: %s +password: %s\n";
        assert_eq!(server(&[harvest, "/usr/include/.x/sn.h"])[0].weight, None);
        assert_eq!(server(&[harvest])[0].weight, Some(Weight::Sign));
        assert_eq!(server(&["/var/lib/.cache/log", "http://198.51.100.7/a?u=%s&p=%s"])[0].weight, None);
    }

    #[test]
    fn the_texts_of_openssh_are_silent() {
        let own = [
            "%s@%s's password: ",
            "Failed %s for %s%.100s from %.200s port %d ssh2",
            "/etc/ssh/sshd_config",
            ".ssh/authorized_keys",
            "/usr/lib/debug/.dwz/x86_64-linux-gnu/libpam-modules.debug",
            "user \"%s\" does not exist in /etc/passwd%s",
        ];
        assert!(server(&own).is_empty(), "{:?}", server(&own));
    }
}
