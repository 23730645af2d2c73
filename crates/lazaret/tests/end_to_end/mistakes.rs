//! Whatever goes wrong is one line that says what, where and what to do; the exit code tells how bad it is; nothing that
//! was found is lost.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    process::Stdio,
};

use harbour::{Act, Auth, Fault, Harbour, Script};

use crate::support::{Ended, Home, MINER, file, image_of, tar_of};

#[test]
fn what_cannot_be_read_ends_with_3_and_one_line() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &image_of("opt/start", b"harmless"));
    let host = harbour.host().to_owned();
    home.skopeo(&[], &format!("docker://{host}/a/b:v1"), "oci:layout:v1");
    fs::create_dir(home.join("no-layout")).expect("a folder");
    for (name, content) in [
        ("empty.tar", Vec::new()),
        ("text.tar", b"this is no archive\n".repeat(60)),
        ("other.tar", tar_of(&[file("README", b"a tar archive, but no image")])),
        ("cut.tar", tar_of(&[file("manifest.json", b"[{\"Config\":\"c\",\"Layers\":[\"l\"]}]")])[..700].to_vec()),
    ] {
        fs::write(home.join(name), content).expect("writes");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let closed = format!("127.0.0.1:{port}/a:b");
    let cases: &[(&str, &[&str])] = &[
        (&format!("{host}/a/b:gone"), &["does not exist"]),
        (&format!("{host}/a/gone:v1"), &["does not exist"]),
        (&closed, &["connection refused", "is the registry running"]),
        ("registry.invalid/a:b", &["host name is not known", "check its spelling"]),
        ("docker-archive:gone.tar", &["gone.tar", "check the path"]),
        ("docker-archive:empty.tar", &["empty.tar"]),
        ("docker-archive:text.tar", &["text.tar", "tar"]),
        ("docker-archive:other.tar", &["other.tar", "manifest.json"]),
        ("docker-archive:cut.tar", &["cut.tar"]),
        ("docker-archive:layout", &["layout"]),
        // A regular file by its type, which no read gives a byte of.
        ("docker-archive:/proc/self/mem", &["/proc/self/mem"]),
        ("oci-archive:text.tar", &["text.tar"]),
        ("oci-archive:other.tar", &["other.tar", "oci-layout"]),
        ("oci:gone", &["gone", "check the path"]),
        ("oci:layout:gone", &["layout:gone", "v1"]),
        ("oci:no-layout", &["no-layout"]),
        ("docker-daemon:a:b", &["docker.sock"]),
    ];
    for (place, parts) in cases {
        let ended = home.run(&["scan", "--no-store", place]);
        ended.refused(3, parts);
        assert!(ended.stdout.contains("NOT DECIDED"), "{ended:?}");
    }
}

#[test]
fn a_denied_login_names_the_registry_and_what_to_do() {
    let home = Home::new();
    for auth in [Auth::Basic, Auth::Bearer] {
        let users = vec![("keeper".to_owned(), "invented".to_owned())];
        let harbour = Harbour::start(Script { auth, users, ..Script::default() });
        harbour.push_parts("a/b", "v1", &image_of("opt/start", b"harmless"));
        let ended = home.run(&["scan", "--no-store", &format!("{}/a/b:v1", harbour.host())]);
        ended.refused(3, &[harbour.host(), "docker login"]);
        home.run(&["hunt", "--no-store", "--registry", harbour.url()]).refused(3, &[harbour.host(), "docker login"]);
    }
}

#[test]
fn what_is_mistyped_ends_with_2_and_one_line() {
    let home = Home::new();
    fs::write(home.join("bad.yar"), "rule broken { condition: $a }").expect("writes");
    fs::create_dir(home.join("no-rules")).expect("a folder");
    let cases: &[(&[&str], &[&str])] = &[
        (&["Upper/Case"], &["Upper/Case"]),
        (&["a/b@sha256:12"], &["a/b@sha256:12"]),
        (&["oci:"], &["oci:"]),
        (&["--rules", "bad.yar", "a/b"], &["bad.yar", "$a"]),
        (&["--rules", "no-rules", "a/b"], &["no-rules", ".yar"]),
        (&["--rules", "gone.yar", "a/b"], &["gone.yar"]),
    ];
    for (arguments, parts) in cases {
        let ended = home.run(&[&["scan", "--no-store"], *arguments].concat());
        ended.refused(2, parts);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    let ended = home.run(&["scan", "--colour", "a/b"]);
    assert!(ended.code == 2 && ended.stderr.contains("--color"), "a similar flag is suggested: {ended:?}");
}

/// What is right in a user's rules is used; what is wrong is told, and decides nothing.
#[test]
fn a_wrong_rule_is_told_and_the_scan_goes_on() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &image_of("srv/app.conf", b"team_key = q8zr1m2vx0lw7p3k9t5b\n"));
    let good = "[[rules]]\nid = 'team'\nregex = 'team_key = ([a-z0-9]{20})'\n[[rules]]\nid = 'bad'\nregex = '(a'\n";
    fs::create_dir(home.join("rules")).expect("a folder");
    fs::write(home.join("rules/gitleaks.toml"), good).expect("writes");
    fs::write(home.join("rules/some.yar"), "rule one { condition: false }\nrule two { condition: x }").expect("writes");
    let ended = home.run(&[
        "scan",
        "--no-store",
        "--format",
        "json",
        "--rules",
        "rules",
        &format!("{}/a/b:v1", harbour.host()),
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in ["gitleaks.toml:4: rule \"bad\": the regex is wrong", "some.yar:2:23: rule two: "] {
        assert!(ended.stderr.contains(part), "{part:?} is not in {ended:?}");
    }
    assert!(ended.stdout.contains("secrets:gitleaks.team"), "{ended:?}");
}

/// Found outranks undecided outranks below; and each result is there, whatever became of the others.
#[test]
fn the_worst_counts_and_the_others_are_told() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("bad", "v1", &image_of("opt/start", MINER));
    harbour.push_parts("good", "v1", &image_of("opt/start", b"harmless"));
    let of = |name: &str| format!("{}/{name}:v1", harbour.host());
    let (bad, good, gone) = (of("bad"), of("good"), of("gone"));
    let scan = |places: &[&str]| home.run(&[&["scan", "-q", "--rules", "rules.yar"], places].concat());

    assert_eq!(scan(&[&good]).code, 0);
    assert_eq!(scan(&[&good, &gone, &good]).code, 3);
    let ended = scan(&[&gone, &good, &bad, &gone]);
    ended_with(&ended, 1, &["NOT DECIDED", "CLEAN", "MALICIOUS"]);
    assert_eq!(ended.stderr.lines().count(), 2, "one for each image that is not there: {}", ended.stderr);
    assert_eq!(scan(&["--fail-on", "clean", &good, &gone]).code, 1);
    assert_eq!(scan(&["--fail-on", "malicious", &good]).code, 0);
    let results = home.scan(&[&gone, &bad]).results();
    assert_eq!(results[0]["error"]["kind"], "not-found");
    assert_eq!(results[1]["verdict"]["disposition"], "malicious");
}

#[track_caller]
fn ended_with(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    for part in parts {
        assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
}

/// A result is shown before the next image is read.
#[test]
fn each_result_is_shown_as_soon_as_it_is_there() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("bad", "v1", &image_of("opt/start", MINER));
    harbour.push_parts("slow", "v1", &image_of("opt/start", b"harmless"));
    let pause = std::time::Duration::from_secs(600);
    harbour.add_fault(Fault::always("/v2/slow/", Act::Slow { piece_bytes: 1, pause }));
    let (bad, slow) = (format!("{}/bad:v1", harbour.host()), format!("{}/slow:v1", harbour.host()));
    let mut command = home.lazaret(&["scan", "-q", "--rules", "rules.yar", &bad, &slow]);
    command.stdout(File::create(home.join("out")).expect("a file")).stderr(Stdio::null());
    let _running = crate::support::Running(command.spawn().expect("starts"));
    let shown = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::read_to_string(home.join("out")).is_ok_and(|text| text.contains("MALICIOUS"))
    });
    assert!(shown, "the first result waits for the second");
}

#[test]
fn a_catalog_that_cannot_be_used_ends_with_70_and_names_it() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &image_of("opt/start", MINER));
    let place = format!("{}/a/b:v1", harbour.host());

    // Nobody may make a folder there, not even root.
    home.run(&["scan", "--store", "/proc/lazaret", &place]).refused(70, &["/proc/lazaret"]);

    assert_eq!(home.scan(&["--store", "catalog", &place]).code, 1);
    let database = home.join("catalog/catalog.sqlite");
    let whole = fs::read(&database).expect("is there");
    fs::write(&database, "this is no database, but text of some length\n".repeat(100)).expect("writes");
    for role in [&["scan", "--store", "catalog", &place][..], &["feed", "export", "--store", "catalog"]] {
        home.run(role).refused(70, &["catalog.sqlite"]);
    }
    // Whole at the start, spoiled in the middle.
    fs::write(&database, &whole).expect("writes");
    let file = File::options().write(true).open(&database).expect("opens");
    for page in (4096..whole.len() as u64).step_by(4096) {
        file.write_all_at(&[0xa5; 4096], page).expect("writes");
    }
    let ended = home.run(&["scan", "--quiet", "--store", "catalog", &place]);
    ended.refused(70, &["catalog"]);
}

/// A limit on the size of a file stands for a disk that is full: the same error, without a disk.
#[test]
fn a_full_disk_is_told_and_what_was_found_is_shown() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    for name in ["one", "two"] {
        harbour.push_parts(name, "v1", &image_of("opt/start", &[name.as_bytes(), MINER].concat()));
    }
    let (one, two) = (format!("{}/one:v1", harbour.host()), format!("{}/two:v1", harbour.host()));
    assert_eq!(home.scan(&["--store", "catalog", &one]).code, 1);

    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let scan = ["-c", script, "sh", env!("CARGO_BIN_EXE_lazaret"), "scan", "-q", "--store", "catalog"];
    let output = home.command("sh", &[&scan[..], &["--rules", "rules.yar", &one, &two]].concat()).output();
    let ended: Ended = output.expect("starts").into();
    assert_eq!(ended.stderr.lines().filter(|line| line.contains("catalog")).count(), ended.stderr.lines().count());
    assert!(!ended.stderr.is_empty() && [70, 1].contains(&ended.code), "{ended:?}");
    // Nothing that was known is lost.
    assert_eq!(home.scan(&["--store", "catalog", &one]).result()["remembered"], true);

    let full = home.run(&["scan", "-q", "--no-store", "--output", "/dev/full", &one]);
    full.refused(74, &["/dev/full"]);
    let mut command = home.lazaret(&["scan", "-q", "--no-store", &one]);
    let full: Ended = command.stdout(File::create("/dev/full").expect("is there")).output().expect("starts").into();
    full.refused(74, &["standard output"]);
}

#[test]
fn a_reader_that_leaves_changes_no_exit_code() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &image_of("opt/start", MINER));
    let place = format!("{}/a/b:v1", harbour.host());
    for format in ["table", "json", "html", "sarif"] {
        let arguments = ["scan", "-q", "--rules", "rules.yar", "--format", format, &place, &place];
        let mut command = home.lazaret(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let ended: Ended = child.wait_with_output().expect("ends").into();
        assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{format}");
    }
    // An archive from a pipe that ends early is told, too.
    let arguments = ["scan", "-q", "--no-store", "docker-archive:-"];
    let mut command = home.lazaret(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&file("manifest.json", b"[]")[..600]).expect("a pipe takes a little");
    drop(input);
    let ended: Ended = child.wait_with_output().expect("ends").into();
    ended.refused(3, &["docker-archive:-"]);
}
