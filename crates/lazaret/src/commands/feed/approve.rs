//! `lazaret feed approve`: a person looked.

use clap::Args;
use feed::publish::{self, Named};

use super::{FolderArguments, KeyArguments, publish::ChangesFormat, published};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    station::open_catalog,
    surroundings::Surroundings,
};

/// Says that a person looked, and publishes at once: a candidate becomes stable, what was withdrawn is listed again, and what
/// waits for a person (a layer that images of many owners have) is listed.
///
/// What is empty, official, known-good or on the never-list cannot be approved.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed approve LZ-2026-17
  lazaret feed approve sha256:…")]
pub struct ApproveArguments {
    /// Entries (LZ-2026-17) or digests
    #[arg(value_name = "ENTRY", required = true)]
    pub named: Vec<Named>,
    /// How to tell what changed
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: ChangesFormat,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Approves.
///
/// # Errors
///
/// [`Exit::Usage`] for what cannot be approved, with the reason; [`Failure`] of folder, keys, catalog and disk.
pub fn run(
    arguments: &ApproveArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let folder = arguments.folder.open(&arguments.store, config, surroundings)?;
    let catalog = open_catalog(&config.store(&arguments.store, &surroundings.environment).or_exit(Exit::Usage)?)?;
    let keys = arguments.keys.open(&folder, surroundings)?;
    let now = (surroundings.now)();
    let done = published(publish::decided(&folder, &keys, now, |state, mut rules| {
        rules.approved.extend(arguments.named.iter().filter_map(|named| match named {
            Named::Digest(digest) => Some(*digest),
            Named::Id(id) => state.named(*id).map(|entry| entry.digest),
        }));
        let found = feed::find(catalog.as_ref(), &rules)?;
        Ok(publish::approve(state, &found, &arguments.named, now)?)
    }))?;
    super::publish::report(&done);
    super::publish::told(&done.plan, arguments.format, surroundings)
}
