//! Real stand-ins and services, run by the built binary, inside a network namespace whose only link is counted.

use std::{
    fs,
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use harbour::{Harbour, Script};
use nix::sched::{CloneFlags, unshare};
use sandbox::internet::device::{self, Address};
use serde_json::{Value, json};

use crate::support::{Ended, Home, Layer, file, image};

/// The small set of `corpus/images/runtime`, built once.
static SUBJECTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime-subjects");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/images/runtime/build.py");
    let mut command = tool("python3");
    let built = command.arg(script).arg("--small").arg("--out").arg(&folder).output().expect("python3 starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder
});

/// One line of `expected.tsv`.
struct Subject {
    tag: String,
    name: String,
    is_benign: bool,
    least: String,
}

fn subjects() -> Vec<Subject> {
    let text = fs::read_to_string(SUBJECTS.join("expected.tsv")).expect("expected.tsv");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Subject {
            tag: columns[0].to_owned(),
            name: columns[1].to_owned(),
            is_benign: columns[2] == "benign",
            least: columns[4].to_owned(),
        }
    };
    text.lines().map(row).collect()
}

#[expect(clippy::disallowed_methods, reason = "the tests' own tools")]
fn tool(program: &str) -> Command {
    Command::new(program)
}

/// In a network namespace of its own, where everything that tries to leave goes to one device; afterwards, how many packets came there.
fn with_counted_link<T: Send>(work: impl FnOnce() -> T + Send) -> (T, u64) {
    thread::scope(|scope| {
        let inside = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("the tests run as root");
            let tun = fs::File::options().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
            let _link = device::create(tun.as_fd(), &Address::of_container(7)).expect("a link");
            let sent = || {
                let text = fs::read_to_string("/proc/thread-self/net/dev").expect("counters");
                let line =
                    text.lines().find(|line| line.trim_start().starts_with("eth0:")).expect("the link").to_owned();
                let columns: Vec<u64> = line
                    .split(':')
                    .nth(1)
                    .expect("columns")
                    .split_whitespace()
                    .map(|n| n.parse().expect("a number"))
                    .collect();
                columns[1] + columns[9] + columns[11]
            };
            let before = sent();
            let given = work();
            (given, sent() - before)
        };
        scope.spawn(inside).join().expect("the work ends")
    })
}

fn detonated(home: &Home, place: &str, more: &[&str]) -> Ended {
    let arguments =
        ["detonate", "-q", "--format", "json", "--store", "store", "--budget", "12", "--fail-on", "suspicious"];
    home.run(&[&arguments[..], more, &[place]].concat())
}

fn disposition(report: &Value) -> &str {
    report["verdict"]["disposition"].as_str().expect("a disposition")
}

/// Runs every subject, and gives what each ended as.
fn all(home: &Home, more: &[&str]) -> Vec<(Subject, String, Value)> {
    let subjects = subjects();
    let mut ended: Vec<(Subject, String, Value)> = Vec::new();
    for subject in subjects {
        let place = format!("oci:{}:{}", SUBJECTS.display(), subject.tag);
        let report = detonated(home, &place, more).result();
        let disposition = disposition(&report).to_owned();
        ended.push((subject, disposition, report));
    }
    ended
}

fn rank(disposition: &str) -> usize {
    let order = ["clean", "risky", "suspicious", "malicious"];
    order.iter().position(|word| *word == disposition).unwrap_or_else(|| panic!("{disposition}"))
}

#[test]
fn stand_ins_are_found_and_services_are_left_alone_and_no_packet_leaves() {
    let home = Home::new();
    let (ended, packets) = with_counted_link(|| all(&home, &[]));
    assert_eq!(packets, 0, "nothing may leave");
    let mut wrong = Vec::new();
    for (subject, disposition, report) in &ended {
        let right = if subject.is_benign { rank(disposition) <= 1 } else { rank(disposition) >= rank(&subject.least) };
        if !right {
            let found: Vec<_> =
                report["findings"].as_array().expect("findings").iter().map(|f| &f["detector"]).collect();
            wrong.push(format!("{} is {disposition}, not {}: {found:?}", subject.name, subject.least));
        }
        for run in report["runs"].as_array().expect("runs") {
            assert_eq!(run["end"]["escapes_refused"], 0, "{}: {run}", subject.name);
            assert_eq!(run["head"]["sensor"], "bpf", "{}", subject.name);
        }
    }
    assert!(ended.len() >= 10, "{} subjects", ended.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(left_behind(&home), Vec::<String>::new());
}

#[test]
fn without_privilege_the_same_is_found() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for (subject, disposition, _) in all(&home, &["--isolation", "rootless"]) {
        let right =
            if subject.is_benign { rank(&disposition) <= 1 } else { rank(&disposition) >= rank(&subject.least) };
        if !right {
            wrong.push(format!("{} is {disposition}, not {}", subject.name, subject.least));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(left_behind(&home), Vec::<String>::new());
}

/// What cannot run is said in one line, and what is known at rest stays.
#[test]
fn what_cannot_run_keeps_its_verdict_at_rest() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let push = |name: &str, config: Value, members: &[Vec<u8>]| {
        let mut parts = image(&[&Layer::gzip(members)]);
        parts.config = config;
        harbour.push_parts(name, "v1", &parts);
        format!("{}/{name}:v1", harbour.host())
    };
    let mut foreign = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    foreign.resize(200, 0);
    for (name, config, members, says) in [
        ("no/entry", json!({}), vec![file("etc/motd", b"x")], "entry"),
        ("no/file", json!({"Cmd": ["/opt/gone"]}), vec![file("etc/motd", b"x")], "/opt/gone"),
        ("other/cpu", json!({"Cmd": ["/opt/start"]}), vec![file("opt/start", &foreign)], "aarch64"),
        ("no/shell", json!({"Cmd": ["/opt/start"]}), vec![file("opt/start", b"#!/bin/gone\necho\n")], "/bin/gone"),
    ] {
        let place = push(name, config, &members);
        let ended = detonated(&home, &place, &[]);
        let report = ended.result();
        assert_eq!((ended.code, disposition(&report)), (0, "clean"), "{name}: {report}");
        let problems = report["problems"].to_string();
        assert!(problems.contains("not-runnable") && problems.contains(says), "{name}: {problems}");
    }
}

#[test]
fn a_recording_is_judged_again_and_a_damaged_one_refused() {
    let home = Home::new();
    let subject = subjects().into_iter().find(|subject| subject.name.starts_with("miner")).expect("a miner");
    let place = format!("oci:{}:{}", SUBJECTS.display(), subject.tag);
    let ended = detonated(&home, &place, &["--record", "run.jsonl", "--pcap", "run.pcapng"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let report = ended.result();
    assert!(report.to_string().contains("pool-dialogue"), "{report}");
    let packets = fs::read(home.join("run.pcapng")).expect("packets");
    assert_eq!(packets.get(..4), Some(&[0x0a, 0x0d, 0x0d, 0x0a][..]), "a section header of pcapng");

    let again = home.run(&["detonate", "-q", "--no-store", "--format", "json", "--replay", "run.jsonl"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(disposition(&again.result()), "malicious");

    let text = fs::read_to_string(home.join("run.jsonl")).expect("the recording");
    fs::write(home.join("cut.jsonl"), &text[..text.len() / 2]).expect("writes");
    let cut = home.run(&["detonate", "-q", "--no-store", "--replay", "cut.jsonl"]);
    assert_eq!(cut.code, 2, "{cut:?}");
    assert!(cut.stderr.contains("cut.jsonl"), "{cut:?}");

    // Who only looks is told what was seen when it ran.
    let looked = home.run(&["scan", "-q", "--format", "json", "--store", "store", &place]);
    assert_eq!(disposition(&looked.result()), "malicious");
    let digest = report["image"]["manifest"].as_str().expect("a manifest");
    let explained = home.run(&["explain", "--store", "store", digest]);
    assert!(explained.stdout.contains("pool-dialogue") || explained.stdout.contains("mining"), "{explained:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test waits for the machine")]
fn killed_it_leaves_nothing() {
    let home = Home::new();
    let subject = subjects().into_iter().find(|subject| subject.name == "tiny-sleep").expect("a service");
    let place = format!("oci:{}:{}", SUBJECTS.display(), subject.tag);
    let mut command = home.lazaret(&["detonate", "-q", "--store", "store", "--budget", "60", &place]);
    let mut child = command.stdout(Stdio::null()).process_group(0).spawn().expect("starts");
    let began = Instant::now();
    while left_behind(&home).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never began");
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(500));
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    let began = Instant::now();
    while !left_behind(&home).is_empty() && began.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(left_behind(&home), Vec::<String>::new());
}

/// Processes in namespaces of their own that hold our folder, mounts of it, and what stands half made in it.
fn left_behind(home: &Home) -> Vec<String> {
    let folder = home.path().to_str().expect("UTF-8").to_owned();
    let mut left: Vec<String> = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    left.extend(mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned));
    let pids = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| entry.file_name().into_string().ok());
    for pid in pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        if mounts.lines().any(|line| line.contains(&format!("{folder}/store/unpacked"))) {
            left.push(format!("process {pid}"));
        }
    }
    let partial = fs::read_dir(home.path().join("store/unpacked/partial")).into_iter().flatten().flatten();
    left.extend(partial.map(|entry| format!("{}", entry.path().display())));
    left
}
