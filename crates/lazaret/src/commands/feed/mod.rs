//! `lazaret feed`: publishes the digests of malicious images, and reads what others publish.

pub mod approve;
pub mod diff;
pub mod export;
pub mod init;
mod passphrase;
pub mod prove;
pub mod publish;
pub mod rotate;
pub mod serve;
mod shown;
pub mod sync;
pub mod verify;
pub mod withdraw;
pub mod witness;

use std::{path::PathBuf, sync::atomic::Ordering, thread, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use feed::{
    folder::{Folder, FolderError},
    ledger::LedgerError,
    publish::PublishError,
    trust::{Keys, LogError, Secret, TufError},
};

use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// What to do with the feed.
#[derive(Debug, Subcommand)]
pub enum FeedRole {
    /// Make a feed: its folder and its keys
    Init(init::InitArguments),
    /// Publish what the catalog says, signed, in every form
    Publish(Box<publish::PublishArguments>),
    /// Say that a person looked: makes entries stable, lists what waits, lists again
    Approve(approve::ApproveArguments),
    /// Take entries off the list, at once
    Withdraw(withdraw::WithdrawArguments),
    /// Say what differs between two states of a feed
    Diff(diff::DiffArguments),
    /// Write the digests that the catalog would list, unsigned
    Export(export::ExportArguments),
    /// Serve a published feed
    Serve(serve::ServeArguments),
    /// Check a feed's folder: signatures, dates and log
    Verify(verify::VerifyArguments),
    /// Mirror a feed, believing nothing that is not signed
    Sync(sync::SyncArguments),
    /// Replace keys by new ones
    Rotate(rotate::RotateArguments),
    /// Write a proof that an entry stands in the feed's log, or check one
    Prove(prove::ProveArguments),
    /// Be a witness of others' feeds: sign that their logs only ever grow
    Witness(witness::WitnessArguments),
}

/// Where the feed is made.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Feed")]
pub struct FolderArguments {
    /// Folder of the feed, with its keys and ledger [default: feed in the catalog's folder]
    #[arg(long, value_name = "DIR", env = "LAZARET_FEED_FOLDER", hide_env_values = true)]
    pub folder: Option<PathBuf>,
}

/// What signs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Keys")]
pub struct KeyArguments {
    /// File whose first line is the passphrase of the keys [default: LAZARET_FEED_PASSPHRASE, else it is asked for]
    #[arg(long, value_name = "FILE", env = "LAZARET_FEED_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
}

impl FolderArguments {
    fn path(
        &self,
        store: &StoreArguments,
        config: &ConfigFile,
        surroundings: &Surroundings<'_>,
    ) -> Result<PathBuf, Failure> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => Ok(config.store(store, &surroundings.environment).or_exit(Exit::Usage)?.join("feed")),
        }
    }

    fn open(
        &self,
        store: &StoreArguments,
        config: &ConfigFile,
        surroundings: &Surroundings<'_>,
    ) -> Result<Folder, Failure> {
        Folder::open(&self.path(store, config, surroundings)?).or_exit(Exit::Usage)
    }
}

impl KeyArguments {
    fn passphrase(&self, surroundings: &Surroundings<'_>) -> Result<Secret, Failure> {
        passphrase::get(self.passphrase_file.as_deref(), surroundings.environment.feed_passphrase.as_ref())
    }

    fn open(&self, folder: &Folder, surroundings: &Surroundings<'_>) -> Result<Keys, Failure> {
        let passphrase = self.passphrase(surroundings)?;
        Keys::open(&folder.keys(), &passphrase).context("open the feed's keys").or_exit(Exit::Usage)
    }
}

/// With which code a publication that was not made ends.
fn exit_of(error: &PublishError) -> Exit {
    match error {
        PublishError::Io { .. }
        | PublishError::Folder(FolderError::Io { .. })
        | PublishError::Ledger(LedgerError::Io { .. })
        | PublishError::Log(LogError::File(_))
        | PublishError::Tuf(TufError::File(_)) => Exit::Output,
        PublishError::Folder(_) | PublishError::Person(_) => Exit::Usage,
        PublishError::Ledger(LedgerError::Busy { .. }) => Exit::Undecided,
        PublishError::Ledger(_) | PublishError::Store(_) | PublishError::Log(_) | PublishError::Tuf(_) => {
            Exit::Internal
        }
    }
}

fn published<T>(result: Result<T, PublishError>) -> Result<T, Failure> {
    result.map_err(|error| Failure { exit: exit_of(&error), error: error.into() })
}

/// Waits, unless somebody pressed Ctrl-C; tells whether to go on.
fn wait(seconds: u64, surroundings: &Surroundings<'_>) -> bool {
    const STEP: Duration = Duration::from_millis(100);
    for _ in 0..seconds.saturating_mul(10) {
        if surroundings.stop.load(Ordering::SeqCst) {
            return false;
        }
        thread::sleep(STEP);
    }
    !surroundings.stop.load(Ordering::SeqCst)
}

/// Does it.
///
/// # Errors
///
/// [`Failure`] of settings, folders, keys, catalog and output.
pub fn run(role: &FeedRole, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    match role {
        FeedRole::Init(arguments) => init::run(arguments, config, surroundings),
        FeedRole::Publish(arguments) => publish::run(arguments, config, surroundings),
        FeedRole::Approve(arguments) => approve::run(arguments, config, surroundings),
        FeedRole::Withdraw(arguments) => withdraw::run(arguments, config, surroundings),
        FeedRole::Diff(arguments) => diff::run(arguments, config, surroundings),
        FeedRole::Export(arguments) => export::run(arguments, config, surroundings),
        FeedRole::Serve(arguments) => serve::run(arguments, config, surroundings),
        FeedRole::Verify(arguments) => verify::run(arguments, surroundings),
        FeedRole::Sync(arguments) => sync::run(arguments, surroundings),
        FeedRole::Rotate(arguments) => rotate::run(arguments, config, surroundings),
        FeedRole::Prove(arguments) => prove::run(arguments, config, surroundings),
        FeedRole::Witness(arguments) => witness::run(arguments, surroundings),
    }
}
