//! Sees many files replaced by encrypted ones, with a note.
//!
//! - Sees: many files that got the same new ending, renamed or written anew beside the deleted original, and a note that asks for something in their
//!   folders.
//! - Misses: encryption in place that leaves every name (see `files-destroyed`).
//! - False alarms: compression and log rotation (by their endings and tools), package managers and databases, whose temporary names lose an
//!   ending.
//! - Source: ATT&CK T1486, T1491.001.

use std::collections::{BTreeMap, HashSet};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, payload, programs::base, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "files-encrypted",
        title: "Encrypts files for money",
        category: Category::Ransomware,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1486", "T1491.001"],
    },
    judge: Judge::Run(judge),
};

/// Fewest files with the same new ending.
const FILES_MIN: usize = 8;
/// Endings that honest tools add.
const ORDINARY: &[&str] = &[
    "gz",
    "xz",
    "bz2",
    "zst",
    "lz4",
    "zip",
    "Z",
    "br",
    "bak",
    "old",
    "orig",
    "tmp",
    "temp",
    "part",
    "new",
    "save",
    "dpkg-new",
    "dpkg-tmp",
    "dpkg-old",
    "dpkg-dist",
    "rpmsave",
    "rpmnew",
    "swp",
    "log",
    "pyc",
    "pyo",
    "o",
    "lock",
    "done",
    "ready",
    "processed",
    "1",
    "2",
    "3",
    "4",
    "5",
    "deleted",
    "compact",
    "merged",
    "backup",
    "partial",
    "apk-new",
    "ucf-dist",
    "md5",
    "sha256",
    "sum",
    "sig",
    "asc",
    "snappy",
    "gzip",
    "json",
    "map",
    "min",
    "crc",
    "meta",
    "index",
    "tsm",
    "cleaned",
    "snapshot",
    "deactivated",
    "disabled",
    "ref",
    "d",
    "timestamp",
    "delayed",
    "imported",
    "uploaded",
    "archived",
    "sent",
    "ok",
    "failed",
    "err",
    "error",
    "synced",
    "finished",
    "complete",
    "completed",
    "bad",
    "broken",
    "corrupt",
    "disable",
    "off",
    "default",
    "dist",
    "example",
    "distrib",
    "removed",
    "trash",
    "journal",
    "wal",
    "db",
    "txt",
    "html",
    "css",
    "js",
];

#[derive(Default)]
struct Ending<'a> {
    first: usize,
    count: usize,
    folders: HashSet<&'a str>,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut endings: BTreeMap<&str, Ending<'_>> = BTreeMap::new();
    let mut counted: HashSet<&str> = HashSet::new();
    for (at, event) in story.events() {
        match &event.what {
            What::Rename { from, to, result: 0.. } => {
                if let Some(ending) = added(from, to)
                    && !ORDINARY.contains(&ending)
                    && counted.insert(to)
                {
                    count(&mut endings, ending, at, to);
                }
            }
            What::Unlink { path, result: 0.. } => {
                // Its encrypted twin was written before: the same path with an ending more.
                let Some(twin) = twin(story, path, at) else { continue };
                if let Some(ending) = added(path, twin)
                    && !ORDINARY.contains(&ending)
                    && counted.insert(twin)
                {
                    count(&mut endings, ending, at, twin);
                }
            }
            _ => {}
        }
    }
    let note = note(story);
    let many = endings.into_iter().filter(|(_, ending)| ending.count >= FILES_MIN);
    many.filter_map(|(name, ending)| {
        let first = ending.first;
        let life = story.life_at(first);
        if life.and_then(|life| story.life(life)).is_some_and(|life| life.installs) {
            return None;
        }
        let program = story.program(first);
        let packs = program.is_some_and(|program| program.is_unpacker() && program.tool() != "7z");
        let who = program.map_or("a program", |program| program.tool());
        let told =
            format!("{who} replaces {} files in {} folders, new ending .{name}", ending.count, ending.folders.len());
        Some(match note {
            Some((_, path)) => Match::new(first, format!("{told}, and leaves {path}")),
            None if packs => Match::new(first, told).fact(),
            None => Match::new(first, told).sign(),
        })
    })
    .collect()
}

fn count<'a>(endings: &mut BTreeMap<&'a str, Ending<'a>>, ending: &'a str, at: usize, path: &'a str) {
    let known = endings.entry(ending).or_insert_with(|| Ending { first: at, ..Ending::default() });
    known.count += 1;
    known.folders.insert(path.rsplit_once('/').map_or("", |(folder, _)| folder));
}

/// The ending that `to` has more than `from`; also where the folder or the whole name stays.
fn added<'a>(from: &str, to: &'a str) -> Option<&'a str> {
    let ending = to.strip_prefix(from)?.strip_prefix(['.', '_', '-'])?;
    // More than letters and digits, or too long, is a name and no ending.
    let plain = (2..=32).contains(&ending.len())
        && ending.chars().all(|character| character.is_ascii_alphanumeric() || "-_@.[]".contains(character));
    (plain && !ending.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')).then_some(ending)
}

/// The file beside `path` that was written lately and is called the same with an ending more.
fn twin<'a>(story: &Story<'a>, path: &str, at: usize) -> Option<&'a str> {
    /// How far back a twin is looked for, in events.
    const BACK: usize = 24;
    (at.saturating_sub(BACK)..at).rev().find_map(|before| match story.what(before)? {
        What::Open { path: other, write: true, result: 0.., .. } | What::Write { path: other, .. }
            if other.len() > path.len() && other.starts_with(path) =>
        {
            Some(other.as_str())
        }
        _ => None,
    })
}

/// A text that asks for something.
fn note<'a>(story: &Story<'a>) -> Option<(usize, &'a str)> {
    story.events().find_map(|(at, event)| match &event.what {
        What::Write { path, head, .. } => {
            let name = base(path).to_ascii_lowercase();
            let called = [
                "readme",
                "read_me",
                "decrypt",
                "recover",
                "restore",
                "ransom",
                "how_to",
                "howto",
                "warning",
                "unlock",
                "help_",
                "your_files",
            ]
            .iter()
            .any(|word| name.contains(word));
            let text = payload::text(head).to_ascii_lowercase();
            let asks = ["encrypted", "decrypt", "bitcoin", "btc", "monero", "ransom", "your files", "payment", "onion"]
                .iter()
                .filter(|word| text.contains(*word))
                .count();
            (asks >= 3 || asks >= 2 && called || asks >= 1 && called && !name.contains("readme.md"))
                .then_some((at, path.as_str()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    const NOTE: &[u8] = b"All your files are encrypted. Send 0.1 BTC to get them back.";

    #[test]
    fn renamed_files_and_a_note() {
        let mut run = Run::of("/opt/x", &["x"]);
        for number in 0..20 {
            let path = format!("/data/d{}/file{number}.pdf", number % 3);
            run.write(1, &path, b"\x8f\x11");
            run.rename(1, &path, &format!("{path}.locked"));
        }
        run.write(1, "/data/HOW_TO_DECRYPT.txt", NOTE);
        hit(
            &BEHAVIOUR,
            run,
            Weight::Proof,
            "replaces 20 files in 3 folders, new ending .locked, and leaves /data/HOW_TO_DECRYPT.txt",
        );
    }

    #[test]
    fn written_beside_and_deleted() {
        let mut run = Run::new();
        for number in 0..12 {
            let path = format!("/srv/file{number}.doc");
            let openssl = run.spawn(1, "/usr/bin/openssl", &["openssl", "enc"]);
            run.read(openssl, &path);
            run.write(openssl, &format!("{path}.enc"), b"Salted__");
            run.unlink(1, &path);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "new ending .enc");
    }

    #[test]
    fn compressing_and_rotating_are_none() {
        let mut run = Run::new();
        let gzip = run.spawn(1, "/usr/bin/gzip", &["gzip", "-r", "/srv"]);
        for number in 0..40 {
            let path = format!("/srv/file{number}.txt");
            run.read(gzip, &path);
            run.write(gzip, &format!("{path}.gz"), b"\x1f\x8b");
            run.unlink(gzip, &path);
            run.rename(1, &format!("/var/log/a{number}"), &format!("/var/log/a{number}.1"));
            run.rename(1, &format!("/var/log/b{number}"), &format!("/var/log/b{number}-20260101"));
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn databases_and_package_managers_are_none() {
        let mut run = Run::of("/usr/sbin/mysqld", &["mysqld"]);
        let dpkg = run.spawn(1, "/usr/bin/dpkg", &["dpkg", "--unpack", "x"]);
        for number in 0..200 {
            run.write(1, &format!("/var/lib/mysql/t{number}.ibd.tmp"), b"x");
            run.rename(1, &format!("/var/lib/mysql/t{number}.ibd.tmp"), &format!("/var/lib/mysql/t{number}.ibd"));
            run.unlink(1, &format!("/var/lib/mysql/old{number}"));
            run.rename(dpkg, &format!("/usr/share/x{number}"), &format!("/usr/share/x{number}.distrib"));
        }
        miss(&BEHAVIOUR, run);
    }
}
