//! pip and other installers of wheels: `NAME-VERSION.dist-info/RECORD`, a CSV of path, digest, size. Paths are relative to
//! the folder that holds the `.dist-info`, and may climb out of it (`../../../bin/pip`).
//!
//! Source: packaging.python.org, "Recording installed projects" and "Binary distribution format": `sha256=` and URL-safe
//! Base64 without padding; the digest may be missing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{FileDigest, PackageFacts};

use super::{FILES_MAX, head, package, packaged};

pub(super) fn record(place: &str, bytes: &[u8]) -> Vec<PackageFacts> {
    let Some((folder, "RECORD")) = place.rsplit_once('/') else { return Vec::new() };
    let (site, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    let name = name.strip_suffix(".dist-info").unwrap_or(name);
    let (name, version) = name.split_once('-').unwrap_or((name, ""));
    let mut facts = package(name, version);
    let text = String::from_utf8_lossy(bytes);
    let files = text.lines().filter_map(|line| {
        let (path, digest) = fields(line)?;
        packaged(&joined(site, &path)?, digest)
    });
    facts.files = files.take(FILES_MAX).collect();
    vec![facts]
}

fn fields(line: &str) -> Option<(String, Option<FileDigest>)> {
    let (path, rest) = match line.strip_prefix('"') {
        Some(quoted) => {
            let end = quoted.rfind("\",")?;
            (quoted.get(..end)?.replace("\"\"", "\""), quoted.get(end + 2..)?)
        }
        None => {
            let (path, rest) = line.split_once(',')?;
            (path.to_owned(), rest)
        }
    };
    let digest = rest.split(',').next().and_then(|digest| digest.strip_prefix("sha256="));
    let digest = digest.and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
    Some((path, digest.and_then(|digest| head(&digest)).map(FileDigest::Sha256)))
}

/// `path` as seen from `site`; none if it leaves the root.
fn joined(site: &str, path: &str) -> Option<String> {
    if path.len() > super::PATH_BYTES_MAX {
        return None;
    }
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let mut parts: Vec<&str> = site.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use model::ListedPath;

    use super::*;

    #[test]
    fn paths_are_seen_from_the_site_folder() {
        // SHA-256 of nothing.
        let text = b"../../../bin/pip,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\npip/a.py,,\r\n\
            \"pip/a,b.py\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n../../../../../../etc/x,,\n";
        let found = record("usr/local/lib/python3/site-packages/pip-24.0.dist-info/RECORD", text);
        assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("pip", "24.0"));
        let files: Vec<_> = found[0].files.iter().map(|file| (&file.path, file.digest)).collect();
        let path = |path: &str| ListedPath::Path(path.to_owned());
        let empty = Some(FileDigest::Sha256([0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14]));
        let site = "usr/local/lib/python3/site-packages";
        assert_eq!(
            files,
            [
                (&path("usr/local/bin/pip"), empty),
                (&path(&format!("{site}/pip/a.py")), None),
                (&path(&format!("{site}/pip/a,b.py")), empty),
            ]
        );
    }
}
