//! `lazaret gate serve` as a process: starts, answers, takes what is new, stops.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use model::{Category, Confidence, Digest, Severity};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::support::{Home, Running};

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(100);

/// What the gate reads of a published feed that lists `digests`.
fn publish(folder: &Path, sequence: u64, digests: &[Digest]) {
    fs::create_dir_all(folder.join("shards")).expect("made");
    let listed = Listed {
        id: EntryId { year: 2026, number: 1 },
        role: Role::Manifest,
        list: List::Block,
        channel: Channel::Stable,
        categories: vec![Category::Cryptominer],
        severity: Severity::Critical,
        confidence: Confidence::Certain,
    };
    for first in 0..=u8::MAX {
        let records = digests.iter().filter(|digest| digest.as_bytes()[0] == first);
        let bytes = shard::encode(records.map(|digest| (*digest, Meta::from(&listed))).collect());
        fs::write(folder.join(format!("shards/{first:02x}.bin")), bytes).expect("written");
    }
    #[expect(clippy::disallowed_methods, reason = "the binary reads the machine's clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let new = folder.join("new");
    fs::write(&new, format!(r#"{{"sequence":{sequence},"published_at":{now}}}"#)).expect("written");
    fs::rename(new, folder.join("feed.json")).expect("moved");
}

#[test]
fn it_answers_takes_a_new_feed_and_stops_well() {
    let home = Home::new();
    let bad = Digest::of(b"bad");
    publish(&home.path().join("feed"), 1, &[bad]);
    let gate = home
        .lazaret(&["gate", "serve", "--feed", "feed", "--listen", "127.0.0.1:0", "--offline"])
        .stderr(Stdio::piped())
        .spawn();
    let mut gate = Running(gate.expect("starts"));
    let mut said = BufReader::new(gate.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let line = said.find(|line| line.contains("listening on ")).expect("it says where");
    assert!(line.contains("1 digests listed"), "{line}");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    let url = url.trim_end_matches(',').to_owned();

    let effect = || {
        let body = format!(r#"{{"images":["a@{bad}"]}}"#);
        let output = home
            .command(
                "curl",
                &["--silent", "--noproxy", "*", "--max-time", "10", "--data", &body, &format!("{url}/v1/kyverno")],
            )
            .output()
            .expect("curl is there: `make tools`");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["effect"].as_str().expect("an effect").to_owned()
    };
    assert_eq!(effect(), "deny");
    publish(&home.path().join("feed"), 2, &[]);
    let tries = PATIENCE.as_millis() / STEP.as_millis();
    let withdrawn = (0..tries).any(|_| {
        thread::sleep(STEP);
        effect() == "allow"
    });
    assert!(withdrawn, "the new feed is taken by itself");

    let id = i32::try_from(gate.0.id()).expect("a process id");
    kill(Pid::from_raw(id), Signal::SIGTERM).expect("sent");
    assert_eq!(gate.0.wait().expect("ended").code(), Some(0));
    assert!(said.any(|line| line.contains("gate: stopped")));
}

#[test]
fn what_it_cannot_start_with_is_said_in_one_line() {
    let home = Home::new();
    let serve = |more: &[&str]| home.run(&[&["gate", "serve", "--quiet", "--listen", "127.0.0.1:0"], more].concat());
    serve(&["--feed", "nowhere"]).refused(3, &["nowhere", "feed sync"]);
    publish(&home.path().join("feed"), 1, &[]);
    fs::write(home.join("policy.toml"), "severity = \"awful\"").expect("written");
    serve(&["--feed", "feed", "--policy", "policy.toml"]).refused(2, &["policy.toml", "awful"]);
    serve(&["--feed", "feed", "--tls-cert", "none.crt", "--tls-key", "none.key"]).refused(2, &["none.crt"]);
}
