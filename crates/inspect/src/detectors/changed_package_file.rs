//! Flags programs that are not what their package installed.
//!
//! Whoever breaks into an image before it is published replaces what everybody runs or logs in through: `ls`, `sshd`, a PAM
//! module. The package database beside it still says which content the distribution shipped.
//!
//! - Sees: an ELF file in `bin`, `sbin`, of PAM, NSS, SSH, sudo, systemd, the loader or libc, whose MD5 (dpkg), SHA-1 (apk)
//!   or SHA-256 (rpm, pip) is not the package's; one of unknown digest that a later layer replaces; a script that stands where
//!   the package had an ELF program, or has the name of one that is a program everywhere.
//! - Misses: images whose author changed the database too (only an imported known-good set shows that), programs above 4
//!   MiB changed in the layer that brought them, a program replaced by a link, rpm's databases of Berkeley DB and ndb.
//! - False alarms: software built from source over its package, programs copied from another image over a packaged one.
//!   Edited scripts and changed files of Python packages are facts; where more than a quarter of the programs differ (slim
//!   images that strip them, databases of another image), all of it is one fact. Diversions and files that one of two
//!   packages brought are known; configuration, caches and documents do not stand in these folders.
//! - Source: deb-md5sums(5), dpkg-divert(1), apk `lib/apk/db/installed`; ATT&CK T1554.

use std::collections::BTreeMap;

use model::{Category, Confidence, FileKind, Maturity, PackageManager, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{
    ImageView,
    packages::{Content, Owned, is_program_place},
    view::At,
};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "changed-package-file",
        title: "Program is not what its package installed",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1554"],
    },
    inspect,
};

/// At least so many changed programs, and more than a quarter of all, are no break-in: the image was rebuilt.
const REBUILT_MIN: usize = 8;
/// Edited scripts and Python packages told one by one.
const FACTS_MAX: usize = 20;

/// What no distribution ships as a script.
const PROGRAMS: &[&str] = &[
    "bash", "cat", "cp", "dash", "find", "grep", "id", "kill", "login", "ls", "mount", "mv", "netstat", "passwd",
    "ping", "ps", "rm", "ss", "ssh", "sshd", "su", "sudo", "top", "whoami",
];

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    let installed = image.packages();
    let (mut programs, mut changed, mut edited) = (0, Vec::new(), Vec::new());
    let mut of_pip: BTreeMap<(&str, &str), Vec<At>> = BTreeMap::new();
    for (at, entry) in image.visible_files() {
        let Some(owned) = installed.owned(at) else { continue };
        let is_changed = matches!(owned.content, Content::Changed | Content::Replaced) && entry.size > 0;
        if !is_program_place(&entry.path) {
            if is_changed && owned.manager == PackageManager::Pip {
                of_pip.entry((&owned.package.name, &owned.package.version)).or_default().push(at);
            }
            continue;
        }
        let kind = installed.kind(at);
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        let was_program = owned.was == Some(FileKind::Elf) || PROGRAMS.contains(&name);
        programs += usize::from(kind.is_none_or(|kind| kind == FileKind::Elf));
        if is_changed {
            let is_program = kind.is_none_or(|kind| kind == FileKind::Elf);
            if is_program || was_program { &mut changed } else { &mut edited }.push((at, owned, kind));
        }
    }

    let mut found = Vec::new();
    if changed.len() >= REBUILT_MIN && changed.len() * 4 > programs {
        let first = changed.first().and_then(|(at, ..)| image.entry(*at)).map_or("", |entry| entry.path.as_str());
        let summary =
            format!("{} of {programs} packaged programs are not as installed, {first} for one", changed.len());
        found.push((Spot::Image, fact(summary)));
    } else {
        found.extend(
            changed.iter().map(|(at, owned, kind)| (Spot::File(*at), Match::new(told(image, *at, owned, *kind), None))),
        );
    }
    found.extend(
        edited.iter().take(FACTS_MAX).map(|(at, owned, kind)| (Spot::File(*at), fact(told(image, *at, owned, *kind)))),
    );
    for ((name, version), files) in of_pip.iter().take(FACTS_MAX) {
        let Some(at) = files.first() else { continue };
        let summary = format!("{} files of Python package {name} {version} are not as installed", files.len());
        found.push((Spot::File(*at), fact(summary)));
    }
    // A lock file of npm says nothing of files.
    let unread = installed.databases().iter().filter(|(_, database)| database.manager != PackageManager::Npm);
    found.extend(
        unread
            .filter_map(|(layer, database)| {
                let summary = format!("package database is not read: {}", database.unread.as_ref()?);
                Some((Spot::File((*layer, database.entry as usize)), fact(summary)))
            })
            .take(FACTS_MAX),
    );
    found
}

fn fact(summary: String) -> Match {
    Match { weight: Some(Weight::Fact), severity: Some(Severity::Low), ..Match::new(summary, None) }
}

fn told(image: &ImageView<'_>, at: At, owned: &Owned<'_>, kind: Option<FileKind>) -> String {
    let path = image.entry(at).map_or("", |entry| entry.path.as_str());
    let (manager, digest) = match owned.manager {
        PackageManager::Dpkg => ("Debian", "MD5"),
        PackageManager::Apk => ("Alpine", "SHA-1"),
        PackageManager::Pip => ("Python", "SHA-256"),
        PackageManager::Rpm => ("rpm", "digest"),
        PackageManager::Npm => ("npm", "digest"),
    };
    let how = match (owned.content, kind, owned.was) {
        (_, Some(FileKind::Script | FileKind::Text), Some(FileKind::Elf)) => {
            "is a script where it had a program".to_owned()
        }
        (Content::Replaced, ..) => "was replaced by a later layer".to_owned(),
        _ => format!("has another {digest}"),
    };
    let version = image.packages().version(owned.manager, owned.package);
    format!("{path} of {manager} package {} {version} {how}", owned.package.name)
}
