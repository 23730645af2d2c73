//! `lazaret feed init`: a folder, and keys.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use feed::{
    folder::{Folder, FolderError, Settings},
    trust::{KeyError, Keys, Plan, system_random},
};
use model::Digest;

use super::{FolderArguments, KeyArguments};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
    words::Count,
};

/// Makes a feed: its folder, settings and keys, each sealed with the passphrase.
///
/// The root keys say which other keys are the feed's, and sign nothing else. Keep them on another machine or with several
/// people: --root-keys puts them elsewhere at once. What is printed is what consumers need, by another way than the feed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed init --name feed.example.org/images --url https://feed.example.org --root-keys /media/stick")]
pub struct InitArguments {
    /// What the feed is called, also in its log: feed.example.org/images
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Where it will be served
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Where the root keys go [default: beside the others]
    #[arg(long, value_name = "DIR", help_heading = "Keys")]
    pub root_keys: Option<PathBuf>,
    /// How many root keys to make, 1 to 16 [default: 3]
    #[arg(long, value_name = "N", help_heading = "Keys")]
    pub root_keys_made: Option<Count<1, 16>>,
    /// How many of them must sign new keys [default: 2, or 1 of 1]
    #[arg(long, value_name = "N", help_heading = "Keys")]
    pub root_threshold: Option<Count<1, 16>>,
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

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Makes it.
///
/// # Errors
///
/// [`Failure`] of settings, passphrase and files.
pub fn run(arguments: &InitArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let path = arguments.folder.path(&arguments.store, config, surroundings)?;
    let passphrase = arguments.keys.passphrase(surroundings)?;
    let root_keys = arguments.root_keys_made.map_or(3, Count::size);
    let root_threshold = arguments.root_threshold.map_or(root_keys.min(2), Count::size);
    let plan = Plan { root_keys, root_threshold, ..Plan::new(&arguments.name) };
    let now = (surroundings.now)();
    let settings = Settings::new(&arguments.name, &arguments.url);
    let (folder, keys) = Folder::create(&path, settings, |keys| {
        Keys::create(keys, &passphrase, &plan, &mut system_random, now).map_err(InitError::Key)
    })
    .or_exit(Exit::Usage)?;
    if let Some(away) = &arguments.root_keys {
        move_root_keys(&folder.keys(), away).or_exit(Exit::Output)?;
    } else {
        tracing::warn!("the root keys lie beside the others: keep {}/root-*.key elsewhere", folder.keys().display());
    }
    let text = format!(
        "feed     {}\nfolder   {}\nroot     {}  ({}/1.root.json)\nlog      {}\nminisign {}\n",
        keys.origin(),
        path.display(),
        Digest::of(keys.first_root()),
        folder.keys().display(),
        keys.log_key(),
        keys.minisign_key()
    );
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

/// Copied first: the other place may be another disk.
fn move_root_keys(from: &Path, to: &Path) -> anyhow::Result<()> {
    let context = |path: &Path| format!("put root keys into {}", path.display());
    fs::create_dir_all(to).with_context(|| context(to))?;
    for entry in fs::read_dir(from).with_context(|| context(from))? {
        let path = entry.with_context(|| context(from))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("root-") && name.ends_with(".key") {
            let target = to.join(name);
            fs::copy(&path, &target).with_context(|| context(&target))?;
            fs::File::open(&target).and_then(|file| file.sync_all()).with_context(|| context(&target))?;
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}
