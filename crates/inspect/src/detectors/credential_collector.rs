//! Recognises programs that hold a list of other people's key files.
//!
//! A client reads its own key below the home folder it is told. A collector carries many owners' keys as whole paths, with those
//! that no client ever reads: password hashes, shell histories, other processes' environments.
//!
//! - Sees: key files of at least six owners in a compiled program, three of them below `/root` or of the kind nobody reads for
//!   himself, with a cloud's role credentials or a form upload beside them (a proof), or alone (a sign).
//! - Misses: paths that are encrypted or put together; scripts (`credential-theft`).
//! - False alarms: compiled hardening checkers that look at the same files.
//! - Source: incident reports on collectors that follow container escapes; ATT&CK T1552.001, T1552.005.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "credential-collector",
        title: "Program with a list of key files to collect",
        category: Category::CredentialTheft,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.001", "T1552.005"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf],
        // Two of these must be among the files of `OWNERS` for the rest to be looked for.
        literals: &[
            ".aws/credentials",
            ".git-credentials",
            ".docker/config.json",
            ".kube/config",
            ".bash_history",
            ".ssh/id_rsa",
            "wallet.dat",
            "/Login Data",
        ],
    },
    inspect,
};

/// Files of one owner a row; whether nobody but their owner's shell or kernel reads them.
const OWNERS: &[(&str, bool)] = &[
    (".aws/credentials", false),
    (".config/gcloud", false),
    (".azure/", false),
    (".docker/config.json", false),
    (".kube/config", false),
    (".ssh/id_", false),
    (".git-credentials", false),
    (".netrc", false),
    (".npmrc", false),
    (".pypirc", false),
    (".s3cfg", false),
    (".boto", false),
    (".pgpass", false),
    (".my.cnf", false),
    ("/etc/davfs2/secrets", false),
    ("serviceaccount/token", false),
    ("/etc/shadow", true),
    (".bash_history", true),
    ("/proc/%d/environ", true),
    ("/proc/%s/environ", true),
    ("/Login Data", true),
    ("logins.json", true),
    ("wallet.dat", true),
    (".electrum", true),
];
/// Where a collector asks for a role's credentials, and how it sends a form.
const BESIDE: &[&str] = &[
    "meta-data/iam/security-credentials",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "computeMetadata/v1/instance/service-accounts",
    "Content-Type: multipart/form-data",
    "Content-Disposition: form-data",
    "POST /",
    "/sendDocument",
    "api/webhooks/",
];
/// Owners of which there must be this many.
const OWNERS_MIN: usize = 6;
/// Bytes before and behind the literals in which the paths stand: a list is in one piece.
const NEAR_BYTES: usize = 8 << 10;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut literals: Vec<usize> = sample.hits.iter().map(|hit| hit.literal).collect();
    literals.sort_unstable();
    literals.dedup();
    if literals.len() < 2 || !text::is_program(sample) {
        return Vec::new();
    }
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(256) {
        if hit.offset < looked_until {
            continue;
        }
        looked_until = hit.offset + NEAR_BYTES / 2;
        let (start, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        if let Some(found) = judged(start, near) {
            return vec![found];
        }
    }
    Vec::new()
}

fn judged(start: usize, near: &[u8]) -> Option<Match> {
    let mut owners = Vec::new();
    let (mut foreign, mut first) = (0, near.len());
    for &(path, is_foreign) in OWNERS {
        let Some(at) = memmem::find(near, path.as_bytes()) else { continue };
        let before = near.get(at.saturating_sub(6)..at).unwrap_or_default();
        owners.push(path);
        foreign += usize::from(is_foreign || before.ends_with(b"/root/") || before.ends_with(b"/home/"));
        first = first.min(at);
    }
    if owners.len() < OWNERS_MIN || foreign < 3 {
        return None;
    }
    let beside = BESIDE.iter().filter(|text| memmem::find(near, text.as_bytes()).is_some()).count();
    let mut found = Match::new(format!("key files of {} owners: {}", owners.len(), owners.join(", ")), start + first);
    found.weight = Some(if beside > 0 { Weight::Proof } else { Weight::Sign });
    Some(found)
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(texts: &[&str], expected: Option<Weight>) {
        let program = format!("\x7fELF\x02\x01\x01\0{}\0{}\0", "\0".repeat(64), texts.join("\0"));
        let found = run(&DETECTOR, "x", 0o755, program.as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), expected, "{found:?}");
    }

    const LIST: &[&str] = &[
        "/root/.aws/credentials",
        "/root/.docker/config.json",
        "/root/.kube/config",
        "/root/.ssh/id_rsa",
        "/root/.git-credentials",
        "/etc/shadow",
    ];

    #[test]
    fn a_list_of_other_peoples_keys_is_a_collector() {
        check(LIST, Some(Weight::Sign));
        check(&[LIST, &["Content-Disposition: form-data; name=\"f\""]].concat(), Some(Weight::Proof));
    }

    #[test]
    fn clients_of_clouds_are_silent() {
        check(
            &[
                "~/.aws/credentials",
                ".docker/config.json",
                ".kube/config",
                ".config/gcloud",
                ".azure/",
                ".netrc",
                "meta-data/iam/security-credentials",
            ],
            None,
        );
        check(&LIST[..3], None);
    }
}
