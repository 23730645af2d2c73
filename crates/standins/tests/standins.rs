//! Each stand-in acts like its class, keeps its bounds, and speaks to loopback only.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const MINER: &str = env!("CARGO_BIN_EXE_standin-miner");
const FLOODER: &str = env!("CARGO_BIN_EXE_standin-flooder");
const DROPPER: &str = env!("CARGO_BIN_EXE_standin-dropper");
const SHELL: &str = env!("CARGO_BIN_EXE_standin-shell");
const READER: &str = env!("CARGO_BIN_EXE_standin-reader");

#[expect(clippy::disallowed_methods, reason = "the programs under test")]
fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(program: &str, arguments: &[&str]) -> Child {
    command(program, arguments).spawn().expect("was built")
}

fn run(program: &str, arguments: &[&str]) -> Output {
    command(program, arguments).output().expect("was built")
}

#[track_caller]
fn check_said(output: &Output, text: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(text), "{output:?} must say {text:?}");
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn lines(stream: &TcpStream, count: usize) -> Vec<String> {
    BufReader::new(stream).lines().take(count).map(|line| line.expect("text")).collect()
}

#[test]
fn none_speaks_to_what_is_not_loopback() {
    for target in ["192.0.2.1:3333", "localhost:3333", "pool.example:3333", "0.0.0.0:3333"] {
        for (program, arguments) in [
            (MINER, ["--url", target, "--user", "w"].as_slice()),
            (FLOODER, &["--target", target]),
            (DROPPER, &["--url", &format!("http://{target}/payload")]),
            (SHELL, &["--target", target]),
        ] {
            let output = run(program, arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(i32::from(standins::EXIT_REFUSED)), "{program} {target}");
            assert!(said.contains("not a loopback"), "{program} {target}: {said}");
        }
    }
}

#[test]
fn the_miner_logs_in_and_stays_below_a_fifth_of_a_core() {
    let (pool, address) = listen();
    let url = format!("--url=stratum+tcp://{address}");
    #[expect(clippy::disallowed_methods, reason = "measures a load")]
    let begun = Instant::now();
    let mut miner = start(MINER, &[&url, "--user", "InventedWallet.rig1", "--seconds", "2"]);
    let (mut stream, _) = pool.accept().expect("connects");
    let said = lines(&stream, 2);
    stream.write_all(b"{\"id\":1,\"result\":true}\n{\"id\":2,\"result\":{\"status\":\"OK\"}}\n").expect("listens");
    assert!(said[0].contains(r#""method":"mining.subscribe""#), "{said:?}");
    assert!(said[1].contains(r#""method":"login""#) && said[1].contains("InventedWallet.rig1"), "{said:?}");

    // A process that has ended and was not waited for still shows its times, in hundredths of a second.
    let times = loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", miner.id())).expect("not waited for");
        let fields: Vec<String> = stat.rsplit(") ").next().expect("fields").split(' ').map(str::to_owned).collect();
        if fields[0] == "Z" {
            break fields;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "must end by itself");
        thread::sleep(Duration::from_millis(20));
    };
    let cpu_ms = 10 * (times[11].parse::<u128>().expect("utime") + times[12].parse::<u128>().expect("stime"));
    let wall_ms = begun.elapsed().as_millis();
    assert!(wall_ms >= 2_000 && cpu_ms * 5 < wall_ms, "{cpu_ms} ms of {wall_ms} ms");

    let mut rest = String::new();
    #[expect(clippy::disallowed_methods, reason = "our own program's words")]
    stream.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "no share is submitted");
    assert_eq!(miner.wait().expect("ended").code(), Some(0));
}

#[test]
fn the_flooder_sends_a_thousand_packets_at_most() {
    #[expect(clippy::disallowed_methods, reason = "a victim on loopback")]
    let victim = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    victim.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let target = victim.local_addr().expect("bound").to_string();
    let flooder = start(FLOODER, &["--target", &target, "--packets", "50000"]);
    let mut buffer = [0; 64];
    let received = std::iter::from_fn(|| victim.recv(&mut buffer).ok()).count();
    assert!((1..=1_000).contains(&received), "{received}");
    check_said(&flooder.wait_with_output().expect("ends"), "1000 sent");
}

#[test]
fn the_flooder_asks_a_web_server() {
    let (server, address) = listen();
    let flooder = start(FLOODER, &["--method", "http", "--packets", "3", "--target", &address]);
    for _ in 0..3 {
        let (stream, _) = server.accept().expect("connects");
        assert!(lines(&stream, 1)[0].starts_with("GET /?standin-flooder "));
    }
    check_said(&flooder.wait_with_output().expect("ends"), "3 sent");
    assert!(!run(FLOODER, &["--method", "synflood", "--target", &address]).status.success());
}

#[test]
fn the_dropper_runs_nothing_it_fetched_and_leaves_nothing() {
    let (server, address) = listen();
    let folder = tempfile::tempdir().expect("temporary folder");
    let proof = folder.path().join("was-run");
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).expect("writable");
    let url = format!("http://{address}/payload");
    let dropper = command(DROPPER, &["--url", &url]).env("TMPDIR", &temporary).spawn().expect("was built");
    let (mut stream, _) = server.accept().expect("connects");
    assert_eq!(lines(&stream, 1), ["GET /payload HTTP/1.0"]);
    write!(stream, "HTTP/1.0 200 OK\r\n\r\n#!/bin/sh\ntouch {}\n", proof.display()).expect("listens");
    drop(stream);
    check_said(&dropper.wait_with_output().expect("ends"), "dropped and deleted");
    assert!(!proof.exists(), "the payload was run");
    assert_eq!(fs::read_dir(&temporary).expect("readable").count(), 0, "the payload stayed");
}

#[test]
fn the_shell_runs_nothing() {
    let (operator, address) = listen();
    let folder = tempfile::tempdir().expect("temporary folder");
    let proof = folder.path().join("was-run");
    let shell = start(SHELL, &["--target", &address]);
    let (mut stream, _) = operator.accept().expect("connects");
    assert!(lines(&stream, 1)[0].starts_with("standin-shell: uid=0"));
    writeln!(stream, "touch {}\nexit", proof.display()).expect("listens");
    stream.shutdown(std::net::Shutdown::Write).expect("connected");
    check_said(&shell.wait_with_output().expect("ends"), "2 lines refused");
    assert!(!proof.exists(), "a command was run");
}

#[test]
fn the_reader_counts_and_tells_nothing() {
    let root = tempfile::tempdir().expect("temporary folder");
    for (path, content) in [("root/.aws/credentials", "invented-secret"), ("etc/shadow", "root:*:1::::::\n")] {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().expect("has one")).expect("writable");
        fs::write(file, content).expect("writable");
    }
    let output = run(READER, &["--root", root.path().to_str().expect("UTF-8")]);
    check_said(&output, "2 files, 30 bytes");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("invented-secret"));
    assert!(!run(READER, &[]).status.success(), "a root must be given");
}

#[test]
fn binaries_hold_the_words_of_their_class() {
    for (program, words) in [
        (MINER, ["rx/0", "cn/r", "kawpow", "mining.submit", "donate-level"]),
        (FLOODER, ["synflood", "slowloris", "dns-amplification", "game-server.example", "news.invalid"]),
        (DROPPER, ["curl -fsSL", "wget -q", "chmod +x", "/dev/shm/.x", "nohup"]),
        (SHELL, ["/bin/sh -i", "/bin/bash -i", "/dev/tcp/", "dup2", "HISTFILE"]),
        (READER, [".aws/credentials", ".ssh/id_rsa", ".kube/config", ".netrc", "AWS_SECRET_ACCESS_KEY"]),
    ] {
        let bytes = fs::read(program).expect("was built");
        for word in words {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(found, "{program} must hold {word:?}");
        }
    }
}
