//! Docker's authorization plugin, asked as Docker asks; the engine behind it is a stand-in that knows two images and a container.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use feed::Role;
use gate::docker::{Builds, DockerPlugin};
use harbour::digest_of;
use registry::ContainerEngine;
use serde_json::{Value, json};

use crate::gates::{Gate, options};

/// A plugin, and the engine it asks.
struct Place {
    folder: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Place {
    fn new(gate: &Gate, builds: Builds) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let stop = Arc::new(AtomicBool::new(false));
        let engine_socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&engine_socket).expect("a socket");
        let engine = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || engine(&listener, &stop)
        });
        let listener = UnixListener::bind(folder.path().join("plugin.sock")).expect("a socket");
        let options = registry::Options { docker_socket: engine_socket, ..options() };
        let plugin = DockerPlugin::new(gate.door(), ContainerEngine::new(&options), builds);
        let served = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || plugin.serve(listener, &stop).expect("it serves")
        });
        Self { folder, stop, threads: vec![engine, served] }
    }

    /// None if it may pass; else why not.
    fn ask(&self, method: &str, uri: &str, body: Option<&str>) -> Option<String> {
        let asked = json!({
            "User": "", "UserAuthNMethod": "", "RequestMethod": method, "RequestUri": uri,
            "RequestBody": body.map(|body| BASE64_STANDARD.encode(body)),
            "RequestHeaders": { "Content-Type": "application/json" },
        });
        let answer = post(&self.folder.path().join("plugin.sock"), "/AuthZPlugin.AuthZReq", &asked.to_string());
        let message = answer["Msg"].as_str().expect("a message").to_owned();
        (answer["Allow"] != json!(true)).then_some(message)
    }

    fn create(&self, image: &str) -> Option<String> {
        self.ask("POST", "/v1.41/containers/create", Some(&json!({ "Image": image }).to_string()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = connect(&self.folder.path().join("docker.sock"));
        for thread in self.threads.drain(..) {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

fn connect(socket: &Path) -> UnixStream {
    #[expect(clippy::disallowed_methods, reason = "a test speaks to its own server")]
    UnixStream::connect(socket).expect("it listens")
}

fn post(socket: &Path, target: &str, body: &str) -> Value {
    let mut stream = connect(socket);
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: \r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).expect("it reads");
    let mut text = String::new();
    #[expect(clippy::disallowed_methods, reason = "the tests' own bytes")]
    stream.read_to_string(&mut text).expect("an answer");
    serde_json::from_str(text.split_once("\r\n\r\n").expect("a head").1).expect("JSON")
}

/// Knows `good`, `bad` (also as `lab.example.org/bad` and by its id) and the container `c1` of `bad`; for `broken` it fails.
fn engine(listener: &UnixListener, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let mut stream = stream.expect("a connection");
        let mut line = String::new();
        let mut head = BufReader::new(&stream).lines();
        while let Some(Ok(next)) = head.next().filter(|next| next.as_ref().is_ok_and(|next| !next.is_empty())) {
            line = if line.is_empty() { next } else { line };
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let bad = json!({
            "Id": digest_of(b"bad config"), "RepoDigests": [format!("evil/bad@{}", digest_of(b"bad manifest"))],
            "RootFS": { "Layers": [digest_of(b"bad layer")] },
        });
        let id = digest_of(b"bad config");
        let (status, body) = match target.strip_prefix("/images/").and_then(|rest| rest.strip_suffix("/json")) {
            Some("good") => (200, json!({ "Id": digest_of(b"good config") })),
            Some("broken") => (500, json!({ "message": "database is locked" })),
            Some(name) if name == "bad" || name == "lab.example.org/bad" || name == id || id[7..].starts_with(name) => {
                (200, bad)
            }
            None if target == "/containers/c1/json" => (200, json!({ "Image": id })),
            _ => (404, json!({ "message": "no such thing" })),
        };
        let body = body.to_string();
        let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
}

fn is_denied(said: Option<String>, words: &str) {
    let said = said.unwrap_or_else(|| panic!("it passed, but {words:?}"));
    assert!(said.contains(words), "{said}");
}

#[test]
fn it_says_what_it_is() {
    let place = Place::new(&Gate::new(&[]), Builds::Allow);
    let activated = post(&place.folder.path().join("plugin.sock"), "/Plugin.Activate", "");
    assert_eq!(activated, json!({ "Implements": ["authz"] }));
    let answered = post(&place.folder.path().join("plugin.sock"), "/AuthZPlugin.AuthZRes", "{}");
    assert_eq!(answered["Allow"], json!(true));
}

/// By id, a stub that matched names let it through (measured).
#[test]
fn a_listed_image_is_not_created_under_any_name_or_id() {
    let id = digest_of(b"bad config");
    for (digest, role) in
        [(b"bad config".as_slice(), Role::Config), (b"bad manifest", Role::Manifest), (b"bad layer", Role::Layer)]
    {
        let gate = Gate::new(&[(&digest_of(digest), role)]);
        let place = Place::new(&gate, Builds::Allow);
        for name in ["bad", "lab.example.org/bad", &id, &id[7..], &id[7..19]] {
            is_denied(place.create(name), "LZ-2026-1 cryptominer");
        }
        assert_eq!(place.create("good"), None);
        assert_eq!(place.create("not-pulled-yet"), None, "the engine itself says that there is none");
    }
}

/// CVE-2024-41110.
#[test]
fn a_create_without_its_body_is_denied() {
    let place = Place::new(&Gate::new(&[]), Builds::Allow);
    let create = |body: Option<&str>| place.ask("POST", "/v1.41/containers/create", body);
    is_denied(create(None), "no body");
    is_denied(create(Some("")), "no body");
    is_denied(create(Some("{\"Image\":\"good\"")), "not JSON");
    is_denied(create(Some("{}")), "names no image");
}

/// Go reads `image` as `Image`, and the last one wins.
#[test]
fn another_spelling_of_the_field_does_not_help() {
    let gate = Gate::new(&[(&digest_of(b"bad config"), Role::Config)]);
    let place = Place::new(&gate, Builds::Allow);
    for body in [
        r#"{"Image":"good","image":"bad"}"#,
        r#"{"IMAGE":"bad","Image":"good"}"#,
        r#"{"Image":"good","Image":"bad"}"#,
        r#"{"Image":"bad","Image":"good"}"#,
        r#"{"Image":"good","HostConfig":{"Mounts":[{"Type":"image","Source":"bad","Target":"/x"}]}}"#,
    ] {
        is_denied(place.ask("POST", "/v1.41/containers/create", Some(body)), "LZ-2026-1");
    }
    is_denied(place.ask("POST", "/v1.41/containers/%63reate", Some(r#"{"Image":"bad"}"#)), "LZ-2026-1");
    is_denied(place.ask("POST", "http://x/containers/create", Some(r#"{"Image":"bad"}"#)), "LZ-2026-1");
    let service = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"bad"}}}"#;
    is_denied(place.ask("POST", "/v1.41/services/create", Some(service)), "LZ-2026-1");
}

/// Closes what is between our look and the engine's: a tag that moves, an entry that is newer than the container.
#[test]
fn a_container_that_exists_is_decided_on_when_it_starts() {
    let mut gate = Gate::new(&[]);
    let place = Place::new(&gate, Builds::Allow);
    let start = || place.ask("POST", "/v1.41/containers/c1/start", None);
    assert_eq!((start(), place.create("bad")), (None, None));
    gate.list(&[(&digest_of(b"bad manifest"), Role::Manifest)]);
    is_denied(start(), "LZ-2026-1");
    is_denied(place.ask("POST", "/v1.41/containers/c1/restart", None), "LZ-2026-1");
    assert_eq!(place.ask("POST", "/v1.41/containers/c1/stop", None), None, "it can always be stopped");
    assert_eq!(place.ask("POST", "/v1.41/containers/none/start", None), None);
    gate.list(&[]);
    assert_eq!(start(), None, "a withdrawn entry stops nothing");
}

#[test]
fn a_name_that_is_tagged_on_does_not_fit_an_exemption() {
    let policy =
        "[[exempt]]\nreference = \"lab.example.org/*\"\nowner = \"lab\"\nreason = \"study\"\nuntil = \"2026-07-01\"";
    let gate = Gate::with_policy(&[(&digest_of(b"bad config"), Role::Config)], policy);
    let place = Place::new(&gate, Builds::Allow);
    is_denied(place.create("lab.example.org/bad"), "LZ-2026-1");
}

#[test]
fn a_pull_by_a_listed_digest_is_denied() {
    let digest = digest_of(b"bad manifest");
    let gate = Gate::new(&[(&digest, Role::Manifest)]);
    let place = Place::new(&gate, Builds::Allow);
    let pull = |query: &str| place.ask("POST", &format!("/v1.41/images/create?{query}"), None);
    is_denied(pull(&format!("fromImage=evil%2Fbad&tag={digest}")), "LZ-2026-1");
    is_denied(pull(&format!("fromImage=evil%2Fbad%40{digest}")), "LZ-2026-1");
    assert_eq!(pull("fromImage=evil%2Fbad&tag=latest"), None);
}

#[test]
fn builds_are_as_the_operator_says() {
    let build = |builds| Place::new(&Gate::new(&[]), builds).ask("POST", "/v1.41/build?t=x", None);
    assert_eq!(build(Builds::Allow), None);
    is_denied(build(Builds::Deny), "builds run images");
}

#[test]
fn an_engine_that_does_not_say_is_for_the_policy() {
    let closed = Gate::with_policy(&[], "on_unresolved = \"deny\"");
    is_denied(Place::new(&closed, Builds::Allow).create("broken"), "database is locked");
    assert_eq!(Place::new(&Gate::new(&[]), Builds::Allow).create("broken"), None);
    let listed = Gate::new(&[(&digest_of(b"bad manifest"), Role::Manifest)]);
    let by_digest = format!("gone@{}", digest_of(b"bad manifest"));
    is_denied(Place::new(&listed, Builds::Allow).create(&by_digest), "LZ-2026-1");
}

#[test]
fn the_canary_is_refused_and_pulled_on() {
    let place = Place::new(&Gate::new(&[]), Builds::Allow);
    let name = format!("{}@{}", gate::canary::REPOSITORY, gate::canary::digest());
    is_denied(place.create(&name), gate::canary::WORDS);
    let pull = format!("/v1.41/images/create?fromImage={}&tag={}", gate::canary::REPOSITORY, gate::canary::digest());
    assert_eq!(place.ask("POST", &pull, None), None);
}

#[test]
fn a_question_that_cannot_be_read_is_denied() {
    let place = Place::new(&Gate::new(&[]), Builds::Allow);
    let socket = place.folder.path().join("plugin.sock");
    assert_eq!(post(&socket, "/AuthZPlugin.AuthZReq", "not JSON")["Allow"], json!(false));
    let odd = json!({ "RequestMethod": "POST", "RequestUri": "/containers/create", "RequestBody": "%%%" });
    assert_eq!(post(&socket, "/AuthZPlugin.AuthZReq", &odd.to_string())["Allow"], json!(false));
    assert!(fs::metadata(&socket).is_ok());
}
