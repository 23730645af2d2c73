//! One registry, asked on behalf of a client: what a pull-through proxy needs. Logs in with the operator's credentials, follows
//! redirects itself, hands blobs on as they come.

use std::io::Read;

use model::Digest;

pub use super::raw::RawManifest;
use super::{
    place::Place,
    raw,
    session::{Ask, Session},
};
use crate::{Options, RegistryError, http::Length};

/// Longest answer that is neither manifest nor blob: lists of tags, of referrers.
const LISTING_BYTES_MAX: u64 = 4 << 20;

/// A registry. Shared between threads; every call blocks.
pub struct Upstream {
    session: Session,
}

/// A blob on its way. Nothing is verified: whoever asked for a digest has to hash what it gets.
pub struct Passing {
    /// First byte it begins with: what was asked for, or 0 if the registry knows no ranges.
    pub from: u64,
    /// Bytes to come, if the registry says.
    pub left: Option<u64>,
    /// Its bytes, until they end or the connection does.
    pub body: Box<dyn Read + Send>,
}

impl Upstream {
    /// By URL or host; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Invalid`] if it is none.
    pub fn open(registry: &str, options: &Options) -> Result<Self, RegistryError> {
        Ok(Self { session: Session::new(Place::of_url(registry, options)?, options)? })
    }

    /// As it is named in references.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.session.place.registry
    }

    /// A manifest or index by tag or digest.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`]; [`RegistryError::WrongDigest`] if it is not what was asked for.
    pub fn manifest(&self, repository: &str, selector: &str) -> Result<RawManifest, RegistryError> {
        raw::manifest(&self.session, repository, selector, &self.what("manifest", repository, selector))
    }

    /// The digest it says a tag has now (one HEAD), if it says. A claim, never a reason to decide by.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub fn claimed_digest(&self, repository: &str, tag: &str) -> Result<Option<Digest>, RegistryError> {
        raw::claimed_digest(&self.session, repository, tag, &self.what("manifest", repository, tag))
    }

    /// A blob from byte `from` on, or all of it.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub fn blob(&self, repository: &str, digest: &Digest, from: Option<u64>) -> Result<Passing, RegistryError> {
        let what = self.what("blob", repository, &digest.to_string());
        let answer = self.ask(&what, repository, &format!("blobs/{digest}"), from, Length::Any)?;
        let number = |name: &str| answer.header(name).and_then(|value| value.trim().parse::<u64>().ok());
        let left = number("content-length");
        let begins = match answer.status {
            206 => answer.header("content-range").and_then(first_byte),
            200 => Some(0),
            _ => None,
        };
        let from = begins.filter(|begins| *begins == 0 || Some(*begins) == from);
        let from = from.ok_or_else(|| RegistryError::Invalid {
            what,
            detail: "the registry sends another part of it than was asked for".to_owned(),
        })?;
        Ok(Passing { from, left, body: Box::new(answer.body.into_reader()) })
    }

    /// What it says under `/v2/REPOSITORY/…`, and its `Link` header.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`]; [`RegistryError::Invalid`] beyond 4 MiB.
    pub fn listing(&self, repository: &str, path: &str) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let what = self.what("list", repository, path);
        let answer = self.ask(&what, repository, path, None, Length::Short)?;
        let link = answer.header("link").map(str::to_owned);
        let bytes = answer
            .bytes(LISTING_BYTES_MAX)
            .map_err(|failure| RegistryError::Unreachable { what: what.clone(), detail: failure.detail })?;
        let too_long = || RegistryError::Invalid { what, detail: format!("longer than {LISTING_BYTES_MAX} bytes") };
        Ok((bytes.ok_or_else(too_long)?, link))
    }

    /// Asks `/v2/` once, without login. Returns what answered, in a few words: a status, or why TLS failed. Whatever it is, something
    /// can be reached from here under the registry's name.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unreachable`] if nothing answered.
    pub fn ping(&self) -> Result<String, RegistryError> {
        let url = self.session.place.url("/v2/")?;
        match self.session.http_for(&url).get(&url, &[], Length::Short) {
            Ok(answer) => Ok(format!("status {}", answer.status)),
            Err(failure) if failure.is_final => Ok(failure.detail),
            Err(failure) => {
                Err(RegistryError::Unreachable { what: self.registry().to_owned(), detail: failure.detail })
            }
        }
    }

    fn what(&self, kind: &str, repository: &str, selector: &str) -> String {
        format!("{kind} {selector} of {}/{repository}", self.registry())
    }

    fn ask(
        &self,
        what: &str,
        repository: &str,
        path: &str,
        from: Option<u64>,
        length: Length,
    ) -> Result<crate::http::Answer, RegistryError> {
        let ask = Ask {
            url: self.session.place.url(&format!("/v2/{repository}/{path}"))?,
            what,
            scope: &format!("repository:{repository}:pull"),
            accept: "*/*",
            from,
            length,
            not_found_hint: "the registry does not have it",
        };
        self.session.get(&ask, Ok)
    }
}

/// Of `bytes FIRST-LAST/WHOLE`.
fn first_byte(content_range: &str) -> Option<u64> {
    content_range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_range_begins_is_read() {
        assert_eq!(first_byte("bytes 7-9/10"), Some(7));
        assert_eq!(first_byte("bytes */10"), None);
        assert_eq!(first_byte("7-9"), None);
    }
}
