//! What a request to the Docker engine would run, read from method, address and body as the engine reads them.
//!
//! The engine matches the decoded and cleaned path and skips a version before it, but hands the plugin the address as it was written:
//! so `/v1.41/containers/%63reate` and `http://x/containers/create` are creates too. It hands on a body only of `application/json`, of
//! less than 1 MiB and with a length, and did not at all for `Content-Length: 0` (CVE-2024-41110): a create without a body is refused.
//! Source: moby `pkg/authorization`, `api/server`; Docker Engine API v1.47.

use model::Digest;
use url::form_urlencoded;

use super::go_json::Json;

/// Most images one request may name.
const IMAGES_MAX: usize = 1_000;

/// What to decide before a request may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// It runs nothing.
    Nothing,
    /// It would run these images, by name or id.
    Images(Vec<String>),
    /// It would (again) run the image of this container.
    Container(String),
    /// It pulls this; only a digest in it can be decided yet. What a tag means is decided when it is run.
    Pull(String),
    /// It builds, which runs images that are named nowhere in the request.
    Build,
    /// It cannot be read, though it runs something: why.
    Unreadable(&'static str),
}

/// Reads one request; `uri` is as the client wrote it, `body` what the engine hands on of it.
pub(super) fn read(method: &str, uri: &str, body: &[u8]) -> Wish {
    let Some((path, query)) = split(uri) else { return Wish::Unreadable("its address cannot be read") };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    // The engine compares methods as they are, and answers 405 to others.
    if method != "POST" {
        return Wish::Nothing;
    }
    match path.as_slice() {
        ["containers", "create"] => images(body, |json, found| {
            found.extend(json.all("Image"));
            for mount in json.all("HostConfig").flat_map(|host| host.all("Mounts")).flat_map(Json::items) {
                if mount.all("Type").any(|kind| kind.text() == Some("image")) {
                    found.extend(mount.all("Source"));
                }
            }
        }),
        ["services", "create"] | ["services", _, "update"] => images(body, |json, found| {
            let template = json.all("TaskTemplate");
            found
                .extend(template.flat_map(|template| template.all("ContainerSpec")).flat_map(|spec| spec.all("Image")));
        }),
        ["containers", id, "start" | "restart" | "unpause"] => Wish::Container((*id).to_owned()),
        ["images", "create"] => pull(&query),
        ["build"] => Wish::Build,
        // BuildKit's: a session that drives the build over gRPC.
        ["session"] | ["grpc"] => Wish::Build,
        _ => Wish::Nothing,
    }
}

fn images(body: &[u8], pick: impl for<'a> Fn(&'a Json, &mut Vec<&'a Json>)) -> Wish {
    if body.is_empty() {
        return Wish::Unreadable("the engine handed on no body to decide on");
    }
    let Some(json) = Json::parse(body) else { return Wish::Unreadable("its body is not JSON") };
    let mut found = Vec::new();
    pick(&json, &mut found);
    let named: Vec<String> =
        found.iter().filter_map(|value| value.text()).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match named.len() {
        0 => Wish::Unreadable("it names no image"),
        1..=IMAGES_MAX => Wish::Images(named),
        _ => Wish::Unreadable("it names too many images"),
    }
}

/// What is pulled: `fromImage`, with `tag` as a tag or a digest.
fn pull(query: &str) -> Wish {
    let value =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    match (value("fromImage"), value("tag")) {
        (Some(image), Some(digest)) if digest.parse::<Digest>().is_ok() => Wish::Pull(format!("{image}@{digest}")),
        (Some(image), _) if !image.is_empty() => Wish::Pull(image.into_owned()),
        _ => Wish::Nothing,
    }
}

/// Path and query as the engine's router sees them: host, version, empty parts and dots removed, escapes read.
fn split(uri: &str) -> Option<(Vec<String>, String)> {
    let rest = match uri.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => rest.find('/').map_or("", |at| &rest[at..]),
        _ => uri,
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = decoded(path)?;
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.to_owned()),
        }
    }
    let is_version = |part: &String| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    };
    if parts.first().is_some_and(is_version) {
        parts.remove(0);
    }
    Some((parts, query.to_owned()))
}

/// `%XX` read; None for what Go refuses too.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, body: &str, expected: &Wish) {
        assert_eq!(&read(method, uri, body.as_bytes()), expected, "{method} {uri} {body}");
    }

    fn images(names: &[&str]) -> Wish {
        Wish::Images(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_create_is_found_however_its_address_is_written() {
        for uri in [
            "/v1.41/containers/create",
            "/v1.41/containers/create?name=a",
            "/containers/create",
            "/v1.41/containers/%63reate",
            "/v1.41/%63ontainers%2Fcreate",
            "//v1.41//containers//create",
            "/v1.41/x/../containers/./create",
            "http://docker/v1.41/containers/create",
            "unix://docker/containers/create#x",
            "/v1.41/containers/create?x=/auth",
        ] {
            check("POST", uri, r#"{"Image":"a"}"#, &images(&["a"]));
        }
        assert!(matches!(read("POST", "/v1.41/containers/%zz", b"{}"), Wish::Unreadable(_)));
        check("GET", "/v1.41/containers/create", "", &Wish::Nothing);
        check("POST", "/v1.41/containers/createx", "", &Wish::Nothing);
    }

    /// CVE-2024-41110 and its ancestor of 2018.
    #[test]
    fn a_create_without_a_readable_body_is_never_nothing() {
        for body in ["", "{", "null", "{}", "[]", r#"{"Image":""}"#, r#"{"Image":1}"#, r#"{"Image":"a"} {"Image":"b"}"#]
        {
            let wish = read("POST", "/v1.41/containers/create", body.as_bytes());
            assert!(matches!(wish, Wish::Unreadable(_)), "{body}: {wish:?}");
        }
        assert!(matches!(read("POST", "/v1.41/services/create", b""), Wish::Unreadable(_)));
    }

    #[test]
    fn all_spellings_of_a_field_are_decided_on() {
        let uri = "/v1.41/containers/create";
        check("POST", uri, r#"{"Image":"good","image":"bad"}"#, &images(&["good", "bad"]));
        let mounts = r#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"image","Source":"b"},{"Type":"bind","Source":"/x"}]},"hostconfig":{"mounts":[{"type":"image","source":"c"}]}}"#;
        check("POST", uri, mounts, &images(&["a", "b", "c"]));
    }

    #[test]
    fn services_starts_pulls_and_builds_are_seen() {
        let service = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a:1@sha256:x"}}}"#;
        check("POST", "/v1.41/services/create", service, &images(&["a:1@sha256:x"]));
        check("POST", "/v1.41/services/abc/update?version=3", service, &images(&["a:1@sha256:x"]));
        check("POST", "/v1.41/containers/abc/start", "", &Wish::Container("abc".to_owned()));
        check("POST", "/v1.41/containers/abc/restart?t=1", "", &Wish::Container("abc".to_owned()));
        check("POST", "/v1.41/images/create?fromImage=a%2Fb&tag=1", "", &Wish::Pull("a/b".to_owned()));
        let digest = Digest::of(b"");
        let pulled = format!("/v1.41/images/create?fromImage=a&tag={digest}");
        check("POST", &pulled, "", &Wish::Pull(format!("a@{digest}")));
        check("POST", "/v1.41/build?dockerfile=x", "", &Wish::Build);
        check("POST", "/session", "", &Wish::Build);
        check("POST", "/v1.41/containers/abc/stop", "", &Wish::Nothing);
    }
}
