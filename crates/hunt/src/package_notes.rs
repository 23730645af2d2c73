//! Keeps what the package databases of one layer say while it is read, and puts it in order when all entries are known.

use std::collections::HashMap;

use inspect::packages;
use model::{EntryDigests, EntryKind, EntryRecord, FileKind, LayerPackages, PackageDatabase};

/// Files that the databases of one layer may list together; a desktop's list 400,000.
const LISTED_MAX: usize = 1_000_000;

/// What the workers noted.
#[derive(Default)]
pub(crate) struct PackageNotes {
    databases: Vec<PackageDatabase>,
    digests: Vec<EntryDigests>,
    listed: usize,
}

/// What one file gives; made outside the lock.
pub(crate) struct Note {
    database: Option<PackageDatabase>,
    digests: Option<EntryDigests>,
}

impl Note {
    /// `whole` is none for the first window of a long file.
    pub(crate) fn of(path: &str, kind: FileKind, whole: Option<&[u8]>) -> Self {
        let digests = whole.and_then(|bytes| packages::digests(path, kind, bytes));
        Self { database: packages::database(path, whole), digests }
    }
}

impl PackageNotes {
    pub(crate) fn take(&mut self, entry: u32, note: Note) {
        self.digests.extend(note.digests.map(|digests| EntryDigests { entry, ..digests }));
        let Some(mut database) = note.database else { return };
        database.entry = entry;
        self.listed += database.packages.iter().map(|package| package.files.len()).sum::<usize>();
        if self.listed > LISTED_MAX {
            // Whoever came first must not matter, so nobody's list is kept: see `finish`.
            database.packages = Vec::new();
        }
        self.databases.push(database);
    }

    /// In the order of `entries`, whatever order the workers had.
    pub(crate) fn finish(mut self, entries: &[EntryRecord]) -> LayerPackages {
        self.databases.sort_by_key(|database| database.entry);
        self.digests.sort_by_key(|digests| digests.entry);
        if self.listed > LISTED_MAX {
            for database in &mut self.databases {
                database.packages = Vec::new();
                let listed = self.listed;
                database.unread =
                    Some(format!("the layer's databases list {listed} files, at most {LISTED_MAX} are kept"));
            }
        }
        if !self.databases.is_empty() {
            let files = entries.iter().zip(0..).filter(|(entry, _)| entry.kind == EntryKind::File);
            let numbers: HashMap<&str, u32> =
                files.map(|(entry, number)| (packages::merged(&entry.path), number)).collect();
            let is_list = |entry: u32| entries.get(entry as usize).is_some_and(|entry| packages::is_list(&entry.path));
            packages::resolve(&mut self.databases, is_list, |path| numbers.get(path).copied());
        }
        LayerPackages { databases: self.databases, digests: self.digests }
    }
}
