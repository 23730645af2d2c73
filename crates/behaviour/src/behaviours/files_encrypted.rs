//! Sees many files replaced by encrypted ones, with a note.
//!
//! - Sees: many files that got the same new ending, renamed or written anew beside the deleted original, and a note that asks for something in their
//!   folders.
//! - Misses: encryption in place without a note (see `files-destroyed`).
//! - False alarms: compression and log rotation (by their endings and tools), package managers and databases, whose temporary names lose an
//!   ending.
//! - Source: ATT&CK T1486, T1491.001.

use std::collections::{BTreeMap, HashMap, HashSet};

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
    let twins = twins(story);
    for (at, event) in story.events() {
        let (ending, path) = match &event.what {
            What::Rename { from, to, result: 0.. } => {
                (added(from, to).or_else(|| replaced(story, from, to, at)), to.as_str())
            }
            // Its encrypted twin was written before: the same path with an ending more.
            What::Unlink { path, result: 0.. } => match twins.get(path.as_str()) {
                Some((twin, made)) if *made < at => (added(path, twin), *twin),
                _ => continue,
            },
            _ => continue,
        };
        if let Some(ending) = ending.filter(|ending| !ORDINARY.contains(ending))
            && counted.insert(path)
        {
            let known = endings.entry(ending).or_insert_with(|| Ending { first: at, ..Ending::default() });
            known.count += 1;
            known.folders.insert(path.rsplit_once('/').map_or("", |(folder, _)| folder));
        }
    }
    let note = note(story);
    let installs = |at: usize| story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
    let many = endings.into_iter().filter(|(_, ending)| ending.count >= FILES_MIN && !installs(ending.first));
    let mut found: Vec<Match> = many
        .map(|(name, Ending { first, count, folders })| {
            let program = story.program(first);
            let packs = program.is_some_and(|program| program.is_unpacker() && program.tool() != "7z");
            let who = program.map_or("a program", |program| program.tool());
            let told = format!("{who} replaces {count} files in {} folders, new ending .{name}", folders.len());
            match note {
                Some((_, path)) => Match::new(first, format!("{told}, and leaves {path}")),
                None if packs => Match::new(first, told).fact(),
                None => Match::new(first, told).sign(),
            }
        })
        .collect();
    if found.is_empty()
        && let Some((at, path)) = note
    {
        let rewritten = rewritten(story);
        if rewritten >= FILES_MIN && !installs(at) {
            found.push(Match::new(at, format!("rewrites {rewritten} files, and leaves {path}")));
        }
    }
    found
}

/// Written files, by their path without the last ending: the file, and when it was made.
fn twins<'a>(story: &Story<'a>) -> HashMap<&'a str, (&'a str, usize)> {
    let made = story.files().filter_map(|(path, file)| Some((path, file.made?)));
    made.filter_map(|(path, made)| Some((path.rsplit_once('.')?.0, (path, made)))).collect()
}

/// `report.pdf` to `report.locked`: another ending for a file that was there.
fn replaced<'a>(story: &Story<'_>, from: &str, to: &'a str, at: usize) -> Option<&'a str> {
    let ((old, before), (new, ending)) = (from.rsplit_once('.')?, to.rsplit_once('.')?);
    let made = story.was_made(from, at) && !story.is_in_image(from);
    let temporary = before.starts_with("tmp")
        || before.starts_with("temp")
        || before.starts_with("new")
        || before.starts_with("part");
    (old == new && before != ending && !made && !temporary && (3..=16).contains(&ending.len())).then_some(ending)
}

/// Files of the image, or such that were read before, that were written in place.
fn rewritten(story: &Story<'_>) -> usize {
    let mut read: HashSet<&str> = HashSet::new();
    let mut written: HashSet<&str> = HashSet::new();
    for (at, event) in story.events() {
        let What::Open { path, read: reads, write, create, result: 0.., .. } = &event.what else { continue };
        let here = story.is_in_image(path) || read.contains(path.as_str()) || !create;
        if *write && here && !path.starts_with("/dev/") && !path.starts_with("/proc/") && !path.starts_with("/sys/") {
            written.insert(path);
        } else if *reads && !story.was_made(path, at) {
            read.insert(path);
        }
    }
    written.len()
}

/// The ending that `to` has more than `from`; also where the folder or the whole name stays.
fn added<'a>(from: &str, to: &'a str) -> Option<&'a str> {
    let ending = to.strip_prefix(from)?.strip_prefix(['.', '_', '-'])?;
    // More than letters and digits, or too long, is a name and no ending.
    let plain = (2..=32).contains(&ending.len())
        && ending.chars().all(|character| character.is_ascii_alphanumeric() || "-_@.[]".contains(character));
    (plain && !ending.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')).then_some(ending)
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
    fn in_place_with_a_note_and_with_another_ending() {
        let mut run = Run::of("/opt/x", &["x"]);
        for number in 0..12 {
            run.read(1, &format!("/data/file{number}"));
            run.open_write(1, &format!("/data/file{number}"));
        }
        run.write(1, "/data/README_UNLOCK.txt", b"your files are encrypted, bitcoin only");
        hit(&BEHAVIOUR, run, Weight::Proof, "rewrites 12 files, and leaves /data/README_UNLOCK.txt");
        let mut run = Run::of("/opt/x", &["x"]);
        for number in 0..12 {
            run.rename(1, &format!("/data/file{number}.pdf"), &format!("/data/file{number}.crypt"));
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "new ending .crypt");
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
