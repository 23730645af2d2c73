//! A recording, written and read back: JSON lines, a [`TraceHead`], the [`Event`]s, a [`TraceEnd`].
//!
//! A recording may come from anywhere: what is read is bounded, in order, and of our schema, or it is refused.

use std::io::{self, BufRead, Read, Write};

use model::{
    Event, Trace, TraceEnd, TraceHead, What,
    trace::{EVENT_TEXT_BYTES_MAX, TRACE_SCHEMA},
};

/// Longest line.
pub const LINE_BYTES_MAX: usize = 4 << 20;
/// Longest recording.
pub const RECORDING_BYTES_MAX: u64 = 1 << 30;
/// Most events.
pub const EVENTS_MAX: usize = 400_000;

/// Why a recording is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("read the recording")]
    Read(#[source] io::Error),
    /// A line is none of ours.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It is of another version.
    #[error("it is a recording of schema {0:?}, not {TRACE_SCHEMA}")]
    Schema(String),
    /// It is longer than what is read.
    #[error("it is longer than {what} {most}")]
    TooLong {
        /// What of it.
        what: &'static str,
        /// How much is read.
        most: u64,
    },
    /// It ends before its last line.
    #[error("it ends before its end")]
    Cut,
}

/// Writes a trace.
///
/// # Errors
///
/// Those of `to`.
pub fn write(trace: &Trace, to: impl Write) -> io::Result<()> {
    let mut to = io::BufWriter::new(to);
    let mut line = |value: serde_json::Result<String>| {
        let text = value.map_err(io::Error::other)?;
        to.write_all(text.as_bytes())?;
        to.write_all(b"\n")
    };
    line(serde_json::to_string(&trace.head))?;
    for event in &trace.events {
        line(serde_json::to_string(event))?;
    }
    line(serde_json::to_string(&trace.end))?;
    to.flush()
}

/// Most runs of one recording.
const RUNS_MAX: usize = 64;

/// Reads all traces that [`write()`] wrote one behind the other.
///
/// # Errors
///
/// [`ReplayError`]; nothing of a damaged recording is used.
pub fn read_all(from: impl BufRead) -> Result<Vec<Trace>, ReplayError> {
    let mut lines = Lines { from: from.take(RECORDING_BYTES_MAX), number: 0 };
    let mut traces = Vec::new();
    while let Some(first) = lines.next()? {
        if traces.len() >= RUNS_MAX {
            return Err(ReplayError::TooLong { what: "its runs,", most: RUNS_MAX as u64 });
        }
        traces.push(one(&first, &mut lines)?);
    }
    Ok(traces)
}

/// Reads a trace that [`write()`] wrote.
///
/// # Errors
///
/// [`ReplayError`]; nothing of a damaged recording is used.
pub fn read(from: impl BufRead) -> Result<Trace, ReplayError> {
    let mut lines = Lines { from: from.take(RECORDING_BYTES_MAX), number: 0 };
    let first = lines.next()?.ok_or(ReplayError::Cut)?;
    let trace = one(&first, &mut lines)?;
    if lines.next()?.is_some() {
        return Err(lines.wrong("something follows the end"));
    }
    Ok(trace)
}

fn one<R: BufRead>(first: &str, lines: &mut Lines<R>) -> Result<Trace, ReplayError> {
    let head: TraceHead = lines.parse(first)?;
    if head.schema != TRACE_SCHEMA {
        let mut schema = head.schema;
        schema.truncate(schema.floor_char_boundary(40));
        return Err(ReplayError::Schema(schema));
    }
    let mut events: Vec<Event> = Vec::new();
    loop {
        let line = lines.next()?.ok_or(ReplayError::Cut)?;
        // The last line has a reason; no event has.
        if line.starts_with("{\"reason\"") {
            let end: TraceEnd = lines.parse(&line)?;
            return Ok(Trace { head, events, end });
        }
        if events.len() >= EVENTS_MAX {
            return Err(ReplayError::TooLong { what: "its events,", most: EVENTS_MAX as u64 });
        }
        let event: Event = lines.parse(&line)?;
        if event.sequence != events.len() as u64 + 1 {
            return Err(lines.wrong("it is out of order"));
        }
        if events.last().is_some_and(|last| last.at_us > event.at_us) {
            return Err(lines.wrong("it goes back in time"));
        }
        if let Some(long) = longest_text(&event.what).filter(|length| *length > EVENT_TEXT_BYTES_MAX) {
            return Err(lines.wrong(&format!("a text of {long} bytes")));
        }
        events.push(event);
    }
}

/// Length of the longest path or address: what is shown and compared most.
fn longest_text(what: &What) -> Option<usize> {
    Some(match what {
        What::Exec { path, arguments, environment, .. } => {
            arguments.iter().chain(environment).chain([path]).map(String::len).max()?
        }
        What::Open { path, .. } | What::Write { path, .. } | What::Unlink { path, .. } => path.len(),
        What::Rename { from, to, .. } => from.len().max(to.len()),
        What::Connect { to, .. } | What::SendTo { to, .. } => to.len(),
        _ => return None,
    })
}

struct Lines<R> {
    from: io::Take<R>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; none at the end of the recording.
    fn next(&mut self) -> Result<Option<String>, ReplayError> {
        let mut line = Vec::new();
        self.number += 1;
        let read = (&mut self.from).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(ReplayError::Read)? == 0 {
            return match self.from.limit() {
                0 => Err(ReplayError::TooLong { what: "its bytes,", most: RECORDING_BYTES_MAX }),
                _ => Ok(None),
            };
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(ReplayError::TooLong { what: "a line of bytes,", most: LINE_BYTES_MAX as u64 });
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(ReplayError::Cut);
        }
        String::from_utf8(line).map(Some).map_err(|_| self.wrong("it is not UTF-8"))
    }

    fn parse<'a, T: serde::Deserialize<'a>>(&self, line: &'a str) -> Result<T, ReplayError> {
        serde_json::from_str(line).map_err(|error| self.wrong(&error.to_string()))
    }

    fn wrong(&self, why: &str) -> ReplayError {
        ReplayError::Line { line: self.number, why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Digest, EndReason};

    fn trace() -> Trace {
        let what = |path: &str| What::Unlink { path: path.to_owned(), result: 0 };
        Trace {
            head: TraceHead {
                schema: TRACE_SCHEMA.to_owned(),
                run: "1".to_owned(),
                subject: Digest::of(b"x"),
                command: vec!["/bin/sh".to_owned()],
                purpose: "entry point".to_owned(),
                clock_shift_seconds: 0,
                sleeps_skipped: true,
                isolation: "namespace".to_owned(),
                sensor: "bpf".to_owned(),
                network: "tun".to_owned(),
                blind_spots: Vec::new(),
                started_at: 1,
                canaries: Vec::new(),
                environment: Vec::new(),
            },
            events: vec![
                Event { sequence: 1, at_us: 5, process: 1, what: what("/a\nb\u{2028}") },
                Event { sequence: 2, at_us: 5, process: 2, what: What::Exit { code: 0, signal: 9, cpu_ms: 1 } },
            ],
            end: TraceEnd {
                reason: EndReason::Exited { code: 0 },
                duration_ms: 1,
                start_overhead_us: 2,
                cpu_ms: 3,
                events_seen: 4,
                events_lost: 5,
                events_folded: 6,
                packets_out: 7,
                packets_in: 8,
                packets_lost: 9,
                escapes_refused: 10,
                files: Vec::new(),
                problems: Vec::new(),
            },
        }
    }

    fn recorded() -> String {
        let mut bytes = Vec::new();
        write(&trace(), &mut bytes).expect("writes to memory");
        String::from_utf8(bytes).expect("JSON is text")
    }

    #[test]
    fn a_recording_is_read_back_as_it_was() {
        assert_eq!(read(recorded().as_bytes()).expect("ours"), trace());
    }

    #[test]
    fn a_recording_cut_anywhere_is_refused() {
        let whole = recorded();
        for end in 0..whole.len() {
            assert!(read(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    /// Either refused, or read to what is written the same again.
    #[test]
    fn a_recording_with_any_byte_changed_does_no_harm() {
        let whole = recorded();
        for at in 0..whole.len() {
            for byte in [0, b'"', b'9', b'}', b'\n', 0xff] {
                let mut changed = whole.clone().into_bytes();
                changed[at] = byte;
                if let Ok(trace) = read(&changed[..]) {
                    let mut written = Vec::new();
                    write(&trace, &mut written).expect("writes to memory");
                    assert_eq!(read(&written[..]).expect("what we wrote"), trace);
                }
            }
        }
    }

    #[test]
    fn what_is_out_of_order_too_much_or_another_schema_is_refused() {
        let check = |from: &str, to: &str, why: &str| {
            let changed = recorded().replacen(from, to, 1);
            assert_ne!(changed, recorded(), "the change must be one");
            let error = read(changed.as_bytes()).expect_err("refused").to_string();
            assert!(error.contains(why), "{error}");
        };
        check("\"sequence\":2", "\"sequence\":3", "out of order");
        check("\"at_us\":5", "\"at_us\":6", "back in time");
        check(TRACE_SCHEMA, "lazaret.trace/9", "schema");
        check("/a", &"a".repeat(EVENT_TEXT_BYTES_MAX + 1), "a text of");
        check("/a", &"a".repeat(LINE_BYTES_MAX), "longer than a line");
        assert!(read(format!("{}{{}}\n", recorded()).as_bytes()).is_err(), "something follows");
    }
}
