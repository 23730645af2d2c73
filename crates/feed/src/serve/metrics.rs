//! `/metrics`: the feed's age and size and what was answered, as OpenMetrics to whoever asks for that, else in Prometheus' text format.
//! Source: OpenMetrics 1.0; Prometheus, "Exposition formats".

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Served, answer::Answer, asked::Asked, release::Release};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What was answered since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    /// By the status' first digit.
    answers: [AtomicU64; 5],
    /// Of bodies whose length was known.
    bytes: AtomicU64,
}

impl Metrics {
    pub(super) fn count(&self, answer: &Answer) {
        let class = usize::from(answer.status / 100).saturating_sub(1).min(4);
        self.answers[class].fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(answer.length().unwrap_or(0), Ordering::Relaxed);
    }
}

/// Text in the making. The two formats differ in how a counter is announced, and in the end.
struct Page {
    open: bool,
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let announced = if kind == "counter" && !self.open { format!("{name}_total") } else { name.to_owned() };
        let _ = writeln!(self.text, "# HELP {announced} {help}\n# TYPE {announced} {kind}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        let _ = writeln!(self.text, "{name} {value}");
    }
}

pub(super) fn answer(served: &Served, asked: &Asked) -> Answer {
    let open = asked.header("accept").is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let mut page = Page { open, text: String::new() };
    let head = Release::open(&served.public).and_then(|release| release.head());
    page.gauge("lazaret_feed_readable", "Whether the published feed can be read.", u8::from(head.is_ok()));
    if let Ok(head) = head {
        let now = served.now();
        page.gauge(
            "lazaret_feed_age_seconds",
            "Time since the feed was published.",
            now.saturating_sub(head.published_at),
        );
        let left = i128::from(head.expires_at) - i128::from(now);
        page.gauge(
            "lazaret_feed_expires_in_seconds",
            "Time until clients refuse the feed; negative once they do.",
            left,
        );
        page.gauge("lazaret_feed_sequence", "Number of changes the feed has seen.", head.sequence);
        page.family("lazaret_feed_entries", "gauge", "Active entries by list.");
        for (list, count) in [("block", head.block), ("advise", head.advise)] {
            let _ = writeln!(page.text, "lazaret_feed_entries{{list=\"{list}\"}} {count}");
        }
    }
    page.family("lazaret_feed_answers", "counter", "Requests answered, by class of status.");
    for (class, count) in CLASSES.iter().zip(&served.metrics.answers) {
        let _ =
            writeln!(page.text, "lazaret_feed_answers_total{{class=\"{class}\"}} {}", count.load(Ordering::Relaxed));
    }
    page.family("lazaret_feed_sent_bytes", "counter", "Bytes of bodies sent whose length was known before.");
    let _ = writeln!(page.text, "lazaret_feed_sent_bytes_total {}", served.metrics.bytes.load(Ordering::Relaxed));
    let media_type = if open {
        page.text.push_str("# EOF\n");
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    Answer::bytes(200, media_type, page.text.into_bytes()).header("cache-control", "no-store").header("vary", "accept")
}
