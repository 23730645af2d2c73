//! What the probe found, and what to do about it.

use std::fmt::Write as _;

use model::text;
use serde::Serialize;

model::words! {
    /// Whether a way around the gate is there.
    State {
        /// Proven to be shut.
        Closed = "closed",
        /// The client goes on to the outside, and only the network stops it.
        Leans = "leans",
        /// It could not be tried.
        Unknown = "unknown",
        /// Proven to be there.
        Open = "open",
    }
}

/// One way around the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which client or part of the host: `docker`, `containerd`, `podman`, `network`.
    pub client: &'static str,
    /// The way, in a few words.
    pub way: String,
    /// Whether it is there.
    pub state: State,
    /// What was tried and what came back. May quote servers and files: made visible.
    pub proof: String,
    /// What shuts it. Empty if it is.
    pub fix: String,
}

impl Finding {
    pub(super) fn new(client: &'static str, way: &str, state: State, proof: &str, fix: &str) -> Self {
        let line = |text: &str| text::visible(&text::shortened(text, text::SUMMARY_CHARS_MAX)).into_owned();
        let fix = if state == State::Closed { String::new() } else { fix.to_owned() };
        Self { client, way: line(way), state, proof: line(proof), fix }
    }
}

/// For people: the worst first.
#[must_use]
pub fn shown(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.state));
    let mut out = String::new();
    for finding in sorted {
        let _ = writeln!(out, "{:<8} {:<11} {}", finding.state.word(), finding.client, finding.way);
        let _ = writeln!(out, "         {}", finding.proof);
        for (number, line) in finding.fix.lines().enumerate() {
            let _ = writeln!(out, "         {}{line}", if number == 0 { "fix: " } else { "     " });
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let _ = match (count(State::Open), count(State::Unknown), count(State::Leans)) {
        (0, 0, 0) => writeln!(out, "No way around the gate was found."),
        (0, 0, leans) => writeln!(out, "No way around the gate was found; {leans} lean on the network alone."),
        (0, unknown, _) => writeln!(out, "No way around the gate was found, but {unknown} could not be tried."),
        (open, ..) => writeln!(out, "{open} {} around the gate.", if open == 1 { "way leads" } else { "ways lead" }),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_what_is_shut_needs_no_fix() {
        let shut = Finding::new("docker", "a", State::Closed, "p", "never shown");
        let open = Finding::new("podman", "b\x1b[31m", State::Open, "p", "do this\nthen that");
        assert_eq!(
            shown(&[shut, open]),
            "open     podman      b\\u{1b}[31m\n         p\n         fix: do this\n              then that\n\
             closed   docker      a\n         p\n1 way leads around the gate.\n"
        );
    }
}
