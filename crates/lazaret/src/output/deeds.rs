//! What a run did, in words and figures: the table, the page and the live view say it the same way.
//!
//! What comes out of here quotes the sample: pass it through [`model::text::visible`] before it is shown.

use std::collections::{BTreeSet, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use model::{EndReason, Event, Finding, Location, ScanReport, Trace, What, text::shortened};

use super::words::{bytes_shown, counted, duration_shown};

/// Longest line about an event, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Arguments of a command that are looked at.
const ARGUMENTS_MAX: usize = 64;
/// Conversations kept apart; the rest is counted.
const CONVERSATIONS_MAX: usize = 200;
/// Different things said in one conversation; the rest is counted.
const ASKED_MAX: usize = 12;
/// Bytes shown of the first ones.
const HEAD_BYTES_MAX: usize = 240;

/// One line about what happened. Not safe to show, not longer than 300 characters.
#[must_use]
pub fn told(what: &What) -> String {
    shortened(&sentence(what), LINE_CHARS_MAX).into_owned()
}

fn sentence(what: &What) -> String {
    match what {
        What::Exec { path, arguments, written, nameless, standard_input, .. } => {
            let mut line = format!("runs {}", command(path, arguments));
            for (holds, words) in [
                (*written, ", written during the run"),
                (*nameless, ", which is in no folder"),
                (*standard_input == Some(model::Stream::Socket), ", with a connection as its input"),
            ] {
                if holds {
                    line.push_str(words);
                }
            }
            line
        }
        What::ExecFailed { path, result } => format!("cannot run {path}{}", failed(*result)),
        What::Fork { child, thread: true } => format!("makes thread {child}"),
        What::Fork { child, thread: false } => format!("makes process {child}"),
        What::Exit { code, signal, cpu_ms } => {
            format!("{} after {} of processor time", exited(*code, *signal), milliseconds(*cpu_ms))
        }
        What::Kill { target, signal, result } => format!("sends signal {signal} to {target}{}", failed(*result)),
        What::Trace { call, target, result, .. } => format!("takes hold of {target} by {call}{}", failed(*result)),
        What::Identity { call, result, .. } => format!("changes its identity by {call}{}", failed(*result)),
        What::Sleep { call, asked_ms, skipped } => {
            let cut = if *skipped { ", cut short" } else { "" };
            format!("waits {} by {call}{cut}", milliseconds(*asked_ms))
        }
        What::Clock { call } => format!("asks for the time by {call}"),
        What::Open { path, read, write, create, result, .. } => {
            let how = match (read, write, create) {
                (_, true, true) => "opens or makes",
                (_, true, false) => "opens for writing",
                _ => "reads",
            };
            format!("{how} {path}{}", failed(*result))
        }
        What::Write { path, bytes, .. } => format!("writes {} to {path}", bytes_shown(*bytes)),
        What::Rename { from, to, result } => format!("renames {from} to {to}{}", failed(*result)),
        What::Unlink { path, result } => format!("deletes {path}{}", failed(*result)),
        What::Link { target, path, result, .. } => format!("links {path} to {target}{}", failed(*result)),
        What::Chmod { path, mode: Some(mode), result } => format!("sets mode {mode:o} of {path}{}", failed(*result)),
        What::Chmod { path, mode: None, result } => format!("changes the owner of {path}{}", failed(*result)),
        What::Make { path, what, result, .. } => format!("makes {what} {path}{}", failed(*result)),
        What::Memfd { name, result } => format!("makes a file in memory, {name:?}{}", failed(*result)),
        What::ExecutableMemory { bytes, result, .. } => {
            format!("makes {} of memory executable{}", bytes_shown(*bytes), failed(*result))
        }
        What::Socket { family, kind, result, .. } => format!("makes a {family} {kind} socket{}", failed(*result)),
        What::Connect { to, result } => format!("connects to {to}{}", failed(*result)),
        What::Bind { to, result } => format!("takes the address {to}{}", failed(*result)),
        What::Listen { at, result } => format!("waits for callers at {at}{}", failed(*result)),
        What::Accept { from, result } => format!("takes a call from {from}{}", failed(*result)),
        What::SendTo { to, result } => format!("sends a datagram to {to}{}", failed(*result)),
        What::Redirect { onto, stream } => {
            format!("puts {} in place of stream {onto}", super::table::serde_word(stream))
        }
        What::Mount { call, source, target, result, .. } => {
            format!("{call} {source} at {target}{}", failed(*result))
        }
        What::Namespace { call, flags, result } => format!("{call} with flags {flags:#x}{}", failed(*result)),
        What::Kernel { call, result, .. } => format!("asks the kernel for {call}{}", failed(*result)),
        What::Dns { name, record, answer, .. } if answer.is_empty() => {
            format!("asks for the name {name} ({record}): there is none")
        }
        What::Dns { name, record, answer, .. } => {
            format!("asks for the name {name} ({record}): {}", answer.join(", "))
        }
        What::FlowStart { protocol, remote, name, accepted, inbound, .. } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let who = if *inbound { "is called from" } else { "talks to" };
            let refused = if *accepted { "" } else { ", a closed port" };
            format!("{who} {remote}{name} over {protocol}{refused}")
        }
        What::FlowEnd { service, bytes_out, bytes_in, canaries, .. } => {
            let stolen =
                if canaries.is_empty() { String::new() } else { format!(", decoys in it: {}", canaries.join(", ")) };
            format!("ends talking {service}: {} out, {} in{stolen}", bytes_shown(*bytes_out), bytes_shown(*bytes_in))
        }
        What::Http { .. } | What::Tls { .. } | What::Stratum { .. } | What::Login { .. } | What::Message { .. } => {
            asked(what).unwrap_or_default()
        }
        What::Flood { shape, target, packets, bytes, over_ms, forged_sources, .. } => {
            let forged =
                if *forged_sources > 0 { format!(", from {forged_sources} forged addresses") } else { String::new() };
            let sum = bytes_shown(*bytes);
            format!("floods {target} ({shape}): {packets} packets, {sum} in {}{forged}", milliseconds(*over_ms))
        }
        What::Sweep { protocol, ports, targets, over_ms } => {
            let ports: Vec<_> = ports.iter().take(8).map(ToString::to_string).collect();
            let over = milliseconds(*over_ms);
            format!("tries {targets} addresses over {protocol}, port {}, in {over}", ports.join(", "))
        }
        What::Usage { cpu_ms, memory_bytes, tasks, .. } => {
            format!(
                "{} of processor time so far, {} of memory, {tasks} tasks",
                milliseconds(*cpu_ms),
                bytes_shown(*memory_bytes)
            )
        }
        What::Refused { what, detail } => format!("refused: {what}, {detail}"),
        What::Poke { what } => format!("we {what}"),
    }
}

/// What was asked or said in a conversation; none if the event is not about that.
fn asked(what: &What) -> Option<String> {
    Some(match what {
        What::Dns { name, record, answer, .. } => {
            let answer = if answer.is_empty() { "no such name".to_owned() } else { answer.join(", ") };
            format!("{record} {name} → {answer}")
        }
        What::Http { method, url, body_bytes, status, content, .. } => {
            let body = if *body_bytes > 0 { format!(" with {}", bytes_shown(*body_bytes)) } else { String::new() };
            format!("{method} {url}{body} → {status} {content}")
        }
        What::Tls { server, accepted, .. } => {
            let trust = if *accepted { "took our certificate" } else { "refused our certificate" };
            format!("TLS with {server}: {trust}")
        }
        What::Stratum { method, login, worker, agent, share, .. } => {
            let share = if *share { ", a share we took" } else { "" };
            let worker = if worker.is_empty() { String::new() } else { format!(" worker {worker}") };
            let agent = if agent.is_empty() { String::new() } else { format!(", {agent}") };
            format!("Stratum {method} of {login}{worker}{agent}{share}")
        }
        What::Login { service, user, password, accepted, .. } => {
            let end = if *accepted { "let in" } else { "refused" };
            format!("{service} login {user:?} with {password:?}: {end}")
        }
        What::Message { service, text, .. } => format!("{service}: {text}"),
        _ => return None,
    })
}

fn command(path: &str, arguments: &[String]) -> String {
    let line =
        arguments.iter().take(ARGUMENTS_MAX).map(|it| shortened(it, LINE_CHARS_MAX)).collect::<Vec<_>>().join(" ");
    let first = arguments.first().map_or("", String::as_str);
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    if line.is_empty() {
        path.to_owned()
    } else if first == path || name(first) == name(path) {
        line
    } else {
        format!("{line} (it is {path})")
    }
}

/// Why the kernel refused, as words behind a sentence; nothing if it did not.
fn failed(result: i64) -> String {
    let why = match result {
        // In progress, or to be tried again: what every program that does not wait gets.
        0.. | -115 | -11 => return String::new(),
        -1 => "not permitted",
        -2 => "there is none",
        -13 => "no permission",
        -17 => "it is there",
        -22 => "it makes no sense",
        -38 => "no such call",
        -101 => "no such network",
        -104 => "cut off",
        -110 => "no answer",
        -111 => "closed",
        other => return format!(": error {}", other.unsigned_abs()),
    };
    format!(": {why}")
}

/// `ended with code 0`, `was ended by signal 9`.
#[must_use]
pub fn exited(code: i32, signal: i32) -> String {
    if signal == 0 { format!("ended with code {code}") } else { format!("was ended by signal {signal}") }
}

/// `0.4 s`, `12 ms`.
#[must_use]
pub fn milliseconds(ms: u64) -> String {
    if ms < 100 { format!("{ms} ms") } else { duration_shown(ms as f64 / 1_000.0) }
}

/// `2.31 s`, `40 ms`, since the sample's first instruction.
#[must_use]
pub fn moment(at_us: u64) -> String {
    match at_us {
        0..1_000_000 => format!("{} ms", at_us / 1_000),
        _ => format!("{:.2} s", at_us as f64 / 1e6),
    }
}

/// Why a run ended.
#[must_use]
pub fn ended(reason: &EndReason) -> String {
    match reason {
        EndReason::Exited { code } => exited(*code, 0),
        EndReason::Signalled { signal } => exited(0, *signal),
        EndReason::TimeBudget => "stopped when its time was up".to_owned(),
        EndReason::Certain => "stopped because the evidence could not get better".to_owned(),
        EndReason::Limit { what } => format!("stopped at the limit of {}", shortened(what, LINE_CHARS_MAX)),
        EndReason::NotStarted { why } => format!("never ran: {}", shortened(why, LINE_CHARS_MAX)),
        EndReason::Stopped => "stopped by hand".to_owned(),
    }
}

/// What a run was for: `entry point`, `shifted date, 45 days ahead`.
#[must_use]
pub fn purpose(trace: &Trace) -> String {
    let days = trace.head.clock_shift_seconds / 86_400;
    let purpose = shortened(&trace.head.purpose, LINE_CHARS_MAX);
    match days {
        0 => purpose.into_owned(),
        1.. => format!("{purpose}, {days} days ahead"),
        _ => format!("{purpose}, {} days back", days.unsigned_abs()),
    }
}

/// The figures of a run that people look at first: how long, how many processes, conversations and files.
#[must_use]
pub fn figures(trace: &Trace) -> Vec<String> {
    let tree = behaviour::tree::tree(&trace.events);
    let processes = tree.nodes.len() + tree.more;
    let talks = conversations(&trace.events);
    let plural = if processes == 1 { "process" } else { "processes" };
    vec![
        milliseconds(trace.end.duration_ms),
        format!("{processes} {plural}"),
        counted(talks.count, "conversation"),
        counted(trace.end.files.len(), "file"),
    ]
}

/// Whom a run talked to.
#[derive(Debug, Default)]
pub struct Conversations<'a> {
    /// Those with the same partner are one; in the order they began.
    pub list: Vec<Conversation<'a>>,
    /// All of them, also those that were put together.
    pub count: usize,
    /// Those that found no place in the list.
    pub more: usize,
}

/// All conversations with one partner.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// Event that began the first.
    pub event: u64,
    /// When, in microseconds since the sample's first instruction.
    pub begun_us: u64,
    /// When the last one ended, if it is known.
    pub ended_us: Option<u64>,
    /// `tcp`, `udp`, ….
    pub protocol: &'a str,
    /// `address:port`.
    pub remote: &'a str,
    /// The name that was asked for to get the address.
    pub name: Option<&'a str>,
    /// Whether we answered as an open port.
    pub accepted: bool,
    /// Whether we called.
    pub inbound: bool,
    /// Which service answered.
    pub service: &'a str,
    /// How many conversations these are.
    pub times: usize,
    /// Bytes of the sample.
    pub bytes_out: u64,
    /// Bytes to the sample.
    pub bytes_in: u64,
    /// The sample's first bytes, base64.
    pub head: &'a str,
    /// Kinds of decoys that were seen in it.
    pub canaries: BTreeSet<&'a str>,
    /// What was asked, with the first event that shows it and how often.
    pub asked: Vec<(u64, String, usize)>,
    /// What was asked besides.
    pub asked_more: usize,
}

/// The conversations of a run, in time linear in its events.
#[must_use]
pub fn conversations(events: &[Event]) -> Conversations<'_> {
    let mut all = Conversations::default();
    let mut of_flow: HashMap<u64, Option<usize>> = HashMap::new();
    let mut of_partner: HashMap<(&str, &str, Option<&str>, bool), usize> = HashMap::new();
    for event in events {
        match &event.what {
            What::FlowStart { flow, protocol, remote, name, accepted, inbound, .. } => {
                all.count += 1;
                let partner = (protocol.as_str(), remote.as_str(), name.as_deref(), *inbound);
                let place = match of_partner.get(&partner) {
                    Some(place) => Some(*place),
                    None if all.list.len() < CONVERSATIONS_MAX => {
                        let (protocol, remote, name, inbound) = partner;
                        let (event, begun_us) = (event.sequence, event.at_us);
                        let talk = Conversation {
                            event,
                            begun_us,
                            protocol,
                            remote,
                            name,
                            inbound,
                            ..Conversation::default()
                        };
                        all.list.push(talk);
                        of_partner.insert(partner, all.list.len() - 1);
                        Some(all.list.len() - 1)
                    }
                    None => None,
                };
                match place.and_then(|place| all.list.get_mut(place)) {
                    Some(talk) => {
                        talk.times += 1;
                        talk.accepted |= accepted;
                    }
                    None => all.more += 1,
                }
                of_flow.insert(*flow, place);
            }
            What::FlowEnd { flow, service, bytes_out, bytes_in, head, canaries, .. } => {
                let Some(talk) = of(*flow, &of_flow, &mut all.list) else { continue };
                talk.ended_us = Some(talk.ended_us.map_or(event.at_us, |known| known.max(event.at_us)));
                talk.bytes_out = talk.bytes_out.saturating_add(*bytes_out);
                talk.bytes_in = talk.bytes_in.saturating_add(*bytes_in);
                if talk.service.is_empty() {
                    talk.service = service;
                }
                if talk.head.is_empty() {
                    talk.head = head;
                }
                talk.canaries.extend(canaries.iter().take(ASKED_MAX).map(String::as_str));
            }
            What::Dns { flow, .. }
            | What::Http { flow, .. }
            | What::Tls { flow, .. }
            | What::Stratum { flow, .. }
            | What::Login { flow, .. }
            | What::Message { flow, .. } => {
                let Some(talk) = of(*flow, &of_flow, &mut all.list) else { continue };
                let line = asked(&event.what).unwrap_or_default();
                let line = shortened(&line, LINE_CHARS_MAX).into_owned();
                if let Some((.., times)) = talk.asked.iter_mut().find(|(_, known, _)| *known == line) {
                    *times += 1;
                } else if talk.asked.len() < ASKED_MAX {
                    talk.asked.push((event.sequence, line, 1));
                } else {
                    talk.asked_more += 1;
                }
            }
            _ => {}
        }
    }
    all
}

fn of<'a, 'b>(
    flow: u64,
    of_flow: &HashMap<u64, Option<usize>>,
    list: &'b mut [Conversation<'a>],
) -> Option<&'b mut Conversation<'a>> {
    of_flow.get(&flow).copied().flatten().and_then(|place| list.get_mut(place))
}

/// The first bytes of a conversation: as text if most of them are, else as hexadecimal digits.
#[must_use]
pub fn head_shown(base64: &str) -> String {
    // Four digits are three bytes; what was cut within a group would not decode.
    let digits = base64.trim_end_matches('=');
    let digits = digits.get(..digits.len().min(HEAD_BYTES_MAX / 3 * 4)).unwrap_or_default();
    let Ok(bytes) = STANDARD_NO_PAD.decode(digits) else { return String::new() };
    let readable = bytes.iter().filter(|byte| byte.is_ascii_graphic() || b" \r\n\t".contains(byte)).count();
    if readable * 4 >= bytes.len() * 3 {
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    } else {
        let digits = bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        if bytes.len() > 32 { format!("{digits} …") } else { digits }
    }
}

/// The event that a finding names, with its run's position in the report.
#[must_use]
pub fn event_of<'a>(finding: &Finding, report: &'a ScanReport) -> Option<(usize, &'a Event)> {
    let Location::Event { run, sequence } = &finding.location else { return None };
    let (place, trace) = report.runs.iter().enumerate().find(|(_, trace)| trace.head.run == *run)?;
    let at = trace.events.binary_search_by_key(sequence, |event| event.sequence).ok()?;
    trace.events.get(at).map(|event| (place, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn conversations_with_one_partner_are_one() {
        let report = testing::ran();
        let talks = conversations(&report.runs[0].events);
        assert_eq!(talks.count, 5);
        let pool = talks.list.iter().find(|talk| talk.service == "stratum").expect("talks to a pool");
        assert_eq!((pool.times, pool.bytes_out, pool.asked.len()), (2, 880, 2));
    }

    #[test]
    fn ten_thousand_conversations_are_counted() {
        let start = |flow: u64| Event {
            sequence: flow + 1,
            at_us: flow,
            process: 0,
            what: What::FlowStart {
                flow,
                protocol: "udp".to_owned(),
                local_port: 1,
                remote: format!("192.0.2.1:{flow}"),
                name: None,
                accepted: true,
                inbound: false,
            },
        };
        let events: Vec<_> = (0..10_000).map(start).collect();
        let talks = conversations(&events);
        assert_eq!((talks.count, talks.list.len(), talks.more), (10_000, 200, 9_800));
    }

    #[test]
    fn first_bytes_are_text_or_digits() {
        assert_eq!(head_shown("R0VUIC8gSFRUUC8xLjENCg=="), "GET / HTTP/1.1");
        assert_eq!(head_shown("FgMBAgA="), "16 03 01 02 00");
        assert_eq!(head_shown("no base64!"), "");
        assert!(head_shown(&"QUFB".repeat(5_000)).len() <= HEAD_BYTES_MAX);
    }

    #[test]
    fn what_the_kernel_answered_is_said_in_words() {
        let connect = |result| told(&What::Connect { to: "192.0.2.1:23".to_owned(), result });
        assert_eq!(connect(-115), "connects to 192.0.2.1:23");
        assert_eq!(connect(-111), "connects to 192.0.2.1:23: closed");
        assert_eq!(connect(-999), "connects to 192.0.2.1:23: error 999");
    }
}
