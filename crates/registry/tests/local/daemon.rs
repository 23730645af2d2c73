//! `docker-daemon:REF`, against an engine that answers on a socket as Docker does, and against Podman's real one.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
    time::Duration,
};

use registry::{Options, RegistryError, docker_daemon_stream, read_docker_stream};

use super::support::*;

fn options_for(socket: &Path) -> Options {
    Options { docker_socket: socket.to_owned(), ..options() }
}

/// Serves `answers` in order, one a connection, and gives back the request lines.
fn engine(socket: &Path, answers: Vec<Vec<u8>>) -> thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(socket).expect("a new socket");
    thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("asked");
            let lines = BufReader::new(&stream).lines().map(|line| line.expect("text"));
            asked.extend(lines.take_while(|line| !line.is_empty()).take(1));
            // The client may hang up early; what it has understood is what counts.
            let _ = stream.write_all(&answer);
        }
        asked
    })
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(1_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn image() -> Vec<u8> {
    let layer = tarball(&[("etc/one", &[b'1'; 5_000])]);
    let manifest = br#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]}]"#;
    tarball(&[("l/layer.tar", &layer), ("c.json", b"{}"), ("manifest.json", manifest)])
}

#[test]
fn an_image_streams_from_the_engine() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("docker.sock");
    let engine = engine(&socket, vec![answer("200 OK", "{}"), chunked(&image())]);

    let mut stream = docker_daemon_stream("a b/c:1", &options_for(&socket)).expect("streams");
    let mut layers = 0;
    let images = read_docker_stream(&mut stream, &mut |_| layers += 1).expect("an image");

    assert_eq!((images.len(), images[0].layer_names.as_slice(), layers), (1, ["l/layer.tar".to_owned()].as_slice(), 1));
    let asked = engine.join().expect("served");
    assert_eq!(asked, ["GET /images/a%20b/c:1/json HTTP/1.1", "GET /images/a%20b/c:1/get HTTP/1.1"]);
}

#[test]
fn an_archive_that_ends_early_is_an_error() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("docker.sock");
    let mut cut = chunked(&image());
    cut.truncate(3_000);
    let engine = engine(&socket, vec![answer("200 OK", "{}"), cut]);
    let mut stream = docker_daemon_stream("a", &options_for(&socket)).expect("starts");
    check_error(read_docker_stream(&mut stream, &mut |_| ()), &["connection ended"]);
    engine.join().expect("served");
}

#[test]
fn refusals_say_what_to_do() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let missing = options_for(&folder.path().join("none.sock"));
    let error = check_error(docker_daemon_stream("a", &missing).map(drop), &["no Docker engine", "none.sock"]);
    assert!(matches!(error, RegistryError::Unreachable { .. }));
    check_error(docker_daemon_stream("../containers/json", &missing).map(drop), &["no image name"]);
    check_error(open("docker-daemon:a").map(drop), &["docker_daemon_stream"]);

    for (number, (reply, parts)) in [
        (answer("404 Not Found", r#"{"message":"No such image: a"}"#), ["docker pull a", "does not exist"]),
        (answer("500 Internal Server Error", r#"{"message":"disk is sad"}"#), ["500", "disk is sad"]),
        (answer("400 Bad Request", "no json"), ["400", "no reason"]),
        (b"SSH-2.0-x\r\n".to_vec(), ["could not be reached", "HTTP/1"]),
        (Vec::new(), ["could not be reached", "ended before"]),
    ]
    .into_iter()
    .enumerate()
    {
        let socket = folder.path().join(format!("{number}.sock"));
        let engine = engine(&socket, vec![reply]);
        check_error(docker_daemon_stream("a", &options_for(&socket)).map(drop), &parts);
        engine.join().expect("served");
    }
}

#[test]
fn a_silent_engine_is_given_up() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).expect("a new socket");
    let options = Options { timeout: Duration::from_millis(50), ..options_for(&socket) };
    check_error(docker_daemon_stream("a", &options).map(drop), &["did not answer"]);
}

/// Podman's service speaks the same protocol, and is a real peer that needs no Docker.
#[test]
fn an_image_streams_from_podman() {
    let made = Made::new();
    made.set_index(&[tagged(made.image("one", "amd64"), "v1")]);
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (root, runroot, tarred) = (path("root"), path("run"), path("a.tar"));
    let storage = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"];
    let to = format!("docker-archive:{tarred}:example.org/a:v1");
    run("skopeo", &["copy", "--insecure-policy", &format!("{}:v1", made.locator()), &to]);
    run("podman", &[&storage, ["load", "-i", &tarred].as_slice()].concat());

    let socket = folder.path().join("podman.sock");
    let address = format!("unix://{}", socket.display());
    #[expect(clippy::disallowed_methods, reason = "a real engine is the peer of this test")]
    let mut service = std::process::Command::new("podman")
        .args(storage)
        .args(["system", "service", "--time=30", &address])
        .spawn()
        .expect("podman must be installed");
    #[expect(clippy::disallowed_methods, reason = "waits for the peer")]
    let ready = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        UnixStream::connect(&socket).is_ok()
    });
    let mut layers = Vec::new();
    let images = docker_daemon_stream("example.org/a:v1", &options_for(&socket)).and_then(|mut stream| {
        read_docker_stream(&mut stream, &mut |registry::StreamMember::Layer { content, .. }| {
            let mut layer = Vec::new();
            #[expect(clippy::disallowed_methods, reason = "the tests' own images are small")]
            content.read_to_end(&mut layer).expect("whole");
            layers.push(layer);
        })
    });
    let missing = docker_daemon_stream("example.org/none:v1", &options_for(&socket)).map(drop);
    service.kill().expect("still runs");
    service.wait().expect("ends");

    assert!(ready, "the service listens");
    assert_eq!(images.expect("an image")[0].reference, "example.org/a:v1");
    assert!(layers == load(&made.locator()).2, "the layer differs");
    assert!(matches!(check_error(missing, &["example.org/none:v1"]), RegistryError::NotFound { .. }));
}
