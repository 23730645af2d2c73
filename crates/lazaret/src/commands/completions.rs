//! `lazaret completions`: completions for a shell.

use anstream::ColorChoice;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{
    arguments::Arguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
};

/// Writes completions for a shell to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret completions bash > ~/.local/share/bash-completion/completions/lazaret
  lazaret completions zsh > ~/.zfunc/_lazaret
  lazaret completions fish > ~/.config/fish/completions/lazaret.fish")]
pub struct CompletionsArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Writes them.
///
/// # Errors
///
/// [`Exit::Output`].
pub fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "lazaret", &mut bytes);
    let text = String::from_utf8(bytes).or_exit(Exit::Internal)?;
    Destination::open(None, ColorChoice::Never)?.write(&text)?;
    Ok(Exit::Below)
}
