//! `lazaret feed prove`: a proof for one entry, and its check without any network.

use std::{fs, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use feed::{
    EntryId,
    trust::{
        note::VerifierKey,
        proof::{self, LogPolicy},
    },
};

use super::FolderArguments;
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Writes a .tlog-proof (C2SP) of the last change of an entry: one file that shows, to whoever has the log's key, what the feed said of it.
/// With --check, reads such a file and shows the change it proves.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed prove LZ-2026-17 --output LZ-2026-17.tlog-proof
  lazaret feed prove --check LZ-2026-17.tlog-proof --log-key feed.example.org+1c2d…+AX…

Exit codes: 1 the proof does not hold; 3 could not be read.")]
pub struct ProveArguments {
    /// The entry
    #[arg(value_name = "ID", required_unless_present = "check", conflicts_with = "check")]
    pub entry: Option<EntryId>,
    /// A published folder or a mirror with its log [default: what our feed publishes]
    #[arg(long, value_name = "DIR")]
    pub public: Option<PathBuf>,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Check this proof instead
    #[arg(long, value_name = "FILE", requires = "log_key")]
    pub check: Option<PathBuf>,
    /// The log's verifier key (NAME+ID+KEY), as in feed.json
    #[arg(long, value_name = "KEY", help_heading = "Trust")]
    pub log_key: Option<String>,
    /// A witness to trust, by its verifier key; may be repeated; each must have signed
    #[arg(long, value_name = "KEY", help_heading = "Trust")]
    pub witness: Vec<String>,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog, for the default folder.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Proves, or checks.
///
/// # Errors
///
/// [`Exit::Found`] if a proof does not hold, [`Failure`] of folder and output.
pub fn run(arguments: &ProveArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let text = match (&arguments.check, arguments.entry) {
        (Some(file), _) => {
            let proof = fs::read_to_string(file);
            let proof = proof.with_context(|| format!("read {}", file.display())).or_exit(Exit::Undecided)?;
            let policy = policy(arguments).or_exit(Exit::Usage)?;
            let (change, checkpoint) = proof::check_own(&proof, &policy).or_exit(Exit::Found)?;
            tracing::info!("change {} of {} in the log {}", change.sequence, checkpoint.size, policy.log.name);
            serde_json::to_string_pretty(&change).or_exit(Exit::Internal)? + "\n"
        }
        (None, Some(entry)) => {
            let public = match &arguments.public {
                Some(folder) if folder.join("current").exists() => folder.join("current"),
                Some(folder) => folder.clone(),
                None => arguments.folder.open(&arguments.store, config, surroundings)?.public(),
            };
            let index = proof::last_change(&public, entry).or_exit(Exit::Undecided)?;
            let index = index.ok_or_else(|| anyhow!("{entry} was never in this feed")).or_exit(Exit::Usage)?;
            proof::prove(&public, index).or_exit(Exit::Undecided)?
        }
        (None, None) => return Err(anyhow!("name an entry, or a proof to --check")).or_exit(Exit::Usage),
    };
    Destination::open(arguments.output.as_deref(), surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

fn policy(arguments: &ProveArguments) -> anyhow::Result<LogPolicy> {
    let parsed = |key: &String| key.parse::<VerifierKey>().map_err(|error| anyhow!(error));
    let log = arguments.log_key.as_ref().context("the log's key is needed")?;
    let witnesses: Vec<_> = arguments.witness.iter().map(parsed).collect::<Result<_, _>>()?;
    Ok(LogPolicy { log: parsed(log)?, witnesses_min: witnesses.len(), witnesses })
}
