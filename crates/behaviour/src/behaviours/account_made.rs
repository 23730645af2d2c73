//! Sees a way back to root made: an account with its id, a program that gives its rights.
//!
//! - Sees: lines with id 0 added to the accounts, `useradd -o -u 0`, the set-user-id bit put on shells, interpreters, copies and files in scratch folders.
//! - Misses: capabilities put on files.
//! - False alarms: entry points add the id they run under (any other than 0), package managers set bits (excused), servers for login set a password (a fact).
//! - Source: ATT&CK T1136.001, T1548.001, T1098.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{
    About, Behaviour, Judge, Match, payload,
    programs::{Program, SHELLS, base},
    provenance::Provenance,
    story::Story,
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "account-made",
        title: "Makes itself a way back to root",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1136.001", "T1548.001"],
    },
    judge: Judge::Run(judge),
};

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    for (at, event) in story.events() {
        if found.len() >= 16 {
            break;
        }
        let installs = || story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        match &event.what {
            What::Chmod { path, mode: Some(mode), result: 0.. }
                if mode & 0o4000 != 0 && mode & 0o111 != 0 && !installs() =>
            {
                found.push(set_user_id(story, at, path));
            }
            What::Write { path, head, .. }
                if path == "/etc/passwd" || path == "/etc/passwd+" || path == "/etc/passwd-" =>
            {
                let text = payload::text(head);
                let added = text.lines().find(|line| {
                    let fields: Vec<_> = line.split(':').collect();
                    fields.len() >= 6
                        && fields[2] == "0"
                        && fields[0] != "root"
                        && fields.last().is_some_and(|shell| {
                            !shell.contains("nologin")
                                && !shell.contains("false")
                                && !matches!(fields[0], "sync" | "shutdown" | "halt" | "operator" | "toor")
                        })
                });
                if let Some(line) = added
                    && !installs()
                {
                    found.push(Match::new(
                        at,
                        format!("adds an account with the id of root: {}", model::text::shortened(line, 80)),
                    ));
                }
            }
            What::Write { path, head, .. } if path.starts_with("/etc/sudoers") && !installs() => {
                let text = payload::text(head);
                if text.contains("NOPASSWD") && text.contains("ALL") {
                    found
                        .push(Match::new(at, format!("lets somebody become root without a password in {path}")).fact());
                }
            }
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                found.extend(ordered(&program));
            }
            _ => {}
        }
    }
    found
}

fn set_user_id(story: &Story<'_>, at: usize, path: &str) -> Match {
    let name = base(path);
    let told = Match::new(at, format!("gives the rights of its owner to {path}"));
    let shell = SHELLS.contains(&name)
        || ["python", "python3", "perl", "php", "find", "vim", "nano", "env", "node", "ruby", "awk", "busybox"]
            .contains(&name);
    let scratch = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/"].iter().any(|folder| path.starts_with(folder))
        || path.split('/').any(|part| part.starts_with('.') && part.len() > 1);
    let made = story.was_made(path, at) || story.file(path).is_some_and(|file| file.before.is_some());
    if shell || scratch {
        return told;
    }
    match story.provenance(path) {
        Provenance::Copied if made => told.sign(),
        Provenance::Written(_) | Provenance::Fetched(_) | Provenance::Decoded(_) => told.sign(),
        _ => told.fact(),
    }
}

fn ordered(program: &Program<'_>) -> Option<Match> {
    let line = || model::text::shortened(&program.line(), 100).into_owned();
    let words: Vec<&str> = program.arguments.iter().map(String::as_str).collect();
    let zero = words.windows(2).any(|pair| matches!(pair[0], "-u" | "--uid" | "-ou") && pair[1] == "0")
        || words.contains(&"--uid=0")
        || words.contains(&"-u0");
    match program.tool() {
        "useradd" | "adduser" | "usermod" if zero && words.last().is_some_and(|name| *name != "root") => {
            Some(Match::new(program.at, format!("makes an account with the id of root: {}", line())))
        }
        "chpasswd" | "passwd" => Some(Match::new(program.at, "sets a password").fact()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn an_account_like_root() {
        let mut run = Run::new();
        run.write(1, "/etc/passwd", b"svc:x:0:0::/root:/bin/bash\n");
        hit(&BEHAVIOUR, run, Weight::Proof, "adds an account with the id of root: svc:x:0:0");
        let mut run = Run::new();
        run.spawn(1, "/usr/sbin/useradd", &["useradd", "-o", "-u", "0", "svc"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "useradd -o -u 0 svc");
    }

    #[test]
    fn a_shell_with_the_rights_of_root() {
        let mut run = Run::new();
        run.chmod(1, "/tmp/.s", 0o4755);
        hit(&BEHAVIOUR, run, Weight::Proof, "/tmp/.s");
        let mut run = Run::new();
        run.chmod(1, "/bin/bash", 0o6755);
        hit(&BEHAVIOUR, run, Weight::Proof, "/bin/bash");
    }

    #[test]
    fn the_entry_points_account_is_none() {
        let mut run = Run::new();
        run.write(1, "/etc/passwd", b"default:x:1000680000:0:user:/app:/sbin/nologin\n");
        run.spawn(1, "/usr/sbin/usermod", &["usermod", "-o", "-u", "1000", "abc"]);
        run.spawn(1, "/usr/sbin/adduser", &["adduser", "-D", "-u", "82", "www-data"]);
        run.spawn(1, "/usr/sbin/chpasswd", &["chpasswd"]);
        run.chmod(1, "/entrypoint.sh", 0o755);
        run.chmod(1, "/bin/ping", 0o4755);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn packages_that_bring_sudo_are_none() {
        let mut run = Run::new();
        let dpkg = run.spawn(1, "/usr/bin/dpkg", &["dpkg", "--unpack", "sudo.deb"]);
        run.write(dpkg, "/usr/bin/sudo.dpkg-new", b"\x7fELF");
        run.chmod(dpkg, "/usr/bin/sudo.dpkg-new", 0o4755);
        run.write(dpkg, "/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534:sync:/bin:/bin/sync\n");
        miss(&BEHAVIOUR, run);
    }
}
