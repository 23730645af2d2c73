//! The files of an OCI layout in a folder, never those outside it.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{invalid, layout::Layout, unreadable};
use crate::RegistryError;

/// A folder, by its real path.
pub(super) struct Folder {
    root: PathBuf,
    name: String,
}

impl Folder {
    /// `name` is what messages call it.
    pub(super) fn open(path: &Path, name: String) -> Result<Self, RegistryError> {
        let root = path.canonicalize().map_err(|error| unreadable(&name, path, &error))?;
        if !root.is_dir() {
            return Err(invalid(&name, "it is no folder; for an OCI layout in a tar file write oci-archive:FILE"));
        }
        Ok(Self { root, name })
    }
}

impl Layout for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    /// Follows symbolic links as long as they end inside the folder: some tools share blobs between layouts by
    /// links, but a layout of somebody else must not make us read `/etc/shadow` or wait for a named pipe.
    fn file(&self, path: &str) -> Result<Option<Box<dyn Read + Send + '_>>, RegistryError> {
        let asked = self.root.join(path);
        let real = match asked.canonicalize() {
            Ok(real) => real,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(&self.name, &asked, &error)),
        };
        if !real.starts_with(&self.root) {
            return Err(invalid(&self.name, format!("{path} is a link that leads outside the folder")));
        }
        if !real.is_file() {
            return Err(invalid(&self.name, format!("{path} is no regular file")));
        }
        let file = File::open(&real).map_err(|error| unreadable(&self.name, &asked, &error))?;
        Ok(Some(Box::new(file)))
    }
}
