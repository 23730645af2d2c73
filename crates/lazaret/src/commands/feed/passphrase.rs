//! The passphrase of the keys: from a file, the environment, or a person at the terminal.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, anyhow};
use feed::trust::Secret;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::exit::{Exit, Failure, OrExit};

/// Longest passphrase, in bytes.
const BYTES_MAX: u64 = 1_024;

/// Takes the first that is there.
pub(super) fn get(file: Option<&Path>, variable: Option<&Secret>) -> Result<Secret, Failure> {
    if let Some(path) = file {
        let context = || format!("read the passphrase from {}", path.display());
        let text = File::open(path).and_then(first_line).with_context(context).or_exit(Exit::Usage)?;
        return Ok(Secret::new(text));
    }
    if let Some(secret) = variable {
        return Ok(secret.clone());
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return ask().context("ask for the passphrase").or_exit(Exit::Usage);
    }
    Err(anyhow!("the keys are sealed with a passphrase: give --passphrase-file FILE or LAZARET_FEED_PASSPHRASE"))
        .or_exit(Exit::Usage)
}

fn first_line(from: impl io::Read) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(from.take(BYTES_MAX)).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks without showing what is typed.
fn ask() -> io::Result<Secret> {
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin)?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    write!(io::stderr(), "Passphrase of the feed's keys: ")?;
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden)?;
    let line = first_line(stdin.lock());
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown)?;
    line.map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn the_line_end_is_no_part_of_it() {
        for text in ["open sesame", "open sesame\n", "open sesame\r\nmore"] {
            assert_eq!(first_line(text.as_bytes()).expect("in memory"), "open sesame");
        }
        assert_eq!(first_line(&[b'x'; 5_000][..]).expect("in memory").len(), 1_024);
    }
}
