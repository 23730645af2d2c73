//! Shows what happens: bars on a terminal, log lines elsewhere.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hunt::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::{ScanReport, text};
use tracing::info;

use crate::output::words::bytes_shown;

/// At most one log line about the same image in so many seconds.
const LOG_INTERVAL_S: f64 = 5.0;

/// Receives what the pipeline tells. Called from several threads.
pub struct Meter {
    bars: Option<MultiProgress>,
    quiet: bool,
    seconds: Box<dyn Fn() -> f64 + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    images: HashMap<String, Image>,
    total: Option<ProgressBar>,
    told_total_at: Option<f64>,
}

/// One image under way; several platforms of one reference share it.
struct Image {
    bar: Option<ProgressBar>,
    under_way: usize,
    packed_bytes: u64,
    read_bytes: u64,
    told_at: f64,
}

/// How a [`Meter`] shows things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars on standard error.
    Bars,
    /// Log lines.
    Lines,
    /// Nothing.
    Quiet,
}

impl Meter {
    /// `seconds` is a monotonic clock.
    #[must_use]
    pub fn new(style: Style, seconds: Box<dyn Fn() -> f64 + Send + Sync>) -> Self {
        let bars = (style == Style::Bars).then(MultiProgress::new);
        Self { bars, quiet: style == Style::Quiet, seconds, state: Mutex::default() }
    }

    /// The bars, for log lines to be written above them.
    #[must_use]
    pub fn bars(&self) -> Option<MultiProgress> {
        self.bars.clone()
    }

    /// Takes the bars away before a result is written.
    pub fn clear(&self) {
        let mut state = self.state();
        for image in state.images.values() {
            image.bar.iter().for_each(ProgressBar::finish_and_clear);
        }
        state.total.iter().for_each(ProgressBar::finish_and_clear);
        *state = State::default();
    }

    /// A thread that died while it held the lock left counters, nothing that could be wrong.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, style: &str, length: u64, before: Option<&ProgressBar>) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let bar = ProgressBar::new(length);
        // The templates are ours; if one were wrong, the plain bar still shows progress.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        let bar = match before {
            Some(before) => bars.insert_before(before, bar),
            None => bars.add(bar),
        };
        bar.enable_steady_tick(Duration::from_millis(120));
        Some(bar)
    }
}

impl Progress for Meter {
    fn image_begins(&self, reference: &str, packed_bytes: u64) {
        if self.quiet {
            return;
        }
        let mut state = self.state();
        if let Some(image) = state.images.get_mut(reference) {
            image.under_way += 1;
            image.packed_bytes = image.packed_bytes.saturating_add(packed_bytes);
            image.bar.iter().for_each(|bar| bar.set_length(image.packed_bytes));
            return;
        }
        let template = "  {spinner:.cyan} {wide_msg} {bar:24.cyan/dim} {binary_bytes:>11} / {binary_total_bytes:<11}";
        let bar = self.bar(template, packed_bytes, state.total.as_ref());
        let name = text::visible(reference);
        match &bar {
            Some(bar) => bar.set_message(name.into_owned()),
            None => info!(image.reference = %name, packed_bytes, "{name}: {} of layers", bytes_shown(packed_bytes)),
        }
        let image = Image { bar, under_way: 1, packed_bytes, read_bytes: 0, told_at: (self.seconds)() };
        state.images.insert(reference.to_owned(), image);
    }

    fn bytes(&self, reference: &str, packed_bytes: u64) {
        let mut state = self.state();
        let Some(image) = state.images.get_mut(reference) else { return };
        image.read_bytes = image.read_bytes.saturating_add(packed_bytes);
        if let Some(bar) = &image.bar {
            bar.inc(packed_bytes);
            return;
        }
        let now = (self.seconds)();
        if now - image.told_at >= LOG_INTERVAL_S {
            image.told_at = now;
            let (read, all) = (bytes_shown(image.read_bytes), bytes_shown(image.packed_bytes));
            let name = text::visible(reference);
            info!(image.reference = %name, read_bytes = image.read_bytes, "{name}: {read} of {all} read");
        }
    }

    fn image_ends(&self, reference: &str, report: Option<&ScanReport>) {
        let mut state = self.state();
        let Some(image) = state.images.get_mut(reference) else { return };
        image.under_way = image.under_way.saturating_sub(1);
        if image.bar.is_none() {
            let name = text::visible(reference);
            let end = report.map_or("not decided", |report| report.verdict.disposition.word());
            info!(image.reference = %name, disposition = end, "{name}: {end}");
        }
        if image.under_way == 0
            && let Some(image) = state.images.remove(reference)
        {
            image.bar.iter().for_each(ProgressBar::finish_and_clear);
        }
    }

    fn hunt(&self, done: usize, known: usize) {
        if self.quiet {
            return;
        }
        let (done, known) = (done as u64, known as u64);
        let mut state = self.state();
        if self.bars.is_some() {
            if state.total.is_none() {
                let template = "{spinner:.cyan} hunt {bar:40.cyan/dim} {pos} / {len} images, {elapsed}";
                state.total = self.bar(template, known, None);
            }
            if let Some(total) = &state.total {
                total.set_length(known);
                total.set_position(done);
            }
            return;
        }
        let now = (self.seconds)();
        if done == known || state.told_total_at.is_none_or(|told| now - told >= LOG_INTERVAL_S) {
            state.told_total_at = Some(now);
            info!(done, known, "hunt: {done} of {known} images done");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_ends_is_forgotten() {
        for style in [Style::Bars, Style::Lines, Style::Quiet] {
            let meter = Meter::new(style, Box::new(|| 0.0));
            meter.hunt(0, 1);
            meter.image_begins("a", 10);
            meter.image_begins("a", 10);
            meter.bytes("a", 5);
            meter.bytes("never begun", 5);
            meter.image_ends("a", None);
            meter.image_ends("a", None);
            meter.image_ends("a", None);
            assert!(meter.state().images.is_empty(), "{style:?}");
            meter.hunt(1, 1);
            meter.clear();
        }
    }
}
