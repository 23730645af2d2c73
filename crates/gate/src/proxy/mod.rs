//! A pull-through registry that decides before the first byte: whoever pulls through it cannot pull what is listed.
//!
//! Every manifest is fetched, hashed and read here, then decided on by all digests it stands for: by tag and by digest, for HEAD and
//! for GET, each request anew. Blobs are decided on by their digest, so that nothing is had past the manifest either. Only bytes are
//! remembered, never decisions; a HEAD decides nothing for the GET after it.
//!
//! | module | what it does |
//! |---|---|
//! | [`ask`] | path and query → what is asked of which upstream |
//! | [`subject`] | manifest → digests to decide on |
//! | [`manifests`] | bytes of manifests fetched lately |
//! | [`stream`] | a blob in constant memory |
//! | [`refusal`] | OCI's error body |
//!
//! A client that has a tag goes on by digest: an exemption by reference has to fit `registry/repository@sha256:…` too, so end it in `*`.
//! Upstream it uses the operator's credentials, whoever asks: who may reach the proxy may pull what they open. It stores no blob.
//! Source: OCI distribution-spec v1.1.

mod ask;
mod manifests;
mod refusal;
mod stream;
mod subject;

use std::{
    io,
    net::TcpListener,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header},
};
use model::{
    Digest, ManifestOrIndex,
    image::{INDEX_TYPES, MANIFEST_TYPES},
    text,
};
use registry::{Passing, RawManifest, RegistryError, Upstream};
use tokio::sync::Semaphore;

use self::{
    ask::{Ask, Selector, What},
    manifests::Manifests,
    refusal::Refusal,
};
use crate::{
    Decision, Effect, Subject, canary,
    door::{self, Door},
};

/// Blobs on their way at once; each takes a thread and half a MiB.
const BLOBS_MAX: usize = 256;
/// Calls to upstreams at once besides.
const CALLS_MAX: usize = 64;

/// A registry to pull from, and how clients name it.
pub struct Named {
    /// `docker.io`, `quay.io`, `registry.example.org:5000`: as it stands in references and in `?ns=`.
    pub name: String,
    /// Where it is: the registry itself, or a mirror of it.
    pub upstream: Upstream,
}

/// What a proxy is made of. The first upstream is the one meant where none is named.
pub struct Proxy {
    upstreams: Vec<Named>,
    names: Vec<String>,
    door: Door,
    manifests: Manifests,
    blobs: Arc<Semaphore>,
}

impl Proxy {
    /// Ready to serve.
    #[must_use]
    pub fn new(upstreams: Vec<Named>, door: Door) -> Self {
        let names = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        Self { upstreams, names, door, manifests: Manifests::default(), blobs: Arc::new(Semaphore::new(BLOBS_MAX)) }
    }

    /// Answers pulls on `listener` until `stop` is set.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn serve(self, listener: TcpListener, stop: &AtomicBool) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let door = self.door.clone();
        door::run(&door, BLOBS_MAX + CALLS_MAX, stop, |stop| async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let router = Router::new().fallback(answer).with_state(Arc::new(self));
            axum::serve(listener, router)
                .with_graceful_shutdown(async {
                    let _ = stop.await;
                })
                .await
        })
    }

    fn upstream(&self, name: &str) -> Result<&Upstream, Refusal> {
        let found = self.upstreams.iter().find(|upstream| upstream.name == name);
        found.map(|found| &found.upstream).ok_or_else(|| Refusal::other_upstream(name, &self.names))
    }

    /// The manifest and what the engine makes of it; refused if that is a no. Blocks.
    fn manifest(&self, name: &Name, selector: &Selector, is_head: bool) -> Result<(Known, Decision), Refusal> {
        let upstream = self.upstream(&name.upstream)?;
        let fetch = |selector: &str| upstream.manifest(&name.repository, selector);
        let raw = match selector {
            Selector::Digest(digest) => {
                // What is listed is not even asked for.
                self.decide_digest(name, digest)?;
                match self.manifests.get(&name.full(), digest) {
                    Some(kept) => kept,
                    None => fetch(&digest.to_string())?,
                }
            }
            // A HEAD upstream costs no pull quota. What it claims only says which bytes to decide on.
            Selector::Tag(tag) if is_head => {
                let claimed = upstream.claimed_digest(&name.repository, tag)?;
                match claimed.and_then(|digest| self.manifests.get(&name.full(), &digest)) {
                    Some(kept) => kept,
                    None => fetch(tag)?,
                }
            }
            Selector::Tag(tag) => fetch(tag)?,
        };
        self.manifests.keep(&name.full(), &raw);
        let parsed = ManifestOrIndex::parse(&raw.bytes, raw.content_type.as_deref())
            .map_err(|error| Refusal::undecidable(&error.to_string()))?;
        let reference = match selector {
            Selector::Tag(tag) => format!("{}:{tag}", name.full()),
            Selector::Digest(digest) => format!("{}@{digest}", name.full()),
        };
        let decision = allowed(subject::decide(&self.door, &parsed, &reference))?;
        Ok((Known { media_type: media_type(&raw, &parsed), raw }, decision))
    }

    fn decide_digest(&self, name: &Name, digest: &Digest) -> Result<Decision, Refusal> {
        if *digest == canary::digest() {
            return Err(Refusal::canary());
        }
        let reference = Some(format!("{}@{digest}", name.full()));
        allowed(self.door.decide(&Subject { reference, digests: vec![(*digest, None)], unresolved: None }))
    }

    fn blob(&self, name: &Name, digest: &Digest, from: Option<u64>) -> Result<(Passing, Decision), Refusal> {
        let decision = self.decide_digest(name, digest)?;
        let passing = self.upstream(&name.upstream)?.blob(&name.repository, digest, from).map_err(|error| {
            let code = if matches!(error, RegistryError::NotFound { .. }) { Some("BLOB_UNKNOWN") } else { None };
            let refusal = Refusal::from(error);
            Refusal { code: code.unwrap_or(refusal.code), ..refusal }
        })?;
        Ok((passing, decision))
    }
}

/// A repository of an upstream.
#[derive(Clone)]
struct Name {
    upstream: String,
    repository: String,
}

impl Name {
    fn full(&self) -> String {
        format!("{}/{}", self.upstream, self.repository)
    }
}

/// A manifest that was read, and the one type it is served as.
struct Known {
    raw: RawManifest,
    media_type: String,
}

/// What we read it as, said so that nobody can read it as anything else.
fn media_type(raw: &RawManifest, parsed: &ManifestOrIndex) -> String {
    let said = raw.content_type.as_deref().map(|said| said.split(';').next().unwrap_or(said).trim().to_owned());
    let known = |said: &String| MANIFEST_TYPES.contains(&said.as_str()) || INDEX_TYPES.contains(&said.as_str());
    said.filter(known).unwrap_or_else(|| match parsed {
        ManifestOrIndex::Manifest(manifest) if MANIFEST_TYPES.contains(&manifest.media_type.as_str()) => {
            manifest.media_type.clone()
        }
        ManifestOrIndex::Manifest(_) => MANIFEST_TYPES[0].to_owned(),
        ManifestOrIndex::Index(_) => {
            let body: serde_json::Value = serde_json::from_slice(&raw.bytes).unwrap_or_default();
            let said = body.get("mediaType").and_then(|said| said.as_str()).unwrap_or(INDEX_TYPES[0]);
            said.to_owned()
        }
    })
}

fn allowed(decision: Decision) -> Result<Decision, Refusal> {
    match decision.effect {
        Effect::Deny => Err(Refusal::denied(&decision)),
        Effect::Allow | Effect::Warn => Ok(decision),
    }
}

async fn answer(State(proxy): State<Arc<Proxy>>, method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    match proxied(proxy, &method, &uri, &headers).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&method),
    }
}

async fn proxied(
    proxy: Arc<Proxy>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let is_head = method == Method::HEAD;
    if !is_head && method != Method::GET {
        return Err(Refusal::only_pulls());
    }
    if uri.path() == "/healthz" {
        return Ok(Response::new(Body::from("ok\n")));
    }
    match ask::read(uri.path(), uri.query(), &proxy.names)? {
        Ask::Base => Ok(json(is_head, b"{}".to_vec(), &Meaning::default())),
        Ask::Of { upstream, repository, what } => {
            let name = Name { upstream, repository };
            match what {
                What::Manifest(selector) => manifest(proxy, name, selector, is_head).await,
                What::Blob(digest) => blob(proxy, name, digest, is_head, headers).await,
                What::Tags(query) => listing(proxy, name, "tags/list".to_owned(), query, is_head).await,
                What::Referrers(digest, query) => {
                    listing(proxy, name, format!("referrers/{digest}"), query, is_head).await
                }
            }
        }
    }
}

async fn manifest(proxy: Arc<Proxy>, name: Name, selector: Selector, is_head: bool) -> Result<Response<Body>, Refusal> {
    let (known, decision) = blocking(move || proxy.manifest(&name, &selector, is_head)).await?;
    let meaning =
        Meaning { media_type: Some(known.media_type), digest: Some(known.raw.digest), warning: warning(&decision) };
    Ok(json(is_head, known.raw.bytes, &meaning))
}

async fn blob(
    proxy: Arc<Proxy>,
    name: Name,
    digest: Digest,
    is_head: bool,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(range);
    let permit = Arc::clone(&proxy.blobs).try_acquire_owned().map_err(|_| Refusal::busy())?;
    let from = range.map(|(from, _)| from);
    let (passing, decision) = blocking(move || proxy.blob(&name, &digest, from)).await?;
    let whole = passing.left.map(|left| left.saturating_add(passing.from));
    // A registry that knows no ranges sends the whole, which is an answer too. Source: RFC 9110, 14.2.
    let partial = range.filter(|(from, _)| *from == passing.from && (*from > 0 || passing.left.is_some())).zip(whole);
    let mut response = Response::new(Body::empty());
    let length = match partial {
        Some(((from, last), whole)) => {
            let end = last.map_or(whole, |last| last.saturating_add(1).min(whole));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {from}-{}/{whole}", end.saturating_sub(1));
            put(&mut response, header::CONTENT_RANGE, &value);
            Some(end.saturating_sub(from))
        }
        None => passing.left,
    };
    if let Some(length) = length {
        put(&mut response, header::CONTENT_LENGTH, &length.to_string());
    }
    put(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::ETAG, &format!("\"{digest}\""));
    put(&mut response, DOCKER_CONTENT_DIGEST, &digest.to_string());
    if let Some(warning) = warning(&decision) {
        put(&mut response, header::WARNING, &warning);
    }
    if !is_head {
        *response.body_mut() = stream::body(passing, length.unwrap_or(u64::MAX), permit);
    }
    Ok(response)
}

async fn listing(
    proxy: Arc<Proxy>,
    name: Name,
    path: String,
    query: String,
    is_head: bool,
) -> Result<Response<Body>, Refusal> {
    let asked = if query.is_empty() { path } else { format!("{path}?{query}") };
    let (bytes, link) =
        blocking(move || Ok(proxy.upstream(&name.upstream)?.listing(&name.repository, &asked)?)).await?;
    let mut response = json(is_head, bytes, &Meaning::default());
    // Its path is that of the upstream: only its query is ours too, and a relative one is against what was asked.
    let next = link.as_deref().and_then(|link| link.strip_prefix('<')?.split_once('>')?.0.split_once('?'));
    if let Some((_, query)) = next {
        put(&mut response, header::LINK, &format!("<?{query}>; rel=\"next\""));
    }
    Ok(response)
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|_| Err(Refusal::defect("a request was given up")))
}

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What an answer's headers say of its body.
#[derive(Default)]
struct Meaning {
    media_type: Option<String>,
    digest: Option<Digest>,
    warning: Option<String>,
}

fn json(is_head: bool, bytes: Vec<u8>, meaning: &Meaning) -> Response<Body> {
    let length = bytes.len().to_string();
    let mut response = Response::new(if is_head { Body::empty() } else { Body::from(bytes) });
    put(&mut response, header::CONTENT_LENGTH, &length);
    put(&mut response, header::CONTENT_TYPE, meaning.media_type.as_deref().unwrap_or("application/json"));
    put(&mut response, HeaderName::from_static("docker-distribution-api-version"), "registry/2.0");
    if let Some(digest) = &meaning.digest {
        put(&mut response, DOCKER_CONTENT_DIGEST, &digest.to_string());
        put(&mut response, header::ETAG, &format!("\"{digest}\""));
    }
    if let Some(warning) = &meaning.warning {
        put(&mut response, header::WARNING, warning);
    }
    response
}

fn put(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What clients may show. Source: OCI distribution-spec v1.1, "Warnings".
fn warning(decision: &Decision) -> Option<String> {
    let line: String =
        text::visible(&decision.message).chars().filter(|c| c.is_ascii() && !"\"\\".contains(*c)).collect();
    (decision.effect == Effect::Warn).then(|| format!("299 - \"{line}\""))
}

/// One range, from its first byte: `bytes=FIRST-` or `bytes=FIRST-LAST`. Others are not used; the whole is an answer to them too.
fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok()?;
    match last {
        "" => Some((first, None)),
        last => last.parse().ok().filter(|last| *last >= first).map(|last| (first, Some(last))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_left_alone() {
        assert_eq!(range("bytes=5-"), Some((5, None)));
        assert_eq!(range("bytes=5-9"), Some((5, Some(9))));
        for other in ["bytes=-5", "bytes=9-5", "bytes=1-2,4-5", "lines=1-", "bytes=a-"] {
            assert_eq!(range(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_read_as_one_thing_is_served_as_it() {
        let raw = |text: &str, said: Option<&str>| RawManifest {
            bytes: text.as_bytes().to_vec(),
            content_type: said.map(str::to_owned),
            digest: Digest::of(text.as_bytes()),
        };
        let check = |raw: &RawManifest, expected: &str| {
            let parsed = ManifestOrIndex::parse(&raw.bytes, raw.content_type.as_deref()).expect("a manifest");
            assert_eq!(media_type(raw, &parsed), expected);
        };
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        check(&raw(index, None), INDEX_TYPES[0]);
        check(&raw(index, Some("text/plain")), INDEX_TYPES[0]);
        check(&raw(index, Some("application/vnd.docker.distribution.manifest.list.v2+json; q=1")), INDEX_TYPES[1]);
        let digest = Digest::of(b"");
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"digest":"{digest}","size":1}},"layers":[]}}"#,
            MANIFEST_TYPES[1]
        );
        check(&raw(&manifest, Some("application/json")), MANIFEST_TYPES[1]);
    }
}
