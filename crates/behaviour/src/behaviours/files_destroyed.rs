//! Sees data destroyed: disks overwritten, the system deleted, files of many folders emptied.
//!
//! - Sees: disks opened for writing by tools that overwrite, `rm` over the system's own folders, files deleted or overwritten across several of them that were
//!   not made in the run.
//! - Misses: one folder emptied, which is also what a clean-up does.
//! - False alarms: package managers (excused); temporary, cache and log folders do not count.
//! - Source: ATT&CK T1485, T1561.001, T1561.002.

use std::collections::{BTreeMap, HashSet};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "files-destroyed",
        title: "Destroys data",
        category: Category::Wiper,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1485", "T1561.002"],
    },
    judge: Judge::Run(judge),
};

/// Fewest files, and fewest of the folders below.
const FILES_MIN: usize = 20;
const FOLDERS_MIN: usize = 3;
/// Folders of the system and of data; what lies elsewhere does not count.
const SYSTEM: &[&str] = &["/bin", "/sbin", "/etc", "/usr", "/lib", "/lib64", "/boot"];
const DATA: &[&str] =
    &["/home", "/root", "/srv", "/opt", "/var/lib", "/var/www", "/var/mail", "/var/backups", "/data", "/mnt", "/media"];

#[derive(Default)]
struct Loss<'a> {
    first: usize,
    files: usize,
    folders: HashSet<&'static str>,
    seen: HashSet<&'a str>,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = story.programs().filter_map(|program| ordered(&program)).take(4).collect();
    let mut losses: BTreeMap<&str, Loss<'_>> = BTreeMap::new();
    for (at, event) in story.events() {
        let (path, how) = match &event.what {
            What::Unlink { path, result: 0.. } => (path.as_str(), "deletes"),
            What::Open { path, write: true, truncate: true, result: 0.., .. } => (path.as_str(), "overwrites"),
            What::Open { path, write: true, create: false, result: 0.., .. } => (path.as_str(), "overwrites"),
            _ => continue,
        };
        let Some(folder) = SYSTEM
            .iter()
            .chain(DATA)
            .find(|folder| path.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/')))
        else {
            if path.starts_with("/dev/") && how == "overwrites" && disk(path) {
                let who = story.program(at).map_or("a program", |program| program.tool());
                found.push(Match::new(at, format!("{who} opens the disk {path} for writing")).sign());
            }
            continue;
        };
        if path.contains("/cache/")
            || path.contains("/.cache/")
            || path.contains("/tmp/")
            || path.contains("__pycache__")
            || path.contains("/node_modules/")
        {
            continue;
        }
        // What the run made itself is nobody's loss. Whether an opening that may make a file made it, only the image's list tells.
        let made = story.file(path).and_then(|file| file.made);
        let own = !story.is_in_image(path)
            && match how {
                "deletes" => made.is_some_and(|made| made < at && created(story, made)),
                _ => made.is_some_and(|made| made < at) || created(story, at),
            };
        let installs = story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        if own || installs {
            continue;
        }
        let loss = losses.entry(how).or_insert_with(|| Loss { first: at, ..Loss::default() });
        if loss.seen.insert(path) {
            loss.files += 1;
            loss.folders.insert(folder);
        }
    }
    for (how, loss) in losses {
        let system = loss.folders.iter().filter(|folder| SYSTEM.contains(folder)).count();
        if loss.files < FILES_MIN || loss.folders.len() < FOLDERS_MIN {
            continue;
        }
        let who = story.program(loss.first).map_or("a program", |program| program.tool());
        let mut folders: Vec<_> = loss.folders.iter().copied().collect();
        folders.sort_unstable();
        let told = Match::new(loss.first, format!("{who} {how} {} files in {}", loss.files, folders.join(", ")));
        found.push(match (how, system) {
            // Whole trees of the system, or a good part of it beside the data.
            ("deletes", 3..) => told,
            ("deletes", 2) if loss.files >= 2 * FILES_MIN && loss.folders.len() > 2 => told,
            ("deletes", _) => told.sign(),
            _ if loss.files >= 2 * FILES_MIN => told.sign(),
            _ => told.fact(),
        });
    }
    found.extend(wiped(story));
    found.truncate(8);
    found
}

/// Files overwritten in place and then deleted, so that nothing can be found again.
fn wiped(story: &Story<'_>) -> Option<Match> {
    const KEEPERS: &[&str] =
        &["postgres", "mysqld", "mariadbd", "mongod", "redis-server", "java", "etcd", "influxd", "sqlite3"];
    let mut opened: HashSet<(Option<usize>, &str)> = HashSet::new();
    let (mut first, mut files, mut who) = (None, 0, "a program");
    for (at, event) in story.events() {
        match &event.what {
            What::Open { path, write: true, create: false, result: 0.., .. } if !path.starts_with("/dev/") => {
                // `shred -u` renames a file before it deletes it: the folder is enough.
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                opened.insert((story.life_at(at), path));
                opened.insert((story.life_at(at), folder));
            }
            What::Unlink { path, result: 0.. } => {
                let Some(program) = story.program(at).filter(|program| !program.is(KEEPERS)) else { continue };
                let life = story.life_at(at);
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let same = opened.contains(&(life, path.as_str()))
                    || program.is(&["shred", "srm", "wipe"]) && opened.contains(&(life, folder));
                if same && !(story.was_made(path, at) && created_by_run(story, path)) {
                    first.get_or_insert(at);
                    (files, who) = (files + 1, program.tool());
                }
            }
            _ => {}
        }
    }
    let at = first.filter(|_| files >= FILES_MIN / 2)?;
    Some(Match::new(at, format!("{who} overwrites and deletes {files} files")))
}

fn created_by_run(story: &Story<'_>, path: &str) -> bool {
    let made = story.file(path).and_then(|file| file.made);
    !story.is_in_image(path) && made.is_some_and(|made| created(story, made))
}

fn created(story: &Story<'_>, at: usize) -> bool {
    matches!(story.what(at), Some(What::Open { create: true, .. }))
}

fn disk(path: &str) -> bool {
    let name = path.trim_start_matches("/dev/");
    let lettered = |kind: &str| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()) && rest.len() <= 3)
    };
    ["sd", "vd", "xvd", "hd"].iter().any(|kind| lettered(kind))
        || name.starts_with("nvme")
        || name.starts_with("mmcblk")
}

/// What a command line alone orders.
fn ordered(program: &Program<'_>) -> Option<Match> {
    let words: Vec<&str> = program.arguments.iter().skip(1).map(String::as_str).collect();
    let line = || model::text::shortened(&program.line(), 100).into_owned();
    let on_disk = words.iter().any(|word| {
        disk(word.strip_prefix("of=").unwrap_or(word)) && (word.starts_with("/dev/") || word.starts_with("of=/dev/"))
    });
    let tool = program.tool();
    match tool {
        "dd" if words.iter().any(|word| word.strip_prefix("of=").is_some_and(disk)) => {
            Some(Match::new(program.at, format!("overwrites a disk: {}", line())))
        }
        "shred" | "wipefs" | "blkdiscard" | "badblocks" | "mke2fs" if on_disk => {
            Some(Match::new(program.at, format!("overwrites a disk: {}", line())))
        }
        _ if tool.starts_with("mkfs") && on_disk => {
            Some(Match::new(program.at, format!("overwrites a disk: {}", line())))
        }
        "rm" | "shred" | "srm" => {
            let roots = words
                .iter()
                .filter(|word| {
                    SYSTEM.contains(&word.trim_end_matches('/').trim_end_matches("/*"))
                        || **word == "/"
                        || **word == "/*"
                })
                .count();
            let recursive = tool != "rm"
                || words.iter().any(|word| word.starts_with('-') && (word.contains('r') || word.contains('R')));
            let whole = words.contains(&"--no-preserve-root") || words.contains(&"/") || words.contains(&"/*");
            (recursive && (whole || roots >= 3))
                .then(|| Match::new(program.at, format!("deletes the system: {}", line())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_disk_that_is_overwritten() {
        let mut run = Run::new();
        run.spawn(1, "/bin/dd", &["dd", "if=/dev/zero", "of=/dev/sda", "bs=1M"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "overwrites a disk: dd if=/dev/zero of=/dev/sda");
    }

    #[test]
    fn the_system_and_the_data_deleted() {
        let mut run = Run::of("/opt/x", &["x"]);
        for number in 0..30 {
            for folder in ["/etc", "/usr/share", "/home/u"] {
                run.unlink(1, &format!("{folder}/f{number}"));
            }
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "x deletes 90 files in /etc, /home, /usr");
        let mut run = Run::new();
        run.spawn(1, "/bin/rm", &["rm", "-rf", "--no-preserve-root", "/"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "deletes the system");
    }

    #[test]
    fn files_that_are_shredded() {
        let mut run = Run::new();
        let shred = run.spawn(1, "/usr/bin/shred", &["shred", "-u", "/srv/a"]);
        for number in 0..12 {
            let path = format!("/srv/f{number}");
            let at = run.open_write(shred, &path);
            run.change(at, |what| {
                if let What::Open { create, truncate, .. } = what {
                    (*create, *truncate) = (false, false);
                }
            });
            run.rename(shred, &path, &format!("/srv/0{number}"));
            run.unlink(shred, &format!("/srv/0{number}"));
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "shred overwrites and deletes 12 files");
    }

    #[test]
    fn databases_and_builds_that_delete_their_own_are_none() {
        let mut run = Run::of("/usr/lib/postgresql/15/bin/postgres", &["postgres"]);
        for number in 0..300 {
            for folder in ["/var/lib/postgresql", "/srv/build", "/opt/out", "/home/ci"] {
                let path = format!("{folder}/f{number}");
                run.write(1, &path, b"x");
                run.unlink(1, &path);
            }
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn packages_and_clean_ups_are_none() {
        let mut run = Run::new();
        let dpkg = run.spawn(1, "/usr/bin/dpkg", &["dpkg", "--remove", "x"]);
        let rm = run.spawn(1, "/bin/rm", &["rm", "-rf", "/var/lib/apt/lists"]);
        for number in 0..100 {
            run.unlink(rm, &format!("/var/lib/apt/lists/l{number}"));
            for folder in ["/etc", "/usr/bin", "/lib"] {
                run.unlink(dpkg, &format!("{folder}/f{number}"));
            }
        }
        miss(&BEHAVIOUR, run);
    }
}
