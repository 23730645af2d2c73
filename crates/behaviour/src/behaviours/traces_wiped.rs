//! Sees the traces of a visit wiped: records of logins, system logs, the history of the shell.
//!
//! - Sees: deleting, emptying or linking away of login records, of `auth.log` and its likes, and of histories, by what is no log rotation; two kinds are a sign,
//!   one a sign of a draft.
//! - Misses: single lines taken out of a log.
//! - False alarms: entry points that tidy up one log; log rotation and package managers (excused).
//! - Source: ATT&CK T1070.002, T1070.003, T1562.003.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "traces-wiped",
        title: "Wipes logs and histories",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1070.002", "T1070.003"],
    },
    judge: Judge::Run(judge),
};

const ROTATORS: &[&str] = &[
    "logrotate",
    "rsyslogd",
    "syslog-ng",
    "systemd-tmpfiles",
    "savelog",
    "newsyslog",
    "systemd-journald",
    "multilog",
    "svlogd",
    "cronolog",
    "tini",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut kinds: Vec<(&'static str, usize, &str)> = Vec::new();
    for (at, event) in story.events() {
        let (path, how) = match &event.what {
            What::Unlink { path, result: 0.. } => (path.as_str(), "deleted"),
            What::Open { path, truncate: true, write: true, result: 0.., .. } => (path.as_str(), "emptied"),
            What::Link { path, target, result: 0.., .. } if target == "/dev/null" => (path.as_str(), "linked away"),
            What::Rename { from, to, result: 0.. } if to == "/dev/null" => (from.as_str(), "moved away"),
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                let wiped = program.arguments.iter().skip(1).find(|argument| kind(argument).is_some());
                match wiped {
                    Some(path) if program.is(&["shred", "wipe", "srm", "truncate"]) => (path.as_str(), "wiped"),
                    _ => continue,
                }
            }
            _ => continue,
        };
        let Some(kind) = kind(path) else { continue };
        // A file of the run's own is its own business.
        let own = how != "emptied"
            && story.file(path).and_then(|file| file.made).is_some_and(|made| made < at && kind == "system log");
        let program = story.program(at);
        let installs = story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        // The shell of a person, and the logger itself, write these.
        let writes_it = how == "emptied"
            && program.is_some_and(|program| program.is_shell() && program.obeys_input() && kind == "history");
        if own || installs || writes_it || program.is_some_and(|program| program.is(ROTATORS)) {
            continue;
        }
        if kinds.iter().all(|(known, ..)| *known != kind) {
            kinds.push((kind, at, path));
        }
    }
    let Some((_, at, _)) = kinds.first().copied() else { return Vec::new() };
    let paths: Vec<_> = kinds.iter().map(|(_, _, path)| *path).collect();
    let told = Match::new(at, format!("wipes {}", paths.join(", ")));
    let alone_says_enough = kinds.iter().any(|(kind, ..)| *kind == "login record");
    vec![if kinds.len() >= 2 {
        told
    } else if alone_says_enough || kinds[0].0 == "history" {
        told.draft()
    } else {
        told.fact()
    }]
}

fn kind(path: &str) -> Option<&'static str> {
    let name = crate::programs::base(path);
    if matches!(
        path,
        "/var/log/wtmp"
            | "/var/log/btmp"
            | "/var/log/lastlog"
            | "/var/run/utmp"
            | "/run/utmp"
            | "/var/log/faillog"
            | "/var/log/tallylog"
    ) {
        return Some("login record");
    }
    if matches!(name, ".bash_history" | ".zsh_history" | ".ash_history" | ".sh_history" | ".history") {
        return Some("history");
    }
    let logs = [
        "auth.log",
        "secure",
        "messages",
        "syslog",
        "kern.log",
        "audit.log",
        "cron",
        "maillog",
        "daemon.log",
        "boot.log",
    ];
    (path.starts_with("/var/log/") && logs.contains(&name)).then_some("system log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn records_and_history() {
        let mut run = Run::new();
        run.unlink(1, "/var/log/wtmp");
        run.unlink(1, "/root/.bash_history");
        hit(&BEHAVIOUR, run, Weight::Sign, "wipes /var/log/wtmp, /root/.bash_history");
    }

    #[test]
    fn a_history_that_is_linked_away_and_logs_that_are_shredded() {
        let mut run = Run::new();
        run.push(
            1,
            What::Link { target: "/dev/null".into(), path: "/root/.bash_history".into(), symbolic: true, result: 0 },
        );
        run.spawn(1, "/usr/bin/shred", &["shred", "-u", "/var/log/auth.log"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "/var/log/auth.log");
    }

    #[test]
    fn log_rotation_is_none() {
        let mut run = Run::new();
        let rotate = run.spawn(1, "/usr/sbin/logrotate", &["logrotate", "/etc/logrotate.conf"]);
        run.unlink(rotate, "/var/log/wtmp");
        run.open_write(rotate, "/var/log/syslog");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_entry_point_that_tidies_its_logs_is_none() {
        let mut run = Run::new();
        run.unlink(1, "/var/log/nginx/access.log");
        run.push(
            1,
            What::Link {
                target: "/dev/stdout".into(),
                path: "/var/log/nginx/access.log".into(),
                symbolic: true,
                result: 0,
            },
        );
        run.open_write(1, "/var/log/syslog");
        miss(&BEHAVIOUR, run);
    }
}
