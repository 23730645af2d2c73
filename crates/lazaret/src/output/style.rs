//! Colours of the terminal. They only repeat what symbols and words say.

use std::fmt::Display;

use anstyle::{AnsiColor, Color, Style};
use model::{Disposition, Severity};

/// For what is less important.
pub const DIM: Style = Style::new().dimmed();
/// For headings.
pub const BOLD: Style = Style::new().bold();

const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// The colour of a disposition.
#[must_use]
pub const fn disposition(disposition: Disposition) -> Style {
    match disposition {
        Disposition::Clean => color(AnsiColor::Green).bold(),
        Disposition::Risky => color(AnsiColor::Yellow).bold(),
        Disposition::Suspicious => color(AnsiColor::Magenta).bold(),
        Disposition::Malicious => color(AnsiColor::Red).bold(),
        Disposition::Undetermined => color(AnsiColor::Cyan).bold(),
    }
}

/// The colour of a severity.
#[must_use]
pub const fn severity(severity: Severity) -> Style {
    match severity {
        Severity::Critical => color(AnsiColor::Red).bold(),
        Severity::High => color(AnsiColor::Red),
        Severity::Medium => color(AnsiColor::Yellow),
        Severity::Low => color(AnsiColor::Blue),
        Severity::Info => DIM,
    }
}

/// `text` in `style`.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
