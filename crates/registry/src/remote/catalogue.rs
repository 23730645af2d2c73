//! Names and tags of a registry, page by page. Source: OCI distribution-spec v1.1, "Content Discovery"; `_catalog`:
//! distribution, HTTP API V2.

use std::sync::Arc;

use model::{ImageReference, reference::is_tag, text};
use serde::Deserialize;
use tracing::warn;
use url::Url;

use super::{
    Image,
    session::{Ask, Session, Trouble},
};
use crate::{Catalogue, ImageSource, RegistryError, http::Length};

/// Longest page read: a thousand names of 255 bytes, with room.
const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Names asked for at once; distribution refuses more.
const PAGE_NAMES: usize = 1_000;
/// Pages in a row that bring nothing.
const EMPTY_PAGES_MAX: u32 = 10;

/// One registry's names and tags.
pub(super) struct Names {
    pub(super) session: Arc<Session>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(alias = "tags")]
    repositories: Option<Vec<String>>,
}

impl Names {
    /// Hands every name to `visit`, which says whether it counts.
    fn walk(
        &self,
        path: &str,
        (what, scope, hint): (&str, &str, &str),
        names_max: usize,
        visit: &mut dyn FnMut(String) -> bool,
    ) -> Result<(), RegistryError> {
        let mut next = Some(self.session.place.url(&format!("{path}?n={}", names_max.clamp(1, PAGE_NAMES)))?);
        let (mut left, mut empty_pages) = (names_max, 0);
        while let Some(url) = next.filter(|_| left > 0 && empty_pages < EMPTY_PAGES_MAX) {
            let (names, link) = self.page(&url, what, scope, hint)?;
            let before = left;
            for name in names {
                if left > 0 && visit(name) {
                    left -= 1;
                }
            }
            empty_pages = if left < before { 0 } else { empty_pages + 1 };
            next = link;
        }
        Ok(())
    }

    fn page(
        &self,
        url: &Url,
        what: &str,
        scope: &str,
        hint: &str,
    ) -> Result<(Vec<String>, Option<Url>), RegistryError> {
        let ask = Ask {
            url: url.clone(),
            what,
            scope,
            accept: "application/json",
            from: None,
            length: Length::Short,
            not_found_hint: hint,
        };
        let invalid = |detail: String| RegistryError::Invalid { what: what.to_owned(), detail };
        self.session.get(&ask, |answer| {
            let link = answer.header("link").and_then(next_link).map(str::to_owned);
            let bytes = answer.bytes(PAGE_BYTES_MAX)?;
            let bytes = bytes
                .ok_or_else(|| Trouble::Final(invalid(format!("one page is longer than {PAGE_BYTES_MAX} bytes"))))?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|e| Trouble::Final(invalid(format!("it is not a list of names (line {})", e.line()))))?;
            let next = link.map(|link| url.join(&link)).transpose().ok().filter(|next| {
                next.as_ref().is_none_or(|next| self.session.place.owns(next) && next.path().starts_with("/v2/"))
            });
            let next = next.ok_or_else(|| Trouble::Final(invalid("its next page is at another place".to_owned())))?;
            Ok((page.repositories.unwrap_or_default(), next.filter(|next| next != url)))
        })
    }
}

impl Catalogue for Names {
    fn repositories(&self, repositories_max: usize, visit: &mut dyn FnMut(String)) -> Result<(), RegistryError> {
        let registry = &self.session.place.registry;
        let what = format!("the catalogue of {registry}");
        let hint = "this registry shows no catalogue; name the repositories";
        let about = (what.as_str(), "registry:catalog:*", hint);
        self.walk("/v2/_catalog", about, repositories_max, &mut |name| {
            let known = format!("{registry}/{name}").parse::<ImageReference>();
            let usable = known.is_ok_and(|known| known.repository == name);
            if usable {
                visit(name);
            } else {
                warn!("{registry} lists {:?}, which is not a repository name: left out", shown(&name));
            }
            usable
        })
    }

    fn tags(&self, repository: &str, tags_max: usize) -> Result<Vec<String>, RegistryError> {
        let what = format!("the list of tags of {}/{repository}", self.session.place.registry);
        let scope = format!("repository:{repository}:pull");
        let mut tags = Vec::new();
        let about = (what.as_str(), scope.as_str(), "check the name of the repository");
        self.walk(&format!("/v2/{repository}/tags/list"), about, tags_max, &mut |tag| {
            let usable = is_tag(&tag);
            if usable {
                tags.push(tag);
            } else {
                warn!("{repository} lists {:?}, which is not a tag: left out", shown(&tag));
            }
            usable
        })?;
        Ok(tags)
    }

    fn reference(&self, repository: &str, tag: &str) -> ImageReference {
        let registry = self.session.place.registry.clone();
        ImageReference { registry, repository: repository.to_owned(), tag: Some(tag.to_owned()), digest: None }
    }

    fn image(&self, reference: &ImageReference) -> Box<dyn ImageSource> {
        Box::new(Image { session: Arc::clone(&self.session), reference: reference.clone() })
    }
}

fn shown(name: &str) -> String {
    text::visible(&text::shortened(name, 80)).into_owned()
}

/// The target of `rel="next"`. Source: RFC 8288, 3.
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|p| matches!(p.trim(), r#"rel="next""# | "rel=next"));
        is_next.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn only_the_next_link_is_followed() {
        assert_eq!(next_link(r#"</v2/_catalog?last=b&n=2>; rel="next""#), Some("/v2/_catalog?last=b&n=2"));
        assert_eq!(next_link(r#"<a>; rel="prev", <b>;x=y; rel=next"#), Some("b"));
        assert_eq!(next_link(r#"<a>; rel="prev""#), None);
        assert_eq!(next_link("nonsense"), None);
    }
}
