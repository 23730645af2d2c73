//! What a user types for an image.
//!
//! Completion follows Docker's (`distribution/reference`, "familiar names"): the first part is a registry only if
//! it holds a `.` or a `:` or is `localhost`; otherwise the registry is `docker.io`, and a single part is under
//! `library/`. No tag and no digest means `latest`.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::Digest;

/// The registry that a name without one means.
pub const DOCKER_HUB: &str = "docker.io";

/// Longest repository name, registry included: `distribution/reference`, `NameTotalLengthMax`.
pub const NAME_BYTES_MAX: usize = 255;

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// `host` or `host:port`; `docker.io` for Docker Hub.
    pub registry: String,
    /// For example `library/alpine`.
    pub repository: String,
    /// As given; `latest` if neither tag nor digest was given.
    pub tag: Option<String>,
    /// If given, it decides and the tag is only context.
    pub digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference: {reason}")]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl ImageReference {
    /// What the registry's API is asked for: the digest if there is one, else the tag.
    #[must_use]
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// `registry/repository` without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason: String| ReferenceError { text: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|e| wrong(format!("{e}")))?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(wrong(format!("the tag {tag:?} must be 1 to 128 of letters, digits, `_`, `.`, `-`")));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path.to_owned()),
            Some(_) => (DOCKER_HUB, name.to_owned()),
            None => (DOCKER_HUB, format!("library/{name}")),
        };
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            other => other,
        };
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        if host.is_empty() || !registry.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b)) {
            return Err(wrong(format!("{registry:?} is not a registry host")));
        }
        let path = if registry == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path };
        // As completed: else what we write could not be read again.
        if registry.len() + 1 + path.len() > NAME_BYTES_MAX {
            return Err(wrong(format!("the name is longer than {NAME_BYTES_MAX} bytes")));
        }
        if !path.split('/').all(is_component) {
            return Err(wrong(
                "a repository is lower-case letters and digits, parts joined by `/`, `.`, `_` or `-`, as in `library/alpine`".to_owned(),
            ));
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some("latest".to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self { registry: registry.to_owned(), repository: path, tag, digest })
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn is_registry(part: &str) -> bool {
    part.contains('.') || part.contains(':') || part == "localhost"
}

/// OCI distribution-spec v1.1: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    matches!(bytes.first(), Some(b) if b.is_ascii_alphanumeric() || *b == b'_')
        && bytes.len() <= 128
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

/// OCI distribution-spec v1.1: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    for byte in part.bytes() {
        if word(byte) {
            if !matches!(separator.as_str(), "" | "." | "_" | "__") && separator.bytes().any(|b| b != b'-') {
                return false;
            }
            separator.clear();
        } else if b"._-".contains(&byte) {
            separator.push(char::from(byte));
        } else {
            return false;
        }
    }
    separator.is_empty() && part.bytes().next().is_some_and(word)
}

/// Any place `lazaret scan` reads an image from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locator {
    /// A registry.
    Registry(ImageReference),
    /// `docker-archive:FILE`: what `docker save` or `podman save` wrote; `-` (no path) is standard input.
    DockerArchive(Option<PathBuf>),
    /// `oci:DIR[:TAG]`: an OCI image layout folder.
    OciLayout {
        /// The folder with `oci-layout` and `index.json`.
        folder: PathBuf,
        /// `org.opencontainers.image.ref.name`; needed if the layout holds several images.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: an OCI image layout in a tar file.
    OciArchive {
        /// The tar file.
        file: PathBuf,
        /// As for [`Locator::OciLayout`].
        tag: Option<String>,
    },
    /// `docker-daemon:REF`: an image of the local Docker engine, by name or image id.
    DockerDaemon(String),
}

impl FromStr for Locator {
    type Err = ReferenceError;

    /// Reads the transport prefixes that `skopeo` and `podman` use; anything else is a registry reference
    /// (also with `docker://` in front).
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason: &str| ReferenceError { text: text.to_owned(), reason: reason.to_owned() };
        let tagged = |rest: &str| match rest.rsplit_once(':') {
            Some((path, tag)) if is_tag(tag) && !path.is_empty() => (PathBuf::from(path), Some(tag.to_owned())),
            _ => (PathBuf::from(rest), None),
        };
        match text.split_once(':') {
            Some(("docker-archive" | "oci" | "oci-archive" | "docker-daemon", "")) => {
                Err(wrong("a path or name must follow the colon"))
            }
            Some(("docker-archive", "-")) => Ok(Self::DockerArchive(None)),
            Some(("docker-archive", path)) => Ok(Self::DockerArchive(Some(PathBuf::from(path)))),
            Some(("oci", rest)) => {
                let (folder, tag) = tagged(rest);
                Ok(Self::OciLayout { folder, tag })
            }
            Some(("oci-archive", rest)) => {
                let (file, tag) = tagged(rest);
                Ok(Self::OciArchive { file, tag })
            }
            Some(("docker-daemon", name)) => Ok(Self::DockerDaemon(name.to_owned())),
            Some(("docker", rest)) if rest.starts_with("//") => rest[2..].parse().map(Self::Registry),
            _ => text.parse().map(Self::Registry),
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = |tag: &Option<String>| tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::DockerArchive(None) => f.write_str("docker-archive:-"),
            Self::DockerArchive(Some(path)) => write!(f, "docker-archive:{}", path.display()),
            Self::OciLayout { folder, tag: name } => write!(f, "oci:{}{}", folder.display(), tag(name)),
            Self::OciArchive { file, tag: name } => write!(f, "oci-archive:{}{}", file.display(), tag(name)),
            Self::DockerDaemon(name) => write!(f, "docker-daemon:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = text.parse::<ImageReference>().map_or_else(|e| e.to_string(), |r| r.to_string());
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn the_longest_name_can_be_written_and_read_again() {
        let longest = "a".repeat(NAME_BYTES_MAX - "docker.io/library/".len());
        let reference: ImageReference = longest.parse().expect("just fits");
        assert_eq!(reference.to_string().parse(), Ok(reference));
        assert!(format!("{longest}a").parse::<ImageReference>().is_err());
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        check("nginx", "docker.io/library/nginx:latest");
        check("docker.io/nginx:1", "docker.io/library/nginx:1");
        check("index.docker.io/library/nginx", "docker.io/library/nginx:latest");
        check("a/b", "docker.io/a/b:latest");
        check("localhost/a", "localhost/a:latest");
        check("localhost:5000/a/b:c", "localhost:5000/a/b:c");
        check("quay.io/a", "quay.io/a:latest");
        check("a__b/c--d.e:T_1", "docker.io/a__b/c--d.e:T_1");
        let digest = Digest::of(b"");
        check(&format!("a@{digest}"), &format!("docker.io/library/a@{digest}"));
        check(&format!("a:t@{digest}"), &format!("docker.io/library/a:t@{digest}"));
    }

    #[test]
    fn what_is_not_a_reference_is_refused_with_a_reason() {
        for text in
            ["", "A", "a:", "a:b:c", "a//b", "-a", "a___b", "a..b", "a/b/", "a@sha256:1", "a:t@", "a b", ":5000/a"]
        {
            assert!(text.parse::<ImageReference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn transports_are_told_apart() {
        let locate = |text: &str| text.parse::<Locator>().map(|l| l.to_string()).unwrap_or_default();
        assert_eq!("docker-archive:-".parse(), Ok(Locator::DockerArchive(None)));
        assert_eq!("oci:/a/b:v1".parse(), Ok(Locator::OciLayout { folder: "/a/b".into(), tag: Some("v1".to_owned()) }));
        assert_eq!(locate("oci-archive:x.tar"), "oci-archive:x.tar");
        assert_eq!(locate("docker-daemon:a:b"), "docker-daemon:a:b");
        assert_eq!(locate("docker://alpine"), "docker.io/library/alpine:latest");
        assert!("oci:".parse::<Locator>().is_err());
    }
}
