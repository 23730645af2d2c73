//! Flags a script that adds its own public key to the authorised ones.
//!
//! Worms and droppers keep their way in like this: one line that appends a key to `authorized_keys`.
//!
//! - Sees: a well-formed public key within 2 KiB before or behind a line that writes `authorized_keys` (`>`, `tee`, `open` for writing),
//!   in scripts and commands. A proof where the same file also locks the key (`chattr +i`) or adds a second account with the
//!   rights of root: nobody who lets himself into his own container does.
//! - Misses: keys that are fetched (`download-and-run` and the trace see those), or assembled.
//! - False alarms: builders of other systems put their owner's key below a folder of theirs (`$1/root/.ssh`): a fact. Documents and the
//!   tests of provisioning tools are left out.
//! - Source: chattr(1) on `i`; passwd(5); ATT&CK T1098.004, T1222.002.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::bytes::Regex;

use super::{About, Detector, Match, Sample, Scope, planted_ssh_key::parse_public_key};
use crate::shell::text;

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "ssh-key-writer",
        title: "Script authorises its own SSH key",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1098.004"],
    },
    scope: Scope::Content { kinds: &[FileKind::Script, FileKind::Text], literals: &["authorized_keys"] },
    inspect,
};

/// How far the key may be from the file name: an RSA key of 8,192 bits takes 1.4 KB.
const NEAR_BYTES: usize = 2 << 10;

/// How far from the key what else is done may stand.
const DEED_BYTES: usize = 4 << 10;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

/// Writing to the file, with the folder it is in.
static WRITES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?-u)(?:>>?|\btee\s+(?:-a\s+|--append\s+)?)\s*[\x22']?(?P<shell>[^\s\x22';|&>]*)authorized_keys|(?:open|fopen|writeFile(?:Sync)?|appendFile(?:Sync)?|WriteFile|OpenFile)\(\s*[^\n]{0,40}?[\x22'](?P<code>[^\s\x22']*)authorized_keys2?[\x22'][^\n]{0,40}?(?:[\x22'][aw]b?\+?[\x22']|\w)|(?P<call>)authorized_keys[^\n]{0,60}\.write\w*\(",
    )
});

/// What else somebody does who wants to come back: each with words.
static DEEDS: LazyLock<[(&str, Regex); 2]> = LazyLock::new(|| {
    [
        ("locks the file", regex(r"(?-u)\bchattr\s+[^\n;|&]*\+\w*[ia]\w*\s[^\n;|&]*(?:authorized_keys|\.ssh)")),
        (
            "adds a second root account",
            regex(
                r"(?-u)[\x22']\w[\w.-]*:[^:\s\x22']*:0:0:[^\n]{0,120}>>\s*/etc/passwd|\buseradd\s[^\n;|&]*(?:-o\s+-u\s*0|-u\s*0\s+-o|-ou\s*0)\b",
            ),
        ),
    ]
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    let mut done = 0;
    for hit in sample.hits {
        if hit.offset < done || matches.len() >= 16 {
            continue;
        }
        // `>>` and `tee` stand right before the name.
        let Some(folder) = written(sample.line(hit.offset, 256).1) else { continue };
        if text::is_quoted(sample, hit.offset) {
            continue;
        }
        done = hit.offset + NEAR_BYTES / 2;
        let (start, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        let near = String::from_utf8_lossy(near);
        let Some(key) = parse_public_key(&near) else { continue };
        let mut found = key.found("adds ", start);
        if is_of_another_root(&folder) {
            (found.weight, found.severity) = (Some(Weight::Fact), Some(Severity::Info));
        } else {
            let (_, near) = sample.around(hit.offset, DEED_BYTES, DEED_BYTES);
            let deeds: Vec<&str> =
                DEEDS.iter().filter(|(_, pattern)| pattern.is_match(near)).map(|(words, _)| *words).collect();
            if !deeds.is_empty() {
                found = key.found(&format!("{}, and adds ", deeds.join(", ")), start);
                found.weight = Some(Weight::Proof);
            }
        }
        if !matches.iter().any(|earlier| earlier.indicators == found.indicators) {
            matches.push(found);
        }
    }
    matches
}

/// The folder of the `authorized_keys` that `line` writes, as written.
fn written(line: &[u8]) -> Option<String> {
    let found = WRITES.captures(line)?;
    let folder = ["shell", "code", "call"].iter().find_map(|name| found.name(name))?;
    Some(String::from_utf8_lossy(folder.as_bytes()).into_owned())
}

/// Whether a folder is below one that a variable names, and that is no home: `$1/root/.ssh/` is a system being built.
fn is_of_another_root(folder: &str) -> bool {
    let Some(variable) = folder.strip_prefix('$') else { return false };
    let (name, rest) = variable.split_once('/').unwrap_or((variable, ""));
    let name = name.trim_matches(['{', '}']).to_ascii_lowercase();
    !name.contains("home") && (rest.starts_with("root/") || rest.starts_with("home/"))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::{
        planted_ssh_key::tests::invented_key,
        testing::{check, run},
    };

    #[test]
    fn appending_an_inline_key_is_seen() {
        let script = format!(
            "#!/bin/sh\nmkdir -p /root/.ssh\ntouch /root/.ssh/authorized_keys\necho '{} a@b' >> /root/.ssh/authorized_keys\n",
            invented_key(2)
        );
        let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.starts_with("adds ssh-ed25519 SHA256:"), "{}", found[0].summary);
    }

    #[test]
    fn who_also_locks_the_key_or_adds_a_root_means_it() {
        for deed in ["chattr +ia /root/.ssh/authorized_keys", "echo 'sys:$6$a$b:0:0::/:/bin/bash' >> /etc/passwd"] {
            let key = invented_key(2);
            let script = format!("#!/bin/sh\necho '{key} a@b' >> /root/.ssh/authorized_keys\n{deed}\n");
            let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
            assert_eq!(found[0].weight, Some(Weight::Proof), "{deed}");
        }
    }

    #[test]
    fn the_key_of_a_system_that_is_built_is_a_fact() {
        let script = format!("#!/bin/sh\necho '{} a@b' > $1/root/.ssh/authorized_keys\n", invented_key(2));
        assert_eq!(run(&DETECTOR, "x", 0o755, script.as_bytes())[0].weight, Some(Weight::Fact));
        let home = format!("#!/bin/sh\necho '{} a@b' > \"$HOME/.ssh/authorized_keys\"\n", invented_key(2));
        assert_eq!(run(&DETECTOR, "x", 0o755, home.as_bytes())[0].weight, None);
    }

    #[test]
    fn appending_somebody_elses_key_is_not() {
        check(&DETECTOR, "x", b"#!/bin/sh\ncat \"$1\" >> ~/.ssh/authorized_keys\n", &[]);
        check(&DETECTOR, "x", b"echo \"ssh-rsa AAAAB3Nza... you\" >> ~/.ssh/authorized_keys\n", &[]);
        let read_only = format!("grep '{}' ~/.ssh/authorized_keys\n", invented_key(2));
        check(&DETECTOR, "x", read_only.as_bytes(), &[]);
    }
}
