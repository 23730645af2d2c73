//! A feed from verdict to gate: published, mirrored, withdrawn; killed and out of disk in between.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use harbour::{Harbour, Script};
use serde_json::Value;

use crate::support::{Ended, Home, Layer, MINER, Running, file, image};

/// A home with a feed in it.
struct Station {
    home: Home,
    harbour: Harbour,
    /// Of the feed's root, as `feed init` prints it.
    fingerprint: String,
    /// Of the malicious image.
    manifest: String,
    layer: String,
}

impl Station {
    fn new() -> Self {
        let home = Home::new();
        let harbour = Harbour::start(Script::default());
        let base = Layer::gzip(&[file("etc/motd", b"welcome\n")]);
        let bad = Layer::gzip(&[file("opt/start", MINER)]);
        harbour.push_parts("honest", "v1", &image(&[&base]));
        let manifest = harbour.push_parts("app", "v1", &image(&[&base, &bad])).manifest;
        fs::write(home.join("pass"), "an invented passphrase\n").expect("writes");
        let made = home.run(&[
            "feed",
            "init",
            "--quiet",
            "--name",
            "feed.test/images",
            "--url",
            "https://feed.test",
            "--passphrase-file",
            "pass",
            "--root-keys",
            "stick",
        ]);
        assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
        let root = made.stdout.lines().find_map(|line| line.strip_prefix("root")).expect("a root");
        let fingerprint = root.split_whitespace().next().expect("a digest").to_owned();
        Self { home, harbour, fingerprint, manifest, layer: bad.digest() }
    }

    #[track_caller]
    fn hunted(self) -> Self {
        let hunt = self.home.hunt(&self.harbour, &[]);
        assert_eq!(hunt.code, 1, "{hunt:?}");
        self
    }

    /// `feed …`, with the passphrase for what signs.
    fn feed(&self, arguments: &[&str]) -> Ended {
        let signs: &[&str] = if arguments.contains(&"diff") { &[] } else { &["--passphrase-file", "pass"] };
        self.home.run(&[&["feed"], arguments, &["--quiet"], signs].concat())
    }

    #[track_caller]
    fn feed_well(&self, arguments: &[&str]) -> String {
        let ended = self.feed(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?} {ended:?}");
        ended.stdout
    }

    fn folder(&self) -> String {
        self.home.join(".local/share/lazaret/feed")
    }

    fn sync(&self, from: &str) -> Ended {
        self.home.run(&["feed", "sync", "--quiet", from, "--to", "mirror", "--fingerprint", &self.fingerprint])
    }

    #[track_caller]
    fn verified(&self, folder: &str) {
        let ended = self.home.run(&["feed", "verify", "--quiet", folder, "--fingerprint", &self.fingerprint]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    }

    /// What the gate says of a digest, by the mirror.
    fn gate(&self, digest: &str) -> i32 {
        let reference = format!("registry.test/app@{digest}");
        self.home.run(&["gate", "check", "--quiet", "--offline", "--feed", "mirror", &reference]).code
    }
}

/// Serves the feed on a free port until dropped.
fn served(station: &Station) -> (Running, String) {
    let mut command = station.home.lazaret(&["feed", "serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
    let url = lines.map_while(Result::ok).find_map(|line| {
        line.split_once(" at http://").map(|(_, rest)| format!("http://{}", rest.split(' ').next().unwrap_or("")))
    });
    (Running(child), url.expect("says where"))
}

#[test]
fn a_verdict_reaches_the_gate_and_a_false_one_leaves_again() {
    let station = Station::new().hunted();
    let told = station.feed_well(&["publish"]);
    assert!(told.contains("listed") && told.contains("LZ-") && told.contains("cryptominer"), "{told}");
    station.verified(&station.folder());
    let (_server, url) = served(&station);
    let sync = |expected: i32| {
        let ended = station.sync(&url);
        assert_eq!(ended.code, expected, "{ended:?}");
    };
    sync(0);
    station.verified("mirror");
    assert_eq!(station.gate(&station.manifest), 0, "one kind of evidence: warned of, not denied");

    station.feed_well(&["approve", &station.manifest, &station.layer]);
    sync(0);
    assert_eq!(station.gate(&station.manifest), 1);

    let told = station.feed_well(&["withdraw", &station.manifest, "--tree", "--reason", "false alarm"]);
    assert!(told.contains("withdrawn") && told.contains("false alarm"), "{told}");
    sync(0);
    assert_eq!(station.gate(&station.manifest), 0);
    assert_eq!(station.feed_well(&["publish"]).matches("a person withdrew it").count(), told.lines().count());

    // Nothing of it is forgotten.
    let lines = station.feed_well(&["diff", "0", "--format", "jsonl"]);
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(entries.is_empty(), "what came and went is no difference: {entries:?}");
    let log = fs::read_to_string(station.home.join(".local/share/lazaret/feed/ledger.jsonl")).expect("reads");
    for kind in ["listed", "approved", "withdrawn"] {
        assert!(log.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
    let folder = station.folder();
    let between = station.feed_well(&["diff", "4", &folder]);
    assert!(between.contains("withdrawn") && between.contains("false alarm"), "{between}");
}

#[test]
fn mistakes_are_told_in_one_line() {
    let station = Station::new().hunted();
    station.feed_well(&["publish"]);
    let nothing = format!("sha256:{}", "0".repeat(64));
    station.feed(&["withdraw", &nothing, "--reason", "x"]).refused(2, &[&nothing, "not listed"]);
    station.feed(&["approve", &nothing]).refused(2, &["no evidence", "scan"]);
    station.feed(&["approve", "LZ-2026-x"]).refused_by_clap("LZ-2026-1");
    let empty = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
    station.feed(&["approve", empty]).refused(2, &["cannot be listed", "empty"]);
    let other = station.home.run(&["feed", "publish", "--quiet"]);
    other.refused(2, &["--passphrase-file"]);
    fs::write(station.home.join("pass"), "another\n").expect("writes");
    station.feed(&["publish"]).refused(2, &["passphrase"]);
    station.home.run(&["feed", "publish", "--quiet", "--folder", "nowhere"]).refused(2, &["nowhere", "feed init"]);
    let mirror = station.home.join(".local/share/lazaret/feed/public");
    station.home.run(&["feed", "sync", "--quiet", &mirror, "--to", "fresh"]).refused(2, &["no-trust", "--root"]);
    let entry = format!("{mirror}/feed.json");
    let altered = fs::read_to_string(&entry).expect("reads").replacen("\"block\": ", "\"block\": 1", 1);
    fs::write(&entry, altered).expect("writes");
    station.home.run(&["feed", "verify", "--quiet", &mirror]).refused(1, &["refused (", "feed.json"]);
}

impl Ended {
    /// clap says it over several lines.
    #[track_caller]
    fn refused_by_clap(&self, part: &str) {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.stderr.contains(part), "{}", self.stderr);
    }
}

/// Killed at any moment: what is shown is whole, and the next publication makes good what is due.
#[test]
fn a_killed_publication_leaves_the_last_good_state() {
    let station = Station::new();
    station.feed_well(&["publish"]);
    let station = station.hunted();
    let mut killed = 0;
    for wait in (0..12).map(|step| Duration::from_millis(10 + step * 25)) {
        let mut command = station.home.lazaret(&["feed", "publish", "--quiet", "--passphrase-file", "pass"]);
        let mut child = command.stdout(Stdio::null()).spawn().expect("starts");
        thread::sleep(wait);
        let ended = child.try_wait().expect("is ours").is_some();
        killed += usize::from(!ended);
        kill(&mut child);
        station.verified(&station.folder());
    }
    assert!(killed > 0, "none was killed");
    station.feed_well(&["publish"]);
    station.verified(&station.folder());
    let listed = station.feed_well(&["diff", "0"]);
    assert!(listed.contains(&station.manifest.chars().take(19).collect::<String>()), "{listed}");
    let releases = fs::read_dir(Path::new(&station.folder()).join("releases")).expect("lists").count();
    assert_eq!(releases, 2, "nothing half-made is left");
}

fn kill(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    child.wait().expect("is ours");
}

/// On a disk of its own, which is filled in between.
#[test]
fn a_full_disk_leaves_the_last_good_state() {
    let station = Station::new().hunted();
    let script = r#"
        set -eu
        mkdir disk && mount -t tmpfs -o size=64m tmpfs disk && cp -a "$FEED" disk/feed
        publish() { "$LAZARET" feed publish --quiet --folder disk/feed --passphrase-file pass; }
        verify() { "$LAZARET" feed verify --quiet disk/feed --fingerprint "$ROOT" > /dev/null; }
        publish > /dev/null
        verify
        before=$(readlink disk/feed/public)
        for left in 0 16 40; do
            dd if=/dev/zero of=disk/filler bs=1k 2> /dev/null || true
            truncate -s -"${left}K" disk/filler
            code=0; publish 2> why || code=$?
            echo "$code $(cat why)"
            test "$(readlink disk/feed/public)" = "$before"
            verify
            test "$(ls -A disk/feed/releases)" = 1
            rm disk/filler
        done
        publish > /dev/null
        verify
        readlink disk/feed/public
    "#;
    let mut command = station.home.command("unshare", &["--mount", "sh", "-c", script]);
    command
        .env("FEED", station.folder())
        .env("LAZARET", env!("CARGO_BIN_EXE_lazaret"))
        .env("ROOT", &station.fingerprint);
    let ended: Ended = command.output().expect("starts").into();
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "releases/2"), "{ended:?}");
    for line in &lines[..3] {
        assert!(line.starts_with("74 lazaret: ") && line.contains("No space left"), "{line}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test waits for a program")]
fn a_running_publisher_publishes_a_verdict_within_a_minute() {
    let station = Station::new();
    let mut command =
        station.home.lazaret(&["feed", "publish", "--quiet", "--every", "1", "--passphrase-file", "pass"]);
    let _publisher = Running(command.stdout(Stdio::null()).spawn().expect("starts"));
    let info = station.home.path().join(".local/share/lazaret/feed/public/feed.json");
    let sequence = || -> Option<u64> {
        let json: Value = serde_json::from_str(&fs::read_to_string(&info).ok()?).ok()?;
        json["sequence"].as_u64()
    };
    let until = |wanted: u64, seconds: u64| {
        let started = Instant::now();
        while sequence() < Some(wanted) {
            assert!(started.elapsed() < Duration::from_secs(seconds), "{:?} after {seconds} s", sequence());
            thread::sleep(Duration::from_millis(50));
        }
    };
    until(0, 30);
    let station = station.hunted();
    until(4, 60);
    station.verified(&station.folder());
}
