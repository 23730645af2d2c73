//! Flags a script that adds its own public key to the authorised ones.
//!
//! Worms and droppers keep their way in like this: one line that appends a key to `authorized_keys`.
//!
//! - Sees: a well-formed public key within 2 KiB before or behind `authorized_keys` on the same or the neighbouring lines, in scripts,
//!   text and config, where something is written (`>`, `tee`, `write`).
//! - Misses: keys that are fetched (`download-and-run` and the trace see those), or assembled.
//! - False alarms: documentation with a real key in its example; test suites of provisioning tools.
//! - Source: ATT&CK T1098.004.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, planted_ssh_key::parse_public_key};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "ssh-key-writer",
        title: "Script authorises its own SSH key",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1098.004"],
    },
    scope: Scope::Content { kinds: &[FileKind::Script, FileKind::Text], literals: &["authorized_keys"] },
    inspect,
};

/// How far the key may be from the file name: an RSA key of 8,192 bits takes 1.4 KB.
const NEAR_BYTES: usize = 2 << 10;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    let mut done = 0;
    for hit in sample.hits {
        if hit.offset < done || matches.len() >= 16 {
            continue;
        }
        // `>>` and `tee` stand right before the name.
        if !writes(&String::from_utf8_lossy(sample.line(hit.offset, 128).1)) {
            continue;
        }
        done = hit.offset + NEAR_BYTES / 2;
        let (start, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        let near = String::from_utf8_lossy(near);
        let Some(key) = parse_public_key(&near) else { continue };
        let found = key.found("adds ", start);
        if !matches.iter().any(|earlier| earlier.indicators == found.indicators) {
            matches.push(found);
        }
    }
    matches
}

fn writes(line: &str) -> bool {
    ["> ", ">>", ">/", ">~", ">$", "tee ", "write", "cat >"].iter().any(|sign| line.contains(sign))
}

#[cfg(test)]
mod tests {
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
    fn appending_somebody_elses_key_is_not() {
        check(&DETECTOR, "x", b"#!/bin/sh\ncat \"$1\" >> ~/.ssh/authorized_keys\n", &[]);
        check(&DETECTOR, "x", b"echo \"ssh-rsa AAAAB3Nza... you\" >> ~/.ssh/authorized_keys\n", &[]);
        let read_only = format!("grep '{}' ~/.ssh/authorized_keys\n", invented_key(2));
        check(&DETECTOR, "x", read_only.as_bytes(), &[]);
    }
}
