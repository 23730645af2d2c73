//! Manifests that were fetched lately, by digest: bytes only, never a decision, so what is listed later is refused later.
//!
//! Keyed by repository too: that the operator's login may read one repository says nothing of another.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::Digest;
use registry::RawManifest;

/// Bytes kept at most, and the longest manifest that is kept: ten thousand of the usual size.
const BYTES_MAX: usize = 32 << 20;
const ONE_BYTES_MAX: usize = 1 << 20;

/// Registry and repository, then the digest.
type Key = (String, Digest);

#[derive(Default)]
pub(super) struct Manifests {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<Key, RawManifest>,
    /// Oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Manifests {
    pub(super) fn get(&self, name: &str, digest: &Digest) -> Option<RawManifest> {
        self.kept().by_key.get(&(name.to_owned(), *digest)).cloned()
    }

    pub(super) fn keep(&self, name: &str, manifest: &RawManifest) {
        let key = (name.to_owned(), manifest.digest);
        let mut kept = self.kept();
        if manifest.bytes.len() > ONE_BYTES_MAX || kept.by_key.contains_key(&key) {
            return;
        }
        kept.bytes += manifest.bytes.len();
        kept.by_key.insert(key.clone(), manifest.clone());
        kept.order.push_back(key);
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            let length = kept.by_key.remove(&oldest).map_or(0, |manifest| manifest.bytes.len());
            kept.bytes = kept.bytes.saturating_sub(length);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(seed: u8) -> RawManifest {
        let bytes = vec![seed; ONE_BYTES_MAX];
        RawManifest { digest: Digest::of(&bytes), bytes, content_type: None }
    }

    #[test]
    fn the_oldest_make_room() {
        let manifests = Manifests::default();
        for seed in 0..40 {
            manifests.keep("a/b", &manifest(seed));
        }
        assert!(manifests.get("a/b", &manifest(0).digest).is_none());
        assert!(manifests.get("a/b", &manifest(39).digest).is_some());
        assert!(manifests.kept().bytes <= BYTES_MAX);
    }

    #[test]
    fn one_repository_does_not_open_another() {
        let manifests = Manifests::default();
        manifests.keep("quay.io/private/a", &manifest(1));
        assert!(manifests.get("quay.io/public/a", &manifest(1).digest).is_none());
    }
}
