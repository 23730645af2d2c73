//! DNS over UDP and TCP, at whatever server address is asked.
//!
//! Every plausible name exists ([`names`](super::super::names)). Source: RFC 1035, RFC 7766.

use std::net::IpAddr;

use model::What;

use super::super::{
    flows::Flow,
    service::{Kind, Service, Talk},
    world::World,
};

pub(in super::super) const KIND: Kind = Kind {
    name: "dns",
    ports: &[53, 853],
    greets: false,
    insists: false,
    knows: super::never,
    open: || Box::new(OverTcp),
};

/// A longer query is none.
const QUERY_BYTES_MAX: usize = 4_096;
const SECONDS_TO_LIVE: u32 = 60;
/// Codes of answers.
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// A question as asked.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    id: [u8; 2],
    recursion_desired: bool,
    /// Lower case, labels joined by dots, no dot at its end; bytes that are no text as `?`.
    name: String,
    /// The name as it was sent, for the answer.
    encoded: Vec<u8>,
    kind: u16,
    class: u16,
}

fn question(query: &[u8]) -> Option<Question> {
    let header: &[u8; 12] = query.get(..QUERY_BYTES_MAX.min(query.len()))?.first_chunk()?;
    // A query of exactly one question, opcode 0.
    if header[2] & 0xf8 != 0 || header[4..6] != [0, 1] {
        return None;
    }
    let mut rest = query.get(12..)?;
    let mut labels = Vec::new();
    let mut encoded = Vec::new();
    loop {
        let (length, behind) = rest.split_first()?;
        if *length == 0 {
            rest = behind;
            break;
        }
        // No pointer can be in a first name.
        if *length > 63 || encoded.len() > 253 {
            return None;
        }
        let (label, behind) = behind.split_at_checked(usize::from(*length))?;
        encoded.push(*length);
        encoded.extend_from_slice(label);
        let text: String = label
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(byte.to_ascii_lowercase()) } else { '?' })
            .collect();
        labels.push(text);
        rest = behind;
    }
    encoded.push(0);
    let tail: &[u8; 4] = rest.first_chunk()?;
    Some(Question {
        id: [header[0], header[1]],
        recursion_desired: header[2] & 1 != 0,
        name: labels.join("."),
        encoded,
        kind: u16::from_be_bytes([tail[0], tail[1]]),
        class: u16::from_be_bytes([tail[2], tail[3]]),
    })
}

/// Answers and records a question that came in another dress: the code, and each record's type and text.
pub(in super::super) fn lookup(name: &str, kind: u16, flow: &mut Flow, world: &mut World) -> (u8, Vec<(u16, String)>) {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let question = Question { id: [0; 2], recursion_desired: true, encoded: encode(&name), name, kind, class: 1 };
    let (code, records) = ask(&question, flow, world);
    (code, records.into_iter().map(|record| (record.kind, record.text)).collect())
}

fn ask(question: &Question, flow: &mut Flow, world: &mut World) -> (u8, Vec<Record>) {
    flow.sent(world, question.name.as_bytes());
    flow.sent(world, b" ");
    flow.carried(world, &question.encoded);
    let (code, records) = records(question, world);
    world.event(What::Dns {
        flow: flow.id,
        name: question.name.clone(),
        record: kind_name(question.kind),
        answer: records.iter().map(|record| record.text.clone()).collect(),
    });
    (code, records)
}

/// Answers one query and records it; none for what is no query.
pub(in super::super) fn answer(query: &[u8], flow: &mut Flow, world: &mut World) -> Option<Vec<u8>> {
    let Some(question) = question(query) else {
        let id: &[u8; 2] = query.first_chunk()?;
        return (query.len() >= 12 && query.get(2)? & 0x80 == 0)
            .then(|| vec![id[0], id[1], 0x80, 0x80 | FORMAT_ERROR, 0, 0, 0, 0, 0, 0, 0, 0]);
    };
    let (code, records) = ask(&question, flow, world);
    let mut message = question.id.to_vec();
    message.push(0x80 | u8::from(question.recursion_desired));
    message.push(0x80 | code);
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&u16::try_from(records.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&question.encoded);
    message.extend_from_slice(&question.kind.to_be_bytes());
    message.extend_from_slice(&question.class.to_be_bytes());
    for record in records {
        // A pointer to the question's name.
        message.extend_from_slice(&[0xc0, 12]);
        message.extend_from_slice(&record.kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&SECONDS_TO_LIVE.to_be_bytes());
        message.extend_from_slice(&u16::try_from(record.data.len()).unwrap_or(0).to_be_bytes());
        message.extend_from_slice(&record.data);
    }
    Some(message)
}

struct Record {
    kind: u16,
    data: Vec<u8>,
    text: String,
}

/// The code and the records that answer a question.
fn records(question: &Question, world: &mut World) -> (u8, Vec<Record>) {
    let name = question.name.as_str();
    if question.class != 1 && question.class != 255 {
        return (NOT_IMPLEMENTED, Vec::new());
    }
    if question.kind == 12 {
        let found = reversed(name).and_then(|address| world.names.name_of(address));
        return match found {
            Some(found) => (0, vec![Record { kind: 12, data: encode(&found), text: found }]),
            None => (NO_SUCH_NAME, Vec::new()),
        };
    }
    if !world.names.exists(name) {
        return (NO_SUCH_NAME, Vec::new());
    }
    let host = |kind: u16, before: &[u8], label: &str| {
        let target = format!("{label}.{name}");
        Record { kind, data: [before, &encode(&target)].concat(), text: target }
    };
    let records = match question.kind {
        1 | 255 => {
            let address = world.names.v4(name);
            vec![Record { kind: 1, data: address.octets().to_vec(), text: address.to_string() }]
        }
        28 => match world.names.v6(name) {
            Some(address) => vec![Record { kind: 28, data: address.octets().to_vec(), text: address.to_string() }],
            None => Vec::new(),
        },
        2 => vec![host(2, &[], "ns1"), host(2, &[], "ns2")],
        15 => vec![host(15, &[0, 10], "mail")],
        33 => vec![host(33, &[0, 10, 0, 10, 0, 80], "node1")],
        16 => {
            // Commands and addresses travel in these: something that reads as neither.
            let text = match world.draw("txt", name) % 2 {
                0 => "v=spf1 include:_spf.example.net ~all".to_owned(),
                _ => format!("{:032x}", u128::from(world.draw("txt-token", name))),
            };
            let length = u8::try_from(text.len()).unwrap_or(0);
            vec![Record { kind: 16, data: [&[length], text.as_bytes()].concat(), text }]
        }
        6 => {
            let mut data = [encode(&format!("ns1.{name}")), encode(&format!("hostmaster.{name}"))].concat();
            for number in [2_024_061_201_u32, 7_200, 3_600, 1_209_600, 300] {
                data.extend_from_slice(&number.to_be_bytes());
            }
            vec![Record { kind: 6, data, text: format!("ns1.{name}") }]
        }
        // It exists, and has nothing of that kind: aliases, service bindings, signatures.
        _ => Vec::new(),
    };
    (0, records)
}

/// `4.3.2.1.in-addr.arpa` back to `1.2.3.4`, and the same of IPv6.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = labels.rsplit('.').collect();
        return parts.join(".").parse().ok();
    }
    let digits: String = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let groups: Vec<&str> = (0..digits.len()).step_by(4).filter_map(|at| digits.get(at..at + 4)).collect();
    groups.join(":").parse().ok()
}

fn encode(name: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes();
        let label = label.get(..63).unwrap_or(label);
        encoded.push(label.len() as u8);
        encoded.extend_from_slice(label);
    }
    encoded.truncate(254);
    encoded.push(0);
    encoded
}

fn kind_name(kind: u16) -> String {
    match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        other => return format!("TYPE{other}"),
    }
    .to_owned()
}

/// Queries with their length before each.
struct OverTcp;

impl Service for OverTcp {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        while let Some(head) = input.first_chunk::<2>().copied() {
            let length = usize::from(u16::from_be_bytes(head));
            if length > QUERY_BYTES_MAX {
                *talk.close = true;
                return;
            }
            let Some(query) = input.get(2..2 + length).map(<[u8]>::to_vec) else { return };
            input.drain(..2 + length);
            let Some(answer) = answer(&query, talk.flow, talk.world) else {
                *talk.close = true;
                return;
            };
            talk.say(u16::try_from(answer.len()).unwrap_or(0).to_be_bytes());
            talk.say(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        [&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &encode(name), &[0, kind, 0, 1]].concat()
    }

    #[test]
    fn a_question_is_read() {
        let read = question(&query("Pool.Example", 28)).expect("a question");
        assert_eq!((read.name.as_str(), read.kind, read.class), ("pool.example", 28, 1));
        assert!(read.encoded.starts_with(b"\x04Pool"), "answers keep its case (0x20 checks)");
    }

    #[test]
    fn no_prefix_and_no_pointer_loop_is_a_question() {
        let whole = query("a.example", 1);
        for length in 0..whole.len() {
            assert_eq!(question(&whole[..length]), None, "{length}");
        }
        let mut pointer = whole;
        pointer[12] = 0xc0;
        assert_eq!(question(&pointer), None);
    }

    #[test]
    fn reversed_names_lead_back() {
        assert_eq!(reversed("9.113.0.203.in-addr.arpa"), Some("203.0.113.9".parse().expect("v4")));
        let long = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(reversed(long), Some("2001:db8::1".parse().expect("v6")));
        assert_eq!(reversed("x.in-addr.arpa"), None);
    }
}
