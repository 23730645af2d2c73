//! Docker's authorization plugin: the engine asks before every request, and a listed image is not run, by whatever name.
//!
//! A name, tag or id is followed through the engine itself to the image's id, the digests it was pulled by and its layers, then
//! decided. Between that and the engine's own look a tag may move, so it is decided again when the container starts, by the image that
//! container has; that also stops what was created before it was listed.
//!
//! What it cannot see: what a build runs (`Builds::Deny` stops builds), containers that the engine starts by itself after its own
//! restart, managed plugins, and who speaks to containerd below Docker. Docker before 27.1.1 and 26.1.5 could be made not to ask
//! (CVE-2024-41110).
//!
//! | module | what it does |
//! |---|---|
//! | [`request`] | what a request would run |
//! | [`go_json`] | JSON as Go reads it |
//!
//! Source: Docker, "Access authorization plugin"; moby `pkg/authorization/api.go`.

mod go_json;
mod request;

use std::{
    io,
    os::unix::net::UnixListener,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, Response, header},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use feed::Role;
use model::{Digest, ImageReference, text};
use registry::{ContainerEngine, EngineImage, RegistryError};
use serde::Deserialize;
use serde_json::{Value, json};

use self::request::Wish;
use crate::{
    Effect, Subject, canary,
    door::{self, Door},
};

/// The engine hands on at most 1 MiB of a body, as base64 in JSON, and of an answer's body likewise.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Requests that wait for the engine at once.
const CALLS_MAX: usize = 64;
/// Longest message.
const MESSAGE_CHARS_MAX: usize = 500;

/// What becomes of builds, whose images nobody names to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builds {
    /// They run, undecided.
    Allow,
    /// They are refused.
    Deny,
}

/// The plugin.
pub struct DockerPlugin {
    door: Door,
    engine: ContainerEngine,
    builds: Builds,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    #[serde(default)]
    request_method: String,
    #[serde(default)]
    request_uri: String,
    /// Base64; absent, null or empty if there is none.
    request_body: Option<String>,
}

impl DockerPlugin {
    /// `engine` is the one that asks.
    #[must_use]
    pub fn new(door: Door, engine: ContainerEngine, builds: Builds) -> Self {
        Self { door, engine, builds }
    }

    /// Answers the engine on `listener` until `stop` is set.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn serve(self, listener: UnixListener, stop: &AtomicBool) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let door = self.door.clone();
        door::run(&door, CALLS_MAX, stop, |stop| async {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let router = Router::new()
                .route("/Plugin.Activate", post(|| async { answer(&json!({ "Implements": ["authz"] })) }))
                .route("/AuthZPlugin.AuthZReq", post(authorize))
                .route("/AuthZPlugin.AuthZRes", post(|| async { verdict(Ok(())) }))
                .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
                .with_state(Arc::new(self));
            axum::serve(listener, router)
                .with_graceful_shutdown(async {
                    let _ = stop.await;
                })
                .await
        })
    }

    /// Whether the request may pass; else why not. Blocks where the engine has to be asked.
    fn decide(&self, wish: Wish) -> Result<(), String> {
        match wish {
            Wish::Nothing => Ok(()),
            Wish::Images(names) => names.iter().try_for_each(|name| self.decide_image(name)),
            Wish::Container(id) => match self.engine.image_of_container(&id) {
                Ok(image) => self.decide_image(&image),
                // The engine will say so too.
                Err(RegistryError::NotFound { .. }) => Ok(()),
                Err(error) => self.decide_unresolved(format!("container {id}"), Vec::new(), &error),
            },
            Wish::Pull(name) => match digest_in(&name) {
                // The proxy shall answer: that is what the probe asks about.
                Some(digest) if digest == canary::digest() => Ok(()),
                Some(digest) => {
                    self.ask(&Subject { reference: Some(name), digests: vec![(digest, None)], unresolved: None })
                }
                None => Ok(()),
            },
            Wish::Build if self.builds == Builds::Deny => Err(
                "denied by Lazaret: builds run images that cannot be decided on here; build elsewhere, or allow builds"
                    .to_owned(),
            ),
            Wish::Build => Ok(()),
            Wish::Unreadable(why) => Err(format!("denied by Lazaret: {why}")),
        }
    }

    fn decide_image(&self, name: &str) -> Result<(), String> {
        let named = digest_in(name);
        if named == Some(canary::digest()) {
            return Err(canary::WORDS.to_owned());
        }
        let digests: Vec<_> = named.into_iter().map(|digest| (digest, None)).collect();
        match self.engine.image(name) {
            Ok(image) => self.ask(&subject(name, digests, &image)),
            // There is nothing to run yet; the engine says so, and asks again after the pull. A digest says enough already.
            Err(RegistryError::NotFound { .. }) if digests.is_empty() => Ok(()),
            Err(RegistryError::NotFound { .. }) => {
                self.ask(&Subject { reference: Some(name.to_owned()), digests, unresolved: None })
            }
            Err(error) => self.decide_unresolved(name.to_owned(), digests, &error),
        }
    }

    fn decide_unresolved(
        &self,
        reference: String,
        digests: Vec<(Digest, Option<Role>)>,
        error: &RegistryError,
    ) -> Result<(), String> {
        self.ask(&Subject { reference: Some(reference), digests, unresolved: Some(error.to_string()) })
    }

    fn ask(&self, subject: &Subject) -> Result<(), String> {
        let decision = self.door.decide(subject);
        if decision.effect == Effect::Warn {
            tracing::warn!("{}", decision.message);
        }
        if decision.effect == Effect::Deny { Err(decision.message) } else { Ok(()) }
    }
}

/// All digests of an image that the engine has.
pub(crate) fn subject(name: &str, mut digests: Vec<(Digest, Option<Role>)>, image: &EngineImage) -> Subject {
    // What the id is depends on the engine's image store: config, manifest or index.
    digests.extend(image.id.map(|id| (id, None)));
    digests.extend(image.descriptor.map(|digest| (digest, None)));
    digests.extend(image.repository_digests.iter().filter_map(|name| digest_in(name)).map(|digest| (digest, None)));
    digests.extend(image.layers.iter().map(|layer| (*layer, Some(Role::Layer))));
    Subject { reference: Some(reference(name, image)), digests, unresolved: None }
}

/// The name that an exemption may go by: one the image was pulled under. Whoever may ask the engine can give an image any other with
/// `docker tag`; such a one is shown, as what is no reference.
fn reference(name: &str, image: &EngineImage) -> String {
    let pulled = |name: &str| image.repository_digests.iter().any(|digest| repository(digest) == repository(name));
    match image.repository_digests.first() {
        _ if repository(name).is_some() && pulled(name) => name.to_owned(),
        Some(first) if repository(first).is_some() => first.clone(),
        _ => format!("local image {name}"),
    }
}

/// `registry/repository`, as completed.
fn repository(name: &str) -> Option<String> {
    name.parse::<ImageReference>().ok().map(|reference| reference.name())
}

/// Of `name@sha256:…`, or of an id.
fn digest_in(name: &str) -> Option<Digest> {
    name.rsplit_once('@').map_or(name, |(_, digest)| digest).parse().ok()
}

async fn authorize(State(plugin): State<Arc<DockerPlugin>>, body: Bytes) -> Response<Body> {
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return verdict(Err(format!("denied by Lazaret: the engine's question cannot be read: {error}"))),
    };
    let body = match asked.request_body.as_deref().map(|body| BASE64_STANDARD.decode(body)).transpose() {
        Ok(body) => body.unwrap_or_default(),
        Err(_) => return verdict(Err("denied by Lazaret: the request's body cannot be read".to_owned())),
    };
    let wish = request::read(&asked.request_method, &asked.request_uri, &body);
    // Our own questions to the engine come here too, and must not wait for a thread.
    if wish == Wish::Nothing {
        return verdict(Ok(()));
    }
    let decided = tokio::task::spawn_blocking(move || plugin.decide(wish)).await;
    verdict(decided.unwrap_or_else(|_| Err("denied by Lazaret: a defect in the gate".to_owned())))
}

fn verdict(decided: Result<(), String>) -> Response<Body> {
    let is_allowed = decided.is_ok();
    let message = decided.err().unwrap_or_default();
    let message = text::visible(&text::shortened(&message, MESSAGE_CHARS_MAX)).into_owned();
    answer(&json!({ "Allow": is_allowed, "Msg": message, "Err": "" }))
}

fn answer(json: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(json.to_string()));
    let type_ = HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");
    response.headers_mut().insert(header::CONTENT_TYPE, type_);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pulled: &[String], tags: &[&str]) -> EngineImage {
        EngineImage {
            id: Some(Digest::of(b"id")),
            repository_digests: pulled.to_vec(),
            repository_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            layers: vec![Digest::of(b"layer")],
            descriptor: None,
        }
    }

    #[test]
    fn an_image_stands_for_all_its_digests() {
        let [id, index, layer] = [b"id".as_slice(), b"index", b"layer"].map(Digest::of);
        let image = image(&[format!("docker.io/org/app@{index}"), "<none>@<none>".to_owned()], &["org/app:1"]);
        let subject = subject(&id.to_string()[7..27], Vec::new(), &image);
        assert_eq!(subject.digests, [(id, None), (index, None), (layer, Some(Role::Layer))]);
    }

    /// `docker tag evil registry.example.org/lab/evil` must not make it fit an exemption of the lab.
    #[test]
    fn a_name_counts_only_if_the_image_was_pulled_under_it() {
        let pulled = format!("evil/app@{}", Digest::of(b"x"));
        let image = |pulled: &[String]| image(pulled, &["lab.example.org/app:1"]);
        let check = |name: &str, pulled: &[String], expected: &str| {
            assert_eq!(reference(name, &image(pulled)), expected, "{name}");
        };
        check("lab.example.org/app:1", std::slice::from_ref(&pulled), &pulled);
        check("evil/app:2", std::slice::from_ref(&pulled), "evil/app:2");
        check("docker.io/evil/app", std::slice::from_ref(&pulled), "docker.io/evil/app");
        check("0123456789ab", std::slice::from_ref(&pulled), &pulled);
        check("lab.example.org/app:1", &[], "local image lab.example.org/app:1");
    }
}
