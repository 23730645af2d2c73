//! Remembers which paths a layer has written, to tell when a later entry means something else than it says.
//!
//! Paths are kept as 56 bits of a keyed hash: 9 bytes a path, so that millions of them fit.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
};

use model::{EntryKind, ProblemKind};

use crate::{Entry, limits::Problems, path};

type Key = [u8; 7];

/// Most steps spent on following links through a whole layer.
const STEPS_MAX: u32 = 4_000_000;
/// Most symbolic links remembered: with all of them a flood of links stays under 100 MB.
const LINKS_MAX: usize = 500_000;
/// Most links followed from one (Linux: `MAXSYMLINKS`).
const CHAIN_MAX: u32 = 40;

/// The paths of a layer so far.
#[derive(Default)]
pub(crate) struct Places {
    kinds: HashMap<Key, EntryKind, BuildHasherDefault<Taken>>,
    links: HashMap<Key, Key, BuildHasherDefault<Taken>>,
    keyed: RandomState,
    steps: u32,
    is_full: bool,
    /// The folder looked at last, and whether it or one above it is a symbolic link.
    folder: (String, bool),
}

impl Places {
    /// Compares `entry` with those before it, notes what is odd, and remembers it.
    pub(crate) fn note(&mut self, entry: &Entry, problems: &mut Problems) {
        if entry.kind == EntryKind::Opaque {
            return;
        }
        let key = self.key(&entry.path);
        let kind = if entry.kind == EntryKind::Hardlink { EntryKind::File } else { entry.kind };
        if let Some(before) = self.kinds.insert(key, kind)
            && before != kind
        {
            problems.note(ProblemKind::Ambiguous, &entry.path, || {
                format!("the same path occurs as {before:?} and as {kind:?} in one layer")
            });
        }
        if !self.links.is_empty() {
            if kind != EntryKind::Symlink {
                self.links.remove(&key);
            }
            if self.is_through_link(path::split(&entry.path).0) {
                problems.note(ProblemKind::UnsafeEntry, &entry.path, || {
                    "a folder of this path is a symbolic link of the same layer: it is written elsewhere".to_owned()
                });
            }
        }
        if kind == EntryKind::Symlink {
            self.note_link(key, entry, problems);
        }
    }

    fn note_link(&mut self, key: Key, entry: &Entry, problems: &mut Problems) {
        let mut target = path::split(&entry.path).0.to_owned();
        let odd = path::join(&mut target, entry.link.as_deref().unwrap_or_default().as_bytes());
        if odd.climbs {
            problems.note(ProblemKind::UnsafeEntry, &entry.path, || "the link leads out of the root".to_owned());
        }
        let first = self.key(&target);
        if self.links.len() >= LINKS_MAX {
            if !std::mem::replace(&mut self.is_full, true) {
                problems.note(ProblemKind::UnsafeEntry, &entry.path, || {
                    format!("from here on links are not followed: the layer has over {LINKS_MAX} of them")
                });
            }
            return;
        }
        self.links.insert(key, first);
        self.folder.0.clear();
        self.folder.1 = false;
        let mut next = Some(first);
        for _ in 0..CHAIN_MAX {
            let Some(link) = next else { break };
            if link == key {
                problems.note(ProblemKind::UnsafeEntry, &entry.path, || "the link leads back to itself".to_owned());
                break;
            }
            if self.steps >= STEPS_MAX {
                break;
            }
            self.steps += 1;
            next = self.links.get(&link).copied();
        }
    }

    fn is_through_link(&mut self, folder: &str) -> bool {
        if self.folder.0 != folder {
            let mut ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
            self.folder.1 = ends.any(|end| {
                let key = self.key(folder.get(..end).unwrap_or_default());
                self.links.contains_key(&key)
            });
            self.folder.0.clear();
            self.folder.0.push_str(folder);
        }
        self.folder.1 && !folder.is_empty()
    }

    fn key(&self, path: &str) -> Key {
        let [key @ .., _] = self.keyed.hash_one(path).to_le_bytes();
        key
    }
}

/// Takes a [`Key`] as the hash that it is.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        // The table uses the top bits too, and a key leaves those empty.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
