//! `lazaret feed verify`: a folder, offline.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use feed::client::{self, FirstTrust, VerifyOptions};
use model::Digest;

use super::sync::{Trust, refused};
use crate::{
    dates,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    surroundings::Surroundings,
};

/// Checks a feed's folder as it lies there (published, a mirror, or a copy on a disk) without any network: signatures and
/// dates, every file's digest, every change in the log, and that the entries are what the changes add up to.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed verify /srv/feed --fingerprint sha256:…
  lazaret feed verify feed --checkpoint yesterday.checkpoint      nothing was removed since yesterday

Exit codes: 1 refused, and the line says by which rule; 3 could not be read.")]
pub struct VerifyArguments {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// What to believe.
    #[command(flatten)]
    pub trust: Trust,
    /// A checkpoint that you kept, or that others were shown: the log must go on from it; may be repeated
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// As if it were then: YYYY-MM-DD or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = dates::parse)]
    pub at: Option<u64>,
}

/// Verifies.
///
/// # Errors
///
/// [`Exit::Found`] if it must not be believed, [`Exit::Undecided`] if it cannot be read.
pub fn run(arguments: &VerifyArguments, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let given = arguments.trust.first().or_exit(Exit::Usage)?;
    let options = VerifyOptions {
        root: (given != FirstTrust::Memory).then_some(given),
        checkpoints: arguments
            .checkpoint
            .iter()
            .map(|path| text(path))
            .collect::<Result<_, _>>()
            .or_exit(Exit::Usage)?,
        witnesses: arguments.trust.witnesses().or_exit(Exit::Usage)?,
        witnesses_min: arguments.trust.witnesses_min(),
    };
    let now = arguments.at.unwrap_or_else(surroundings.now);
    let report = client::verify(&arguments.folder, now, &options).map_err(refused)?;
    if !report.root_was_given {
        tracing::warn!(
            "the folder agrees with itself; whether it is the feed you mean only --root or --fingerprint says"
        );
    }
    let root: Digest = report.root;
    let log = report.changes.map_or("none here".to_owned(), |changes| format!("{changes} changes read and added up"));
    let text = format!(
        "feed       {}\nsequence   {}\nvalid      until {}\nroot       {root}\nfiles      {}\nlog        {log}\nsignatures {}\n",
        model::text::visible(&report.origin),
        report.sequence,
        dates::shown(report.expires_at),
        report.files,
        report.signatures,
    );
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
