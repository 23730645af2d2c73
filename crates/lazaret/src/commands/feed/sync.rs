//! `lazaret feed sync`: mirrors a feed for the gate.

use std::{fs, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use feed::{
    client::{self, FirstTrust, Origin, SyncError, SyncOptions, SyncReport},
    trust::note::VerifierKey,
};
use model::Digest;

use super::wait;
use crate::{
    dates,
    exit::{Exit, Failure, OrExit, one_line},
    output::words::{bytes_shown, counted},
    surroundings::Surroundings,
    words::Count,
};

/// Mirrors a feed into a folder that `lazaret gate` decides by. Fetches only what changed, and switches to it in one step.
///
/// The first time it must be told whom to believe, by another way than the feed: --fingerprint or --root, as `lazaret feed
/// init` printed it. After that it believes what goes on from what it has seen, and refuses the rest by name: rollback,
/// freeze, mix-and-match, wrong key, fork, and others.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed sync https://feed.example.org --to /var/lib/lazaret/feed --fingerprint sha256:…
  lazaret feed sync /media/stick/feed --to feed --every 60

Exit codes: 1 refused, and the line says by which rule; 3 not reached. What was believed before stays in both cases.")]
pub struct SyncArguments {
    /// Address or folder of the feed
    #[arg(value_name = "FROM", value_parser = Origin::parse)]
    pub from: Origin,
    /// Folder of the mirror
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// What to believe.
    #[command(flatten)]
    pub trust: Trust,
    /// Mirror the whole log, and check that the entries are what its changes add up to
    #[arg(long)]
    pub audit: bool,
    /// Do it again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS")]
    pub every: Option<Count<1, 86_400>>,
}

/// Whom to believe.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Trust")]
pub struct Trust {
    /// The feed's root: an N.root.json that came by another way
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    pub root: Option<PathBuf>,
    /// Digest of the feed's first root
    #[arg(long, value_name = "DIGEST", env = "LAZARET_FEED_FINGERPRINT", hide_env_values = true)]
    pub fingerprint: Option<Digest>,
    /// A witness to trust, by its verifier key (NAME+ID+KEY); may be repeated
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<String>,
    /// How many of them must have signed the log's state [default: all given]
    #[arg(long, value_name = "N")]
    pub witnesses_min: Option<Count<0, 100>>,
}

impl Trust {
    pub(super) fn first(&self) -> anyhow::Result<FirstTrust> {
        match (&self.root, self.fingerprint) {
            (Some(path), _) => {
                fs::read(path).map(FirstTrust::Root).with_context(|| format!("read the root {}", path.display()))
            }
            (None, Some(digest)) => Ok(FirstTrust::Fingerprint(digest)),
            (None, None) => Ok(FirstTrust::Memory),
        }
    }

    pub(super) fn witnesses(&self) -> anyhow::Result<Vec<VerifierKey>> {
        let parsed = |key: &String| key.parse().map_err(|error| anyhow!("{key:?} is no verifier key: {error}"));
        self.witness.iter().map(parsed).collect()
    }

    pub(super) fn witnesses_min(&self) -> usize {
        self.witnesses_min.map_or(self.witness.len(), Count::size)
    }
}

/// The reason first: a rule's name is what alarms look for.
pub(super) fn refused(error: SyncError) -> Failure {
    let exit = match &error {
        passing if passing.is_passing() => Exit::Undecided,
        SyncError::NoTrust => Exit::Usage,
        SyncError::File(_) => Exit::Output,
        _ => Exit::Found,
    };
    let reason = error.reason();
    Failure { exit, error: anyhow::Error::new(error).context(format!("refused ({reason})")) }
}

/// Mirrors.
///
/// # Errors
///
/// [`Exit::Found`] if it must not be believed, [`Exit::Undecided`] if it cannot be reached.
pub fn run(arguments: &SyncArguments, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let mut options = SyncOptions::new(arguments.trust.first().or_exit(Exit::Usage)?);
    options.witnesses = arguments.trust.witnesses().or_exit(Exit::Usage)?;
    options.witnesses_min = arguments.trust.witnesses_min();
    options.audit = arguments.audit;
    let once = || client::sync(&arguments.from, &arguments.to, (surroundings.now)(), &options).map_err(refused);
    let Some(every) = arguments.every else {
        report(&once()?);
        return Ok(Exit::Below);
    };
    loop {
        match once() {
            Ok(done) => report(&done),
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            // The gate says by itself when what it has is too old.
            Err(failure) => tracing::error!("{}", one_line(&failure.error)),
        }
        if !wait(every.get(), surroundings) {
            return Ok(Exit::Below);
        }
    }
}

fn report(done: &SyncReport) {
    tracing::info!(
        sequence = done.sequence,
        "feed: {}; {} fetched ({}), {} kept; valid until {}",
        if done.changed { "mirrored" } else { "nothing new" },
        counted(usize::try_from(done.files_fetched).unwrap_or(usize::MAX), "file"),
        bytes_shown(done.bytes_fetched),
        done.files_kept,
        dates::shown(done.expires_at)
    );
}
