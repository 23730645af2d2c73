//! Shows what a sample does while it runs: lines on a terminal, log lines elsewhere.

use model::{Event, TraceHead, What, text::visible};
use sandbox::detonate::Observer;

use crate::progress::Meter;

/// Told by the sandbox, from several threads.
pub struct Live {
    bars: Option<indicatif::MultiProgress>,
}

impl Live {
    /// Writes above the meter's bars.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self { bars: meter.bars() }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => tracing::info!("{line}"),
        }
    }
}

impl Observer for Live {
    fn run_begins(&self, head: &TraceHead) {
        let command = head.command.join(" ");
        self.say(&format!("run {} ({}): {}", head.run, head.purpose, visible(&command)));
    }

    fn event(&self, run: &str, event: &Event) {
        let at = event.at_us as f64 / 1e6;
        let line = match &event.what {
            What::Exec { path, arguments, .. } => format!("exec {path} {}", arguments.join(" ")),
            What::FlowStart { remote, protocol, name, .. } => {
                format!("{protocol} {remote} {}", name.as_deref().unwrap_or_default())
            }
            What::Http { method, url, .. } => format!("{method} {url}"),
            What::Dns { name, record, answer, .. } => format!("dns {record} {name} → {}", answer.join(" ")),
            What::Stratum { method, login, .. } => format!("stratum {method} {login}"),
            What::Refused { what, detail } => format!("refused {what}: {detail}"),
            _ => return,
        };
        let line = model::text::shortened(&line, 160).into_owned();
        tracing::debug!("run {run} {at:.2} s: {}", visible(&line));
    }
}
