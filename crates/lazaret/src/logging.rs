//! Log lines on standard error, above the progress bars if there are any.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging to standard error from `level` on.
pub fn start(level: Level, bars: Option<MultiProgress>, color: bool) {
    // Nobody else in this program sets a subscriber; if one is set, as in tests, keep it.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(color)
        .with_writer(AboveBars(bars))
        .try_init();
}

/// Writes whole lines while the bars are taken away.
struct AboveBars(Option<MultiProgress>);

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { bars: self.0.as_ref(), text: Vec::new() }
    }
}

/// One log line; written when it is dropped, because the formatter writes in pieces.
struct Line<'a> {
    bars: Option<&'a MultiProgress>,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        // Standard error may be closed; there is nowhere left to say so.
        let write = || io::stderr().lock().write_all(&self.text);
        let _ = match self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        };
    }
}
