//! What others wrote must accept what we write: python-tuf's client, minisign.
//!
//! `make tools` installs both: minisign by the system, python-tuf (`tools/python.txt`) into `target/tools/python`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{minisign, minisign_verify, rotate};
use crate::client::testing::{Publisher, Server, counting, passphrase};

/// python-tuf reads the clock, so what it is shown is signed for today.
fn today() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a real client has a real clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

fn python() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests may be told where tools are")]
    let tools = std::env::var("LAZARET_TOOLS").ok();
    let tools =
        tools.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from);
    let python = tools.join("python/bin/python");
    assert!(python.is_file(), "{} is missing: run `make tools`", python.display());
    python
}

/// Updates as an application would, and prints the targets it got and the versions it trusts.
const CLIENT: &str = r#"
import json, sys
from tuf.ngclient import Updater
url, folder, root, targets = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
bootstrap = open(root, "rb").read() if root else None
updater = Updater(folder + "/metadata", url + "/metadata/", folder + "/targets", url + "/targets/", bootstrap=bootstrap)
try:
    updater.refresh()
    got = {}
    for name in targets:
        info = updater.get_targetinfo(name)
        got[name] = open(updater.download_target(info, folder + "/targets/" + name.replace("/", "_")), "rb").read().hex()
    trusted = updater._trusted_set
    print(json.dumps({"got": got, "root": trusted.root.version, "timestamp": trusted.timestamp.version, "targets": len(trusted.targets.targets)}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__}))
"#;

/// What python-tuf says of the feed at `url`.
fn python_tuf(url: &str, folder: &Path, root: &Path, targets: &[&str]) -> serde_json::Value {
    for inside in ["metadata", "targets"] {
        fs::create_dir_all(folder.join(inside)).expect("makes the folder");
    }
    #[expect(clippy::disallowed_methods, reason = "runs the real peer")]
    let mut command = Command::new(python());
    let output =
        command.args(["-c", CLIENT, url]).arg(folder).arg(root).args(targets).env_remove("http_proxy").output();
    let output = output.expect("python starts");
    let answer = serde_json::from_slice(&output.stdout);
    answer.unwrap_or_else(|_| panic!("no answer: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn python_tuf_follows_the_feed_through_releases_and_rotations() {
    let mut publisher = Publisher::new();
    let now = today();
    publisher.list(3);
    publisher.publish(now);
    let server = Server::start(&publisher.public(), |_, stream| Some(stream));
    let client = tempfile::tempdir().expect("a folder");
    let root = client.path().join("first.json");
    fs::write(&root, publisher.keys.first_root()).expect("writes");
    let wanted = ["feed.json", "shards/00.bin", "entries/ff.jsonl", "log/checkpoint"];
    let ask = || python_tuf(&server.url, client.path(), &root, &wanted);

    let first = ask();
    assert_eq!((&first["timestamp"], &first["targets"]), (&1.into(), &514.into()), "{first}");
    for name in wanted {
        let ours = hex::encode(fs::read(publisher.public().join(name)).expect("is there"));
        assert_eq!(first["got"][name], ours, "{name}");
    }
    publisher.list(2);
    publisher.publish(now);
    assert_eq!(ask()["timestamp"], 2);

    let keys = publisher.folder.path().join("keys");
    let all = ["root", "targets", "snapshot", "timestamp", "log", "minisign"];
    rotate(&keys, &keys, &passphrase(), &all, &mut counting(100), now).expect("rotates");
    publisher.reopen();
    publisher.list(2);
    publisher.publish(now);
    let rotated = ask();
    assert_eq!((&rotated["root"], &rotated["timestamp"]), (&2.into(), &3.into()), "{rotated}");
}

/// It refuses what ours refuses: the two agree on what a rollback and a stranger are.
#[test]
fn python_tuf_refuses_an_old_release_and_a_strangers() {
    let mut publisher = Publisher::new();
    let now = today();
    for _ in 0..2 {
        publisher.list(1);
        publisher.publish(now);
    }
    let client = tempfile::tempdir().expect("a folder");
    let root = client.path().join("first.json");
    fs::write(&root, publisher.keys.first_root()).expect("writes");
    let served = |folder: &Path| {
        let server = Server::start(folder, |_, stream| Some(stream));
        python_tuf(&server.url, client.path(), &root, &[])
    };
    assert_eq!(served(&publisher.release(2))["timestamp"], 2);
    assert_eq!(served(&publisher.release(1))["error"], "BadVersionNumberError");
    let mut stranger = Publisher::seeded(100);
    stranger.list(1);
    (0..3).for_each(|_| drop(stranger.publish(now)));
    assert_eq!(served(&stranger.public())["error"], "UnsignedMetadataError");
}

#[test]
fn minisign_accepts_our_signatures_and_no_altered_file() {
    let publisher = Publisher::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("digests.txt");
    let content = b"sha256:00\n".repeat(1000);
    fs::write(&file, &content).expect("writes");
    let signature = minisign(&publisher.keys, &content, "digests.txt", 1_764_000_000);
    fs::write(folder.path().join("digests.txt.minisig"), &signature).expect("writes");
    #[expect(clippy::disallowed_methods, reason = "runs the real peer")]
    let verify = || {
        let key = publisher.keys.minisign_key();
        let output = Command::new("minisign").args(["-V", "-H", "-P", key, "-m"]).arg(&file).output();
        let output = output.expect("minisign starts: run `make tools`");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (good, said) = verify();
    assert!(good && said.contains("file:digests.txt"), "{said}");
    assert_eq!(
        minisign_verify(publisher.keys.minisign_key(), &content, &signature),
        Some("timestamp:1764000000\tfile:digests.txt\thashed")
    );
    fs::write(&file, b"sha256:11\n").expect("writes");
    assert!(!verify().0, "another file");
    fs::write(&file, &content).expect("writes");
    fs::write(folder.path().join("digests.txt.minisig"), signature.replace("1764000000", "1764000001"))
        .expect("writes");
    assert!(!verify().0, "another comment");
    assert_eq!(minisign_verify(publisher.keys.minisign_key(), b"other", &signature), None);
}

/// Ours accepts theirs, too.
#[test]
fn we_accept_what_minisign_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("f"), b"content").expect("writes");
    let run = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "runs the real peer")]
        let output = Command::new("minisign").args(arguments).current_dir(folder.path()).output();
        assert!(output.expect("minisign starts: run `make tools`").status.success(), "{arguments:?}");
    };
    run(&["-G", "-W", "-p", "public", "-s", "secret"]);
    run(&["-S", "-W", "-s", "secret", "-m", "f", "-t", "a comment"]);
    let public = fs::read_to_string(at("public")).expect("is there");
    let signature = fs::read_to_string(at("f.minisig")).expect("is there");
    let key = public.lines().nth(1).expect("a key");
    assert_eq!(minisign_verify(key, b"content", &signature), Some("a comment"));
}
