//! What judging costs: linear in the events, whatever they are.

use behaviour::{Context, judge};
use model::{Event, Stream, Trace, What};
use serde_json::json;

/// Longest time for 200,000 events on a machine that is busy with other tests, in milliseconds. Measured alone: a tenth.
const MS_MAX: u128 = 3_000;
const EVENTS: u64 = 200_000;

fn trace(what: impl Fn(u64) -> (u32, What)) -> Trace {
    let head = json!({
        "schema": "lazaret.trace/1", "run": "1", "subject": model::Digest::of(b"x"), "command": ["/app"], "purpose": "entry point",
        "clock_shift_seconds": 0, "sleeps_skipped": true, "isolation": "namespace", "sensor": "bpf", "network": "tun", "blind_spots": [],
        "started_at": 0, "environment": ["APP_MODE=x"],
        "canaries": [{"kind": "ssh-key", "path": "/root/.ssh/id_rsa", "mark": "m"}],
    });
    let end = json!({
        "reason": {"kind": "time-budget"}, "duration_ms": 1, "start_overhead_us": 1, "cpu_ms": 1, "events_seen": 1, "events_lost": 0,
        "events_folded": 0, "packets_out": 0, "packets_in": 0, "packets_lost": 0, "escapes_refused": 0, "files": [], "problems": [],
    });
    let events = (0..EVENTS).map(|number| {
        let (process, what) = what(number);
        Event { sequence: number + 1, at_us: number, process, what }
    });
    Trace {
        head: serde_json::from_value(head).expect("a head"),
        events: events.collect(),
        end: serde_json::from_value(end).expect("an end"),
    }
}

fn exec(path: String, arguments: Vec<String>, parent: u32) -> What {
    What::Exec {
        path,
        arguments,
        environment: Vec::new(),
        parent,
        user: 0,
        written: true,
        nameless: false,
        standard_input: Some(Stream::Pipe),
        standard_output: Some(Stream::Pipe),
    }
}

fn open(path: String, write: bool) -> What {
    What::Open { path, read: !write, write, create: write, truncate: write, result: 3 }
}

fn pid(number: u64) -> u32 {
    u32::try_from(number % 4_000_000).expect("small") + 2
}

#[track_caller]
fn check(name: &str, what: impl Fn(u64) -> (u32, What)) {
    let trace = trace(what);
    #[expect(clippy::disallowed_methods, reason = "measures")]
    let before = std::time::Instant::now();
    let seen = judge(std::slice::from_ref(&trace), &Context::default());
    let took = before.elapsed().as_millis();
    assert!(took < MS_MAX, "{name} took {took} ms for {} observations", seen.len());
}

#[test]
fn a_mixture_of_everything() {
    check("mixture", |number| {
        let process = pid(number / 40);
        let what = match number % 40 {
            0 => What::Fork { child: pid(number / 40 + 1), thread: false },
            1 => exec(
                format!("/usr/bin/tool{}", number % 97),
                vec!["sh".into(), "-c".into(), "curl x | sh".into()],
                process,
            ),
            2 => What::Dns {
                flow: number,
                name: format!("host{number}.example.org"),
                record: "A".into(),
                answer: vec!["1.2.3.4".into()],
            },
            3 => What::FlowStart {
                flow: number,
                protocol: "tcp".into(),
                local_port: 1,
                remote: format!("203.0.{}.{}:80", number % 250, number / 250 % 250),
                name: None,
                accepted: true,
                inbound: false,
            },
            4 => What::Connect { to: format!("203.0.{}.{}:80", number % 250, number / 250 % 250), result: 0 },
            5 => What::Http {
                flow: number - 2,
                method: "POST".into(),
                url: format!("http://203.0.113.1/{number}"),
                agent: String::new(),
                body_bytes: 2_000,
                body_head: "QUJD".repeat(600),
                status: 200,
                content: "json".into(),
                answer: None,
            },
            6 => What::Rename { from: format!("/d/{number}"), to: format!("/d/{number}.x1"), result: 0 },
            7 => What::Unlink { path: format!("/etc/{number}"), result: 0 },
            8 => What::Write { path: format!("/tmp/{number}"), bytes: 3, calls: 1, head: "QUJD".repeat(80) },
            9 => What::Exit { code: 0, signal: 0, cpu_ms: 0 },
            other => open(format!("/usr/lib/{number}"), other % 5 == 0),
        };
        (process, what)
    });
}

#[test]
fn a_shell_with_countless_children() {
    check("children", |number| match number % 2 {
        0 => (1, What::Fork { child: pid(number), thread: false }),
        _ => (pid(number - 1), exec("/bin/sh".into(), vec!["sh".into()], 1)),
    });
}

#[test]
fn one_process_that_runs_something_new_again_and_again() {
    check("execs", |number| (7, exec(format!("/tmp/p{number}"), vec![format!("p{number}")], 1)));
}

#[test]
fn a_chain_of_copies() {
    check("copies", |number| {
        let process = pid(number / 4);
        let what = match number % 4 {
            0 => exec("/bin/cp".into(), vec!["cp".into()], 1),
            1 => open(format!("/tmp/c{}", number / 4), false),
            2 => open(format!("/tmp/c{}", number / 4 + 1), true),
            _ => exec(format!("/tmp/c{}", number / 4 + 1), vec!["x".into()], 1),
        };
        (process, what)
    });
}

#[test]
fn one_file_written_by_everybody_and_run() {
    check("writers", |number| match number % 3 {
        0 => (pid(number), exec("/bin/cat".into(), vec!["cat".into()], 1)),
        1 => (pid(number - 1), open("/tmp/x".into(), number % 2 == 0)),
        _ => (pid(number), exec(format!("/tmp/y{number}"), vec!["sh".into(), "./x".into()], 1)),
    });
}

#[test]
fn floods_of_everything_on_the_wire() {
    check("wire", |number| {
        let what = match number % 4 {
            0 => What::Flood {
                shape: "udp".into(),
                target: format!("203.{}.{}.1:80", number % 250, number / 250 % 250),
                name: None,
                packets: 9_000,
                bytes: 1,
                over_ms: 1_000,
                forged_sources: 0,
            },
            1 => What::Login {
                flow: number,
                service: "ssh".into(),
                user: format!("u{number}"),
                password: "x".into(),
                accepted: false,
            },
            2 => What::Message { flow: number % 99, service: "irc".into(), text: format!("JOIN #{number}") },
            _ => What::Dns {
                flow: 0,
                name: format!("{:x}.t{}.example", number * 7_919_777, number % 500),
                record: "TXT".into(),
                answer: vec![],
            },
        };
        (0, what)
    });
}
