//! The server on a socket, asked by the programs that people will ask it with.
//!
//! `make tools` installs them: taxii2-client and the parser of OpenMetrics with `tools/python.txt`, promtool, curl.
#![expect(clippy::disallowed_methods, reason = "runs the real peers, and is a client itself")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Options, serve, testing::Site};
use crate::{
    entry::{Channel, List},
    forms::{
        clients::python,
        testing::{NOW, World},
    },
};

/// A server that runs until it is dropped.
struct Running {
    site: Site,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    fn start(site: Site, connections_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let (public, options) = (site.public(), Options { connections_max, ..Options::new(|| NOW + 60) });
        let thread = std::thread::spawn(move || {
            serve(&public, listener, options, async {
                let _ = stopped.await;
            })
        });
        Self { site, address, stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it; how long that took.
    fn end(&mut self) -> Duration {
        let started = Instant::now();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("serves");
        }
        started.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

fn hostile() -> Site {
    let mut world = World::hostile();
    world.name = "Feed \"of\" <tests> \u{202e}".to_owned();
    let site = Site::with(world);
    site.write_log();
    site
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    out.into_owned()
}

fn curl(arguments: &[&str]) -> String {
    succeeds(
        &Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20"])
            .args(arguments)
            .output()
            .expect("curl starts"),
    )
}

#[test]
fn a_taxii_client_reads_it_all() {
    let running = Running::start(hostile(), 100);
    let entries = &running.site.world.entries;
    let stable = entries.iter().filter(|entry| entry.channel == Channel::Stable && entry.list == List::Block);
    let facts = serde_json::json!({
        "entries": entries.len(), "stable": stable.count(), "name": model::text::visible(&running.site.world.name),
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/clients/taxii.py");
    let output = Command::new(python()).arg(script).arg(running.url("")).arg(facts.to_string()).output();
    succeeds(&output.expect("Python starts"));
}

#[test]
fn prometheus_reads_its_metrics() {
    let running = Running::start(hostile(), 100);
    curl(&[&running.url("/healthz")]);
    let text = curl(&[&running.url("/metrics")]);
    assert!(text.contains("lazaret_feed_age_seconds 60\n"), "{text}");
    assert!(text.contains("lazaret_feed_answers_total{class=\"2xx\"} 1\n"), "{text}");
    let mut promtool = Command::new("promtool");
    let mut promtool = promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("writes");
    let output = promtool.wait_with_output().expect("promtool ends");
    assert_eq!((succeeds(&output), output.stderr), (String::new(), Vec::new()));

    let open = curl(&["--header", "accept: application/openmetrics-text; version=1.0.0", &running.url("/metrics")]);
    let parse = "import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse; \
                 print(sorted(family.name for family in parse(sys.argv[1])))";
    let families = succeeds(&Command::new(python()).args(["-c", parse, &open]).output().expect("Python starts"));
    assert!(
        families.contains("'lazaret_feed_answers'") && families.contains("'lazaret_feed_age_seconds'"),
        "{families}"
    );
}

#[test]
fn curl_gets_it_compressed_in_part_and_not_twice() {
    let running = Running::start(hostile(), 100);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let whole = std::fs::read_to_string(running.site.public().join("plain/block.txt")).expect("reads");
    let url = running.url("/plain/block.txt");
    let (tag, plain) = (at("tag"), at("plain"));
    assert_eq!(
        curl(&[
            "--compressed",
            "--etag-save",
            &tag,
            "--output",
            &plain,
            "--write-out",
            "%{http_code} %header{content-encoding}",
            &url
        ])
        .split(' ')
        .next(),
        Some("200")
    );
    assert_eq!(std::fs::read_to_string(&plain).expect("reads"), whole);
    let code = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    assert_eq!(curl(&[&["--compressed", "--etag-compare", &tag], &code[..], &[&url]].concat()), "304");
    assert_eq!(curl(&["--range", "10-19", &url]), whole[10..20]);
    // A broken-off download goes on.
    std::fs::write(at("part"), &whole[..100]).expect("writes");
    curl(&["--continue-at", "-", "--output", &at("part"), &url]);
    assert_eq!(std::fs::read_to_string(at("part")).expect("reads"), whole);
    let head = curl(&["--head", &url]);
    assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
    for encoding in ["gzip", "zstd"] {
        let accept = format!("accept-encoding: {encoding}");
        curl(&["--header", &accept, "--output", &at(encoding), &url]);
        let output = Command::new(encoding)
            .args(["--decompress", "--stdout"])
            .stdin(std::fs::File::open(at(encoding)).expect("opens"))
            .output();
        assert_eq!(succeeds(&output.expect("it starts")), whole);
    }
    let table = curl(&[&running.url("/v1/feed.csv")]);
    assert_eq!(table.matches("\n\"LZ-").count(), running.site.world.entries.len());
    assert_eq!(curl(&[&["--path-as-is"], &code[..], &[&running.url("/../../etc/passwd")]].concat()), "404");
}

/// Whoever is slow, silent or many costs others nothing, and the end does not wait for them.
#[test]
fn slow_clients_stop_neither_others_nor_the_end() {
    let mut running = Running::start(hostile(), 20);
    let mut silent: Vec<_> = (0..15).map(|_| TcpStream::connect(running.address).expect("connects")).collect();
    for stream in &mut silent {
        stream.write_all(b"GET /feed.json HTTP/1.1\r\nhost: x\r\n").expect("writes");
    }
    assert!(curl(&[&running.url("/feed.json")]).contains("sequence"));
    // One that asks for much and reads nothing.
    let mut lazy = TcpStream::connect(running.address).expect("connects");
    lazy.write_all(b"GET /v1/feed.csv HTTP/1.1\r\nhost: x\r\n\r\n").expect("writes");
    // What is no HTTP, and a head without end.
    for nonsense in [b"\x16\x03\x01\x02\x00".as_slice(), &[b'a'; 100 << 10]] {
        let mut stream = TcpStream::connect(running.address).expect("connects");
        let _ = stream.write_all(nonsense);
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("sets");
        let mut answer = Vec::new();
        let _ = stream.take(1 << 16).read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(curl(&[&running.url("/feed.json")]).contains("sequence"));
    let took = running.end();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// Clients that read while releases are switched see one release or the other, each file whole.
#[test]
fn a_new_release_is_seen_at_once() {
    let mut running = Running::start(Site::of(50), 100);
    let changes = |running: &Running| curl(&[&running.url("/v1/changes?since=49")]);
    assert!(changes(&running).contains("\"sequence\":50,"));
    let mut change = running.site.world.changes[49].clone();
    change.sequence = 50;
    running.site.world.changes.push(change);
    running.site.world.sequence = 51;
    running.site.publish();
    let after = changes(&running);
    assert!(after.contains("\"sequence\":51,") && after.contains("\"next\":51,"), "{after}");
}
