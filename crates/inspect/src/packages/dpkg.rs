//! dpkg: `/var/lib/dpkg`. Distroless images have one file a package in `status.d` instead of `status` and `info`.
//!
//! Sources: dpkg(1) "FILES", deb-md5sums(5), deb822(5), dpkg-divert(1). `.md5sums` lists regular files without conffiles.

use model::{Diversion, FileDigest, PackageFacts, PackagedFile};

use super::{FILES_MAX, PACKAGES_MAX, package, packaged};

/// `status`: what is installed. Packages removed but for their configuration are left out.
pub(super) fn status(bytes: &[u8]) -> Vec<PackageFacts> {
    let mut packages = Vec::new();
    let (mut name, mut version, mut installed) = ("", "", true);
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if !name.is_empty() && installed && packages.len() < PACKAGES_MAX {
                packages.push(package(name, version));
            }
            (name, version, installed) = ("", "", true);
        } else if let Some((field, value)) = line.split_once(':') {
            match field {
                "Package" => name = value.trim(),
                "Version" => version = value.trim(),
                "Status" => installed = value.trim().ends_with(" installed"),
                _ => {}
            }
        }
    }
    packages
}

/// `NAME[:ARCHITECTURE].md5sums`: lines of an MD5, two spaces and a path without a leading `/`.
pub(super) fn sums(place: &str, bytes: &[u8]) -> Vec<PackageFacts> {
    one(place, ".md5sums", bytes, |line| {
        let (digest, path) = line.split_at_checked(32)?;
        let mut md5 = [0; 16];
        hex::decode_to_slice(digest, &mut md5).ok()?;
        let path = path.strip_prefix("  ").or_else(|| path.strip_prefix(" *"))?;
        packaged(path, Some(FileDigest::Md5(super::head(&md5)?)))
    })
}

/// `NAME[:ARCHITECTURE].list`: all paths, folders too.
pub(super) fn list(place: &str, bytes: &[u8]) -> Vec<PackageFacts> {
    one(place, ".list", bytes, |line| packaged(line, None))
}

fn one(place: &str, suffix: &str, bytes: &[u8], read: impl Fn(&str) -> Option<PackagedFile>) -> Vec<PackageFacts> {
    let name = place.rsplit('/').next().unwrap_or(place);
    let name = name.strip_suffix(suffix).unwrap_or(name);
    let mut facts = package(name.split(':').next().unwrap_or(name), "");
    facts.files = String::from_utf8_lossy(bytes).lines().filter_map(read).take(FILES_MAX).collect();
    vec![facts]
}

/// `diversions`: three lines each, from, to, by.
pub(super) fn diversions(bytes: &[u8]) -> Vec<Diversion> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let (Some(from), Some(to), Some(by)) = (lines.next(), lines.next(), lines.next()) {
        let path = |path: &str| path.trim_start_matches('/').to_owned();
        if found.len() < PACKAGES_MAX {
            found.push(Diversion { from: path(from), to: path(to), by: by.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use model::ListedPath;

    use super::*;

    #[test]
    fn installed_packages_are_told_from_removed_ones() {
        let status =
            b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nDescription: a shell\n Package: x\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n";
        assert_eq!(super::status(status), [package("bash", "5.2-1")]);
        assert_eq!(super::status(b"Package: tzdata\nVersion: 2026a"), [package("tzdata", "2026a")], "distroless");
    }

    #[test]
    fn checksums_are_read_and_sloppy_lines_skipped() {
        let sums = b"7a4179e324c784b99e98fedee05260f7  bin/cat\nnot a line\n7a4179  bin/x\n\
            7a4179e324c784b99e98fedee05260f7  ../etc/passwd\n";
        let [facts] = &super::sums("var/lib/dpkg/info/coreutils:amd64.md5sums", sums)[..] else { panic!() };
        assert_eq!(facts.name, "coreutils");
        let digest = FileDigest::Md5([0x7a, 0x41, 0x79, 0xe3, 0x24, 0xc7, 0x84, 0xb9]);
        assert_eq!(facts.files, [PackagedFile { path: ListedPath::Path("bin/cat".to_owned()), digest: Some(digest) }]);
    }

    #[test]
    fn diversions_come_in_threes() {
        let found = diversions(b"/bin/sh\n/bin/sh.distrib\ndash\n/sbin/initctl\n/sbin/initctl.distrib\n:\n/cut\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].from.as_str(), found[1].by.as_str()), ("sbin/initctl", ":"));
    }
}
