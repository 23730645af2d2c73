//! Flags settings of logins that let somebody past the password, or run something at every login.
//!
//! Distributions ship these files with few variations. Who edits them to take keys from elsewhere, to accept every password
//! or to hand the password to a script of their own wants to come back.
//!
//! - Sees: `sshd_config` (and its folder): empty passwords allowed, keys or commands taken from temporary, hidden or program
//!   folders, a subsystem or forced command that is a shell; `pam.d`: `pam_permit` that suffices where passwords are asked,
//!   `pam_exec` with the password, modules outside the library folders; `nsswitch.conf`: unknown sources of accounts.
//! - Misses: changed modules under their own names (comparing with the package database sees those).
//! - False alarms: development images that allow empty passwords; sites with their own NSS module (a sign).
//! - Source: sshd_config(5), pam.conf(5), pam_permit(8), pam_exec(8), nsswitch.conf(5); ATT&CK T1556.003, T1098.004, T1556.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::Place;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "login-config",
        title: "Login settings that let somebody in",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1556.003", "T1098.004", "T1556"],
    },
    scope: Scope::Place(is_login_config),
    inspect,
};

/// Most lines read of one file.
const LINES_MAX: usize = 4096;
/// Longest line.
const LINE_BYTES_MAX: usize = 2048;
/// Most matches of one file.
const MATCHES_MAX: usize = 16;

fn is_login_config(place: &Place<'_>) -> bool {
    let path = place.path;
    place.kind != FileKind::Elf
        && (path == "etc/ssh/sshd_config"
            || path.starts_with("etc/ssh/sshd_config.d/")
            || path.starts_with("etc/pam.d/")
            || path == "etc/pam.conf"
            || path == "etc/nsswitch.conf")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(place) = sample.place else { return Vec::new() };
    let mut lines: Vec<(usize, Vec<String>)> = Vec::new();
    let mut offset = 0;
    for line in sample.bytes.split(|&b| b == b'\n').take(LINES_MAX) {
        let text = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line)).into_owned();
        let bare = text.split('#').next().unwrap_or_default();
        let words: Vec<String> =
            bare.split([' ', '\t', '=', '\r']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if !words.is_empty() {
            lines.push((offset, words));
        }
        offset += line.len() + 1;
    }
    let mut found = match place.path {
        "etc/nsswitch.conf" => lines.iter().filter_map(|(at, words)| sources(*at, words)).collect(),
        path if path.contains("pam.") => pam(path, &lines),
        _ => lines.iter().filter_map(|(at, words)| server(*at, words)).collect::<Vec<_>>(),
    };
    found.truncate(MATCHES_MAX);
    found
}

/// A line of `sshd_config`.
fn server(offset: usize, words: &[String]) -> Option<Match> {
    let (key, values) = words.split_first()?;
    let value = values.join(" ");
    let says = |summary: String, weight| {
        let mut found = Match::new(summary, offset);
        found.weight = Some(weight);
        Some(found)
    };
    match key.to_ascii_lowercase().as_str() {
        "permitemptypasswords" if value.eq_ignore_ascii_case("yes") => {
            says("the SSH server accepts empty passwords".to_owned(), Weight::Sign)
        }
        "authorizedkeysfile" => {
            let odd = values.iter().find(|path| is_odd_keys_file(path))?;
            says(format!("the SSH server takes keys from {odd}"), Weight::Sign)
        }
        "authorizedkeyscommand" | "forcecommand" | "subsystem" | "authorizedprincipalscommand" | "proxycommand" => {
            let hands_a_shell =
                [" -c ", "| sh", "/dev/tcp/", "nc -", "curl ", "wget "].iter().any(|sign| value.contains(sign));
            let odd = values.iter().any(|word| is_temporary(word) || is_hidden(word));
            (hands_a_shell || odd)
                .then(|| says(format!("the SSH server runs {value}"), if odd { Weight::Proof } else { Weight::Sign }))
                .flatten()
        }
        _ => None,
    }
}

/// Keys belong into the home folders or below `etc/ssh`.
fn is_odd_keys_file(path: &str) -> bool {
    let usual = path == "none"
        || path.starts_with("/etc/ssh/")
        || path.starts_with("/etc/dropbear/")
        || path.contains("authorized_keys") && !path.starts_with('/')
        || path.starts_with("%h/.ssh/")
        || path.starts_with(".ssh/")
        || path.contains("%u") && path.contains("authorized")
        || path.contains("%h/")
        || path.starts_with("/root/.ssh/authorized_keys")
        || path.starts_with("/home/") && path.contains("/.ssh/authorized_keys")
        || path.starts_with("/config/")
        || path.starts_with("/data/");
    !usual
        && path.starts_with('/')
        && (is_temporary(path)
            || is_hidden(path)
            || path.starts_with("/usr/")
            || path.starts_with("/lib")
            || path.starts_with("/var/lib/")
            || path.starts_with("/etc/"))
}

fn is_temporary(path: &str) -> bool {
    ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"].iter().any(|folder| path.starts_with(folder))
}

fn is_hidden(path: &str) -> bool {
    path.starts_with('/') && path.contains("/.") && !path.contains("/.ssh/")
}

/// The lines of one PAM service.
fn pam(path: &str, lines: &[(usize, Vec<String>)]) -> Vec<Match> {
    let service = path.rsplit('/').next().unwrap_or_default();
    let asks = [
        "sshd",
        "login",
        "su",
        "su-l",
        "sudo",
        "common-auth",
        "system-auth",
        "password-auth",
        "base-auth",
        "system-login",
        "remote",
        "common-password",
        "other",
    ];
    let mut found = Vec::new();
    // Whether a real check came before.
    let mut checked = false;
    for (offset, words) in lines {
        let Some(kind) = words.first().map(|kind| kind.trim_start_matches('-')) else { continue };
        let Some(at) = words.iter().position(|word| {
            word.contains("pam_") && word.ends_with(".so") || word.starts_with('/') && word.ends_with(".so")
        }) else {
            checked |= matches!(words.first().map(String::as_str), Some("@include"))
                || words.iter().any(|word| word == "include" || word == "substack");
            continue;
        };
        let Some((module, arguments)) = words.get(at..).and_then(<[String]>::split_first) else { continue };
        let control = words.get(1..at).unwrap_or_default().join(" ");
        let arguments = arguments.join(" ");
        let suffices = control == "sufficient" || control.contains("success done") || control.contains("success end");
        if kind == "auth" && module.ends_with("pam_permit.so") && asks.contains(&service) && (suffices || !checked) {
            found.push(Match::new(format!("{service}: every password is accepted (pam_permit {control})"), *offset));
        }
        if module.ends_with("pam_exec.so") && matches!(kind, "auth" | "password" | "session" | "account") {
            let odd = arguments.split(' ').any(|word| is_temporary(word) || is_hidden(word));
            if odd || arguments.contains("expose_authtok") && asks.contains(&service) {
                let mut one = Match::new(format!("{service}: each login runs {arguments}"), *offset);
                one.weight = odd.then_some(Weight::Proof);
                found.push(one);
            }
        }
        let stands_in_a_library =
            ["/lib", "/usr/lib", "/usr/local/lib", "/opt/"].iter().any(|folder| module.starts_with(folder));
        if module.starts_with('/') && (!stands_in_a_library || is_hidden(module)) {
            let mut one = Match::new(format!("{service}: loads {module}"), *offset);
            one.weight = Some(Weight::Proof);
            found.push(one);
        }
        checked |= kind == "auth"
            && !["pam_permit", "pam_env", "pam_nologin", "pam_faildelay", "pam_securetty", "pam_rootok"]
                .iter()
                .any(|name| module.contains(name));
    }
    found
}

/// Sources of accounts that are known.
const SOURCES: &[&str] = &[
    "files",
    "compat",
    "systemd",
    "db",
    "nis",
    "nisplus",
    "hesiod",
    "ldap",
    "sss",
    "winbind",
    "extrausers",
    "mymachines",
    "altfiles",
    "libvirt",
    "libvirt_guest",
    "centrifydc",
    "vas4",
    "lsass",
    "cache",
    "cache_oslogin",
    "oslogin",
    "aad",
    "kanidm",
    "homed",
    "authd",
    "role",
    "wrapper",
    "docker",
    "dns",
    "gw_name",
    "myhostname",
    "resolve",
    "minimal",
    "ato",
    "mapuser",
    "mapname",
    "mapuid",
    "tacplus",
    "radius",
    "unix",
];

/// A line of `nsswitch.conf`.
fn sources(offset: usize, words: &[String]) -> Option<Match> {
    let (key, values) = words.split_first()?;
    let database = key.trim_end_matches(':');
    if !matches!(database, "passwd" | "shadow") {
        return None;
    }
    let mut in_action = false;
    let unknown = values.iter().find(|word| {
        let is_action = in_action || word.starts_with('[');
        in_action = is_action && !word.ends_with(']');
        !is_action && *word != ":" && !SOURCES.contains(&word.as_str())
    })?;
    let mut found = Match::new(format!("accounts also come from {unknown:?}"), offset);
    (found.severity, found.confidence) = (Some(Severity::Medium), Some(Confidence::Low));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn settings_that_let_somebody_in_are_told() {
        check(
            &DETECTOR,
            "etc/ssh/sshd_config",
            b"PermitRootLogin yes\nAuthorizedKeysFile .ssh/authorized_keys /usr/lib/.cache/k\nPermitEmptyPasswords yes\nForceCommand /dev/shm/x\n",
            &[
                "the SSH server takes keys from /usr/lib/.cache/k",
                "the SSH server accepts empty passwords",
                "the SSH server runs /dev/shm/x",
            ],
        );
        check(
            &DETECTOR,
            "etc/pam.d/sshd",
            b"auth sufficient pam_permit.so\n@include common-auth\n",
            &["sshd: every password is accepted (pam_permit sufficient)"],
        );
        check(
            &DETECTOR,
            "etc/pam.d/common-auth",
            b"auth optional pam_exec.so quiet expose_authtok /tmp/.l\n",
            &["common-auth: each login runs quiet expose_authtok /tmp/.l"],
        );
        check(&DETECTOR, "etc/pam.d/login", b"auth required /var/tmp/pam_x.so\n", &["login: loads /var/tmp/pam_x.so"]);
        check(&DETECTOR, "etc/nsswitch.conf", b"passwd: files ghost\n", &["accounts also come from \"ghost\""]);
    }

    #[test]
    fn stock_files_are_silent() {
        check(
            &DETECTOR,
            "etc/ssh/sshd_config",
            b"#PermitEmptyPasswords yes\nPermitEmptyPasswords no\nPermitRootLogin prohibit-password\nAuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2\nSubsystem sftp /usr/lib/openssh/sftp-server\nForceCommand internal-sftp\n",
            &[],
        );
        check(
            &DETECTOR,
            "etc/pam.d/common-auth",
            b"auth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\t\t\tpam_deny.so\nauth\trequired\t\t\tpam_permit.so\n",
            &[],
        );
        check(
            &DETECTOR,
            "etc/pam.d/su",
            b"auth sufficient pam_rootok.so\n@include common-auth\nsession required pam_env.so readenv=1\n",
            &[],
        );
        check(
            &DETECTOR,
            "etc/nsswitch.conf",
            b"passwd: files systemd [NOTFOUND=return] sss\nshadow: files\nhosts: files mdns4_minimal dns\n",
            &[],
        );
    }
}
