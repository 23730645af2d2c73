//! Where a result goes: standard output, or a file that is whole or not there at all.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;

use crate::exit::{Exit, Failure, OrExit};

/// An opened destination. Opened before the work begins, so that a wrong path costs nothing.
pub enum Destination {
    /// Standard output.
    Standard(ColorChoice),
    /// A file, written under another name first.
    Replace {
        /// What is written.
        partial: PathBuf,
        /// What it becomes.
        path: PathBuf,
    },
    /// A device or pipe, written directly.
    Direct(PathBuf),
}

impl Destination {
    /// Standard output for `None`; `color` counts only there.
    ///
    /// # Errors
    ///
    /// [`Exit::Output`] if the file cannot be made.
    pub fn open(path: Option<&Path>, color: ColorChoice) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Standard(color)) };
        let context = || format!("write {}", path.display());
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            File::options().write(true).open(path).with_context(context).or_exit(Exit::Output)?;
            return Ok(Self::Direct(path.to_owned()));
        }
        let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
        name.push(".partial");
        let partial = path.with_file_name(name);
        File::create(&partial).with_context(context).or_exit(Exit::Output)?;
        Ok(Self::Replace { partial, path: path.to_owned() })
    }

    /// Shows a piece of the text on standard output at once, and tells whether it did: a file is written whole, at the end.
    ///
    /// # Errors
    ///
    /// [`Exit::Output`].
    pub fn shows(&self, text: &str) -> Result<bool, Failure> {
        let Self::Standard(color) = self else { return Ok(false) };
        let mut out = AutoStream::new(io::stdout().lock(), *color);
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
            result => result.map(|()| true).context("write to standard output").or_exit(Exit::Output),
        }
    }

    /// Writes `text`, which may hold our own colours: they are taken out wherever they are not wanted. A reader of
    /// standard output that has seen enough and left (`| head`) is no error.
    ///
    /// # Errors
    ///
    /// [`Exit::Output`], for example on a full disk.
    pub fn write(self, text: &str) -> Result<(), Failure> {
        let plain = || anstream::adapter::strip_str(text).to_string();
        match self {
            Self::Standard(_) => self.shows(text).map(drop),
            Self::Direct(path) => {
                fs::write(&path, plain()).with_context(|| format!("write {}", path.display())).or_exit(Exit::Output)
            }
            Self::Replace { partial, path } => fs::write(&partial, plain())
                .and_then(|()| fs::rename(&partial, &path))
                .inspect_err(|_| drop(fs::remove_file(&partial)))
                .with_context(|| format!("write {}", path.display()))
                .or_exit(Exit::Output),
        }
    }

    /// Gives a destination up without writing: what stood at the path before still does.
    pub fn give_up(self) {
        if let Self::Replace { partial, .. } = self {
            // It was ours and is empty; if it cannot be removed, nothing is lost.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_without_colours() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.txt");
        fs::write(&path, "before").expect("a file");

        let destination = Destination::open(Some(&path), ColorChoice::AlwaysAnsi).expect("opens");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "before", "nothing is lost before the result is there");
        destination.write("\x1b[31mred\x1b[0m\n").expect("writes");

        assert_eq!(fs::read_to_string(&path).expect("reads"), "red\n");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1, "no partial file stays");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_before_the_work() {
        let failure = Destination::open(Some(Path::new("/nowhere/out")), ColorChoice::Never).err().expect("fails");
        assert_eq!(failure.exit, Exit::Output);
        assert!(format!("{:#}", failure.error).contains("/nowhere/out"));
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = Destination::open(Some(Path::new("/dev/full")), ColorChoice::Never).expect("opens");
        assert_eq!(full.write("text").err().map(|failure| failure.exit), Some(Exit::Output));
    }
}
