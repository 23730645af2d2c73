//! SPDX 2 as tags and values, one a line.
//!
//! Source: SPDX 2.3, annex "Tag/value".

use super::{
    Found, Input, Kind, Source,
    sbom::{self, Image},
};

pub(super) const INPUT: Input = Input {
    name: "SPDX (tag-value)",
    kind: Kind::Sbom,
    recognises: |source| {
        source.text.lines().take(50).any(|line| line.starts_with("SPDXVersion:"))
            && !source.text.trim_start().starts_with('{')
    },
    read,
};

/// A package, as far as it is read.
#[derive(Default)]
struct Package {
    image: Image,
    name: String,
    line: u32,
    is_image: bool,
}

fn read(source: &Source<'_>) -> Found {
    let mut found = Found::default();
    let mut files = Vec::new();
    let mut package = Package::default();
    let mut in_file = false;
    for (number, line) in (1_u32..).zip(source.text.lines()) {
        let Some((tag, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match tag {
            "PackageName" => {
                close(source, std::mem::take(&mut package), &mut found);
                package.name = value.to_owned();
                package.line = number;
                package.image.read(value, None);
                in_file = false;
            }
            "FileName" => in_file = true,
            "PackageVersion" => package.image.read(value, None),
            "PrimaryPackagePurpose" => package.is_image |= value.eq_ignore_ascii_case("container"),
            "PackageChecksum" => {
                checksum(value).into_iter().for_each(|digest| package.image.add(digest, None));
            }
            "FileChecksum" if in_file => files.extend(checksum(value)),
            "ExternalRef" => {
                let purl = value.split_whitespace().nth(2).unwrap_or_default();
                if sbom::is_image(purl) {
                    package.is_image = true;
                    package.image.read_purl(purl);
                }
            }
            _ => {}
        }
    }
    close(source, package, &mut found);
    found.asked.extend(sbom::files(source, 1, files));
    found
}

fn close(source: &Source<'_>, mut package: Package, found: &mut Found) {
    if package.is_image {
        package.image.reference = package.image.reference.or_else(|| Some(package.name.clone()));
        found.asked.extend(package.image.asked(source, package.line.max(1), format!("package {}", package.name)));
    }
}

fn checksum(value: &str) -> Option<model::Digest> {
    let (algorithm, value) = value.split_once(':')?;
    (algorithm.trim() == "SHA256").then(|| sbom::sha256(value.trim())).flatten()
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use crate::inputs::{Options, testing::said};

    #[test]
    fn packages_and_files_are_read() {
        let (image, file) = (Digest::of(b"image"), Digest::of(b"file"));
        let text = format!(
            "SPDXVersion: SPDX-2.3\nPackageName: musl\nPackageChecksum: SHA256: {0}\nPackageName: app\nPrimaryPackagePurpose: CONTAINER\n\
             PackageChecksum: SHA256: {0}\nFileName: ./x\nFileChecksum: SHA1: 00\nFileChecksum: SHA256: {1}\n",
            image.hex(),
            file.hex()
        );
        assert_eq!(
            said("a.spdx", &text, &[], &Options::default()),
            [format!("4 app {} (package app)", &image.hex()[..4]), format!("1 - {}=file (1 files)", &file.hex()[..4]),]
        );
    }
}
