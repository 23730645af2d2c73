//! Writes the TUF repository of a release: `metadata/` and `targets/`.
//!
//! Consistent snapshots: a client in the middle of an update finds what its snapshot names, though a newer release was switched to. So the
//! last few generations stay, as hard links. What has not changed is not signed again, but for the timestamp.
//! Source: the TUF specification 1.0.31, sections 3 and 6.2.

use std::{collections::BTreeMap, path::Path};

use model::Digest;
use serde_json::{Value, json};

use super::{
    files::{self, FileError},
    keys::Keys,
    metadata::{Envelope, Hashes, RoleName, Root, Target, head, sign},
    tuf_previous::Previous,
};

/// Most files of a feed.
pub(crate) const TARGETS_MAX: usize = 8192;

/// A file of the feed that clients fetch by TUF: its name below `public/`, like `shards/00.bin`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetFile(pub String);

/// Why the metadata was not written.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// A name that could leave the folder, or that clients would not take.
    #[error("{0:?} is no name for a file of the feed: plain lower-case parts, parted by /")]
    Name(String),
    /// More files than clients take.
    #[error("the feed has {0} files; clients take {TARGETS_MAX}")]
    TooMany(usize),
    /// The previous release is damaged.
    #[error("the previous release: {file}: {what}")]
    Previous {
        /// Which file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Whether a client takes a file of this name.
pub(crate) fn is_target_name(name: &str) -> bool {
    let plain = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        !part.is_empty() && part.bytes().all(fits) && part != "." && part != ".."
    };
    name.len() <= 200 && name.split('/').all(plain)
}

/// Where a file lies by its hash, below `public/`: `targets/shards/HASH.00.bin`.
pub(crate) fn hashed_path(name: &str, digest: &Digest) -> String {
    match name.rsplit_once('/') {
        Some((folder, base)) => format!("targets/{folder}/{}.{base}", digest.hex()),
        None => format!("targets/{}.{name}", digest.hex()),
    }
}

/// Signs the release in the making at `public` for a clock that shows `now` (seconds since 1970). `targets` are there already;
/// `previous` is the release before, if there was one.
///
/// # Errors
///
/// [`TufError`]. What was written by then is no repository: the release is not to be switched to.
pub fn write_tuf(
    public: &Path,
    previous: Option<&Path>,
    targets: &[TargetFile],
    keys: &Keys,
    now: u64,
) -> Result<(), TufError> {
    if targets.len() > TARGETS_MAX {
        return Err(TufError::TooMany(targets.len()));
    }
    let before = previous.map(Previous::read).transpose()?.flatten();
    let mut listed = BTreeMap::new();
    for TargetFile(name) in targets {
        if !is_target_name(name) {
            return Err(TufError::Name(name.clone()));
        }
        let known = before.as_ref().and_then(|before| before.unchanged(public, name));
        let target = match known {
            Some(target) => target.clone(),
            None => {
                let (sha256, length) = files::digest(&public.join(name))?;
                Target { length, hashes: Hashes { sha256 } }
            }
        };
        files::link(&public.join(name), &public.join(hashed_path(name, &target.hashes.sha256)))?;
        listed.insert(name.clone(), target);
    }
    let signer = Signer { public, before: before.as_ref(), root: newest_root(keys), now };
    let targets = signer.targets(&listed, keys)?;
    let snapshot = signer.snapshot(&targets, keys)?;
    signer.timestamp(&snapshot, keys)?;
    for (version, root) in &keys.roots {
        files::fill(&public.join(format!("metadata/{version}.root.json")), root)?;
    }
    match before {
        Some(before) => before.carry_over(public),
        None => Ok(()),
    }
}

fn newest_root(keys: &Keys) -> Option<Root> {
    let (_, bytes) = keys.roots.last()?;
    Root::open(&Envelope::parse(bytes).ok()?).ok()
}

/// A metadata file as the next one names it.
struct Written {
    version: u64,
    bytes: Vec<u8>,
}

impl Written {
    fn meta(&self) -> Value {
        let sha256 = Digest::of(&self.bytes).hex();
        json!({ "version": self.version, "length": self.bytes.len(), "hashes": { "sha256": sha256 } })
    }
}

struct Signer<'a> {
    public: &'a Path,
    before: Option<&'a Previous>,
    root: Option<Root>,
    now: u64,
}

impl Signer<'_> {
    fn targets(&self, listed: &BTreeMap<String, Target>, keys: &Keys) -> Result<Written, TufError> {
        let old = self.before.map(|before| &before.targets);
        let life = keys.lifetimes.targets;
        if let Some(old) = old
            && old.said.targets == *listed
            && self.holds(&old.envelope, RoleName::Targets, old.expires(), life)
        {
            return self.write("targets", old.version(), old.bytes.clone());
        }
        let version = old.map_or(1, |old| old.version() + 1);
        let mut signed = head(RoleName::Targets, version, self.now + life);
        let files: BTreeMap<_, _> = listed
            .iter()
            .map(|(name, target)| {
                (name, json!({ "length": target.length, "hashes": { "sha256": target.hashes.sha256.hex() } }))
            })
            .collect();
        signed["targets"] = json!(files);
        self.write("targets", version, sign(&signed, [&keys.targets]))
    }

    fn snapshot(&self, targets: &Written, keys: &Keys) -> Result<Written, TufError> {
        let old = self.before.map(|before| &before.snapshot);
        let life = keys.lifetimes.snapshot;
        if let Some(old) = old
            && old.said.targets().is_some_and(|meta| meta.version == targets.version)
            && self.holds(&old.envelope, RoleName::Snapshot, old.expires(), life)
        {
            return self.write("snapshot", old.version(), old.bytes.clone());
        }
        let version = old.map_or(1, |old| old.version() + 1);
        let mut signed = head(RoleName::Snapshot, version, self.now + life);
        signed["meta"] = json!({ "targets.json": targets.meta() });
        self.write("snapshot", version, sign(&signed, [&keys.snapshot]))
    }

    fn timestamp(&self, snapshot: &Written, keys: &Keys) -> Result<(), TufError> {
        let version = self.before.map_or(1, |before| before.timestamp.version() + 1);
        let mut signed = head(RoleName::Timestamp, version, self.now + keys.lifetimes.timestamp);
        signed["meta"] = json!({ "snapshot.json": snapshot.meta() });
        let bytes = sign(&signed, [&keys.timestamp]);
        Ok(files::fill(&self.public.join("metadata/timestamp.json"), &bytes)?)
    }

    /// Whether an older file can stay: today's keys signed it, and more than half of its life is left.
    fn holds(&self, envelope: &Envelope, role: RoleName, expires: u64, life: u64) -> bool {
        let signed = self.root.as_ref().is_some_and(|root| envelope.votes(root, role).suffice());
        signed && expires > self.now + life / 2 && expires <= self.now + life
    }

    fn write(&self, role: &str, version: u64, bytes: Vec<u8>) -> Result<Written, TufError> {
        files::fill(&self.public.join(format!("metadata/{version}.{role}.json")), &bytes)?;
        Ok(Written { version, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        for name in ["feed.json", "shards/00.bin", "log/checkpoint", "a/b-c_d/e.1"] {
            assert!(is_target_name(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "Upper", "a b", "a\\b", "ü", "a/./b"] {
            assert!(!is_target_name(name), "{name}");
        }
    }
}
