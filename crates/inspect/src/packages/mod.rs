//! Package databases inside an image: what is installed, and which content each file had when it was.
//!
//! The databases are the author's as everything in the image is: that a file agrees with them proves nothing. That it
//! does not agree shows that it was changed after it was installed.
//!
//! | module | database | digests |
//! |---|---|---|
//! | `dpkg` | `var/lib/dpkg`: `status`, `status.d`, `info/*.md5sums`, `info/*.list`, `diversions` | MD5 |
//! | `apk` | `lib/apk/db/installed` | SHA-1 |
//! | `pip` | `*.dist-info/RECORD` | SHA-256 |
//! | `npm` | `package-lock.json` | none of files |
//! | `rpm` | `rpmdb.sqlite` (through `sqlite`); older databases are named, not read | SHA-256, MD5, SHA-1 |
//! | `installed` | all of an image together: who owns a file, and is it as it was | |

mod apk;
mod dpkg;
mod installed;
mod npm;
mod pip;
mod rpm;
mod sqlite;

pub use installed::{Content, Installed, Owned};
use md5::{Digest as _, Md5};
use model::{
    EntryDigests, FileDigest, FileKind, ListedPath, PackageDatabase, PackageFacts, PackageManager, PackagedFile,
    packages::DigestHead,
};
use sha1::Sha1;

/// Files kept of one database: a desktop has about 400,000 in all of its together.
const FILES_MAX: usize = 500_000;
/// Packages kept of one database.
const PACKAGES_MAX: usize = 100_000;
/// Longest path kept.
const PATH_BYTES_MAX: usize = 4_096;
/// Largest program whose digests are computed: of the 230 MB of programs in a layer of 3.4 GB, 150 are in 30 larger ones.
const PROGRAM_BYTES_MAX: usize = 4 << 20;

/// What kind of database a path is the place of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    DpkgStatus,
    DpkgSums,
    DpkgList,
    DpkgDiversions,
    Apk,
    Pip,
    Npm,
    Rpm,
}

impl Format {
    fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some(path) = path.strip_prefix("var/lib/dpkg/") {
            return match path.split_once('/') {
                None if path == "status" => Some(Self::DpkgStatus),
                None if path == "diversions" => Some(Self::DpkgDiversions),
                Some(("info" | "status.d", name)) if name.ends_with(".md5sums") => Some(Self::DpkgSums),
                Some(("info", name)) if name.ends_with(".list") => Some(Self::DpkgList),
                Some(("status.d", _)) => Some(Self::DpkgStatus),
                _ => None,
            };
        }
        match name {
            "installed" => matches!(path, "lib/apk/db/installed" | "usr/lib/apk/db/installed").then_some(Self::Apk),
            "RECORD" => path.ends_with(".dist-info/RECORD").then_some(Self::Pip),
            "package-lock.json" => Some(Self::Npm),
            ".package-lock.json" => path.ends_with("node_modules/.package-lock.json").then_some(Self::Npm),
            "rpmdb.sqlite" | "Packages" | "Packages.db" => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                matches!(folder, "var/lib/rpm" | "usr/lib/sysimage/rpm").then_some(Self::Rpm)
            }
            _ => None,
        }
    }

    const fn manager(self) -> PackageManager {
        match self {
            Self::DpkgStatus | Self::DpkgSums | Self::DpkgList | Self::DpkgDiversions => PackageManager::Dpkg,
            Self::Apk => PackageManager::Apk,
            Self::Pip => PackageManager::Pip,
            Self::Npm => PackageManager::Npm,
            Self::Rpm => PackageManager::Rpm,
        }
    }
}

/// Reads the database that stands at `path` (from the root, without a leading `/`); none where databases do not stand.
///
/// `bytes` is none if the file is too long to be read at once. The answer's `entry` is 0 and its paths are as listed: see
/// [`resolve`]. Takes time linear in the bytes; what is damaged is skipped.
#[must_use]
pub fn database(path: &str, bytes: Option<&[u8]>) -> Option<PackageDatabase> {
    let format = Format::of(path)?;
    let mut read = PackageDatabase {
        entry: 0,
        manager: format.manager(),
        packages: Vec::new(),
        diversions: Vec::new(),
        unread: None,
    };
    let Some(bytes) = bytes else {
        read.unread = Some(format!("it is longer than {} bytes", crate::WINDOW_BYTES_MAX));
        return Some(read);
    };
    match format {
        Format::DpkgStatus => read.packages = dpkg::status(bytes),
        Format::DpkgSums => read.packages = dpkg::sums(path, bytes),
        Format::DpkgList => read.packages = dpkg::list(path, bytes),
        Format::DpkgDiversions => read.diversions = dpkg::diversions(bytes),
        Format::Apk => read.packages = apk::installed(bytes),
        Format::Pip => read.packages = pip::record(path, bytes),
        Format::Npm | Format::Rpm => {
            let found = if format == Format::Npm { npm::lock(bytes) } else { rpm::database(bytes) };
            match found {
                Ok(packages) => read.packages = packages,
                Err(reason) => read.unread = Some(reason),
            }
        }
    }
    Some(read)
}

/// Writes the paths of a layer's databases as numbers of its entries, where `find` knows one by its [`merged`] path, and
/// leaves out of dpkg's lists what its checksums name already and what `find` does not know: folders, deleted documents.
pub fn resolve<'e>(
    databases: &mut [PackageDatabase],
    is_list: impl Fn(u32) -> bool,
    find: impl Fn(&str) -> Option<u32> + 'e,
) {
    let mut summed = std::collections::HashSet::new();
    for database in databases.iter_mut() {
        for file in database.packages.iter_mut().flat_map(|package| &mut package.files) {
            if let ListedPath::Path(path) = &file.path
                && let Some(entry) = find(merged(path))
            {
                file.path = ListedPath::Entry(entry);
                if file.digest.is_some() {
                    summed.insert(entry);
                }
            }
        }
    }
    for database in databases.iter_mut().filter(|database| is_list(database.entry)) {
        for package in &mut database.packages {
            package.files.retain(|file| matches!(file.path, ListedPath::Entry(entry) if !summed.contains(&entry)));
            package.files.shrink_to_fit();
        }
    }
}

/// Whether the database at `path` lists files without saying what they are (dpkg's `.list`).
#[must_use]
pub fn is_list(path: &str) -> bool {
    Format::of(path) == Some(Format::DpkgList)
}

/// A path as it is on a system whose `/bin`, `/sbin` and `/lib*` are links into `/usr`, without that `usr/`: packages name
/// either.
#[must_use]
pub fn merged(path: &str) -> &str {
    match path.strip_prefix("usr/") {
        Some(rest)
            if ["bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/"].iter().any(|top| rest.starts_with(top)) =>
        {
            rest
        }
        _ => path,
    }
}

/// How names of libraries begin that every program loads, or whoever logs in.
const LIBRARIES: &[&str] = &[
    "ld-linux",
    "ld-musl-",
    "ld-2",
    "libc.so",
    "libc-2",
    "libc.musl-",
    "libcrypt.so",
    "liblzma.so",
    "libnss_",
    "libpam",
    "libselinux.so",
    "libsystemd.so",
];

/// Whether a path is one where programs stand that everybody runs, or the libraries that all of them load.
#[must_use]
pub fn is_program_place(path: &str) -> bool {
    let path = merged(path);
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    match folder {
        "bin" | "sbin" => true,
        "lib/openssh" | "lib/ssh" | "usr/libexec/openssh" | "usr/libexec/sudo" | "lib/sudo" | "usr/lib/sudo" => true,
        "lib/systemd" => name.starts_with("systemd"),
        _ if folder.starts_with("lib") => {
            (folder.ends_with("/security") && name.starts_with("pam_"))
                || LIBRARIES.iter().any(|library| name.starts_with(library))
        }
        _ => false,
    }
}

/// The digests of the file at `path` that package databases may give, if it is a program: others cost more than they tell.
#[must_use]
pub fn digests(path: &str, kind: FileKind, bytes: &[u8]) -> Option<EntryDigests> {
    if bytes.is_empty() || bytes.len() > PROGRAM_BYTES_MAX || !is_program_place(path) {
        return None;
    }
    let (md5, sha1) = (Md5::digest(bytes), Sha1::digest(bytes));
    Some(EntryDigests { entry: 0, kind, md5: head(&md5)?, sha1: head(&sha1)? })
}

fn head(digest: &[u8]) -> Option<DigestHead> {
    digest.get(..8)?.try_into().ok()
}

/// A listed file; none if its path is empty or leaves the root.
fn packaged(path: &str, digest: Option<FileDigest>) -> Option<PackagedFile> {
    let path = path.strip_prefix("./").unwrap_or(path).trim_start_matches('/').trim_end_matches('/');
    let sane = !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    sane.then(|| PackagedFile { path: ListedPath::Path(path.to_owned()), digest })
}

/// A package whose files are not told here.
fn package(name: &str, version: &str) -> PackageFacts {
    let short = |text: &str| model::text::shortened(text.trim(), 200).into_owned();
    PackageFacts { name: short(name), version: short(version), files: Vec::new() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: &[&str] = &[
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/base",
        "var/lib/dpkg/info/a:amd64.md5sums",
        "var/lib/dpkg/info/a.list",
        "var/lib/dpkg/diversions",
        "lib/apk/db/installed",
        "x/a-1.dist-info/RECORD",
        "app/package-lock.json",
        "var/lib/rpm/rpmdb.sqlite",
    ];

    #[test]
    fn databases_are_known_by_their_place() {
        for place in PLACES {
            assert!(database(place, Some(b"")).is_some(), "{place}");
        }
        for other in ["etc/status", "var/lib/dpkg/available", "home/installed", "RECORD", "x/Packages"] {
            assert!(database(other, Some(b"")).is_none(), "{other}");
        }
    }

    #[test]
    fn programs_are_known_by_their_folder() {
        for place in [
            "bin/ls",
            "usr/sbin/sshd",
            "usr/lib/x86_64-linux-gnu/security/pam_unix.so",
            "lib64/ld-linux-x86-64.so.2",
            "lib/x86_64-linux-gnu/libpam.so.0.85.1",
            "usr/lib/openssh/sftp-server",
            "lib/systemd/systemd-logind",
        ] {
            assert!(is_program_place(place), "{place}");
        }
        for other in ["usr/local/bin/x", "usr/bin/x/y", "etc/passwd", "usr/lib/python3/x.py", "ls", "opt/bin/ls"] {
            assert!(!is_program_place(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes: Vec<u8>, text in "[A-Za-z:,= \n/.\"0-9]{0,200}") {
            for place in PLACES {
                let _ = database(place, Some(&bytes));
                let _ = database(place, Some(text.as_bytes()));
            }
        }
    }
}
