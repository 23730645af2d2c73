//! What bills of materials of every format have in common: an image by its digests, files by theirs, and package URLs.
//!
//! Source: package-url `oci` and `docker` types (`pkg:oci/NAME@sha256%3A…?repository_url=HOST/PATH&tag=…`).

use feed::Role;
use model::Digest;

use super::{Asked, Source};
use crate::Subject;

/// Most digests of one image that are looked at; a bill lists a layer beside every file.
const DIGESTS_MAX: usize = 10_000;

/// A digest as a role.
pub(super) type Known = (Digest, Option<Role>);

/// An image in the making.
#[derive(Debug, Default)]
pub(super) struct Image {
    pub(super) reference: Option<String>,
    pub(super) digests: Vec<Known>,
}

impl Image {
    /// Adds every `sha256:…` in `text`, and its name if it has none yet.
    pub(super) fn read(&mut self, text: &str, role: Option<Role>) {
        for digest in digests_in(text) {
            self.add(digest, role);
        }
    }

    /// Adds what a package URL names.
    pub(super) fn read_purl(&mut self, purl: &str) {
        let Some(named) = Named::parse(purl) else { return };
        self.reference = Some(named.reference);
        if let Some(digest) = named.digest {
            self.add(digest, None);
        }
    }

    pub(super) fn add(&mut self, digest: Digest, role: Option<Role>) {
        if let Some((_, known)) = self.digests.iter_mut().find(|(known, _)| *known == digest) {
            *known = known.or(role);
        } else if self.digests.len() < DIGESTS_MAX {
            self.digests.push((digest, role));
        }
    }

    /// The image, if anything names it.
    pub(super) fn asked(self, source: &Source<'_>, line: u32, place: String) -> Option<Asked> {
        if self.reference.is_none() && self.digests.is_empty() {
            return None;
        }
        // A name alone is followed as on the command line; a name that is none may still have digests.
        let unresolved = match self.reference.as_deref().map(str::parse::<model::ImageReference>) {
            Some(Err(error)) if self.digests.is_empty() => Some(error.reason),
            _ => None,
        };
        let subject = Subject { reference: self.reference, digests: self.digests, unresolved };
        Some(Asked { subject, file: Some(source.file.to_owned()), line: Some(line), place })
    }
}

/// The files of a bill, as one subject: their digests decide, their names do not.
pub(super) fn files(source: &Source<'_>, line: u32, digests: Vec<Digest>) -> Option<Asked> {
    if digests.is_empty() {
        return None;
    }
    let place = format!("{} files", digests.len());
    let digests = digests.into_iter().map(|digest| (digest, Some(Role::File))).collect();
    let subject = Subject { digests, ..Subject::default() };
    Some(Asked { subject, file: Some(source.file.to_owned()), line: Some(line), place })
}

/// A SHA-256 as bills write it: hexadecimal, with or without `sha256:`.
pub(super) fn sha256(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok()
}

/// Every `sha256:` with 64 hexadecimal digits in `text`.
pub(super) fn digests_in(text: &str) -> impl Iterator<Item = Digest> {
    text.match_indices("sha256:").filter_map(|(at, _)| text.get(at..at + 71)).filter_map(|text| text.parse().ok())
}

/// Whether a package URL is one of an image.
pub(super) fn is_image(purl: &str) -> bool {
    purl.starts_with("pkg:oci/") || purl.starts_with("pkg:docker/")
}

struct Named {
    reference: String,
    digest: Option<Digest>,
}

impl Named {
    fn parse(purl: &str) -> Option<Self> {
        let is_docker = purl.starts_with("pkg:docker/");
        let rest = purl.strip_prefix("pkg:oci/").or_else(|| purl.strip_prefix("pkg:docker/"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, version) = path.split_once('@').unwrap_or((path, ""));
        let (name, version) = (decoded(name), decoded(version));
        let value = |key: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, it)| decoded(it))
        };
        let digest = version.parse::<Digest>().ok();
        let host = value("repository_url").map(|url| {
            let bare = url.trim_start_matches("https://").trim_start_matches("http://");
            bare.trim_end_matches('/').to_owned()
        });
        let mut reference = match host {
            // For `oci` it names the repository, for `docker` the registry; both are seen in both.
            Some(host) if host.contains('/') || !is_docker && host.ends_with(&name) => host,
            Some(host) => format!("{host}/{name}"),
            None => name,
        };
        let tag = value("tag").or_else(|| Some(version).filter(|version| digest.is_none() && super::is_tag(version)));
        if let Some(tag) = tag.filter(|tag| super::is_tag(tag)) {
            reference = format!("{reference}:{tag}");
        }
        if let Some(digest) = digest {
            reference = format!("{reference}@{digest}");
        }
        Some(Self { reference, digest })
    }
}

/// `%XX` as bytes; what is no UTF-8 or no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = (byte == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_become_references() {
        let digest = Digest::of(b"");
        let check = |purl: &str, expected: &str| {
            let reference = Named::parse(purl).map(|named| named.reference);
            assert_eq!(reference.as_deref(), Some(expected), "{purl}");
        };
        let escaped = digest.to_string().replace(':', "%3A");
        check(
            &format!("pkg:oci/app@{escaped}?repository_url=ghcr.io/a/app&tag=1"),
            &format!("ghcr.io/a/app:1@{digest}"),
        );
        check(
            &format!("pkg:oci/debian@{escaped}?repository_url=docker.io%2Flibrary%2Fdebian"),
            &format!("docker.io/library/debian@{digest}"),
        );
        check("pkg:docker/customer/dockerimage@1.2?repository_url=gcr.io", "gcr.io/customer/dockerimage:1.2");
        check("pkg:docker/nginx@1", "nginx:1");
        assert!(Named::parse("pkg:npm/oci@1").is_none());
    }
}
