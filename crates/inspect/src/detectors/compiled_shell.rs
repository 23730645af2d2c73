//! Recognises small compiled programs that hand a shell to a machine whose address is built in.
//!
//! Such a program takes a socket, makes it the input and output of a shell, and needs little else. Servers and clients that
//! start programs are told where to by their user, and so read options and resolve names.
//!
//! - Sees: dynamically linked ELF programs of at most 256 KiB that import `socket`, `connect` or `accept`, `dup2` and the start of a
//!   program, hold a shell's path and a public IPv4 address as texts of their own, and import few functions, together with
//!   another habit of such programs: they connect and listen, prepare a terminal, hide their name or the history.
//! - Misses: static programs, addresses stored as numbers or encoded, implants with many functions.
//! - False alarms: exercises of security courses are the same thing.
//! - Source: dup2(2), connect(2), accept(2); bash(1) `HISTFILE`; the imports of netcat-traditional, socat, openbsd-inetd and
//!   ucspi-tcp of Debian 12, which have no built-in address; ATT&CK T1059.004, T1095.

use model::{Category, Confidence, FileKind, Indicator, IndicatorKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::{
    shell::Host,
    symbols::{Symbols, symbols, texts},
};

/// Larger programs do more than this.
const PROGRAM_BYTES_MAX: usize = 256 << 10;
/// A connection handed to a shell takes about twenty functions, those of the C run time among them.
const IMPORTS_MAX: usize = 48;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "compiled-shell",
        title: "Program that hands a shell to a built-in address",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1095"],
    },
    scope: Scope::Content { kinds: &[FileKind::Elf], literals: &["\0dup2\0", "\0dup3\0"] },
    inspect,
};

const STARTS: &[&str] = &["execve", "execl", "execle", "execlp", "execv", "execvp", "execvpe", "system", "posix_spawn"];
const SHELLS: &[&str] = &["/bin/sh", "/bin/bash", "/bin/dash", "/bin/ash", "/bin/zsh", "/bin/busybox", "/usr/bin/bash"];
/// Programs that are told where to connect, and explain themselves.
const ASKS: &[&str] =
    &["getopt", "getopt_long", "getaddrinfo", "gethostbyname", "getservbyname", "error", "argp_parse"];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    if sample.bytes.len() > PROGRAM_BYTES_MAX {
        return Vec::new();
    }
    let Some(symbols) = symbols(sample.bytes) else { return Vec::new() };
    if !hands_over(&symbols) || symbols.imported.len() > IMPORTS_MAX || symbols.imports_any(ASKS) {
        return Vec::new();
    }
    let mut address = None;
    let (mut shell, mut terminal, mut hides) = (false, false, false);
    for text in texts(sample.bytes, 2) {
        shell |= SHELLS.contains(&text);
        terminal |= text == "-i" || ["TERM=", "PS1=", "PATH="].iter().any(|start| text.starts_with(start));
        hides |= text.contains("HISTFILE") || text.starts_with('[') && text.ends_with(']') && text.contains("worker");
        if address.is_none() && Host::of(text) == Host::Address && !text.contains(':') {
            address = Some(text);
        }
    }
    let both = symbols.imports("connect") && symbols.imports("accept");
    let habits = [terminal, hides, both].into_iter().filter(|&habit| habit).count();
    match address {
        Some(address) if shell && habits > 0 => {
            let mut found = Match::new(
                format!("takes a connection with {address} for the input and output of a shell"),
                sample.hits.first().map(|hit| hit.offset),
            );
            found.indicators.push(Indicator { kind: IndicatorKind::Address, value: address.to_owned() });
            vec![found]
        }
        _ => Vec::new(),
    }
}

fn hands_over(symbols: &Symbols<'_>) -> bool {
    symbols.imports("socket")
        && symbols.imports_any(&["connect", "accept", "accept4"])
        && symbols.imports_any(&["dup2", "dup3"])
        && symbols.imports_any(STARTS)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn words_without_a_program_are_nothing() {
        check(
            &DETECTOR,
            "x",
            b"\x7fELF\x02\x01\x01\0\0dup2\0socket\0connect\0execve\0/bin/sh\x00198.51.100.7\0-i\0",
            &[],
        );
    }
}
