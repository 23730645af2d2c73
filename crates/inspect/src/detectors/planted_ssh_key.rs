//! Flags a public SSH key that lets somebody log in.
//!
//! Base images ship no authorised keys: whoever holds the private half of one that is found can enter every container
//! that runs the SSH server, and the same key in many images links them to one person.
//!
//! - Sees: `authorized_keys` and `authorized_keys2` of any account and under `etc/ssh`, with at least one well-formed
//!   key; options (`command=…`) and comment lines are understood.
//!   A file of that name elsewhere is a fact.
//! - Misses: `AuthorizedKeysCommand`; other file names set in `sshd_config`; certificates' authorities.
//! - False alarms: development images that ship a documented key pair, such as Vagrant's.
//! - Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; RFC 4253 6.6; ATT&CK T1098.004.

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use model::{Category, Confidence, Digest, Indicator, IndicatorKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::Place;

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "planted-ssh-key",
        title: "Public SSH key that may log in",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1098.004"],
    },
    scope: Scope::Place(|place| {
        let (folder, name) = place.path.rsplit_once('/').unwrap_or(("", place.path));
        matches!(name, "authorized_keys" | "authorized_keys2" | "authorized-keys")
            || (folder.starts_with("etc/ssh") && folder.contains("authorized_keys"))
    }),
    inspect,
};

/// Most keys reported of one file.
const KEYS_MAX: usize = 32;

/// A well-formed public key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    /// `ssh-ed25519` and the like.
    pub(super) kind: &'a str,
    /// What follows the key on its line.
    pub(super) comment: &'a str,
    /// `SHA256:…` as `ssh-keygen -l` shows it.
    pub(super) fingerprint: String,
}

impl PublicKey<'_> {
    /// A match that names the key.
    pub(super) fn found(&self, before: &str, offset: usize) -> Match {
        let comment =
            if self.comment.is_empty() { "without comment".to_owned() } else { format!("{:?}", self.comment) };
        let mut found = Match::new(format!("{before}{} {} {comment}", self.kind, self.fingerprint), offset);
        found.indicators.push(Indicator { kind: IndicatorKind::SshKey, value: self.fingerprint.clone() });
        found
    }
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut matches = Vec::new();
    let mut offset = 0;
    for line in sample.bytes.split(|&b| b == b'\n') {
        let text = line.get(..16 << 10).unwrap_or(line);
        if !text.trim_ascii_start().starts_with(b"#")
            && let Some(key) = std::str::from_utf8(text).ok().and_then(parse_public_key)
        {
            let mut found = key.found("", offset);
            found.weight = sample.place.is_some_and(|place| !is_read_by_a_server(place)).then_some(Weight::Fact);
            matches.push(found);
        }
        offset += line.len() + 1;
        if matches.len() >= KEYS_MAX {
            break;
        }
    }
    matches
}

/// Elsewhere it is a template or a test's: a fact.
fn is_read_by_a_server(place: &Place<'_>) -> bool {
    let (folder, _) = place.path.rsplit_once('/').unwrap_or_default();
    folder.ends_with("/.ssh") || folder == ".ssh" || folder.starts_with("etc/ssh") || folder == "etc/dropbear"
}

/// The first key on a line: a type, a space, and base64 that begins with the same type.
pub(super) fn parse_public_key(line: &str) -> Option<PublicKey<'_>> {
    const KINDS: &[&str] = &[
        "ssh-rsa",
        "ssh-ed25519",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    KINDS.iter().flat_map(|&kind| line.match_indices(kind).take(16)).find_map(|(at, kind)| {
        let rest = line.get(at + kind.len()..)?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))).unwrap_or(rest.len());
        let (encoded, comment) = rest.split_at_checked(end)?;
        let blob = STANDARD.decode(encoded).ok()?;
        let (length, inner) = blob.split_first_chunk::<4>()?;
        let inner_kind = inner.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        if inner_kind != kind.as_bytes() || blob.len() < kind.len() + 36 {
            return None;
        }
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&blob).as_bytes()));
        let comment = comment.split(['"', '\'', '\\', '\n', '>']).next().unwrap_or_default().trim();
        Some(PublicKey { kind, comment, fingerprint })
    })
}

#[cfg(test)]
pub(super) mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{DETECTOR, Weight};
    use crate::detectors::testing::{check, run};

    /// An Ed25519 public key of 32 bytes that count up from `seed`.
    pub(crate) fn invented_key(seed: u8) -> String {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend((0..32).map(|i| seed.wrapping_add(i)));
        format!("ssh-ed25519 {}", STANDARD.encode(blob))
    }

    #[test]
    fn keys_with_options_and_comments_are_read() {
        let text = format!("# mine\n\nno-pty,command=\"/bin/sh\" {} root@build\n", invented_key(1));
        let found = run(&DETECTOR, "root/.ssh/authorized_keys", 0o600, text.as_bytes());
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.ends_with("\"root@build\""), "{}", found[0].summary);
        assert!(found[0].indicators[0].value.starts_with("SHA256:"));
        assert_eq!(found[0].offset, Some(8));
    }

    #[test]
    fn a_template_is_a_fact() {
        let weight = |path: &str| run(&DETECTOR, path, 0o600, invented_key(1).as_bytes())[0].weight;
        assert_eq!(weight("srv/salt/files/authorized_keys"), Some(Weight::Fact));
        assert_eq!(weight("home/app/.ssh/authorized_keys"), None, "a sign, as usual");
        assert_eq!(weight("etc/ssh/authorized_keys.d/root"), None);
    }

    #[test]
    fn what_is_no_key_is_nothing() {
        check(&DETECTOR, "root/.ssh/authorized_keys", b"", &[]);
        check(&DETECTOR, "root/.ssh/authorized_keys", format!("#{}\n", invented_key(1)).as_bytes(), &[]);
        check(&DETECTOR, "root/.ssh/authorized_keys", b"ssh-rsa AAAAB3Nza... you@host\n", &[]);
        check(&DETECTOR, "root/.ssh/known_hosts", invented_key(1).as_bytes(), &[]);
    }
}
