//! Judges a recording (JSON lines: head, events, end; one run after the other) and says what it saw and what that took: `judge FILE`.

use behaviour::{Context, judge};
use model::{Event, Trace, TraceEnd, TraceHead};

#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that measures")]
fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let text = std::fs::read_to_string(file).expect("reads");
    let (mut head, mut events, mut traces): (Option<TraceHead>, Vec<Event>, Vec<Trace>) =
        (None, Vec::new(), Vec::new());
    for line in text.lines() {
        if let Ok(begun) = serde_json::from_str(line) {
            head = Some(begun);
        } else if let Ok(event) = serde_json::from_str(line) {
            events.push(event);
        } else if let (Ok(end), Some(head)) = (serde_json::from_str::<TraceEnd>(line), head.take()) {
            traces.push(Trace { head, events: std::mem::take(&mut events), end });
        }
    }
    let before = std::time::Instant::now();
    let seen = judge(&traces, &Context::default());
    let count: usize = traces.iter().map(|trace| trace.events.len()).sum();
    println!("{} runs, {count} events: {} ms", traces.len(), before.elapsed().as_millis());
    for one in &seen {
        let (run, event, seen) = (&one.run, one.event, &one.observation);
        let summary = model::text::visible(&seen.summary);
        println!("{run}/{event} {} {} {} {}: {summary}", seen.maturity, seen.weight, seen.category, seen.detector);
    }
}
