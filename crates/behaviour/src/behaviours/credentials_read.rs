//! Sees decoy credentials read by what has no business with them.
//!
//! - Sees: reads of planted keys, tokens, histories and wallets, of several kinds by one program and what it started, or of a kind that belongs to one
//!   tool by another.
//! - Misses: reads of one kind that many programs share (cloud keys, cluster tokens): a fact until they are sent.
//! - False alarms: the tools the files belong to, backup and archive programs, scanners of viruses and secrets, which read everything.
//! - Source: ATT&CK T1552.001, T1552.003, T1552.004, T1555.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "credentials-read",
        title: "Collects credentials",
        category: Category::CredentialTheft,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.001", "T1552.004", "T1555"],
    },
    judge: Judge::Run(judge),
};

/// Whom a kind belongs to. What has no row here, every client library reads as a matter of course.
const OWNERS: &[(&str, &[&str])] = &[
    (
        "ssh-key",
        &[
            "ssh",
            "sshd",
            "ssh-keygen",
            "ssh-add",
            "ssh-agent",
            "git",
            "scp",
            "sftp",
            "rsync",
            "ansible",
            "dropbear",
            "dbclient",
            "autossh",
            "sshd-session",
        ],
    ),
    ("git-credentials", &["git", "git-remote-https", "git-remote-http", "git-credential-store", "gh", "glab"]),
    ("shell-history", &["bash", "sh", "zsh", "fish", "ash", "ksh", "mysql", "psql", "redis-cli", "python", "node"]),
    ("browser", &["chrome", "chromium", "firefox", "firefox-esr", "brave", "msedge", "chromedriver", "geckodriver"]),
    (
        "wallet",
        &[
            "bitcoind",
            "bitcoin-cli",
            "geth",
            "monero-wallet-cli",
            "monero-wallet-rpc",
            "electrum",
            "litecoind",
            "dogecoind",
            "solana",
        ],
    ),
];
/// Read everything, for everybody.
const SWEEPERS: &[&str] = &[
    "tar",
    "bsdtar",
    "rsync",
    "restic",
    "borg",
    "duplicity",
    "duplicati",
    "rclone",
    "kopia",
    "cpio",
    "zip",
    "7z",
    "cp",
    "clamscan",
    "clamd",
    "freshclam",
    "trivy",
    "grype",
    "syft",
    "gitleaks",
    "trufflehog",
    "rkhunter",
    "chkrootkit",
    "aide",
    "tripwire",
    "osqueryd",
    "wazuh-agentd",
    "wazuh-syscheckd",
    "ossec-syscheckd",
    "updatedb",
    "sha256sum",
    "md5sum",
    "b2sum",
    "chown",
    "chmod",
    "fdupes",
    "du",
    "find",
    "setfacl",
    "restorecon",
    "mksquashfs",
    "apt-get",
    "dpkg",
    "rpm",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let kinds: HashMap<&str, &str> = story
        .trace
        .head
        .canaries
        .iter()
        .filter_map(|canary| Some((canary.path.as_deref()?, canary.kind.as_str())))
        .collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    // By the group that acts together: the process below the first one that the reader descends from.
    let mut groups: BTreeMap<usize, BTreeMap<&str, (usize, bool)>> = BTreeMap::new();
    for (at, event) in story.events() {
        let What::Open { path, read: true, result: 0.., .. } = &event.what else { continue };
        let Some(kind) = kinds.get(path.as_str()) else { continue };
        let Some(life) = story.life_at(at) else { continue };
        let program = story.program(at);
        let sweeps =
            story.line_of(life).take(4).any(|above| story.own_programs(above).any(|program| program.is(SWEEPERS)));
        if program.is_some_and(|program| owns(&program, kind)) || sweeps {
            continue;
        }
        let top = story.line_of(life).collect::<Vec<_>>();
        let group = top.iter().rev().nth(1).or(top.first()).copied().unwrap_or(life);
        let exclusive = OWNERS.iter().any(|(owned, _)| owned == kind);
        groups.entry(group).or_default().entry(kind).or_insert((at, exclusive));
    }
    // A script runs one tool a file: each is a group of its own below it.
    let all: BTreeSet<&str> = groups.values().flat_map(|group| group.keys().copied()).collect();
    let first = groups.values().flat_map(|group| group.values()).map(|(at, _)| *at).min();
    let Some(first) = first else { return Vec::new() };
    let exclusive = groups.values().flat_map(|group| group.values()).filter(|(_, exclusive)| *exclusive).count();
    let reader = story.program(first).map_or("a program".to_owned(), |program| program.tool().to_owned());
    let names: Vec<_> = all.iter().copied().collect();
    let told = Match::new(first, format!("{reader} reads {}", names.join(", ")));
    vec![match (all.len(), exclusive) {
        (3.., 1..) | (_, 2..) => told,
        (3.., _) | (_, 1) => told.draft(),
        _ => told.fact(),
    }]
}

fn owns(program: &Program<'_>, kind: &str) -> bool {
    let Some((_, owners)) = OWNERS.iter().find(|(owned, _)| *owned == kind) else { return false };
    // A shell reads its own history when a person sits at it.
    let by_person = kind != "shell-history" || !program.is_shell() || program.obeys_input();
    program.is(owners) && !program.written && by_person
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn several_kinds_by_one_program() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/app/a.py"]);
        for path in ["/root/.aws/credentials", "/root/.ssh/id_rsa", "/root/.docker/config.json"] {
            run.read(1, path);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "python reads aws-key, docker-config, ssh-key");
    }

    #[test]
    fn a_script_that_prints_them_one_by_one() {
        let mut run = Run::new();
        for path in ["/root/.bash_history", "/root/.ssh/id_rsa", "/root/.git-credentials"] {
            let cat = run.spawn(1, "/bin/cat", &["cat", path]);
            run.read(cat, path);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "cat reads");
    }

    #[test]
    fn clients_that_read_their_own_are_none() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/app/worker.py"]);
        run.read(1, "/root/.aws/credentials");
        run.read(1, "/var/run/secrets/kubernetes.io/serviceaccount/token");
        let git = run.spawn(1, "/usr/bin/git", &["git", "pull"]);
        run.read(git, "/root/.git-credentials");
        let ssh = run.spawn(git, "/usr/bin/ssh", &["ssh", "git@host"]);
        run.read(ssh, "/root/.ssh/id_rsa");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_backup_of_everything_is_none() {
        let mut run = Run::new();
        let tar = run.spawn(1, "/bin/tar", &["tar", "czf", "/backup/root.tgz", "/root"]);
        for path in ["/root/.aws/credentials", "/root/.ssh/id_rsa", "/root/.docker/config.json", "/root/.bash_history"]
        {
            run.read(tar, path);
        }
        miss(&BEHAVIOUR, run);
    }
}
