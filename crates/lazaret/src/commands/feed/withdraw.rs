//! `lazaret feed withdraw`: a false alarm leaves as fast as it came.

use clap::Args;
use feed::{
    EntryId,
    publish::{self, Named},
};

use super::{FolderArguments, KeyArguments, publish::ChangesFormat, published};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Takes entries off the list and publishes at once. The catalog is not asked, and what it says does not list them again:
/// `lazaret feed approve` does. Entries stay in the history, with the reason.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed withdraw LZ-2026-17 --reason 'vendor tool, see ticket 4711'
  lazaret feed withdraw sha256:… --tree --reason 'false alarm'    an image and what is listed only as a part of it")]
pub struct WithdrawArguments {
    /// Entries (LZ-2026-17) or digests
    #[arg(value_name = "ENTRY", required = true)]
    pub named: Vec<Named>,
    /// Why, for everybody to read
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Also what is listed only as a part of them
    #[arg(long)]
    pub tree: bool,
    /// The entry that says it better
    #[arg(long, value_name = "ID")]
    pub superseded_by: Option<EntryId>,
    /// How to tell what changed
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: ChangesFormat,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog, for the default folder.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Withdraws.
///
/// # Errors
///
/// [`Exit::Usage`] for what is not listed; [`Failure`] of folder, keys and disk.
pub fn run(
    arguments: &WithdrawArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let folder = arguments.folder.open(&arguments.store, config, surroundings)?;
    let keys = arguments.keys.open(&folder, surroundings)?;
    let now = (surroundings.now)();
    let WithdrawArguments { named, tree, superseded_by, reason, .. } = arguments;
    let done = published(publish::decided(&folder, &keys, now, |state, _| {
        Ok(publish::withdraw(state, named, *tree, *superseded_by, reason, now)?)
    }))?;
    super::publish::report(&done);
    super::publish::told(&done.plan, arguments.format, surroundings)
}
