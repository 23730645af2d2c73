//! The client killed at any moment, and a disk that fills up: what was believed last is whole.
//!
//! Each is done to a process of its own: this test program, started again for one test.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    FirstTrust, Origin, SyncOptions, VerifyOptions, sync,
    testing::{NOW, Publisher, Victim},
    verify,
};

/// How many parts of its time it is killed after.
const ROUNDS: u32 = 10;
/// Where the process under test finds its folders.
const FROM: &str = "LAZARET_TEST_FROM";
const TO: &str = "LAZARET_TEST_TO";

fn told(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the test above tells it where")]
    std::env::var(name).expect("started by another test")
}

/// Starts the test `name` of this program alone, by `wrapper` if there is one.
fn start(wrapper: &[&str], name: &str, from: &Path, to: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut words: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
    words.push(program.into());
    let (first, rest) = words.split_first().expect("a word");
    #[expect(clippy::disallowed_methods, reason = "starts this very test program")]
    let mut command = Command::new(first);
    command.args(rest).args(["--exact", name, "--ignored", "--nocapture"]).env(FROM, from).env(TO, to);
    command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("starts")
}

/// Nothing half-made is visible, and the folder verifies.
fn is_whole(folder: &Path) -> u64 {
    let options = VerifyOptions::default();
    verify(folder, NOW, &options).expect("the current release is whole").sequence
}

#[test]
fn killed_at_any_moment_it_leaves_a_whole_release() {
    let mut publisher = Publisher::new();
    publisher.list(300);
    publisher.publish(NOW);
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    let (to, mut seen) = (victim.folder.path(), 300);
    let mut took = Duration::ZERO;
    for round in 0..=ROUNDS {
        publisher.list(200);
        publisher.publish(NOW);
        let whole = publisher.changes.len() as u64;
        #[expect(clippy::disallowed_methods, reason = "kills at parts of the time it takes here")]
        let began = std::time::Instant::now();
        let mut child = start(&[], "client::sudden_ends::once", &publisher.public(), to);
        if round == 0 {
            child.wait().expect("ends");
            took = began.elapsed();
            assert_eq!(is_whole(to), whole, "left alone, it does its work");
        } else {
            std::thread::sleep(took * round / ROUNDS);
            child.kill().expect("kills");
            child.wait().expect("ends");
        }
        let now = is_whole(to);
        assert!(now == seen || now == whole, "{now} is neither the old state nor the new one");
        seen = now;
    }
    let report = victim.sync(&publisher.public(), NOW).expect("goes on after all that");
    assert_eq!(report.sequence, 300 + 200 * (1 + u64::from(ROUNDS)));
    assert_eq!(is_whole(victim.folder.path()), 300 + 200 * (1 + u64::from(ROUNDS)));
    let left = fs::read_dir(victim.folder.path().join("releases")).expect("lists").count();
    assert!(left <= 2, "what was cut short was removed: {left}");
}

#[test]
#[ignore = "the process that another test kills"]
fn once() {
    let (from, to) = (told(FROM), told(TO));
    let options = SyncOptions::new(FirstTrust::Memory);
    sync(&Origin::Folder(from.into()), Path::new(&to), NOW, &options).expect("believed");
}

#[test]
fn a_full_disk_leaves_the_last_release() {
    let mut publisher = Publisher::new();
    publisher.list(300);
    publisher.publish(NOW);
    publisher.list(300);
    publisher.publish(NOW);
    fs::write(publisher.folder.path().join("first-root"), publisher.keys.first_root()).expect("writes");
    let disk = tempfile::tempdir().expect("a folder");
    // A small disk of its own, in a mount namespace of its own: it goes with the process.
    let mount = format!("mount -t tmpfs -o size=16m none {} && exec \"$@\"", disk.path().display());
    let wrapper = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
    let child = start(&wrapper, "client::sudden_ends::on_a_full_disk", publisher.folder.path(), disk.path());
    assert!(child.wait_with_output().expect("ends").status.success(), "see above");
    assert!(publisher.folder.path().join("done").is_file(), "it did run");
}

#[test]
#[ignore = "needs a small disk of its own, which another test makes"]
fn on_a_full_disk() {
    let (from, to) = (told(FROM), told(TO));
    let (from, to) = (Path::new(&from), Path::new(&to));
    let root = fs::read(from.join("first-root")).expect("is there");
    let options = SyncOptions::new(FirstTrust::Root(root));
    let done = from.join("done");
    let from = |release: u64| Origin::Folder(from.join(format!("releases/{release}")));
    sync(&from(1), to, NOW, &options).expect("there is room");
    let filler = to.join("filler");
    // Leaves less than half of what the next release needs.
    let mut free = 1 << 24;
    while free >= 4096 {
        let grown = [fs::read(&filler).unwrap_or_default(), vec![0; free]].concat();
        if fs::write(&filler, &grown).is_err() {
            fs::write(&filler, &grown[..grown.len() - free]).expect("what fitted before");
            free /= 2;
        }
    }
    let full = sync(&from(2), to, NOW, &options).expect_err("the disk is full");
    assert_eq!(full.reason(), "file", "{full}");
    assert_eq!(is_whole(to), 300, "the last release is still there, and whole");
    fs::remove_file(&filler).expect("removes");
    sync(&from(2), to, NOW, &options).expect("there is room again");
    assert_eq!(is_whole(to), 600);
    fs::write(done, "").expect("writes");
}
