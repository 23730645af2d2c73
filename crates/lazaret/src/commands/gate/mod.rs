//! `lazaret gate`: says whether an image may be used, at every door.

mod arguments;
pub mod check;
pub mod verify_image;

use clap::Subcommand;

pub use arguments::EngineArguments;
pub(super) use arguments::registry_options;

use crate::{
    exit::{Exit, Failure},
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
    }
}
