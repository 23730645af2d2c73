//! The OCI distribution API, v1.1, on one handler: repository names hold slashes.

use std::sync::{Arc, MutexGuard};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use serde_json::json;

use crate::{
    Act, Logged, Server, World, guard,
    reply::Reply,
    shelf::{Shelf, StoredManifest, digest_of},
};

/// Longest body taken: a layer of the demo's images.
const BODY_BYTES_MAX: usize = 4 << 30;

/// Where a path leads.
enum Route<'a> {
    Ping,
    Catalog,
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Token,
    Cdn(&'a str),
    Nowhere,
}

impl<'a> Route<'a> {
    fn of(path: &'a str, server: Server) -> Self {
        if server == Server::Cdn {
            return path.strip_prefix("/cdn/").map_or(Self::Nowhere, Self::Cdn);
        }
        match path {
            "/v2" | "/v2/" => return Self::Ping,
            "/v2/_catalog" => return Self::Catalog,
            "/token" => return Self::Token,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Nowhere };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Self::Tags(name);
        }
        let split = |part: &str| rest.rfind(part).map(|at| (&rest[..at], &rest[at + part.len()..]));
        if let Some((name, upload)) = split("/blobs/uploads/") {
            return if upload.is_empty() { Self::Uploads(name) } else { Self::Upload(name, upload) };
        }
        match (split("/manifests/"), split("/blobs/")) {
            (Some((name, reference)), _) if !reference.contains('/') => Self::Manifest(name, reference),
            (_, Some((name, digest))) if !digest.contains('/') => Self::Blob(name, digest),
            _ => Self::Nowhere,
        }
    }

    /// The scope a token must have.
    fn need(&self, method: &Method) -> Option<String> {
        let actions = if matches!(*method, Method::GET | Method::HEAD) { "pull" } else { "pull,push" };
        match self {
            Self::Catalog => Some("registry:catalog:*".to_owned()),
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _) => Some(format!("repository:{name}:{actions}")),
            Self::Ping | Self::Token | Self::Cdn(_) | Self::Nowhere => None,
        }
    }
}

pub(crate) async fn registry(State(world): State<Arc<World>>, request: Request) -> Response<Body> {
    answer(&world, Server::Registry, request).await
}

pub(crate) async fn cdn(State(world): State<Arc<World>>, request: Request) -> Response<Body> {
    answer(&world, Server::Cdn, request).await
}

async fn answer(world: &World, server: Server, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let acts = world.acts_for(parts.uri.path());
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let mut reply = route(world, server, &parts.method, &parts.uri, &parts.headers, body);
    let range = parts.headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let ignored = acts.iter().any(|act| matches!(act, Act::IgnoreRange));
    let is_blob = matches!(Route::of(parts.uri.path(), server), Route::Blob(..) | Route::Cdn(_));
    if let (Some(range), false, true, StatusCode::OK) = (range, ignored, is_blob, reply.status) {
        reply.cut_to(range);
    }
    acts.iter().for_each(|act| reply.spoil(act));
    world.log(Logged {
        server,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: guard::authorization(&parts.headers).map(|(scheme, _)| scheme.to_owned()),
        range: range.map(str::to_owned),
        status: reply.status.as_u16(),
    });
    reply.into_response()
}

fn route(world: &World, server: Server, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Reply {
    let route = Route::of(uri.path(), server);
    let fields = fields(uri);
    if let Route::Token = route {
        let form = Uri::try_from(format!("/?{}", String::from_utf8_lossy(&body))).map(|uri| self::fields(&uri));
        let fields = if *method == Method::POST { form.unwrap_or_default() } else { fields };
        return world.guard().token(&world.script, method, headers, &fields);
    }
    if server == Server::Registry {
        let refusal = world.guard().refusal(&world.script, &world.url, headers, &route.need(method));
        if let Some(refusal) = refusal {
            return refusal;
        }
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let reading = matches!(*method, Method::GET | Method::HEAD);
    let mut shelf = world.shelf();
    match route {
        Route::Ping => Reply::json(StatusCode::OK, &json!({})),
        Route::Catalog => {
            let names = shelf.repositories.keys().cloned();
            page(world, uri.path(), "repositories", names, field("n"), field("last"), None)
        }
        Route::Tags(name) => match shelf.repositories.get(name) {
            None => Reply::error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
            Some(found) => {
                page(world, uri.path(), "tags", found.tags.keys().cloned(), field("n"), field("last"), Some(name))
            }
        },
        Route::Manifest(name, reference) if reading => manifest(&shelf, name, reference),
        Route::Manifest(name, reference) if *method == Method::PUT => {
            let named = headers.get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok());
            let media_type = named.unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned();
            if reference.contains(':') && reference != digest_of(&body) {
                return Reply::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "digest does not match the content");
            }
            let digest = shelf.add_manifest(name, reference, StoredManifest { media_type, bytes: body });
            created(&format!("/v2/{name}/manifests/{digest}"), &digest)
        }
        Route::Blob(_, digest) if reading && shelf.blobs.contains_key(digest) => match &world.cdn_url {
            Some(cdn_url) if *method == Method::GET => {
                let mut reply = Reply::new(StatusCode::TEMPORARY_REDIRECT, Bytes::new());
                reply.set("location", &format!("{cdn_url}/cdn/{digest}?signature=invented"));
                reply
            }
            _ => blob(&shelf, digest),
        },
        Route::Cdn(digest) if reading => blob(&shelf, digest),
        Route::Blob(..) if reading => Reply::error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
        Route::Uploads(name) if *method == Method::POST => {
            match (field("digest"), field("mount").filter(|digest| shelf.blobs.contains_key(*digest))) {
                (Some(digest), _) => finish(&mut shelf, name, digest, body),
                (None, Some(digest)) => created(&format!("/v2/{name}/blobs/{digest}"), digest),
                (None, None) => {
                    let upload = shelf.begin_upload();
                    progress(name, &upload, 0)
                }
            }
        }
        Route::Upload(name, upload) if matches!(*method, Method::PATCH | Method::PUT) => {
            let Some(so_far) = shelf.uploads.get_mut(upload) else {
                return Reply::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
            };
            so_far.extend_from_slice(&body);
            let length = so_far.len();
            if *method == Method::PATCH {
                return progress(name, upload, length);
            }
            let whole = shelf.uploads.remove(upload).unwrap_or_default();
            finish(&mut shelf, name, field("digest").unwrap_or_default(), Bytes::from(whole))
        }
        _ => Reply::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is nothing here"),
    }
}

fn manifest(shelf: &Shelf, name: &str, reference: &str) -> Reply {
    let Some((digest, stored)) = shelf.manifest(name, reference) else {
        return Reply::error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let mut reply = Reply::new(StatusCode::OK, stored.bytes);
    reply.set("content-type", &stored.media_type);
    reply.set("docker-content-digest", &digest);
    reply
}

fn blob(shelf: &Shelf, digest: &str) -> Reply {
    let Some(bytes) = shelf.blobs.get(digest) else {
        return Reply::error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let mut reply = Reply::new(StatusCode::OK, bytes.clone());
    reply.set("content-type", "application/octet-stream");
    reply.set("docker-content-digest", digest);
    reply.set("accept-ranges", "bytes");
    reply
}

fn created(location: &str, digest: &str) -> Reply {
    let mut reply = Reply::new(StatusCode::CREATED, Bytes::new());
    reply.set("location", location);
    reply.set("docker-content-digest", digest);
    reply
}

fn progress(name: &str, upload: &str, length: usize) -> Reply {
    let mut reply = Reply::new(StatusCode::ACCEPTED, Bytes::new());
    reply.set("location", &format!("/v2/{name}/blobs/uploads/{upload}"));
    reply.set("range", &format!("0-{}", length.saturating_sub(1)));
    reply.set("docker-upload-uuid", upload);
    reply
}

fn finish(shelf: &mut MutexGuard<'_, Shelf>, name: &str, digest: &str, bytes: Bytes) -> Reply {
    if digest_of(&bytes) != digest {
        return Reply::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "digest does not match the content");
    }
    shelf.add_blob(bytes);
    created(&format!("/v2/{name}/blobs/{digest}"), digest)
}

/// One page of sorted `names`, with a `Link` to the next.
fn page(
    world: &World,
    path: &str,
    key: &str,
    names: impl Iterator<Item = String>,
    n: Option<&str>,
    last: Option<&str>,
    repository: Option<&str>,
) -> Reply {
    let asked = n.and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let n = asked.min(world.script.page_max.unwrap_or(usize::MAX));
    let mut names = names.filter(|name| last.is_none_or(|last| name.as_str() > last)).peekable();
    let names_shown: Vec<String> = names.by_ref().take(n).collect();
    let mut body = json!({ key: names_shown });
    if let Some(repository) = repository {
        body["name"] = json!(repository);
    }
    let mut reply = Reply::json(StatusCode::OK, &body);
    if let (Some(last), Some(_)) = (names_shown.last(), names.peek()) {
        reply.set("link", &format!("<{path}?last={last}&n={n}>; rel=\"next\""));
    }
    reply
}

fn fields(uri: &Uri) -> Vec<(String, String)> {
    Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(fields)| fields).unwrap_or_default()
}
