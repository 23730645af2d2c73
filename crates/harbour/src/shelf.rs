//! What a harbour stores: blobs, manifests, tags, uploads in progress.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

/// `sha256:` and the hex digits of the digest of `bytes`.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Everything stored. Blobs are shared by all repositories, as in a real registry's storage.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) blobs: HashMap<String, Bytes>,
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) uploads: HashMap<String, Vec<u8>>,
    uploads_begun: u64,
}

#[derive(Default)]
pub(crate) struct Repository {
    /// By digest.
    pub(crate) manifests: HashMap<String, StoredManifest>,
    /// Tag to digest.
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct StoredManifest {
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

impl Shelf {
    pub(crate) fn add_blob(&mut self, bytes: Bytes) -> String {
        let digest = digest_of(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    /// `reference` is a tag, a digest, or empty for neither.
    pub(crate) fn add_manifest(&mut self, repository: &str, reference: &str, stored: StoredManifest) -> String {
        let digest = digest_of(&stored.bytes);
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), stored);
        if !reference.is_empty() && !reference.contains(':') {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        digest
    }

    /// By tag or digest, with its digest.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, StoredManifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        repository.manifests.get(digest).map(|stored| (digest.to_owned(), stored.clone()))
    }

    pub(crate) fn begin_upload(&mut self) -> String {
        self.uploads_begun += 1;
        let mut name = String::new();
        let _ = write!(name, "upload-{}", self.uploads_begun);
        self.uploads.insert(name.clone(), Vec::new());
        name
    }
}
