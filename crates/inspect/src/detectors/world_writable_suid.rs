//! Flags a set-uid or set-gid program where none belongs, or that everybody may rewrite.
//!
//! Distributions keep such programs in a few folders. One in `tmp`, `home`, `var` or `opt` is how an intruder keeps the way
//! back to root (a copied shell with mode 4755); one that everybody may write is a way to root for everybody.
//!
//! - Sees: ELF programs with mode 4000 or 2000 outside `bin`, `sbin`, `lib*`, `libexec` (also below `usr` and `usr/local`), or with
//!   mode 0002 anywhere; anywhere, a set-uid program of root that is a shell, an interpreter, an editor or another program that
//!   starts what it is told, known by its own texts and not by its name (a proof).
//! - Misses: small programs of one's own that only start a shell, in a usual place; file capabilities.
//! - False alarms: vendors that install below `opt` (browsers' sandboxes), games below `usr/games`: left out.
//! - Source: Debian Policy 10.9; ATT&CK T1548.001.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::Place;

const SET_ID: u32 = 0o6000;
const SET_UID: u32 = 0o4000;
const WRITABLE_BY_ALL: u32 = 0o0002;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "world-writable-suid",
        title: "Program that gives its owner's rights stands where none belongs",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1548.001"],
    },
    scope: Scope::Place(|place| {
        matches!(place.kind, FileKind::Elf | FileKind::Binary)
            && place.mode & SET_ID != 0
            // What a usual one is, its content tells.
            && place.size > 0
    }),
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(place) = sample.place else { return Vec::new() };
    let runs = if place.mode & SET_UID != 0 && place.uid == 0 { runs_anything(sample.bytes) } else { None };
    let (why, weight) = match runs {
        Some(what) => (format!("{what}: gives everybody the owner's rights"), Some(Weight::Proof)),
        None if is_writable(place) => ("everybody may rewrite it".to_owned(), None),
        None if is_unusual(place.path) => ("no place for such a program".to_owned(), None),
        None => return Vec::new(),
    };
    let mut found = Match::new(format!("mode {:04o}, owner {}: {why}", place.mode & 0o7777, place.uid), None);
    found.weight = weight;
    vec![found]
}

/// Programs that run what they are told, by texts that all must be there.
const RUNNERS: &[(&str, &[&str])] = &[
    ("bash", &["BASH_VERSINFO", "GNU bash"]),
    ("dash", &["PS1", "getopts", "Illegal number: %s", "%s: not found"]),
    ("zsh", &["ZSH_VERSION", "zsh/zutil"]),
    ("ksh", &["KSH_VERSION", "ksh"]),
    ("Python", &["PYTHONSTARTUP", "PYTHONHOME"]),
    ("Perl", &["PERL5LIB", "PERL5OPT"]),
    ("Ruby", &["RUBYOPT", "RUBYLIB"]),
    ("PHP", &["PHP_INI_SCAN_DIR", "PHP_BINARY"]),
    ("Lua", &["LUA_INIT", "LUA_PATH"]),
    ("Node", &["NODE_OPTIONS", "NODE_PATH"]),
    ("find", &["-execdir", "-fprintf", "-maxdepth"]),
    ("Vim", &["VIMRUNTIME", "vimrc"]),
    ("gawk", &["AWKPATH", "AWKLIBPATH"]),
    ("Nmap", &["Usage: nmap [Scan Type(s)]"]),
    ("GDB", &["GDBHISTFILE", "gdbinit"]),
    ("env", &["--block-signal", "--ignore-environment", "%s: invalid signal"]),
    ("nano", &["nanorc", "--operatingdir"]),
];

/// What the program is, if it runs what its user tells it.
fn runs_anything(bytes: &[u8]) -> Option<&'static str> {
    let has = |text: &&str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    RUNNERS.iter().find(|(_, texts)| texts.iter().all(has)).map(|(name, _)| *name)
}

fn is_writable(place: &Place<'_>) -> bool {
    place.mode & WRITABLE_BY_ALL != 0
}

fn is_unusual(path: &str) -> bool {
    let below = path.strip_prefix("usr/").unwrap_or(path);
    let below = below.strip_prefix("local/").unwrap_or(below);
    let Some((folder, _)) = below.split_once('/') else { return true };
    let is_usual = matches!(folder, "bin" | "sbin" | "libexec" | "games") || folder.starts_with("lib");
    // A hidden folder below a usual one is not usual.
    !is_usual || below.contains("/.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(path: &str, mode: u32, expected: &[&str]) {
        let found = run(&DETECTOR, path, mode, b"\x7fELF\x02\x01\x01");
        let summaries: Vec<_> = found.iter().map(|found| found.summary.as_str()).collect();
        assert_eq!(summaries, expected, "{path}");
    }

    #[test]
    fn usual_places_are_fine_and_others_are_not() {
        for path in
            ["usr/bin/passwd", "bin/su", "usr/lib/openssh/ssh-keysign", "usr/local/bin/x", "usr/lib64/x", "usr/games/x"]
        {
            check(path, 0o4755, &[]);
        }
        for path in ["tmp/sh", "var/lib/x/.sh", "opt/x", "sh", "usr/bin/.x/sh"] {
            check(path, 0o4755, &["mode 4755, owner 0: no place for such a program"]);
        }
        check("tmp/sh", 0o755, &[]);
    }

    #[test]
    fn a_shell_is_known_by_its_texts() {
        let bash = b"\x7fELF\x02\x01\x01\0BASH_VERSINFO\0GNU bash, version %s\0";
        let found = run(&DETECTOR, "usr/bin/newgrp", 0o4755, bash);
        assert_eq!(found[0].summary, "mode 4755, owner 0: bash: gives everybody the owner's rights");
        assert_eq!(found[0].weight, Some(Weight::Proof));
        assert_eq!(run(&DETECTOR, "usr/bin/bash", 0o755, bash), []);
        assert_eq!(run(&DETECTOR, "usr/bin/wall", 0o2755, bash), []);
    }

    #[test]
    fn nobody_else_may_rewrite_it() {
        check("usr/bin/passwd", 0o4777, &["mode 4777, owner 0: everybody may rewrite it"]);
    }
}
