//! Every attack on an update that TUF names, and a few more: each must be refused by name, and must leave the client able to go on.

use std::{fs, io::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    FirstTrust, SyncError,
    testing::{DAY, NOW, Publisher, Server, Victim, copy_of, counting, passphrase},
};
use crate::trust::{
    Lifetimes,
    key::SigningKey,
    metadata::{Envelope, sign},
    rotate,
};

/// A feed of two releases, and a client that has the second one (or the first).
struct Scene {
    publisher: Publisher,
    victim: Victim,
}

impl Scene {
    fn new(releases_seen: u64) -> Self {
        let mut publisher = Publisher::new();
        publisher.list(3);
        publisher.publish(NOW);
        publisher.list(2);
        publisher.publish(NOW + 60);
        let victim = Victim::of(&publisher);
        victim.sync(&publisher.release(releases_seen), NOW + 60).expect("the honest feed is believed");
        Self { publisher, victim }
    }

    /// What is served is refused for `reason`, what was believed stays, and the honest feed is still believed.
    #[track_caller]
    fn refuses(&self, served: &Path, now: u64, reason: &str) {
        let before = self.victim.current();
        let refused = self.victim.sync(served, now).expect_err("the attack is refused");
        assert_eq!(refused.reason(), reason, "{refused}");
        assert_eq!(self.victim.current(), before, "nothing was switched");
        let honest = self.victim.sync(&self.publisher.public(), NOW + 120).expect("the honest feed is believed after");
        assert_eq!(honest.sequence, 5);
    }

    /// As [`Scene::refuses`], of a copy of the newest release in which `file` was altered.
    #[track_caller]
    fn refuses_altered(&self, file: &str, alter: impl FnOnce(&[u8]) -> Vec<u8>, reason: &str) {
        let served = copy_of(&self.publisher.release(2));
        let path = served.path().join(file);
        let altered = alter(&fs::read(&path).expect("is there"));
        fs::write(path, altered).expect("writes");
        self.refuses(served.path(), NOW + 60, reason);
    }
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

/// Where the newest release has a file by its digest.
fn by_digest(scene: &Scene, name: &str) -> String {
    let bytes = fs::read(scene.publisher.release(2).join(name)).expect("is there");
    crate::trust::tuf::hashed_path(name, &model::Digest::of(&bytes))
}

/// A shard that the second release has and the first has not.
fn changed_shard(scene: &Scene) -> String {
    let names = (0..=255_u8).map(|number| format!("shards/{number:02x}.bin"));
    let read = |release, name: &str| fs::read(scene.publisher.release(release).join(name)).expect("is there");
    names.into_iter().find(|name| read(1, name) != read(2, name)).expect("a changed shard")
}

#[test]
fn rollback_to_an_older_release() {
    let scene = Scene::new(2);
    scene.refuses(&scene.publisher.release(1), NOW + 60, "rollback");
}

#[test]
fn rollback_of_the_snapshot_below_a_new_timestamp() {
    let scene = Scene::new(2);
    // Someone who has the timestamp's key alone: names the first release's snapshot, in a newer timestamp.
    let old = fs::read(scene.publisher.release(1).join("metadata/1.snapshot.json")).expect("is there");
    let named = json!({ "version": 1, "length": old.len(), "hashes": { "sha256": model::Digest::of(&old).hex() } });
    let served = copy_of(&scene.publisher.release(2));
    resign(served.path(), "timestamp", &scene.publisher.keys.timestamp, |signed| {
        signed["version"] = json!(9);
        signed["meta"]["snapshot.json"] = named;
    });
    scene.refuses(served.path(), NOW + 60, "rollback");
}

#[test]
fn freeze() {
    let scene = Scene::new(2);
    let before = scene.victim.current();
    let refused = scene.victim.sync(&scene.publisher.release(2), NOW + 60 + DAY).expect_err("it ran out");
    assert_eq!(refused.reason(), "freeze", "{refused}");
    assert_eq!(scene.victim.current(), before);
}

#[test]
fn mix_and_match_of_metadata() {
    let scene = Scene::new(1);
    let old = fs::read(scene.publisher.release(1).join("metadata/1.targets.json")).expect("is there");
    scene.refuses_altered("metadata/2.targets.json", |_| old, "mix-and-match");
    let scene = Scene::new(1);
    let old = fs::read(scene.publisher.release(1).join("metadata/1.snapshot.json")).expect("is there");
    scene.refuses_altered("metadata/2.snapshot.json", |_| old, "mix-and-match");
}

#[test]
fn mix_and_match_of_files() {
    let scene = Scene::new(1);
    let shard = changed_shard(&scene);
    let path = by_digest(&scene, &shard);
    // As long as the right one, so that only its digest tells.
    scene.refuses_altered(&path, |bytes| vec![0; bytes.len()], "altered");
}

#[test]
fn wrong_key() {
    let scene = Scene::new(2);
    let mut stranger = Publisher::seeded(100);
    stranger.list(9);
    (0..3).for_each(|_| drop(stranger.publish(NOW + 60)));
    scene.refuses(&stranger.public(), NOW + 60, "wrong-key");
}

#[test]
fn wrong_key_for_a_new_root() {
    let scene = Scene::new(2);
    let stranger = Publisher::seeded(100);
    let keys = stranger.folder.path().join("keys");
    rotate(&keys, &keys, &passphrase(), &[], &mut counting(200), NOW).expect("rotates");
    let served = copy_of(&scene.publisher.release(2));
    fs::copy(keys.join("2.root.json"), served.path().join("metadata/2.root.json")).expect("copies");
    scene.refuses(served.path(), NOW + 60, "wrong-key");
}

#[test]
fn a_key_of_another_role() {
    let scene = Scene::new(2);
    let served = copy_of(&scene.publisher.release(2));
    resign(served.path(), "timestamp", &scene.publisher.keys.snapshot, |signed| signed["version"] = json!(9));
    scene.refuses(served.path(), NOW + 60, "wrong-key");
}

#[test]
fn threshold() {
    let scene = Scene::new(2);
    let keys = scene.publisher.folder.path().join("keys");
    rotate(&keys, &keys, &passphrase(), &["timestamp"], &mut counting(200), NOW).expect("rotates");
    let root: Value = serde_json::from_slice(&fs::read(keys.join("2.root.json")).expect("is there")).expect("JSON");
    let signatures = root["signatures"].as_array().expect("signatures");
    assert!(signatures.len() >= 2, "two must sign");
    // One key's signature, twice, and once more under a name of no key.
    let mut stranger = signatures[0].clone();
    stranger["keyid"] = json!("0".repeat(64));
    let one = json!({ "signed": root["signed"], "signatures": [signatures[0], signatures[0], stranger] });
    let served = copy_of(&scene.publisher.release(2));
    fs::write(served.path().join("metadata/2.root.json"), one.to_string()).expect("writes");
    scene.refuses(served.path(), NOW + 60, "threshold");
}

#[test]
fn a_root_that_skips_or_repeats_a_version() {
    let scene = Scene::new(2);
    let served = copy_of(&scene.publisher.release(2));
    fs::write(served.path().join("metadata/2.root.json"), scene.publisher.keys.first_root()).expect("writes");
    scene.refuses(served.path(), NOW + 60, "rollback");
}

#[test]
fn truncated() {
    let scene = Scene::new(1);
    scene.refuses_altered("metadata/timestamp.json", half, "truncated");
    let scene = Scene::new(1);
    scene.refuses_altered("metadata/2.snapshot.json", half, "truncated");
    let scene = Scene::new(1);
    scene.refuses_altered("metadata/2.targets.json", half, "truncated");
    let scene = Scene::new(1);
    let path = by_digest(&scene, &changed_shard(&scene));
    scene.refuses_altered(&path, half, "truncated");
}

#[test]
fn longer_than_signed() {
    let scene = Scene::new(1);
    let path = by_digest(&scene, &changed_shard(&scene));
    scene.refuses_altered(&path, |bytes| [bytes, &[0]].concat(), "endless-data");
    let scene = Scene::new(1);
    scene.refuses_altered("metadata/timestamp.json", |_| vec![b' '; 1 << 20], "endless-data");
}

#[test]
fn endless_data_from_a_server() {
    let scene = Scene::new(1);
    let endless = Server::start(&scene.publisher.release(2), |path, mut stream| {
        if !path.ends_with("timestamp.json") {
            return Some(stream);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 4096]).is_ok() {}
        None
    });
    let refused = scene.victim.sync_web(&endless, NOW + 60).expect_err("it never ends");
    assert_eq!(refused.reason(), "endless-data", "{refused}");
}

#[test]
fn a_server_that_sends_less_than_it_says() {
    let scene = Scene::new(1);
    let short = Server::start(&scene.publisher.release(2), |path, mut stream| {
        if !path.contains("targets/shards/") {
            return Some(stream);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 58\r\nConnection: close\r\n\r\nLZSH");
        None
    });
    let refused = scene.victim.sync_web(&short, NOW + 60).expect_err("it is cut short");
    assert_eq!(refused.reason(), "truncated", "{refused}");
}

#[test]
fn a_server_that_fails_or_leads_elsewhere() {
    let scene = Scene::new(1);
    for status in ["302 Found\r\nLocation: http://127.0.0.1:9/", "500 Broken", "200 OK\r\nContent-Length: x"] {
        let server = match status.as_bytes()[0] {
            b'3' => Server::start(&scene.publisher.release(2), |_, stream| {
                broken(stream, "302 Found\r\nLocation: http://127.0.0.1:9/")
            }),
            b'5' => Server::start(&scene.publisher.release(2), |_, stream| broken(stream, "500 Broken")),
            _ => Server::start(&scene.publisher.release(2), |_, stream| broken(stream, "200 OK\r\nContent-Length: x")),
        };
        let failed = scene.victim.sync_web(&server, NOW + 60).expect_err("it fails");
        assert_eq!((failed.reason(), failed.is_passing()), ("unreachable", true), "{status}: {failed}");
    }
}

fn broken(mut stream: std::net::TcpStream, status: &str) -> Option<std::net::TcpStream> {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
    None
}

#[test]
fn expired() {
    let with = |lifetimes: Lifetimes, later: u64| {
        let mut publisher = Publisher::new();
        publisher.keys.lifetimes = lifetimes;
        publisher.list(1);
        publisher.publish(NOW);
        Victim::of(&publisher).sync(&publisher.public(), NOW + later).expect_err("it ran out")
    };
    let long = Lifetimes { timestamp: 800 * DAY, snapshot: 800 * DAY, targets: 800 * DAY };
    let reasons = [
        with(Lifetimes { targets: DAY, ..long }, DAY),
        with(Lifetimes { snapshot: DAY, ..long }, DAY),
        with(long, 365 * DAY),
    ];
    for (refused, expected) in reasons.iter().zip(["targets.json", "snapshot.json", "1.root.json"]) {
        assert!(matches!(refused, SyncError::Expired { file, .. } if file == expected), "{refused}");
        assert_eq!(refused.reason(), "expired");
    }
}

#[test]
fn a_root_from_nowhere() {
    let scene = Scene::new(2);
    let mut victim = Victim::of(&scene.publisher);
    let mut reason = |root| {
        victim.options.root = root;
        victim.sync(&scene.publisher.public(), NOW + 60).map_err(|error| error.reason()).map(|report| report.sequence)
    };
    assert_eq!(reason(FirstTrust::Memory), Err("no-trust"));
    assert_eq!(reason(FirstTrust::Fingerprint(model::Digest::of(b"another"))), Err("other-root"));
    assert_eq!(reason(FirstTrust::Root(b"{}".to_vec())), Err("malformed"));
    assert_eq!(reason(FirstTrust::Fingerprint(model::Digest::of(scene.publisher.keys.first_root()))), Ok(5));
    assert_eq!(reason(FirstTrust::Memory), Ok(5), "remembered from now on");
}

#[test]
fn a_missing_shard() {
    let mut publisher = Publisher::new();
    publisher.list(1);
    let release = publisher.publish(NOW);
    let keys = &publisher.keys;
    resign_targets(&release, keys, |signed| {
        signed["targets"].as_object_mut().expect("files").remove("shards/7f.bin");
    });
    let refused = Victim::of(&publisher).sync(&release, NOW).expect_err("a 256th of the list is not there");
    assert!(matches!(&refused, SyncError::Missing { file } if file == "shards/7f.bin"), "{refused}");
}

#[test]
fn a_file_name_that_climbs() {
    let mut publisher = Publisher::new();
    publisher.list(1);
    let release = publisher.publish(NOW);
    resign_targets(&release, &publisher.keys, |signed| {
        let file = signed["targets"]["feed.json"].clone();
        signed["targets"]["shards/../../../escaped"] = file;
    });
    let refused = Victim::of(&publisher).sync(&release, NOW).expect_err("it would leave the folder");
    assert_eq!(refused.reason(), "malformed", "{refused}");
}

/// What keys are exchanged for: whoever had the old one could push versions up for ever.
#[test]
fn a_rotation_undoes_a_fast_forward() {
    let mut scene = Scene::new(2);
    let served = copy_of(&scene.publisher.release(2));
    resign(served.path(), "timestamp", &scene.publisher.keys.timestamp, |signed| signed["version"] = json!(1_000_000));
    scene.victim.sync(served.path(), NOW + 60).expect("signed with a stolen key: believed");
    let honest = scene.victim.sync(&scene.publisher.public(), NOW + 60).expect_err("seems older");
    assert_eq!(honest.reason(), "rollback");

    let keys = scene.publisher.folder.path().join("keys");
    rotate(&keys, &keys, &passphrase(), &["timestamp", "snapshot"], &mut counting(200), NOW).expect("rotates");
    scene.publisher.reopen();
    scene.publisher.list(1);
    scene.publisher.publish(NOW + 120);
    let report = scene.victim.sync(&scene.publisher.public(), NOW + 120).expect("believed again");
    assert_eq!((report.sequence, report.root_version), (6, 2));
    let stolen = scene.victim.sync(served.path(), NOW + 120).expect_err("the stolen key is worth nothing now");
    assert_eq!(stolen.reason(), "wrong-key");
}

#[test]
fn every_key_can_be_exchanged_and_clients_follow() {
    let mut scene = Scene::new(1);
    let keys = scene.publisher.folder.path().join("keys");
    let all = ["root", "targets", "snapshot", "timestamp", "log", "minisign"];
    rotate(&keys, &keys, &passphrase(), &all, &mut counting(100), NOW).expect("rotates");
    rotate(&keys, &keys, &passphrase(), &["root"], &mut counting(170), NOW).expect("rotates with the new keys");
    scene.publisher.reopen();
    scene.publisher.list(1);
    scene.publisher.publish(NOW + 120);
    let report =
        scene.victim.sync(&scene.publisher.public(), NOW + 120).expect("follows from the first root to the third");
    assert_eq!((report.sequence, report.root_version), (6, 3));
}

/// Alters a signed file as only the key's holder can.
fn resign(folder: &Path, role: &str, key: &SigningKey, alter: impl FnOnce(&mut Value)) {
    let path = folder.join(format!("metadata/{role}.json"));
    let bytes = fs::read(&path).expect("is there");
    Envelope::parse(&bytes).expect("metadata");
    let mut file: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut signed = file["signed"].take();
    alter(&mut signed);
    fs::write(&path, sign(&signed, [key])).expect("writes");
}

/// Alters the targets of a first release, and has snapshot and timestamp name them.
fn resign_targets(release: &Path, keys: &crate::trust::Keys, alter: impl FnOnce(&mut Value)) {
    let meta = |name: &str| {
        let bytes = fs::read(release.join("metadata").join(name)).expect("is there");
        json!({ "version": 1, "length": bytes.len(), "hashes": { "sha256": model::Digest::of(&bytes).hex() } })
    };
    resign(release, "1.targets", &keys.targets, alter);
    let named = meta("1.targets.json");
    resign(release, "1.snapshot", &keys.snapshot, |signed| signed["meta"]["targets.json"] = named);
    let named = meta("1.snapshot.json");
    resign(release, "timestamp", &keys.timestamp, |signed| signed["meta"]["snapshot.json"] = named);
}
