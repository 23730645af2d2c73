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

/// skopeo reads the drop-in, refuses what it blocks before it asks anybody, and goes on to ask for what it does not.
#[test]
fn skopeo_refuses_what_the_drop_in_blocks() {
    let world = World::hostile();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    // Nobody listens there.
    let nowhere = "localhost:1/some/image";
    let main = folder.path().join("registries.conf");
    fs::write(&main, "").expect("writes");
    let inspect = |reference: &str| {
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false"])
            .arg(format!("docker://{reference}"))
            .env("CONTAINERS_REGISTRIES_CONF", &main)
            .arg("--registries-conf")
            .arg(folder.path().join("registries.conf.d/lazaret.conf"))
            .output()
            .expect("skopeo starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let listed = surely_blocked(&world.entries);
    let entry = listed.first().expect("some");
    let reference = entry.references.iter().find(|reference| reference.starts_with("evil/image")).expect("a name");
    let (name, _) = reference.split_once(':').expect("a tag");
    let told = inspect(&format!("docker.io/{name}@{}", entry.digest));
    assert!(told.contains("is blocked"), "{told}");
    let told = inspect(&format!("{nowhere}@{}", entry.digest));
    assert!(told.contains("refused") && !told.contains("blocked"), "{told}");
}
