//! The forms, read by the programs that people will read them with.
//!
//! `make tools` installs them into `target/tools`; set `LAZARET_TOOLS` to use another folder. `clients/check.py` has stix2-validator,
//! PyMISP, OSV's own schema, feedparser, a YAML reader, and what evaluates the policies' expressions (CEL, JMESPath).
#![expect(clippy::disallowed_methods, reason = "runs the real peers")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{surely_blocked, testing::*};

/// The Python that has the clients.
pub(crate) fn python() -> PathBuf {
    let given = std::env::var("LAZARET_TOOLS").ok();
    let tools =
        given.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from);
    let python = tools.join("python/bin/python");
    assert!(python.is_file(), "{} is missing: run `make tools`", python.display());
    python
}

/// Writes the forms, and what the checks compare them with.
fn write(world: &World, folder: &Path) {
    for (path, bytes) in world.write().files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        fs::write(path, bytes).expect("writes");
    }
    let sure: Vec<_> = surely_blocked(&world.entries).iter().map(|entry| entry.digest.to_string()).collect();
    let facts = serde_json::json!({ "entries": world.entries.len(), "changes": world.changes.len(), "sure": sure });
    fs::write(folder.join("facts.json"), facts.to_string()).expect("writes");
}

#[track_caller]
fn succeeds(output: &Output) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
}

#[track_caller]
fn check(world: &World) {
    let folder = tempfile::tempdir().expect("a folder");
    write(world, folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/forms/clients/check.py");
    succeeds(&Command::new(python()).arg(script).arg(folder.path()).output().expect("Python starts"));
}

#[test]
fn every_form_is_what_its_readers_take_it_for() {
    let mut world = World::of(400);
    world.change_all();
    check(&world);
}

#[test]
fn hostile_references_change_nothing_of_that() {
    let mut world = World::hostile();
    world.name = "Feed \"of\" {{ 'tests' }} \\ # <b>\n---\n- x".to_owned();
    check(&world);
}

/// `skopeo` in `folder`, with a configuration that knows nobody else's; what it says to standard error.
fn skopeo(folder: &Path, registries: &str, policy: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("skopeo")
        .arg("--registries-conf")
        .arg(folder.join(registries))
        .arg("--policy")
        .arg(folder.join(policy))
        .args(arguments)
        .env("XDG_CONFIG_HOME", folder)
        .env("HOME", folder)
        .output()
        .expect("skopeo starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A registry with an image, and a feed that lists it under its name there.
fn harbour() -> (harbour::Harbour, World, String) {
    let harbour = harbour::Harbour::start(harbour::Script::default());
    let image = harbour.push_image("evil/miner", "1", &[b"a layer"]);
    harbour.push_image("honest/image", "1", &[b"another"]);
    let mut world = World::hostile();
    let entry = world.entries.iter_mut().find(|entry| entry.blocks_for_sure() && entry.is_pulled()).expect("one");
    entry.digest = image.manifest.parse().expect("a digest");
    entry.references = [format!("{}/evil/miner:1", harbour.host())].into();
    world.sort();
    let name = format!("{}/evil/miner@{}", harbour.host(), image.manifest);
    (harbour, world, name)
}

/// The drop-in blocks the repository, and nothing else.
#[test]
fn skopeo_refuses_what_the_drop_in_blocks() {
    let (harbour, world, listed) = harbour();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    let accept = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    fs::write(folder.path().join("accept.json"), accept).expect("writes");
    let inspect = |image: &str| {
        let image = format!("docker://{image}");
        let arguments = ["inspect", "--raw", "--tls-verify=false", &image];
        skopeo(folder.path(), "registries.conf.d/lazaret.conf", "accept.json", &arguments)
    };
    let (read, told) = inspect(&listed);
    assert!(!read && told.contains("is blocked in"), "{told}");
    assert_eq!(inspect(&format!("{}/honest/image:1", harbour.host())), (true, String::new()));
}

/// The policy rejects the digest, and no tag beside it.
#[test]
fn skopeo_refuses_what_the_policy_rejects() {
    let (harbour, world, listed) = harbour();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    fs::write(folder.path().join("none.conf"), "").expect("writes");
    let copy = |image: &str| {
        let (image, to) = (format!("docker://{image}"), format!("dir:{}", folder.path().join("copy").display()));
        let arguments = ["copy", "--quiet", "--src-tls-verify=false", &image, &to];
        skopeo(folder.path(), "none.conf", "containers-policy/policy.json", &arguments)
    };
    let (copied, told) = copy(&listed);
    assert!(!copied && told.contains("rejected by policy"), "{told}");
    assert_eq!(copy(&format!("{}/honest/image:1", harbour.host())), (true, String::new()));
}
