//! `lazaret man`: the manual.

use std::path::PathBuf;

use anstream::ColorChoice;
use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::{
    arguments::Arguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
};

/// Writes the manual page to standard output, or a page for every role into a folder.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret man | man -l -
  lazaret man --output ~/.local/share/man/man1")]
pub struct ManArguments {
    /// Folder for the pages of all roles; made if it is not there
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Writes it.
///
/// # Errors
///
/// [`Exit::Output`].
pub fn run(arguments: &ManArguments) -> Result<Exit, Failure> {
    let command = Arguments::command();
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .with_context(|| format!("write manual pages into {}", folder.display()))
            .or_exit(Exit::Output)?;
        return Ok(Exit::Below);
    }
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).render(&mut bytes).or_exit(Exit::Output)?;
    let text = String::from_utf8(bytes).or_exit(Exit::Internal)?;
    Destination::open(None, ColorChoice::Never)?.write(&text)?;
    Ok(Exit::Below)
}
