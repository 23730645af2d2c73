//! What a client remembers: what it believed last (`trusted/`), and the releases it made of it (`releases/N`, `current`).
//!
//! Both only ever go on. `trusted/` is written before the release is switched to, a file at a time: killed in between, the next run finds
//! that it has seen something it does not have yet, and fetches it. A release that is not complete has no number.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{FirstTrust, SyncError, trusted::Trusted};
use crate::trust::{
    FileError, files,
    note::{Checkpoint, NOTE_BYTES_MAX, Note},
};

/// How many releases stay: the current one, and one before for whoever is reading it.
const RELEASES_KEPT: usize = 2;
/// Longest metadata file.
pub(super) const METADATA_BYTES_MAX: u64 = 1 << 24;
/// The release in the making.
const INCOMING: &str = "incoming";

pub(super) struct Memory {
    folder: PathBuf,
    _lock: File,
}

impl Memory {
    /// Takes the folder for this process alone.
    pub(super) fn open(folder: &Path) -> Result<Self, SyncError> {
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
        let path = folder.join(".lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(FileError::of(&path, "open"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(SyncError::Busy),
            Err(fs::TryLockError::Error(error)) => return Err(FileError::of(&path, "lock")(error).into()),
        }
        let memory = Self { folder: folder.to_owned(), _lock: lock };
        memory.remove(&memory.releases().join(INCOMING))?;
        Ok(memory)
    }

    /// What was believed; None if nothing was.
    pub(super) fn recall(&self) -> Result<Option<Trusted>, SyncError> {
        let read = |name: &str| files::read(&self.folder.join("trusted").join(name), METADATA_BYTES_MAX);
        let Some(root) = read("root.json")? else { return Ok(None) };
        let mut trusted = Trusted::from_root(root)?;
        trusted.recall(read("timestamp.json")?, read("snapshot.json")?, read("targets.json")?);
        Ok(Some(trusted))
    }

    /// The log's state that was believed.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, SyncError> {
        let path = self.folder.join("trusted/checkpoint");
        let Some(bytes) = files::read(&path, NOTE_BYTES_MAX as u64)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let checkpoint = Note::parse(&text).and_then(|note| Checkpoint::parse(note.text));
        checkpoint.map(Some).map_err(SyncError::Checkpoint)
    }

    pub(super) fn remember(&self, name: &str, bytes: &[u8]) -> Result<(), SyncError> {
        let path = self.folder.join("trusted").join(name);
        if files::read(&path, METADATA_BYTES_MAX)?.as_deref() != Some(bytes) {
            files::write(&path, bytes)?;
        }
        Ok(())
    }

    fn releases(&self) -> PathBuf {
        self.folder.join("releases")
    }

    pub(super) fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// An empty folder for the next release.
    pub(super) fn incoming(&self) -> Result<PathBuf, SyncError> {
        let path = self.releases().join(INCOMING);
        self.remove(&path)?;
        fs::create_dir_all(&path).map_err(FileError::of(&path, "make the folder"))?;
        Ok(path)
    }

    /// Makes the incoming release the current one, in one step, and removes old ones.
    pub(super) fn switch(&self) -> Result<(), SyncError> {
        let mut numbers = self.numbers()?;
        let number = numbers.last().map_or(1, |last| last + 1);
        let (releases, incoming) = (self.releases(), self.releases().join(INCOMING));
        flush_folders(&incoming)?;
        let release = releases.join(number.to_string());
        fs::rename(&incoming, &release).map_err(FileError::of(&release, "name the release"))?;
        let new = self.folder.join("current.new");
        self.remove(&new)?;
        symlink(Path::new("releases").join(number.to_string()), &new).map_err(FileError::of(&new, "link"))?;
        let current = self.current();
        fs::rename(&new, &current).map_err(FileError::of(&current, "switch"))?;
        for folder in [&releases, &self.folder] {
            flush(folder)?;
        }
        numbers.push(number);
        let old = numbers.len().saturating_sub(RELEASES_KEPT);
        numbers.iter().take(old).try_for_each(|number| self.remove(&releases.join(number.to_string())))
    }

    fn numbers(&self) -> Result<Vec<u64>, SyncError> {
        let folder = self.releases();
        let items = fs::read_dir(&folder).map_err(FileError::of(&folder, "list"))?;
        let names = items.filter_map(|item| item.ok()?.file_name().into_string().ok());
        let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn remove(&self, path: &Path) -> Result<(), SyncError> {
        let removed = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(_) => Ok(()),
        };
        Ok(removed.map_err(FileError::of(path, "remove"))?)
    }
}

/// The names of the files; their content was flushed as they were written.
fn flush_folders(folder: &Path) -> Result<(), FileError> {
    for item in fs::read_dir(folder).map_err(FileError::of(folder, "list"))? {
        let item = item.map_err(FileError::of(folder, "list"))?;
        if item.file_type().is_ok_and(|kind| kind.is_dir()) {
            flush_folders(&item.path())?;
        }
    }
    flush(folder)
}

fn flush(folder: &Path) -> Result<(), FileError> {
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(FileError::of(folder, "flush"))
}

/// The first root: from memory, as given, or from the feed if its digest is the one given.
pub(super) fn first_trust(
    memory: &Memory,
    given: &FirstTrust,
    fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>, SyncError>,
) -> Result<Trusted, SyncError> {
    if let Some(trusted) = memory.recall()? {
        return Ok(trusted);
    }
    let bytes = given_root(given, fetch)?;
    Trusted::from_root(bytes)
}

pub(super) fn given_root(
    given: &FirstTrust,
    fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>, SyncError>,
) -> Result<Vec<u8>, SyncError> {
    match given {
        FirstTrust::Memory => Err(SyncError::NoTrust),
        FirstTrust::Root(bytes) => Ok(bytes.clone()),
        FirstTrust::Fingerprint(expected) => {
            let bytes = fetch("metadata/1.root.json")?;
            let offered = model::Digest::of(&bytes);
            match offered == *expected {
                true => Ok(bytes),
                false => Err(SyncError::OtherRoot { offered: offered.to_string(), expected: expected.to_string() }),
            }
        }
    }
}
