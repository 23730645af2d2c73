//! `feed.json`: what a release is, in one small file.

use std::{fs::File, io::Read as _, path::Path};

use model::Digest;
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, List, Status};

/// Name and version of its JSON.
pub const SCHEMA: &str = "lazaret.feed-info/1";
/// Longest one read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a release says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// [`SCHEMA`].
    pub schema: String,
    /// The feed's name.
    pub name: String,
    /// Where it is served.
    pub base_url: String,
    /// What wrote it: a release of another generator is not built upon.
    pub generator: String,
    /// Number of changes so far.
    pub sequence: u64,
    /// When it was published: RFC 3339, UTC.
    pub published_at: String,
    /// From when on a client should refuse it: RFC 3339, UTC.
    pub expires_at: String,
    /// All entries, whatever their status.
    pub entries: u64,
    /// Active ones to block.
    pub block: u64,
    /// Active ones to advise on.
    pub advise: u64,
    /// The log.
    pub log: LogInfo,
    /// For `minisign -P`.
    pub minisign_key: String,
    /// Names of the forms it is published in.
    pub forms: Vec<String>,
}

/// The log as the release has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// Leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Digest,
    /// Its verifier key, as C2SP signed-note writes it.
    pub key: String,
}

impl Info {
    /// Of a release's folder; none if it has none that can be read.
    #[must_use]
    pub fn read(release: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
        File::open(release.join("feed.json")).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Counts entries.
    pub(super) fn count(&mut self, entries: &[Entry]) {
        let active = |list| entries.iter().filter(|it| it.status == Status::Active && it.list == list).count() as u64;
        (self.entries, self.block, self.advise) = (entries.len() as u64, active(List::Block), active(List::Advise));
    }
}
