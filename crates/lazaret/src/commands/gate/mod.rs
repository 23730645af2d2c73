//! `lazaret gate`: says whether an image may be used, at every door.

mod arguments;
pub mod check;
pub mod verify_image;

use clap::Subcommand;

pub use arguments::EngineArguments;

use crate::{
    exit::{Exit, Failure},
//! `lazaret gate`: keeps listed images from being run. A door each file.
pub mod serve;
use std::path::PathBuf;
use clap::{Args, Subcommand};
use gate::{Engine, Policy, serve::watch::PolicyFile};
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// What to do at the gate.
#[derive(Debug, Subcommand)]
pub enum GateRole {
    /// Say whether images, or those that files name, are listed
    Check(Box<check::CheckArguments>),
    /// Answer containerd, which asks before it pulls an image
    VerifyImage(verify_image::VerifyImageArguments),
}

/// Runs a role of the gate.
///
/// # Errors
///
/// [`Failure`] of feed, policy, input and output.
pub fn run(role: &GateRole, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    match role {
        GateRole::Check(arguments) => check::run(arguments, config, surroundings),
        GateRole::VerifyImage(arguments) => verify_image::run(arguments, config, surroundings),
/// Which door.
    /// Answer Kubernetes, Gatekeeper and Kyverno
    Serve(serve::ServeArguments),
/// What every door decides by.
#[derive(Debug, Args)]
#[command(next_help_heading = "Decision")]
pub struct EngineArguments {
    /// Folder of the feed, as `lazaret feed sync` keeps it
    #[arg(long, value_name = "DIR", env = "LAZARET_FEED", hide_env_values = true)]
    pub feed: PathBuf,
    /// What to deny and what to warn of (TOML) [default: deny stable entries of the block list, warn of the rest]
    #[arg(long, value_name = "FILE", env = "LAZARET_POLICY", hide_env_values = true)]
    pub policy: Option<PathBuf>,
impl EngineArguments {
    /// Loads feed and policy. The file is for those who watch it.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for a policy with a mistake, [`Exit::Undecided`] for a feed that cannot be used.
    pub fn open(&self, now: u64) -> Result<(Engine, Option<PolicyFile>), Failure> {
        let read = self.policy.as_deref().map(|path| PolicyFile::open(path, now).map_err(anyhow::Error::msg));
        let (file, policy) = read.transpose().or_exit(Exit::Usage)?.unzip();
        let policy: Policy = policy.unwrap_or_default();
        for ended in policy.ended(now) {
            tracing::warn!("policy: an exemption has ended: {}", ended.line());
        }
        let engine = Engine::open(&self.feed, policy).or_exit(Exit::Undecided)?;
        if let Some(why) = engine.stale(now) {
            tracing::warn!("{why}; run `lazaret feed sync`");
        }
        Ok((engine, file))
    }
/// Opens the door.
/// [`Failure`] of the door.
        GateRole::Serve(arguments) => serve::run(arguments, config, surroundings),
    }
}
