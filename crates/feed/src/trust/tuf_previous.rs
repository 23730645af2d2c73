//! The release before: what of it can stay.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    files,
    metadata::{Envelope, Signed, Snapshot, Target, Targets, Timestamp},
    tuf::{TufError, hashed_path},
};

/// How many generations of targets and snapshots a release holds, for clients in the middle of an update.
const GENERATIONS: u64 = 8;
/// Longest metadata file read.
const FILE_BYTES_MAX: u64 = 1 << 24;

/// A metadata file of the release before.
pub(super) struct Old<T> {
    pub(super) said: T,
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

impl<T: Signed> Old<T> {
    fn read(folder: &Path, name: &str) -> Result<Option<Self>, TufError> {
        let Some(bytes) = files::read(&folder.join(name), FILE_BYTES_MAX)? else { return Ok(None) };
        let opened = Envelope::parse(&bytes).and_then(|envelope| Ok((envelope.open()?, envelope)));
        let (said, envelope) = opened.map_err(|what| TufError::Previous { file: name.to_owned(), what })?;
        Ok(Some(Self { said, envelope, bytes }))
    }

    pub(super) fn version(&self) -> u64 {
        self.said.version()
    }

    pub(super) fn expires(&self) -> u64 {
        self.said.expires()
    }
}

pub(super) struct Previous {
    public: PathBuf,
    pub(super) timestamp: Old<Timestamp>,
    pub(super) snapshot: Old<Snapshot>,
    pub(super) targets: Old<Targets>,
}

impl Previous {
    /// None if that release has no metadata.
    pub(super) fn read(public: &Path) -> Result<Option<Self>, TufError> {
        let folder = public.join("metadata");
        let Some(timestamp) = Old::<Timestamp>::read(&folder, "timestamp.json")? else { return Ok(None) };
        let missing = |what: &str| TufError::Previous { file: what.to_owned(), what: "it is missing".to_owned() };
        let version = timestamp.said.snapshot().map(|meta| meta.version).ok_or_else(|| missing("snapshot"))?;
        let name = format!("{version}.snapshot.json");
        let snapshot = Old::<Snapshot>::read(&folder, &name)?.ok_or_else(|| missing(&name))?;
        let version = snapshot.said.targets().map(|meta| meta.version).ok_or_else(|| missing("targets"))?;
        let name = format!("{version}.targets.json");
        let targets = Old::<Targets>::read(&folder, &name)?.ok_or_else(|| missing(&name))?;
        Ok(Some(Self { public: public.to_owned(), timestamp, snapshot, targets }))
    }

    /// What was signed for `name`, if the new release has the very same file.
    pub(super) fn unchanged(&self, public: &Path, name: &str) -> Option<&Target> {
        let target = self.targets.said.targets.get(name)?;
        let (old, new) = (fs::metadata(self.public.join(name)).ok()?, fs::metadata(public.join(name)).ok()?);
        let same = old.ino() == new.ino() && old.dev() == new.dev() && new.len() == target.length;
        same.then_some(target)
    }

    /// Links the last generations of metadata and files into the new release.
    pub(super) fn carry_over(&self, public: &Path) -> Result<(), TufError> {
        let folder = self.public.join("metadata");
        let mut files_of = BTreeSet::new();
        for (role, newest) in [("snapshot", self.snapshot.version()), ("targets", self.targets.version())] {
            for version in (newest.saturating_sub(GENERATIONS - 1)..=newest).filter(|version| *version > 0) {
                let name = format!("{version}.{role}.json");
                let to = public.join("metadata").join(&name);
                if !to.exists() {
                    files::link(&folder.join(&name), &to)?;
                }
                if role == "targets"
                    && let Some(old) = Old::<Targets>::read(&folder, &name)?
                {
                    files_of
                        .extend(old.said.targets.iter().map(|(name, target)| hashed_path(name, &target.hashes.sha256)));
                }
            }
        }
        for path in files_of {
            let to = public.join(&path);
            if !to.exists() {
                files::link(&self.public.join(&path), &to)?;
            }
        }
        Ok(())
    }
}
