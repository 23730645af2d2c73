//! What every decision needs: the feed and the policy.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use gate::{Engine, Policy, policy::POLICY_BYTES_MAX};

use crate::{
    arguments::{StationArguments, StoreArguments},
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// By what is decided.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Decision")]
pub struct EngineArguments {
    /// Folder of a synced or published feed [default: feed in the catalog's folder]
    #[arg(long, value_name = "DIR", env = "LAZARET_FEED", hide_env_values = true)]
    pub feed: Option<PathBuf>,
    /// Policy file (TOML) [default: deny what is settled, warn of the rest]
    #[arg(long, value_name = "FILE", env = "LAZARET_POLICY", hide_env_values = true)]
    pub policy: Option<PathBuf>,
}

impl EngineArguments {
    /// The folder of the feed.
    ///
    /// # Errors
    ///
    /// If none is given and no home is known.
    pub fn folder(&self, config: &ConfigFile, surroundings: &Surroundings<'_>) -> anyhow::Result<PathBuf> {
        match &self.feed {
            Some(folder) => Ok(folder.clone()),
            None => Ok(config.store(&StoreArguments::default(), &surroundings.environment)?.join("feed")),
        }
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] if the file cannot be read or is wrong.
    pub fn policy(&self, surroundings: &Surroundings<'_>) -> Result<Policy, Failure> {
        let Some(path) = &self.policy else { return Ok(Policy::default()) };
        let context = || format!("read the policy {}", path.display());
        let mut text = String::new();
        let file = File::open(path).with_context(context).or_exit(Exit::Usage)?;
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(POLICY_BYTES_MAX as u64 + 1).read_to_string(&mut text).with_context(context).or_exit(Exit::Usage)?;
        Policy::parse(&text, (surroundings.now)())
            .map_err(|error| anyhow!("policy {}: {error}", path.display()))
            .or_exit(Exit::Usage)
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// As [`EngineArguments::policy`]; [`Exit::Undecided`] if there is no feed that can be used.
    pub fn open(&self, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Engine, Failure> {
        let policy = self.policy(surroundings)?;
        let folder = self.folder(config, surroundings).or_exit(Exit::Usage)?;
        Engine::open(&folder, policy).or_exit(Exit::Undecided)
    }
}

/// How registries are asked.
///
/// # Errors
///
/// None that a user could cause.
pub(super) fn registry_options(
    insecure_registry: Option<&Vec<String>>,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<registry::Options, Failure> {
    let arguments = StationArguments {
        no_store: true,
        insecure_registry: insecure_registry.cloned(),
        ..StationArguments::default()
    };
    Ok(config.station(&arguments, &surroundings.environment).or_exit(Exit::Usage)?.registry)
}
