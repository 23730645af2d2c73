//! Reads the account files for ways in that a base image does not have.
//!
//! - Sees: a second account with uid 0; a password hash, or no password at all, for an account that can log in; `sudo`
//!   or `doas` without password for everything (a sign for the accounts of servers).
//! - Misses: PAM changes; accounts made at start; groups and aliases in sudoers.
//! - False alarms: images meant to be logged into have passwords (a sign only); `toor` of BSD habit.
//! - Source: passwd(5), shadow(5), sudoers(5); CVE-2019-5021 (Alpine's empty root password); ATT&CK T1136.001, T1078.003.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};

pub(crate) const DETECTOR: Detector = Detector {
    about: About {
        id: "suspicious-account",
        title: "Account that lets somebody in",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1136.001", "T1078.003"],
    },
    scope: Scope::Place(|place| {
        matches!(place.path, "etc/passwd" | "etc/shadow" | "etc/sudoers" | "etc/doas.conf")
            || place.path.starts_with("etc/sudoers.d/")
    }),
    inspect,
};

/// Most accounts reported of one file.
const FOUND_MAX: usize = 32;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(place) = sample.place else { return Vec::new() };
    let judge = match place.path {
        "etc/passwd" => password_line,
        "etc/shadow" => shadow_line,
        "etc/doas.conf" => doas_line,
        _ => sudoers_line,
    };
    let mut offset = 0;
    let mut matches = Vec::new();
    for line in sample.bytes.split(|&b| b == b'\n') {
        if let Some(text) = line.get(..line.len().min(4096)).and_then(|line| std::str::from_utf8(line).ok())
            && let Some(found) = judge(text.trim())
        {
            matches.push(Match { offset: Some(offset), ..found });
        }
        offset += line.len() + 1;
        if matches.len() >= FOUND_MAX {
            break;
        }
    }
    matches
}

fn password_line(line: &str) -> Option<Match> {
    let mut fields = line.split(':');
    let (name, password, uid) = (fields.next()?, fields.next()?, fields.next()?);
    let shell = fields.nth(3).unwrap_or_default();
    if name.starts_with('#') || uid.parse() != Ok(0u32) {
        return None;
    }
    if name == "root" {
        return password.is_empty().then(|| fact("root has no password".to_owned()));
    }
    // Old systems let these shut the machine down.
    let can_log_in = !matches!(shell.rsplit('/').next(), Some("nologin" | "false" | "sync" | "shutdown" | "halt"));
    can_log_in.then(|| Match::new(format!("{name:?} is a second root account"), None))
}

fn shadow_line(line: &str) -> Option<Match> {
    let (name, rest) = line.split_once(':')?;
    let hash = rest.split(':').next()?;
    if hash.is_empty() {
        return Some(fact(format!("{name:?} has no password")));
    }
    // `!` or `*` in front locks the account.
    let old_des = hash.len() == 13 && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'));
    let method = hash.strip_prefix('$').and_then(|rest| rest.split('$').next());
    if method.is_none() && !old_des {
        return None;
    }
    let mut found = Match::new(format!("{name:?} has a password, the same in every container"), None);
    found.category = Some(Category::EmbeddedSecret);
    found.severity = Some(Severity::Medium);
    Some(found)
}

fn sudoers_line(line: &str) -> Option<Match> {
    let (who, rest) = line.split_once([' ', '\t'])?;
    let everything = rest.contains("NOPASSWD:") && rest.trim_end().ends_with("ALL");
    let usual = who.starts_with(['#', '%']) || matches!(who, "root" | "Defaults");
    if !everything || usual {
        return None;
    }
    let summary = format!("{who:?} may do everything through sudo without password");
    // Accounts that serve visitors: no developer works as them.
    if SERVICES.contains(&who) { Some(Match::new(summary, None)) } else { Some(fact(summary)) }
}

/// Accounts of servers, and everybody.
const SERVICES: &[&str] =
    &["ALL", "www-data", "apache", "nginx", "nobody", "daemon", "mail", "mysql", "postgres", "redis"];

fn doas_line(line: &str) -> Option<Match> {
    let rest = line.strip_prefix("permit ")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let narrowed = words.contains(&"cmd") || words.contains(&"as") && !words.ends_with(&["as", "root"]);
    let who = words
        .iter()
        .find(|word| !matches!(**word, "nopass" | "keepenv" | "persist" | "nolog") && !word.starts_with(['{', '}']))?;
    if !words.contains(&"nopass") || narrowed || matches!(*who, "root" | ":wheel") {
        return None;
    }
    let summary = format!("{who:?} may do everything through doas without password");
    if SERVICES.contains(who) { Some(Match::new(summary, None)) } else { Some(fact(summary)) }
}

fn fact(summary: String) -> Match {
    let mut found = Match::new(summary, None);
    (found.weight, found.severity) = (Some(Weight::Fact), Some(Severity::Low));
    found
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn debians_own_accounts_are_silent() {
        let accounts = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n";
        check(&DETECTOR, "etc/passwd", accounts, &[]);
        check(&DETECTOR, "etc/shadow", b"root:*:19700:0:99999:7:::\ndaemon:!:19700:0:99999:7:::\n", &[]);
        check(&DETECTOR, "etc/sudoers", b"root\tALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) NOPASSWD:ALL\n", &[]);
    }

    #[test]
    fn a_server_needs_no_rights() {
        let all = &["\"www-data\" may do everything through sudo without password"];
        check(&DETECTOR, "etc/sudoers.d/x", b"www-data ALL=(ALL) NOPASSWD: ALL\n", all);
        check(
            &DETECTOR,
            "etc/doas.conf",
            b"permit nopass nobody\n",
            &["\"nobody\" may do everything through doas without password"],
        );
        check(&DETECTOR, "etc/doas.conf", b"permit persist :wheel\npermit nopass x as root cmd /bin/ls\n", &[]);
    }

    #[test]
    fn a_second_root_is_seen() {
        let accounts = b"root:x:0:0:root:/root:/bin/bash\nsvc:x:0:0::/:/bin/sh\nshutdown:x:0:0::/sbin:/sbin/shutdown\n";
        check(&DETECTOR, "etc/passwd", accounts, &["\"svc\" is a second root account"]);
        check(&DETECTOR, "srv/chroot/etc/passwd", accounts, &[]);
    }

    #[test]
    fn hashes_are_seen_and_locked_ones_not() {
        let entry =
            b"root:$6$inventedsalt$inventedhash:19700:0:99999:7:::\napp:!$6$inventedsalt$inventedhash:19700::::::\n";
        check(&DETECTOR, "etc/shadow", entry, &["\"root\" has a password, the same in every container"]);
    }
}
