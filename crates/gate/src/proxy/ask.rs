//! What a client asks of a registry, read from path and query; everything else is refused.
//!
//! The upstream is named by `?ns=` (containerd's way), else by the first part of the repository (`HOST:PORT/quay.io/org/app`), else it
//! is the first one configured. Source: OCI distribution-spec v1.1, "Endpoints"; containerd `docs/hosts.md` (`ns`).

use model::{
    Digest,
    reference::{DOCKER_HUB, is_tag},
};
use url::form_urlencoded;

use super::refusal::Refusal;

/// Longest path and query that is looked at.
const TARGET_BYTES_MAX: usize = 4_096;

/// One request that a proxy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// `/v2/`: is this a registry?
    Base,
    /// Something of a repository.
    Of {
        /// Name of the upstream, one of those configured.
        upstream: String,
        /// As the upstream knows it.
        repository: String,
        /// What of it.
        what: What,
    },
}

/// What of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A manifest or index, by tag or by digest.
    Manifest(Selector),
    /// A config or layer.
    Blob(Digest),
    /// Its tags, with the query to hand on.
    Tags(String),
    /// What refers to a manifest, with the query to hand on.
    Referrers(Digest, String),
}

/// How a manifest is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    /// By what can be moved.
    Tag(String),
    /// By what it is.
    Digest(Digest),
}

/// Reads path and query; `upstreams` are the configured names, the first one the default.
pub(super) fn read(path: &str, query: Option<&str>, upstreams: &[String]) -> Result<Ask, Refusal> {
    let query = query.unwrap_or_default();
    if path.len() + query.len() > TARGET_BYTES_MAX {
        return Err(Refusal::unknown("the address is too long"));
    }
    if matches!(path, "/v2" | "/v2/") {
        return Ok(Ask::Base);
    }
    let rest = path.strip_prefix("/v2/").ok_or_else(|| Refusal::unknown("this is a registry: ask under /v2/"))?;
    let (name, what) = split(rest, query)?;
    let ns: Vec<_> = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "ns").collect();
    let (upstream, repository) = match ns.as_slice() {
        [] => by_prefix(name, upstreams)?,
        [(_, ns)] => (known(ns, upstreams)?, name.to_owned()),
        _ => return Err(Refusal::unknown("it names more than one upstream")),
    };
    // As Docker completes it; upstream there is no `alpine`, only `library/alpine`.
    let repository = match upstream.as_str() {
        DOCKER_HUB if !repository.contains('/') => format!("library/{repository}"),
        _ => repository,
    };
    if !is_repository(&repository) {
        return Err(Refusal::unknown("this is no repository name"));
    }
    Ok(Ask::Of { upstream, repository, what })
}

/// The repository and what is wanted of it.
fn split<'a>(rest: &'a str, query: &str) -> Result<(&'a str, What), Refusal> {
    let digest = |text: &str| text.parse::<Digest>().map_err(|_| Refusal::unknown("this is no sha256 digest"));
    let (front, last) = rest.rsplit_once('/').ok_or_else(|| Refusal::unknown("there is no such endpoint"))?;
    let (name, kind) = front.rsplit_once('/').ok_or_else(|| Refusal::unknown("there is no such endpoint"))?;
    let what = match kind {
        "manifests" if last.contains(':') => What::Manifest(Selector::Digest(digest(last)?)),
        "manifests" if is_tag(last) => What::Manifest(Selector::Tag(last.to_owned())),
        "manifests" => return Err(Refusal::unknown("this is neither tag nor digest")),
        "blobs" => What::Blob(digest(last)?),
        "tags" if last == "list" => What::Tags(handed_on(query, &["n", "last"])),
        "referrers" => What::Referrers(digest(last)?, handed_on(query, &["artifactType"])),
        _ => return Err(Refusal::unknown("there is no such endpoint")),
    };
    Ok((name, what))
}

/// Of `name`, whose first part may be an upstream.
fn by_prefix(name: &str, upstreams: &[String]) -> Result<(String, String), Refusal> {
    match name.split_once('/') {
        Some((first, rest)) if upstreams.iter().any(|known| known == first) => Ok((first.to_owned(), rest.to_owned())),
        // Looks like a registry: a default would answer for another one.
        Some((first, _)) if first.contains('.') || first.contains(':') || first == "localhost" => {
            known(first, upstreams).map(|known| (known, String::new()))
        }
        _ => {
            let first = upstreams.first().ok_or_else(|| Refusal::unknown("no upstream is configured"))?;
            Ok((first.clone(), name.to_owned()))
        }
    }
}

fn known(asked: &str, upstreams: &[String]) -> Result<String, Refusal> {
    let asked = match asked {
        "registry-1.docker.io" | "index.docker.io" => DOCKER_HUB,
        other => other,
    };
    upstreams.iter().find(|known| *known == asked).cloned().ok_or_else(|| Refusal::other_upstream(asked, upstreams))
}

/// Those parameters that an upstream may see.
fn handed_on(query: &str, names: &[&str]) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| names.contains(&key.as_ref()));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Strict enough to stand in a URL unescaped: lower-case letters and digits, single separators, no `..`.
fn is_repository(name: &str) -> bool {
    name.len() <= model::reference::NAME_BYTES_MAX
        && name.split('/').all(|part| {
            let bytes = part.as_bytes();
            let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            word(bytes.first())
                && word(bytes.last())
                && bytes.iter().all(|b| word(Some(b)) || b"._-".contains(b))
                && !part.contains("..")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams() -> Vec<String> {
        ["docker.io", "quay.io", "localhost:5000"].map(str::to_owned).to_vec()
    }

    /// What is understood, in one line.
    fn check(target: &str, expected: &str) {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let found = match read(path, query, &upstreams()) {
            Ok(Ask::Base) => "base".to_owned(),
            Ok(Ask::Of { upstream, repository, what }) => format!("{upstream} {repository} {what:?}"),
            Err(refusal) => refusal.message,
        };
        assert!(found.contains(expected), "{target}: {found}");
    }

    #[test]
    fn an_upstream_is_named_by_ns_by_prefix_or_by_default() {
        check("/v2/", "base");
        check("/v2/library/alpine/manifests/3", "docker.io library/alpine Manifest(Tag(\"3\"))");
        check("/v2/alpine/manifests/3", "docker.io library/alpine ");
        check("/v2/org/app/manifests/3?ns=quay.io", "quay.io org/app ");
        check("/v2/alpine/manifests/3?ns=registry-1.docker.io", "docker.io library/alpine ");
        check("/v2/quay.io/org/app/manifests/3", "quay.io org/app ");
        check("/v2/localhost:5000/app/manifests/3", "localhost:5000 app ");
        check("/v2/docker.io/alpine/tags/list?n=5&last=a%26b&x=y", "docker.io library/alpine Tags(\"n=5&last=a%26b\")");
    }

    #[test]
    fn a_registry_that_is_not_configured_is_refused_and_never_asked_elsewhere() {
        check("/v2/ghcr.io/org/app/manifests/3", "does not serve ghcr.io");
        check("/v2/org/app/manifests/3?ns=169.254.169.254", "does not serve 169.254.169.254");
        check("/v2/org/app/manifests/3?ns=quay.io&ns=docker.io", "more than one");
        check("/v2/org/app/manifests/3?ns=", "does not serve");
    }

    #[test]
    fn what_could_leave_the_repository_is_refused() {
        for name in ["../x", "a/../b", "a//b", "A", "a%2Fb", "a b", "-a", "a_", "a..b", "", "a\u{e4}"] {
            check(&format!("/v2/{name}/manifests/1?ns=quay.io"), "no repository name");
        }
        check("/v2/a/manifests/..", "neither tag nor digest");
        check("/v2/a/manifests/sha256:12", "no sha256 digest");
        check("/v2/a/manifests/sha512:12", "no sha256 digest");
        check("/v2/a/blobs/uploads", "no sha256 digest");
        check("/v1/search", "under /v2/");
        check(&format!("/v2/{}/manifests/1", "a".repeat(5_000)), "too long");
    }
}
