//! How the program ends: the exit codes of DESIGN.md, and what to say on the way out.

use std::process::ExitCode;

use model::{Disposition, ScanReport};

/// Exit codes, documented in `lazaret --help`. A pipeline may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every image was decided and lies below `--fail-on`; or the role did what it was asked.
    Below,
    /// At least one image lies at or above `--fail-on`.
    Found,
    /// A malformed command, setting or reference.
    Usage,
    /// None at or above `--fail-on`, but at least one not decided.
    Undecided,
    /// A defect of ours, or the catalog failed.
    Internal,
    /// The output cannot be written.
    Output,
    /// Interrupted.
    Stopped,
}

impl Exit {
    /// The number a shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Below => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
            Self::Internal => 70,
            Self::Output => 74,
            Self::Stopped => 130,
        }
    }

    /// Of two ends the one to report: something found outranks everything but an interruption, because a pipeline that
    /// only asks "may I?" must hear "no" even where another image could not be read.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Below => 0,
            Self::Undecided => 1,
            Self::Internal => 2,
            Self::Found => 3,
            Self::Output => 4,
            Self::Usage => 5,
            Self::Stopped => 6,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// How one report counts against `threshold` (`--fail-on`).
    #[must_use]
    pub fn of(report: &ScanReport, threshold: Disposition) -> Self {
        match report.verdict.disposition {
            Disposition::Undetermined => Self::Undecided,
            disposition if disposition >= threshold => Self::Found,
            _ => Self::Below,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a role could not do its work. The error becomes one line: what, where, what to do.
#[derive(Debug)]
pub struct Failure {
    /// How to end.
    pub exit: Exit,
    /// What to say.
    pub error: anyhow::Error,
}

/// Says with which code an error ends the program.
pub trait OrExit<T> {
    /// Turns the error into a [`Failure`] with this code.
    ///
    /// # Errors
    ///
    /// The error, if there was one.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}

/// An error and its causes on one line, safe for a terminal: it may quote paths and server answers. Some are written
/// over several lines, with pictures: their lines are joined.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let words: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    model::text::visible(&words.join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_outranks_undecided_outranks_below() {
        assert_eq!(Exit::Below.and(Exit::Undecided).and(Exit::Found), Exit::Found);
        assert_eq!(Exit::Found.and(Exit::Undecided), Exit::Found);
        assert_eq!(Exit::Found.and(Exit::Internal), Exit::Found);
        assert_eq!(Exit::Undecided.and(Exit::Below), Exit::Undecided);
        assert_eq!(Exit::Found.and(Exit::Stopped), Exit::Stopped);
    }

    #[test]
    fn undetermined_is_never_below() {
        let mut report = crate::output::testing::clean();
        report.verdict.disposition = Disposition::Undetermined;
        assert_eq!(Exit::of(&report, Disposition::Malicious), Exit::Undecided);
        report.verdict.disposition = Disposition::Suspicious;
        assert_eq!(Exit::of(&report, Disposition::Malicious), Exit::Below);
        assert_eq!(Exit::of(&report, Disposition::Suspicious), Exit::Found);
    }
}
