//! What one run of a sample did: events in order, who recorded them, and what was lost. The recording (`lazaret detonate --record`)
//! is this, as JSON lines: a [`TraceHead`], the [`Event`]s, a [`TraceEnd`].
//!
//! Every text in an event was written by the sample and is hostile.

use serde::{Deserialize, Serialize};

use crate::{Digest, ProblemKind};

/// Name and version of the recording. A change of shape raises it.
pub const TRACE_SCHEMA: &str = "lazaret.trace/1";
/// Longest text kept of one field of an event, in bytes; longer ones end with `…`.
pub const EVENT_TEXT_BYTES_MAX: usize = 4096;
/// Longest piece of a payload kept in one event, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 2048;

/// One run of one sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What was run and how it was watched.
    pub head: TraceHead,
    /// In order of [`Event::sequence`].
    pub events: Vec<Event>,
    /// How it ended, and what was lost.
    pub end: TraceEnd,
}

/// What is known before the first event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceHead {
    /// [`TRACE_SCHEMA`].
    pub schema: String,
    /// Names the run within one detonation: `1`, `2`, ….
    pub run: String,
    /// The image's manifest, or config where it has none.
    pub subject: Digest,
    /// What was started.
    pub command: Vec<String>,
    /// Why: `entry point`, `shifted date`, `script /opt/x.sh`, `arguments of its documentation`.
    pub purpose: String,
    /// Seconds by which the sample's clock was ahead of the real one.
    pub clock_shift_seconds: i64,
    /// Whether its sleeps were cut short.
    pub sleeps_skipped: bool,
    /// `namespace`, `rootless` or `vm`.
    pub isolation: String,
    /// `bpf`, `notify` or `replay`.
    pub sensor: String,
    /// `tun`, `veth` or `none`.
    pub network: String,
    /// What this sensor, network or isolation cannot see or reach, one line each.
    pub blind_spots: Vec<String>,
    /// When it began, in seconds since 1970 (UTC).
    pub started_at: u64,
    /// Decoys that were planted: a read or a transfer of one is evidence.
    pub canaries: Vec<Canary>,
    /// Environment variables and arguments the image itself sets, `NAME=value`; without secrets.
    pub environment: Vec<String>,
}

/// A decoy credential: invented, valid nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// `aws-key`, `ssh-key`, `docker-config`, `kubernetes-token`, `cloud-metadata`, `git-credentials`, `shell-history`, `browser`, `wallet`.
    pub kind: String,
    /// Absolute path of the file that holds it; none for what the metadata service hands out.
    pub path: Option<String>,
    /// A part that nothing else contains: seen on the wire, it was stolen.
    pub mark: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEnd {
    /// Why it ended.
    pub reason: EndReason,
    /// In milliseconds.
    pub duration_ms: u64,
    /// From the decision to start until the sample's first instruction, in microseconds.
    pub start_overhead_us: u64,
    /// CPU time of everything in the sandbox, in milliseconds.
    pub cpu_ms: u64,
    /// Events the sensor saw in the kernel, those it lost among them.
    pub events_seen: u64,
    /// Events lost on the way, by the kernel's own count.
    pub events_lost: u64,
    /// Events that were counted and not kept one by one, because there were too many of their kind.
    pub events_folded: u64,
    /// Packets the sample sent to the simulated internet; a lower bound in a flood.
    pub packets_out: u64,
    /// Packets it was sent.
    pub packets_in: u64,
    /// Packets that were lost at the device's queue.
    pub packets_lost: u64,
    /// Connects and packets that tried to leave past the device, and were refused.
    pub escapes_refused: u64,
    /// Files taken from the run.
    pub files: Vec<CapturedFile>,
    /// What went wrong on our side or was not done, one line each.
    pub problems: Vec<String>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EndReason {
    /// Every process had ended.
    Exited {
        /// Exit code of the first one.
        code: i32,
    },
    /// A signal ended the first process.
    Signalled {
        /// Number of the signal.
        signal: i32,
    },
    /// The time budget was used up.
    TimeBudget,
    /// The evidence could not get better.
    Certain,
    /// It reached a limit: `memory`, `processes`, `disk`.
    Limit {
        /// Which.
        what: String,
    },
    /// It never ran: wrong architecture, missing interpreter, no such file.
    NotStarted {
        /// Why, one line.
        why: String,
    },
    /// Lazaret was asked to stop.
    Stopped,
}

/// A file taken from a run; its content goes through static analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedFile {
    /// Absolute path in the sandbox, or `memfd:NAME`.
    pub path: String,
    /// Of the content as it was when taken.
    pub sha256: Digest,
    /// In bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Whether a process ran it.
    pub executed: bool,
    /// Whether it was gone at the end.
    pub deleted: bool,
    /// What was not taken of it, if anything.
    pub cut: Option<ProblemKind>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From 1 on, without gaps: the evidence number.
    pub sequence: u64,
    /// Microseconds since the sample's first instruction.
    pub at_us: u64,
    /// Process id as the sample sees it; 0 where the wire does not tell.
    pub process: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. Results (`result`) are the kernel's: 0 or more, or a negative `errno`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    // Processes.
    /// A process began to run a program.
    Exec {
        /// Absolute path of the program, from the kernel's own object; `memfd:NAME` for one that is only in memory.
        path: String,
        /// All arguments, `argv[0]` first.
        arguments: Vec<String>,
        /// Environment the process was given, as far as kept.
        environment: Vec<String>,
        /// Its parent.
        parent: u32,
        /// Effective user id.
        user: u32,
        /// Whether the program is not in the image: written, or changed, during the run.
        written: bool,
        /// Whether it has no name in any folder: in memory only, or deleted.
        nameless: bool,
        /// What standard input and output are, where that is a `socket` or a `pipe`.
        standard_input: Option<Stream>,
        /// See `standard_input`.
        standard_output: Option<Stream>,
    },
    /// Running a program failed.
    ExecFailed {
        /// As asked for.
        path: String,
        /// A negative `errno`.
        result: i64,
    },
    /// A process or thread was made.
    Fork {
        /// The new one.
        child: u32,
        /// Whether it shares the parent's memory.
        thread: bool,
    },
    /// A process ended.
    Exit {
        /// Exit code.
        code: i32,
        /// Number of the signal that ended it, or 0.
        signal: i32,
        /// CPU time it used, in milliseconds; 0 where the sensor cannot tell.
        cpu_ms: u64,
    },
    /// A signal was sent.
    Kill {
        /// To whom: a process id, or a group where negative.
        target: i64,
        /// Number of the signal.
        signal: i32,
        /// What the kernel answered.
        result: i64,
    },
    /// Another process was taken hold of: `ptrace`, `process_vm_readv`, `process_vm_writev`, `pidfd_getfd`.
    Trace {
        /// The call.
        call: String,
        /// To whom.
        target: i64,
        /// What of it: the request's number.
        request: u64,
        /// What the kernel answered.
        result: i64,
    },
    /// Identity or capabilities were changed.
    Identity {
        /// The call: `setuid`, `setresuid`, `capset`, ….
        call: String,
        /// Its arguments.
        arguments: Vec<i64>,
        /// What the kernel answered.
        result: i64,
    },
    /// A sleep or a wait with a time limit.
    Sleep {
        /// The call: `clock_nanosleep`, `poll`, `futex`, ….
        call: String,
        /// How long it asked for.
        asked_ms: u64,
        /// Whether it was cut short by us.
        skipped: bool,
    },
    /// The time of day was asked for, where we answer it.
    Clock {
        /// The call.
        call: String,
    },

    // Files. Paths are absolute as far as the sensor knows the process's folder.
    /// A file was opened, or that failed.
    Open {
        /// Which.
        path: String,
        /// For reading.
        read: bool,
        /// For writing.
        write: bool,
        /// Made if missing.
        create: bool,
        /// Emptied.
        truncate: bool,
        /// File descriptor, or a negative `errno`.
        result: i64,
    },
    /// Bytes went into a file, all writes to it by one process up to its close or the fold.
    Write {
        /// Which, if known.
        path: String,
        /// In all.
        bytes: u64,
        /// How many calls.
        calls: u64,
        /// The first bytes, base64.
        head: String,
    },
    /// A file got another name.
    Rename {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
        /// What the kernel answered.
        result: i64,
    },
    /// A file or folder was deleted.
    Unlink {
        /// Which.
        path: String,
        /// What the kernel answered.
        result: i64,
    },
    /// A hard or symbolic link was made.
    Link {
        /// What it leads to.
        target: String,
        /// Where it is.
        path: String,
        /// Whether it is symbolic.
        symbolic: bool,
        /// What the kernel answered.
        result: i64,
    },
    /// A mode or an owner was changed.
    Chmod {
        /// Of what.
        path: String,
        /// `0o7777` bits; none where the owner was changed.
        mode: Option<u32>,
        /// What the kernel answered.
        result: i64,
    },
    /// A folder or a special file was made.
    Make {
        /// Where.
        path: String,
        /// `folder`, `device`, `pipe` or `socket`.
        what: String,
        /// Device number of a device.
        device: Option<u64>,
        /// What the kernel answered.
        result: i64,
    },
    /// A file that lives in memory only was made.
    Memfd {
        /// Its name.
        name: String,
        /// File descriptor, or a negative `errno`.
        result: i64,
    },
    /// Memory that can be written, or was, became executable.
    ExecutableMemory {
        /// The call: `mprotect` or `mmap`.
        call: String,
        /// How much, in bytes.
        bytes: u64,
        /// What the kernel answered.
        result: i64,
    },

    // Sockets, as the sample asked for them.
    /// A socket was made.
    Socket {
        /// `inet`, `inet6`, `unix`, `packet`, `netlink` or a number.
        family: String,
        /// `stream`, `datagram`, `raw` or a number.
        kind: String,
        /// Protocol number.
        protocol: i32,
        /// File descriptor, or a negative `errno`.
        result: i64,
    },
    /// A connection was asked for.
    Connect {
        /// `address:port`, `[address]:port`, a path, or `@name` of an abstract socket.
        to: String,
        /// What the kernel answered.
        result: i64,
    },
    /// An address was taken.
    Bind {
        /// As for `connect`.
        to: String,
        /// What the kernel answered.
        result: i64,
    },
    /// A socket waits for connections.
    Listen {
        /// Where, if known.
        at: String,
        /// What the kernel answered.
        result: i64,
    },
    /// A connection was taken.
    Accept {
        /// From whom, if known.
        from: String,
        /// File descriptor, or a negative `errno`.
        result: i64,
    },
    /// A datagram was sent to a named address.
    SendTo {
        /// To whom.
        to: String,
        /// What the kernel answered: bytes, or a negative `errno`.
        result: i64,
    },
    /// A file descriptor that is a socket took the place of standard input, output or error.
    Redirect {
        /// Which: 0, 1 or 2.
        onto: i32,
        /// What it is now.
        stream: Stream,
    },

    // The kernel and what is outside.
    /// A file system was mounted, moved or unmounted.
    Mount {
        /// The call.
        call: String,
        /// What.
        source: String,
        /// Where.
        target: String,
        /// Its type.
        filesystem: String,
        /// What the kernel answered.
        result: i64,
    },
    /// Namespaces were left or entered: `setns`, `unshare`, `clone`, `chroot`, `pivot_root`.
    Namespace {
        /// The call.
        call: String,
        /// Its flags, or the type.
        flags: u64,
        /// What the kernel answered.
        result: i64,
    },
    /// A kernel interface that a service has no use for: `init_module`, `bpf`, `perf_event_open`, `kexec_load`, `keyctl`, `io_uring_setup`,
    /// `userfaultfd`, `open_by_handle_at`, `reboot`, `swapon`, `settimeofday`, `iopl`, ….
    Kernel {
        /// The call.
        call: String,
        /// Its first arguments.
        arguments: Vec<u64>,
        /// What the kernel answered.
        result: i64,
    },

    // The simulated internet: what was on the wire. A sample cannot forge these.
    /// A name was asked for.
    Dns {
        /// Over which conversation.
        flow: u64,
        /// Which name, lower case.
        name: String,
        /// `A`, `AAAA`, `TXT`, ….
        record: String,
        /// The answer: addresses or texts; empty where there is no such name.
        answer: Vec<String>,
    },
    /// A conversation began: the first packet to an address and port.
    FlowStart {
        /// Names it within the run.
        flow: u64,
        /// `tcp`, `udp`, `icmp` or a number.
        protocol: String,
        /// The sample's port; 0 where there is none.
        local_port: u16,
        /// `address:port` or `[address]:port`.
        remote: String,
        /// The name that was asked for to get this address, if any.
        name: Option<String>,
        /// Whether we answered as an open port.
        accepted: bool,
        /// Whether it came from outside: we connected to the sample.
        inbound: bool,
    },
    /// A conversation ended, or the run did.
    FlowEnd {
        /// Which.
        flow: u64,
        /// Which service answered: `http`, `tls`, `stratum`, `sink`, ….
        service: String,
        /// Bytes of the sample.
        bytes_out: u64,
        /// Bytes to the sample.
        bytes_in: u64,
        /// Packets of the sample.
        packets_out: u64,
        /// The first bytes of the sample, base64.
        head: String,
        /// Which canaries' marks were seen in what the sample sent (also inside base64, hex or gzip), by kind.
        canaries: Vec<String>,
    },
    /// An HTTP request, inside TLS or not.
    Http {
        /// Over which conversation.
        flow: u64,
        /// `GET`, `POST`, ….
        method: String,
        /// `http://host/path?query` or `https://…`, as the sample asked for it.
        url: String,
        /// Its `User-Agent`.
        agent: String,
        /// Size of the body it sent, in bytes.
        body_bytes: u64,
        /// The first bytes of that body, base64.
        body_head: String,
        /// Status of our answer.
        status: u16,
        /// What we answered with: `script`, `elf`, `json`, `html`, `empty`, `package`, `registry`, …
        content: String,
        /// SHA-256 of our answer's body: what it saved or ran of it can be known again.
        answer: Option<Digest>,
    },
    /// A TLS handshake.
    Tls {
        /// Over which conversation.
        flow: u64,
        /// Server name it asked for.
        server: String,
        /// JA3 fingerprint of its hello.
        ja3: String,
        /// Whether it took our certificate.
        accepted: bool,
    },
    /// A message of a mining dialogue.
    Stratum {
        /// Over which conversation.
        flow: u64,
        /// `login` (Monero's) or `mining` (Bitcoin's), or `ethproxy`.
        dialect: String,
        /// `login`, `submit`, `mining.subscribe`, ….
        method: String,
        /// The account: a wallet or a name.
        login: String,
        /// Name of the worker or rig.
        worker: String,
        /// What the miner calls itself.
        agent: String,
        /// Whether we took a share.
        share: bool,
    },
    /// Credentials were tried, or a session was begun, at a service.
    Login {
        /// Over which conversation.
        flow: u64,
        /// `ssh`, `telnet`, `redis`, `smtp`, `ftp`, `docker`, `kubernetes`, `irc`, ….
        service: String,
        /// User or nick.
        user: String,
        /// Password, shortened; ours only if it is a canary.
        password: String,
        /// Whether we let it in.
        accepted: bool,
    },
    /// A line or a request of a text protocol other than HTTP: a Redis command, an IRC or SMTP line, a shell command after login,
    /// a call of a container engine.
    Message {
        /// Over which conversation.
        flow: u64,
        /// As in `login`.
        service: String,
        /// The line, shortened.
        text: String,
    },
    /// Packets to one target, many of them, folded.
    Flood {
        /// `udp`, `syn`, `icmp`, `ack`, `raw`, `http`, ….
        shape: String,
        /// `address`, `address:port`.
        target: String,
        /// The name that was asked for to get this address, if any.
        name: Option<String>,
        /// In all.
        packets: u64,
        /// In all.
        bytes: u64,
        /// From first to last, in milliseconds.
        over_ms: u64,
        /// How many source addresses that are not the sample's own.
        forged_sources: u64,
    },
    /// Many targets were tried, folded.
    Sweep {
        /// `tcp` or `udp`.
        protocol: String,
        /// Which ports, at most 32.
        ports: Vec<u16>,
        /// How many addresses.
        targets: u64,
        /// From first to last, in milliseconds.
        over_ms: u64,
    },

    // From the sandbox itself.
    /// Something of the run as a whole, each second or so.
    Usage {
        /// CPU time so far, in milliseconds.
        cpu_ms: u64,
        /// Memory now, in bytes.
        memory_bytes: u64,
        /// Processes and threads now.
        tasks: u64,
        /// Time so far that was cut out of sleeps of a second or more, in milliseconds: for the sample it passed.
        #[serde(default)]
        skipped_ms: u64,
    },
    /// An attempt against the sandbox was refused by it: the seccomp profile, a masked path, a limit, the second network guard.
    Refused {
        /// Which attempt: the call, or the limit.
        what: String,
        /// One line more.
        detail: String,
    },
    /// We did something to the sample: connected to its port, started a script.
    Poke {
        /// What, one line.
        what: String,
    },
}

/// What a standard stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// A connection of the network.
    Socket,
    /// A socket of this machine.
    UnixSocket,
    /// A pipe.
    Pipe,
    /// A terminal.
    Terminal,
    /// A file or device.
    File,
}

/// One text of an event, not longer than [`EVENT_TEXT_BYTES_MAX`].
#[must_use]
pub fn clipped(text: &str) -> String {
    if text.len() <= EVENT_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(EVENT_TEXT_BYTES_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_line() {
        let event =
            Event { sequence: 7, at_us: 12, process: 3, what: What::Unlink { path: "/x".to_owned(), result: 0 } };
        let line = serde_json::to_string(&event).expect("serialises");
        assert_eq!(line, r#"{"sequence":7,"at_us":12,"process":3,"event":"unlink","path":"/x","result":0}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).expect("reads back"), event);
    }
}
