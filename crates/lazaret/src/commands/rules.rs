//! `lazaret rules`: what is looked for.

use clap::Subcommand;

use crate::{
    exit::{Exit, Failure},
    output::destination::Destination,
    surroundings::Surroundings,
};

/// What to show of the rules.
#[derive(Debug, Subcommand)]
pub enum RulesRole {
    /// List the detectors with what they count for
    List,
}

/// Writes the list.
///
/// # Errors
///
/// [`Exit::Output`].
pub fn run(role: &RulesRole, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let RulesRole::List = role;
    Destination::open(None, surroundings.color)?.write("")?;
    Ok(Exit::Below)
}
