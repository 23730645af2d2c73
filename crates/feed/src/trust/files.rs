//! Files that are whole or absent.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use model::{Digest, digest::Hasher};

/// What the file system refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {what}", path.display())]
pub struct FileError {
    /// Where.
    pub path: PathBuf,
    /// What was tried.
    pub what: &'static str,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn of(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), what, source }
    }
}

/// Writes `bytes` beside `path`, flushes them to the disk, and renames over: a reader, and a machine that loses power, sees the
/// old file or the new one. A hard link of the old one elsewhere keeps its content.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
    }
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        FileError::of(path, "write")(error)
    })
}

/// Writes a file of a release in the making: what makes it visible is the switch to the release, which flushes first.
pub(crate) fn fill(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::of(path, "replace")(error)),
        _ => {}
    }
    fs::write(path, bytes).map_err(FileError::of(path, "write"))
}

/// Makes `to` the same file as `from`; a copy where the file system knows no hard links. False if `from` is not there.
pub(crate) fn link(from: &Path, to: &Path) -> Result<bool, FileError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
    }
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(to).map_err(FileError::of(to, "replace"))?;
            fs::hard_link(from, to).map(|()| true).map_err(FileError::of(to, "link"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported) => {
            fs::copy(from, to).map(|_| true).map_err(FileError::of(to, "copy"))
        }
        Err(error) => Err(FileError::of(to, "link")(error)),
    }
}

/// The whole file; None if it is not there.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::of(path, "open")(error)),
    };
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::of(path, "read"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(FileError::of(path, "read: it is too long")(io::Error::other("too long")));
    }
    Ok(Some(bytes))
}

/// Digest and length of a file.
pub(crate) fn digest(path: &Path) -> Result<(Digest, u64), FileError> {
    let mut file = File::open(path).map_err(FileError::of(path, "open"))?;
    let (mut hasher, mut length) = (Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(FileError::of(path, "read"))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        length += bytes.len() as u64;
    }
    Ok((hasher.finish(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_the_old_file_keeps_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("a"), folder.path().join("b/c"));
        write(&old, b"one").expect("writes");
        assert!(link(&old, &new).expect("links"));
        write(&old, b"two").expect("writes");
        assert_eq!(fs::read(&new).expect("reads"), b"one");
        fill(&new, b"three").expect("writes");
        assert_eq!(fs::read(&old).expect("reads"), b"two");
        assert!(!link(&folder.path().join("none"), &new).expect("says so"));
        assert!(read(&old, 2).is_err(), "longer than allowed");
        assert_eq!(read(&folder.path().join("none"), 2).expect("says so"), None);
        assert_eq!(digest(&old).expect("reads"), (Digest::of(b"two"), 3));
    }
}
