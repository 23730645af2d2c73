//! What is left of a sandbox: nothing, however it ends, also where whoever ran it is killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod launching;

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use launching::{BOTH, Image, attempts, helper, helper_folder, plan, store_folder};
use model::EndReason;
use sandbox::{
    internet::device::Address,
    launch::{CaptureBudget, Isolation, LaunchError, Store, prepare, sweep},
};

const NOBODY: u32 = 65_534;

/// Everything that carries the id of `owner` or the name of the store: processes, mounts, cgroups.
fn leftovers(owner: u32, store: &Path) -> Vec<String> {
    let mut found = Vec::new();
    // The helper's environment names the folder around the store; its guards have that environment too.
    let around = store.parent().unwrap().to_str().unwrap();
    let store = store.to_str().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(|first: char| first.is_ascii_digit())
            || name.parse() == Ok(owner)
            || name.parse() == Ok(std::process::id())
        {
            continue;
        }
        let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let named =
            String::from_utf8_lossy(&environment).contains(around) || status.contains(&format!("PPid:\t{owner}\n"));
        let ours = comm.starts_with("lazaret-guard") && named;
        if ours || mounts.contains(&format!("upperdir=../mount/{owner}-")) || mounts.contains(store) {
            found.push(format!("process {name} {}", comm.trim()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(store)).map(|line| format!("mount {line}")));
    cgroups(Path::new("/sys/fs/cgroup"), &format!("lazaret-{owner}-"), 0, &mut found);
    found
}

fn cgroups(below: &Path, prefix: &str, depth: u32, found: &mut Vec<String>) {
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if folder && entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(format!("cgroup {}", entry.path().display()));
        } else if folder && depth < 5 {
            cgroups(&entry.path(), prefix, depth + 1, found);
        }
    }
}

/// The files of a store, but for the layers themselves.
fn files(store: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["layers", "partial", "locks", "mount"] {
        for entry in fs::read_dir(store.join(folder)).unwrap().flatten() {
            files.push(format!("{folder}/{}", entry.file_name().to_string_lossy()));
        }
    }
    files.sort();
    files
}

fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..250 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

#[test]
fn nothing_is_left_after_any_end() {
    let at = store_folder();
    let folder = at.path().join("store");
    let store = Store::open(&folder).unwrap();
    let program = attempts(at.path());
    let mut image = Image::busybox();
    image.file("attempts", 0o755, &program).file("bin/broken", 0o755, b"\x7fELF\x02\x01\x01");
    let layer = image.layer(&store);
    let before = files(&folder);
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let open = descriptors();
    for isolation in BOTH {
        for (line, expected) in [
            ("exit 0", Some(EndReason::Exited { code: 0 })),
            ("sleep 100 & kill -SEGV $$; exec /attempts crash 2>/dev/null; exit 3", None),
            ("exec /attempts stay", Some(EndReason::Stopped)),
            ("sleep 100 & (sleep 100 & sleep 100 &) ; exit 5", Some(EndReason::Exited { code: 5 })),
        ] {
            let mut plan = plan(vec![layer.clone()], isolation, &["sh", "-c", line]);
            plan.network = Some(Address::of_container(2));
            let running = prepare(&plan).unwrap().start().unwrap();
            running.run_also(&["sleep".to_owned(), "100".to_owned()]).and_then(|also| also.start(&running)).ok();
            running.wait(Duration::from_millis(400));
            let finished = running.finish(&CaptureBudget::default());
            assert!(expected.is_none_or(|expected| finished.reason == expected), "{line}: {:?}", finished.reason);
            assert_eq!(leftovers(std::process::id(), &folder), Vec::<String>::new(), "{line}");
        }
        // Never started, not startable, or dropped.
        let plan = |command: &str| plan(vec![layer.clone()], isolation, &[command]);
        drop(prepare(&plan("sh")).unwrap());
        assert!(matches!(prepare(&plan("broken")), Err(LaunchError::NotStarted { .. })));
        drop(prepare(&plan("sleep")).unwrap().start().unwrap());
        soon("guards end", || leftovers(std::process::id(), &folder).is_empty());
    }
    assert_eq!(files(&folder), before);
    soon("descriptors are closed", || descriptors() == open);
    let report = sweep(&folder);
    assert_eq!((report.processes, report.folders), (0, 0), "{report:?}");
}

/// Runs a sample that clings to life, until it is killed itself.
#[test]
#[ignore = "the other half of the tests below"]
fn detonates_until_it_is_killed() {
    let folder = helper_folder();
    let store = Store::open(&folder.join("store")).unwrap();
    let program = fs::read(folder.join("attempts")).unwrap();
    let mut image = Image::busybox();
    image.file("attempts", 0o755, &program);
    let root = nix::unistd::geteuid().is_root();
    let kinds = if root { &BOTH[..] } else { &[Isolation::Rootless] };
    let mut running = Vec::new();
    for isolation in kinds {
        let mut plan = plan(vec![image.layer(&store)], *isolation, &["/attempts", "stay"]);
        plan.network = Some(Address::of_container(2));
        let sample = prepare(&plan).unwrap().start().unwrap();
        sample.run_also(&["sleep".to_owned(), "1000".to_owned()]).unwrap().start(&sample).unwrap();
        running.push(sample);
    }
    fs::create_dir(folder.join("store/partial").join(format!("half-{}-1-0", std::process::id()))).unwrap();
    thread::sleep(Duration::from_millis(300));
    fs::write(folder.join("running"), "").unwrap();
    thread::sleep(Duration::from_secs(100));
}

fn detonating(user: Option<u32>) -> (tempfile::TempDir, Child, Vec<String>) {
    let at = store_folder();
    attempts(at.path());
    let mut child = helper("detonates_until_it_is_killed", at.path(), user)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    soon("the helper runs its samples", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        at.path().join("running").exists()
    });
    let running = leftovers(child.id(), &at.path().join("store"));
    let processes = running.iter().filter(|line| line.starts_with("process")).count();
    assert!(processes >= if user.is_none() { 20 } else { 10 }, "{running:?}");
    (at, child, running)
}

#[test]
fn a_killed_lazaret_takes_its_samples_with_it() {
    for user in [None, Some(NOBODY)] {
        let (at, mut child, _) = detonating(user);
        let store = at.path().join("store");
        child.kill().unwrap();
        child.wait().unwrap();
        soon("the guards end it all", || leftovers(child.id(), &store).is_empty());
        sweep(&store);
        assert!(!files(&store).iter().any(|file| file.starts_with("partial/")), "{:?}", files(&store));
    }
}

#[test]
fn the_sweep_ends_what_the_guards_could_not() {
    for user in [None, Some(NOBODY)] {
        let (at, mut child, running) = detonating(user);
        let store = at.path().join("store");
        // All guards first, then lazaret at once: nobody is left to see it.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), nix::sys::signal::Signal::SIGSTOP)
            .unwrap();
        for guard in running.iter().filter(|line| line.contains("lazaret-guard")) {
            let pid = guard.split(' ').nth(1).unwrap().parse().unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        thread::sleep(Duration::from_millis(300));
        assert!(!leftovers(child.id(), &store).is_empty(), "the samples cling to life, or the test proves nothing");
        let report = sweep(&store);
        soon("the sweep ends it", || leftovers(child.id(), &store).is_empty());
        assert!(report.processes > 0 && report.folders == 1, "{report:?}");
        assert_eq!(sweep(&store).processes, 0);
    }
}
