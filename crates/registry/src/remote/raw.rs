//! A manifest as it came, its digest checked against whatever named it.

use model::{
    Digest,
    image::{INDEX_TYPES, MANIFEST_BYTES_MAX, MANIFEST_TYPES},
};

use super::session::{Ask, Session, Trouble};
use crate::{RegistryError, http::Length};

/// A manifest or index that is not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// At most 4 MiB.
    pub bytes: Vec<u8>,
    /// What the registry calls it.
    pub content_type: Option<String>,
    /// Of the bytes, computed here. It is what was asked for, if that was a digest, and what the registry claims.
    pub digest: Digest,
}

/// Fetches a manifest by tag or digest; `what` names it in errors.
pub(super) fn manifest(
    session: &Session,
    repository: &str,
    selector: &str,
    what: &str,
) -> Result<RawManifest, RegistryError> {
    let too_long = || RegistryError::Invalid {
        what: what.to_owned(),
        detail: format!("it is longer than {MANIFEST_BYTES_MAX} bytes"),
    };
    let (bytes, content_type, claimed) =
        ask(session, repository, selector, what, Length::Short, |answer, type_, claimed| {
            let bytes = answer.bytes(MANIFEST_BYTES_MAX)?.ok_or_else(|| Trouble::Final(too_long()))?;
            Ok((bytes, type_, claimed))
        })?;
    let found = Digest::of(&bytes);
    let wrong = |what: String, expected: Digest| RegistryError::WrongDigest { what, expected, found };
    if let Ok(expected) = selector.parse::<Digest>()
        && expected != found
    {
        return Err(wrong(what.to_owned(), expected));
    }
    if let Some(expected) = claimed
        && expected != found
    {
        return Err(wrong(format!("{what} (by its Docker-Content-Digest)"), expected));
    }
    Ok(RawManifest { bytes, content_type, digest: found })
}

/// The digest that the registry claims for a tag now, if it says. A claim: it may differ from what it sends.
pub(super) fn claimed_digest(
    session: &Session,
    repository: &str,
    selector: &str,
    what: &str,
) -> Result<Option<Digest>, RegistryError> {
    ask(session, repository, selector, what, Length::Nothing, |_, _, claimed| Ok(claimed))
}

fn ask<T>(
    session: &Session,
    repository: &str,
    selector: &str,
    what: &str,
    length: Length,
    take: impl Fn(crate::http::Answer, Option<String>, Option<Digest>) -> Result<T, Trouble>,
) -> Result<T, RegistryError> {
    let ask = Ask {
        url: session.place.url(&format!("/v2/{repository}/manifests/{selector}"))?,
        what,
        scope: &format!("repository:{repository}:pull"),
        accept: &[MANIFEST_TYPES, INDEX_TYPES].concat().join(", "),
        from: None,
        length,
        not_found_hint: "check the name and the tag",
    };
    session.get(&ask, |answer| {
        let header = |name: &str| answer.header(name).map(str::to_owned);
        let (content_type, claimed) = (header("content-type"), header("docker-content-digest"));
        take(answer, content_type, claimed.and_then(|claimed| claimed.parse().ok()))
    })
}
