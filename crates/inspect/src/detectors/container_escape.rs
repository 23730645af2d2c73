//! Recognises commands that leave the container for the machine it runs on.
//!
//! A privileged container can make the kernel start a program outside, enter the machine's namespaces, or have the Docker
//! engine start another container with the machine's files in it. Few images have a reason to.
//!
//! - Sees: a `release_agent` or a piped `core_pattern` that is written, `nsenter` into process 1 with its mounts, a container
//!   that is started with the machine's root folder.
//! - Misses: the same by system calls in a program; kernel exploits.
//! - False alarms: node agents of orchestrators enter process 1 on purpose; crash reporters set `core_pattern`.
//! - Source: cgroups(7), "Invoking the release_agent"; core(5), "Piping core dumps"; nsenter(1); ATT&CK T1611.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Longest part of a line that is looked at, to either side of a literal.
const LINE_BYTES_MAX: usize = 1024;
/// Most lines looked at in one file.
const LINES_MAX: usize = 256;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "container-escape",
        title: "Leaves the container for the machine",
        category: Category::ContainerEscape,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1611"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Script, FileKind::Text],
        literals: &["release_agent", "/kernel/core_pattern", "nsenter ", "docker run ", "docker.sock"],
    },
    inspect,
};

static WAYS: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r">\s*[\x22']?\S*/release_agent\b", "has the kernel start a program by release_agent"),
        (r"\|/[^\n]*>\s*/proc/sys/kernel/core_pattern\b", "has the kernel start a program by core_pattern"),
        (
            r"\bnsenter\s[^\n;|]*(?:-t|--target)[ =]?1\b[^\n;|]*\s(?:-\w*[am]|--all|--mount)",
            "enters the machine's namespaces by nsenter",
        ),
        (
            r"\bdocker\s[^\n;|]*\brun\s[^\n;|]*\s(?:-v|--volume)[ =]?/:/|docker\.sock[^\n]*Binds[^\n]{0,8}\x22/:/",
            "starts a container with the machine's root folder",
        ),
    ]
    .map(|(pattern, way)| {
        // ASCII only, as shells read it.
        let pattern = RegexBuilder::new(pattern).unicode(false).build();
        (pattern.expect("the pattern is a constant, and a test runs it"), way)
    })
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(LINES_MAX) {
        if hit.offset < looked_until {
            continue;
        }
        let (start, line) = sample.line(hit.offset, LINE_BYTES_MAX);
        looked_until = start + line.len();
        for (pattern, way) in WAYS.iter() {
            if !pattern.is_match(line) || found.iter().any(|known| known.summary == *way) {
                continue;
            }
            let mut one = Match::new(*way, start);
            if text::is_document(sample, hit.offset) {
                (one.weight, one.severity) = (Some(Weight::Fact), Some(Severity::Info));
            }
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn each_way_out_is_seen() {
        for (line, way) in [
            ("echo \"$host/cmd\" > /tmp/cgrp/release_agent", "has the kernel start a program by release_agent"),
            ("echo '|/tmp/x' > /proc/sys/kernel/core_pattern", "has the kernel start a program by core_pattern"),
            ("nsenter --target 1 --mount --uts sh", "enters the machine's namespaces by nsenter"),
            ("docker run -it -v /:/mnt alpine", "starts a container with the machine's root folder"),
        ] {
            check(&DETECTOR, "x", format!("#!/bin/sh\n{line}\n").as_bytes(), &[way]);
        }
    }

    #[test]
    fn ordinary_use_is_none() {
        let script = b"#!/bin/sh\ncat /proc/sys/kernel/core_pattern\nnsenter -t \"$pid\" -n ip addr\ndocker run -v /data:/data x\n\
            cat release_agent\n";
        check(&DETECTOR, "x", script, &[]);
    }
}
