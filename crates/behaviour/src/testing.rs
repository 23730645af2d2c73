//! Traces written by hand, tersely, and what a behaviour makes of them.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use model::{Canary, CapturedFile, Digest, EndReason, Event, Stream, Trace, TraceEnd, TraceHead, Weight, What};

use crate::{Behaviour, Context, Judge, Match, story::Story};

/// A run in the making. Process 1 is a shell of the image.
pub(crate) struct Run {
    events: Vec<Event>,
    head: TraceHead,
    end: TraceEnd,
    next_pid: u32,
    next_flow: u64,
    parents: HashMap<u32, u32>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::of("/usr/bin/dash", &["/bin/sh", "/entrypoint.sh"])
    }

    /// A run whose first program is this one.
    pub(crate) fn of(path: &str, arguments: &[&str]) -> Self {
        let head = TraceHead {
            schema: model::trace::TRACE_SCHEMA.to_owned(),
            run: "1".to_owned(),
            subject: Digest::of(b"sample"),
            command: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            purpose: "entry point".to_owned(),
            clock_shift_seconds: 0,
            sleeps_skipped: true,
            isolation: "namespace".to_owned(),
            sensor: "bpf".to_owned(),
            network: "tun".to_owned(),
            blind_spots: Vec::new(),
            started_at: 1_800_000_000,
            canaries: [
                "ssh-key:/root/.ssh/id_rsa",
                "aws-key:/root/.aws/credentials",
                "shell-history:/root/.bash_history",
                "git-credentials:/root/.git-credentials",
                "docker-config:/root/.docker/config.json",
                "kubernetes-token:/var/run/secrets/kubernetes.io/serviceaccount/token",
                "wallet:/root/.bitcoin/wallet.dat",
            ]
            .into_iter()
            .filter_map(|canary| canary.split_once(':'))
            .map(|(kind, path)| Canary {
                kind: kind.to_owned(),
                path: Some(path.to_owned()),
                mark: format!("mark-{kind}"),
            })
            .collect(),
            environment: ["PATH=/usr/local/bin:/usr/bin:/bin", "APP_MODE=production"].map(str::to_owned).to_vec(),
        };
        let end = TraceEnd {
            reason: EndReason::TimeBudget,
            duration_ms: 60_000,
            start_overhead_us: 10_000,
            cpu_ms: 500,
            events_seen: 0,
            events_lost: 0,
            events_folded: 0,
            packets_out: 0,
            packets_in: 0,
            packets_lost: 0,
            escapes_refused: 0,
            files: Vec::new(),
            problems: Vec::new(),
        };
        let mut run = Self { events: Vec::new(), head, end, next_pid: 2, next_flow: 1, parents: HashMap::new() };
        run.exec(1, path, arguments);
        run
    }

    pub(crate) fn push(&mut self, process: u32, what: What) -> usize {
        let sequence = self.events.len() as u64 + 1;
        self.events.push(Event { sequence, at_us: sequence * 1_000, process, what });
        self.events.len() - 1
    }

    /// Moves an event, and what follows it, to another time.
    pub(crate) fn set_time(&mut self, at: usize, at_us: u64) {
        self.events[at].at_us = at_us;
    }

    pub(crate) fn change(&mut self, at: usize, how: impl FnOnce(&mut What)) {
        how(&mut self.events[at].what);
    }

    pub(crate) fn head(&mut self) -> &mut TraceHead {
        &mut self.head
    }

    pub(crate) fn fork(&mut self, parent: u32, child: u32) {
        self.parents.insert(child, parent);
        self.push(parent, What::Fork { child, thread: false });
    }

    /// A new process that runs nothing of its own yet.
    pub(crate) fn child(&mut self, parent: u32) -> u32 {
        self.next_pid += 1;
        let pid = self.next_pid;
        self.fork(parent, pid);
        pid
    }

    pub(crate) fn exec(&mut self, pid: u32, path: &str, arguments: &[&str]) -> usize {
        self.exec_with(pid, path, arguments, None, None)
    }

    pub(crate) fn exec_with(
        &mut self,
        pid: u32,
        path: &str,
        arguments: &[&str],
        standard_input: Option<Stream>,
        standard_output: Option<Stream>,
    ) -> usize {
        let parent = self.parents.get(&pid).copied().unwrap_or(0);
        self.push(
            pid,
            What::Exec {
                path: path.to_owned(),
                arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
                environment: Vec::new(),
                parent,
                user: 0,
                written: false,
                nameless: false,
                standard_input,
                standard_output,
            },
        )
    }

    /// A child that runs a program of the image.
    pub(crate) fn spawn(&mut self, parent: u32, path: &str, arguments: &[&str]) -> u32 {
        let pid = self.child(parent);
        self.exec(pid, path, arguments);
        pid
    }

    /// The same with these streams.
    pub(crate) fn spawn_with(
        &mut self,
        parent: u32,
        path: &str,
        arguments: &[&str],
        input: Stream,
        output: Stream,
    ) -> u32 {
        let pid = self.child(parent);
        self.exec_with(pid, path, arguments, Some(input), Some(output));
        pid
    }

    /// A child that runs a program that was written during the run.
    pub(crate) fn spawn_written(&mut self, parent: u32, path: &str, arguments: &[&str]) -> u32 {
        let pid = self.spawn(parent, path, arguments);
        if let Some(Event { what: What::Exec { written, nameless, .. }, .. }) = self.events.last_mut() {
            (*written, *nameless) = (true, path.starts_with("memfd:"));
        }
        pid
    }

    pub(crate) fn exit(&mut self, pid: u32) {
        self.push(pid, What::Exit { code: 0, signal: 0, cpu_ms: 1 });
    }

    pub(crate) fn open(&mut self, pid: u32, path: &str, result: i64) -> usize {
        self.push(
            pid,
            What::Open { path: path.to_owned(), read: true, write: false, create: false, truncate: false, result },
        )
    }

    pub(crate) fn read(&mut self, pid: u32, path: &str) -> usize {
        self.open(pid, path, 3)
    }

    pub(crate) fn open_write(&mut self, pid: u32, path: &str) -> usize {
        self.push(
            pid,
            What::Open { path: path.to_owned(), read: false, write: true, create: true, truncate: true, result: 3 },
        )
    }

    /// Opened, written, closed.
    pub(crate) fn write(&mut self, pid: u32, path: &str, bytes: &[u8]) -> usize {
        self.open_write(pid, path);
        let head = STANDARD.encode(bytes);
        self.push(pid, What::Write { path: path.to_owned(), bytes: bytes.len() as u64, calls: 1, head })
    }

    pub(crate) fn rename(&mut self, pid: u32, from: &str, to: &str) {
        self.push(pid, What::Rename { from: from.to_owned(), to: to.to_owned(), result: 0 });
    }

    pub(crate) fn unlink(&mut self, pid: u32, path: &str) {
        self.push(pid, What::Unlink { path: path.to_owned(), result: 0 });
    }

    pub(crate) fn chmod(&mut self, pid: u32, path: &str, mode: u32) {
        self.push(pid, What::Chmod { path: path.to_owned(), mode: Some(mode), result: 0 });
    }

    pub(crate) fn connect(&mut self, pid: u32, to: &str) -> usize {
        self.push(pid, What::Connect { to: to.to_owned(), result: 0 })
    }

    /// A connection out, answered by `service`; its number.
    pub(crate) fn flow(&mut self, pid: u32, to: &str, name: Option<&str>, service: &str, sent: &[u8]) -> u64 {
        self.flow_with(pid, to, name, service, sent, &[])
    }

    pub(crate) fn flow_with(
        &mut self,
        pid: u32,
        to: &str,
        name: Option<&str>,
        service: &str,
        sent: &[u8],
        canaries: &[&str],
    ) -> u64 {
        let flow = self.flow_open(pid, to, name);
        self.push(
            0,
            What::FlowEnd {
                flow,
                service: service.to_owned(),
                bytes_out: sent.len() as u64,
                bytes_in: 64,
                packets_out: 4,
                head: STANDARD.encode(sent),
                canaries: canaries.iter().map(|&kind| kind.to_owned()).collect(),
            },
        );
        flow
    }

    /// A connection out that is still open.
    pub(crate) fn flow_open(&mut self, pid: u32, to: &str, name: Option<&str>) -> u64 {
        let flow = self.next_flow;
        self.next_flow += 1;
        if pid != 0 {
            self.connect(pid, to);
        }
        self.push(
            0,
            What::FlowStart {
                flow,
                protocol: "tcp".to_owned(),
                local_port: 40_000,
                remote: to.to_owned(),
                name: name.map(str::to_owned),
                accepted: true,
                inbound: false,
            },
        );
        flow
    }

    /// A connection in, taken by `pid`.
    pub(crate) fn accept(&mut self, pid: u32, from: &str) -> usize {
        self.push(pid, What::Accept { from: from.to_owned(), result: 4 })
    }

    pub(crate) fn dns(&mut self, pid: u32, name: &str, record: &str, answer: &[&str]) -> usize {
        let answer = answer.iter().map(|&one| one.to_owned()).collect();
        self.push(pid, What::Dns { flow: 0, name: name.to_owned(), record: record.to_owned(), answer })
    }

    /// A request with its connection; position of the request.
    pub(crate) fn http(&mut self, pid: u32, method: &str, url: &str, content: &str) -> usize {
        self.http_with(pid, method, url, content, b"", None)
    }

    pub(crate) fn http_with(
        &mut self,
        pid: u32,
        method: &str,
        url: &str,
        content: &str,
        body: &[u8],
        answer: Option<&[u8]>,
    ) -> usize {
        let host = crate::indicators::url_host(url);
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let port = if url.starts_with("https") { 443 } else { 80 };
        let to =
            if is_address { format!("{host}:{port}") } else { format!("198.51.100.{}:{port}", 1 + host.len() % 200) };
        let flow = self.flow_open(pid, &to, (!is_address).then_some(host));
        let at = self.push(
            0,
            What::Http {
                flow,
                method: method.to_owned(),
                url: url.to_owned(),
                agent: "curl/8".to_owned(),
                body_bytes: body.len() as u64,
                body_head: STANDARD.encode(body),
                status: 200,
                content: content.to_owned(),
                answer: answer.map(Digest::of),
            },
        );
        self.push(
            0,
            What::FlowEnd {
                flow,
                service: "http".to_owned(),
                bytes_out: 200 + body.len() as u64,
                bytes_in: 1_000,
                packets_out: 5,
                head: STANDARD.encode(b"GET / HTTP/1.1\r\n"),
                canaries: Vec::new(),
            },
        );
        at
    }

    /// A line of a text protocol to this host.
    pub(crate) fn messages(&mut self, pid: u32, to: &str, service: &str, lines: &[&str]) {
        let flow = self.flow_open(pid, to, None);
        for line in lines {
            self.push(0, What::Message { flow, service: service.to_owned(), text: (*line).to_owned() });
        }
    }

    /// What was taken from the run.
    pub(crate) fn captured(&mut self, path: &str, content: &[u8], executed: bool) {
        self.end.files.push(CapturedFile {
            path: path.to_owned(),
            sha256: Digest::of(content),
            size: content.len() as u64,
            mode: 0o755,
            executed,
            deleted: false,
            cut: None,
        });
    }

    pub(crate) fn done(self) -> Trace {
        Trace { head: self.head, events: self.events, end: self.end }
    }
}

/// What the behaviour sees in this one run.
pub(crate) fn found(behaviour: &Behaviour, run: Run) -> Vec<Match> {
    found_in(behaviour, vec![run])
}

pub(crate) fn found_in(behaviour: &Behaviour, runs: Vec<Run>) -> Vec<Match> {
    let traces: Vec<Trace> = runs.into_iter().map(Run::done).collect();
    let context = Context::default();
    let stories: Vec<Story<'_>> = traces.iter().map(|trace| Story::new(trace, &context)).collect();
    match behaviour.judge {
        Judge::Run(judge) => stories.iter().flat_map(judge).collect(),
        Judge::Runs(judge) => judge(&stories).into_iter().map(|(_, found)| found).collect(),
    }
}

/// The strongest match must weigh this, and some match of that weight must say `part`.
#[track_caller]
pub(crate) fn hit(behaviour: &Behaviour, run: Run, weight: Weight, part: &str) {
    hit_in(behaviour, vec![run], weight, part);
}

#[track_caller]
pub(crate) fn hit_in(behaviour: &Behaviour, runs: Vec<Run>, weight: Weight, part: &str) {
    let found = found_in(behaviour, runs);
    let weigh = |found: &Match| found.weight.unwrap_or(behaviour.about.weight);
    assert_eq!(found.iter().map(weigh).max(), Some(weight), "{found:#?}");
    assert!(found.iter().any(|found| weigh(found) == weight && found.summary.contains(part)), "{found:#?}");
}

/// Nothing but facts.
#[track_caller]
pub(crate) fn miss(behaviour: &Behaviour, run: Run) {
    let found = found(behaviour, run);
    let counts = |found: &&Match| found.weight.unwrap_or(behaviour.about.weight) > Weight::Fact;
    assert_eq!(found.iter().filter(counts).collect::<Vec<_>>(), Vec::<&Match>::new());
}
