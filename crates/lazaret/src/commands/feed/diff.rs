//! `lazaret feed diff`: what differs between two states.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use feed::{Entry, diff, ledger::Ledger};
use serde_json::json;

use super::{FolderArguments, publish::ChangesFormat, shown};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Longest file of entries read: a 256th of some millions.
const SHARD_BYTES_MAX: u64 = 1 << 30;

/// Says what differs between two states of a feed: each is a folder (of a feed, a release or a mirror), or a number of changes
/// in our ledger.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed diff 0                  every entry there is
  lazaret feed diff 1200               what changed since change 1200
  lazaret feed diff /mnt/old /mnt/new  what differs between two copies")]
pub struct DiffArguments {
    /// The state before
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The state after [default: our ledger as it is]
    #[arg(value_name = "NEW")]
    pub new: Option<String>,
    /// How to write it
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: ChangesFormat,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog, for the default folder.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Writes the differences.
///
/// # Errors
///
/// [`Exit::Usage`] for what is neither a folder nor a number; [`Failure`] of files and output.
pub fn run(arguments: &DiffArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let ledger = || {
        let folder = arguments.folder.open(&arguments.store, config, surroundings)?;
        Ledger::read(&folder.ledger()).or_exit(Exit::Usage)
    };
    let of = |state: &str| -> Result<Vec<Entry>, Failure> {
        match state.parse::<u64>() {
            Ok(sequence) => Ok(ledger()?.state_at(sequence).or_exit(Exit::Internal)?.into_entries()),
            Err(_) => published_entries(Path::new(state)).or_exit(Exit::Usage),
        }
    };
    let before = of(&arguments.old)?;
    let after = match &arguments.new {
        Some(new) => of(new)?,
        None => ledger()?.take_entries(),
    };
    let differences = diff::diff(before, after);
    let text = match arguments.format {
        ChangesFormat::Table => shown::differences(&differences),
        ChangesFormat::Jsonl => differences
            .iter()
            .map(|it| json!({ "became": it.became, "before": it.before, "after": it.after }).to_string() + "\n")
            .collect(),
    };
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

/// Whole entries of a published folder.
fn published_entries(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let places = [folder.join("public"), folder.join("current"), folder.to_owned()];
    let Some(place) = places.iter().map(|place| place.join("entries")).find(|place| place.is_dir()) else {
        bail!("{} is neither a number of changes nor a folder with entries/", folder.display());
    };
    let mut entries = Vec::new();
    for shard in 0..=u8::MAX {
        let path: PathBuf = place.join(format!("{shard:02x}.jsonl"));
        let context = || format!("read {}", path.display());
        let mut text = String::new();
        let file = File::open(&path).with_context(context)?;
        #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
        file.take(SHARD_BYTES_MAX).read_to_string(&mut text).with_context(context)?;
        for (number, line) in text.lines().enumerate() {
            let entry = serde_json::from_str(line)
                .map_err(|error| anyhow!("{}, line {}: {error}", path.display(), number + 1))?;
            entries.push(entry);
        }
    }
    Ok(entries)
}
