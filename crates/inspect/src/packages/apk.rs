//! apk: `/lib/apk/db/installed`, one letter a line: `P` package, `V` version, `F` folder, `R` file in it, `a` owner and
//! mode of that file, `Z` its checksum. An empty line ends a package.
//!
//! `Z:Q1` is SHA-1 and `Z:Q2` SHA-256 (apk 3 cuts it to 20 bytes), in Base64. That of a symbolic link is of its target.
//!
//! Sources: wiki.alpinelinux.org "Apk spec"; apk-tools `src/database.c`, `src/blob.c`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{FileDigest, PackageFacts};

use super::{FILES_MAX, PACKAGES_MAX, head, package, packaged};

pub(super) fn installed(bytes: &[u8]) -> Vec<PackageFacts> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut files = 0;
    let mut current = package("", "");
    let (mut folder, mut is_link) = ("", false);
    for line in text.lines().chain([""]) {
        let Some((field, value)) = line.split_once(':') else {
            if line.is_empty() && !current.name.is_empty() && packages.len() < PACKAGES_MAX {
                packages.push(std::mem::replace(&mut current, package("", "")));
            }
            (folder, is_link) = ("", false);
            continue;
        };
        match field {
            "P" => current.name = package(value, "").name,
            "V" => current.version = package("", value).version,
            "F" => folder = value,
            "R" => {
                is_link = false;
                let path = if folder.is_empty() { value.to_owned() } else { format!("{folder}/{value}") };
                if files < FILES_MAX
                    && let Some(file) = packaged(&path, None)
                {
                    files += 1;
                    current.files.push(file);
                }
            }
            // Only symbolic links have all bits: a checksum of theirs is not of a file.
            "a" => is_link = value.ends_with(":777"),
            "Z" if !is_link => {
                if let Some(file) = current.files.last_mut() {
                    file.digest = checksum(value);
                }
            }
            _ => {}
        }
    }
    packages
}

fn checksum(value: &str) -> Option<FileDigest> {
    let kind = value.get(..2)?;
    let digest = STANDARD.decode(value.get(2..)?).ok()?;
    match kind {
        "Q1" => Some(FileDigest::Sha1(head(&digest)?)),
        "Q2" => Some(FileDigest::Sha256(head(&digest)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::ListedPath;

    use super::*;

    #[test]
    fn files_stand_in_their_folders() {
        // SHA-1 of nothing.
        let text = b"C:Q1abc=\nP:busybox\nV:1.36.1-r5\nF:bin\nR:busybox\na:0:0:755\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n\
            R:sh\na:0:0:777\nZ:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\nF:etc\nR:motd\n\nP:musl\nV:1.2\n";
        let packages = installed(text);
        assert_eq!(packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["busybox", "musl"]);
        let files: Vec<_> = packages[0].files.iter().map(|file| (&file.path, file.digest)).collect();
        let path = |path: &str| ListedPath::Path(path.to_owned());
        let empty = FileDigest::Sha1([0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d]);
        assert_eq!(files, [(&path("bin/busybox"), Some(empty)), (&path("bin/sh"), None), (&path("etc/motd"), None)]);
    }
}
