//! `lazaret feed rotate`: new keys.

use std::path::PathBuf;

use clap::Args;
use feed::trust::{rotate, system_random};

use super::{FolderArguments, KeyArguments};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Signs a new root that names new keys for the roles given, or the same keys for another year if none is given. Needs as many of
/// the root keys as the old root says. Publish afterwards; consumers follow by themselves.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed rotate timestamp snapshot --root-keys /media/stick")]
pub struct RotateArguments {
    /// root, targets, snapshot, timestamp, log, minisign
    #[arg(value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Where the root keys are [default: beside the others]
    #[arg(long, value_name = "DIR", help_heading = "Keys")]
    pub root_keys: Option<PathBuf>,
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

/// Rotates.
///
/// # Errors
///
/// [`Failure`] of folder and keys.
pub fn run(arguments: &RotateArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let folder = arguments.folder.open(&arguments.store, config, surroundings)?;
    let passphrase = arguments.keys.passphrase(surroundings)?;
    let keys = folder.keys();
    let away = arguments.root_keys.as_deref().unwrap_or(&keys);
    let roles: Vec<&str> = arguments.roles.iter().map(String::as_str).collect();
    let version =
        rotate(&keys, away, &passphrase, &roles, &mut system_random, (surroundings.now)()).or_exit(Exit::Usage)?;
    tracing::info!("feed: root {version} signed; publish to tell consumers");
    Ok(Exit::Below)
}
