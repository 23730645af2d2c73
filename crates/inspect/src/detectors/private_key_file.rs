//! Finds files that are a private key: what `COPY . .` brings along.
//!
//! A file that holds nothing but PEM is a key to be used, and where it stands tells for what. The content alone is the
//! `private-key` detector's fact at every place; this one adds the proof.
//!
//! - Sees: unprotected keys in files of up to 64 KiB that hold PEM blocks and comments alone, such as `server.pem`.
//! - Misses: keys in scripts, settings and archives (`private-key` has those); DER.
//! - False alarms: keys of tests, documents and examples: in folders of that name they are a fact. Host keys
//!   and certificates that a distribution's packages draw while they are installed (`ssh_host_*_key`,
//!   `ssl-cert-snakeoil.key`) are a fact: every container shares them, but nobody was meant to trust them.
//! - Source: ATT&CK T1552.004; Debian `make-ssl-cert(8)`, `openssh-server.postinst`.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, private_key};
use crate::{Place, secret};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "private-key-file",
        title: "File is a private key",
        category: Category::EmbeddedSecret,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1552.004"],
    },
    scope: Scope::Place(|place| place.kind == FileKind::Text && place.size <= FILE_BYTES_MAX),
    inspect,
};

const FILE_BYTES_MAX: u64 = 64 << 10;

/// Keys that packages draw at installation, by the end of their path.
const DRAWN_AT_INSTALLATION: &[&str] = &[
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_dsa_key",
    "etc/ssh/ssh_host_ecdsa_key",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/dovecot/private/dovecot.pem",
    "var/lib/salt/pki/minion/minion.pem",
];

/// Folders whose keys protect nothing; compared with parts of folder names (`test-data`, `ssl_tests`).
const FOR_SHOW: &[&str] = &[
    "test",
    "tests",
    "testing",
    "testdata",
    "fixture",
    "fixtures",
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "doc",
    "docs",
    "spec",
    "mock",
    "mocks",
    "snakeoil",
    "dummyserver",
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(place) = sample.place else { return Vec::new() };
    // Nearly every file ends here.
    if memchr::memmem::find(sample.bytes.get(..4096).unwrap_or(sample.bytes), b"-----BEGIN ").is_none() {
        return Vec::new();
    }
    let Some(label) = memchr::memmem::find(sample.bytes, b"PRIVATE KEY") else { return Vec::new() };
    let Some((start, key)) = private_key::parse_at(sample.bytes, label) else { return Vec::new() };
    if key.encrypted || key.is_known() || !is_pem_alone(sample.bytes) {
        return Vec::new();
    }
    let mut found = Match::new(format!("{} as {}", key.describe(), place.path), start);
    found.indicators.push(secret::fingerprint("private-key", &key.body));
    if DRAWN_AT_INSTALLATION.contains(&place.path) {
        found.summary = format!("{}, drawn when a package was installed: the same in every container", found.summary);
        found.weight = Some(Weight::Fact);
        found.severity = Some(Severity::Low);
    } else if is_for_show(place) {
        found.weight = Some(Weight::Fact);
        found.severity = Some(Severity::Low);
    }
    vec![found]
}

/// Whether `bytes` are PEM blocks with nothing between them but short remarks (certificate names, comments).
fn is_pem_alone(bytes: &[u8]) -> bool {
    let (mut inside, mut outside_bytes) = (false, 0);
    for line in bytes.split(|&b| b == b'\n') {
        if line.starts_with(b"-----BEGIN ") {
            inside = true;
        } else if line.starts_with(b"-----END ") {
            inside = false;
        } else if !inside {
            outside_bytes += line.trim_ascii().len();
        }
    }
    // `openssl x509 -text` and `pkcs12 -nodes` write up to about 5 KB of explanation per certificate.
    outside_bytes * 2 <= bytes.len()
}

fn is_for_show(place: &Place<'_>) -> bool {
    let mut parts = place.path.split('/').flat_map(|folder| folder.split(['-', '_', '.']));
    parts.any(|part| FOR_SHOW.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::{
        private_key::tests::invented_key,
        testing::{check, run},
    };
    use model::Weight;

    #[test]
    fn the_place_tells_what_a_key_is_for() {
        let weight = |path: &str| {
            let found = run(&DETECTOR, path, 0o600, invented_key(1).as_bytes());
            found.first().map(|found| found.weight.unwrap_or(DETECTOR.about.weight))
        };
        assert_eq!(weight("app/server.key"), Some(Weight::Proof));
        assert_eq!(weight("usr/lib/python3/dist-packages/x/test/keycert.pem"), Some(Weight::Fact));
        assert_eq!(weight("etc/ssl/private/ssl-cert-snakeoil.key"), Some(Weight::Fact));
        assert_eq!(weight("app/etc/ssl/private/ssl-cert-snakeoil.key"), Some(Weight::Fact));
    }

    #[test]
    fn a_program_that_holds_a_key_is_not_a_key_file() {
        let source = format!("{}\n{}", "print('a line of a program')\n".repeat(40), invented_key(1));
        check(&DETECTOR, "app/main.txt", source.as_bytes(), &[]);
    }
}
