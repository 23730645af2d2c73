//! What every decision needs: the feed and the policy.

use std::path::PathBuf;

use clap::Args;
use gate::{Engine, Policy, serve::watch::PolicyFile};

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

    /// The policy, and its file for those who watch it.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] if the file cannot be read or is wrong.
    pub fn policy(&self, surroundings: &Surroundings<'_>) -> Result<(Policy, Option<PolicyFile>), Failure> {
        let now = (surroundings.now)();
        let read = self.policy.as_deref().map(|path| PolicyFile::open(path, now).map_err(anyhow::Error::msg));
        let (file, policy) = read.transpose().or_exit(Exit::Usage)?.unzip();
        let policy: Policy = policy.unwrap_or_default();
        for ended in policy.ended(now) {
            tracing::warn!("policy: an exemption has ended: {}", ended.line());
        }
        Ok((policy, file))
    }

    /// Loads feed and policy.
    ///
    /// # Errors
    ///
    /// As [`EngineArguments::watched`].
    pub fn open(&self, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Engine, Failure> {
        Ok(self.watched(config, surroundings)?.0)
    }

    /// Loads feed and policy, whose file is for those who watch it.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for a policy with a mistake, [`Exit::Undecided`] for a feed that cannot be used.
    pub fn watched(
        &self,
        config: &ConfigFile,
        surroundings: &Surroundings<'_>,
    ) -> Result<(Engine, Option<PolicyFile>), Failure> {
        let (policy, file) = self.policy(surroundings)?;
        let folder = self.folder(config, surroundings).or_exit(Exit::Usage)?;
        let engine = Engine::open(&folder, policy).or_exit(Exit::Undecided)?;
        if let Some(why) = engine.stale((surroundings.now)()) {
            tracing::warn!("{why}; run `lazaret feed sync`");
        }
        Ok((engine, file))
    }
}

/// How registries are asked.
///
/// # Errors
///
/// None that a user could cause.
pub(in crate::commands) fn registry_options(
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
