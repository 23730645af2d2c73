//! Judges a recorded trace (JSON of a `model::Trace`) again and again, and says what it took: `cost FILE [TIMES]`.

use behaviour::{Context, judge};

#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that measures")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("a file");
    let times: u32 = arguments.next().map_or(5, |times| times.parse().expect("a number"));
    let trace: model::Trace = serde_json::from_slice(&std::fs::read(file).expect("reads")).expect("a trace");
    for _ in 0..times {
        let before = std::time::Instant::now();
        let seen = judge(std::slice::from_ref(&trace), &Context::default());
        println!("{} events: {} ms, {} observations", trace.events.len(), before.elapsed().as_millis(), seen.len());
        for one in seen.iter().take(40) {
            let observation = &one.observation;
            println!(
                "  {} {} {} {}: {}",
                one.event,
                observation.weight,
                observation.category,
                observation.detector,
                model::text::visible(&observation.summary)
            );
        }
    }
}
