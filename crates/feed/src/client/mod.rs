//! The verifying client: mirrors a published feed into a folder that a gate can rely on, and checks a folder offline.
//!
//! A feed is believed only as a whole, and only if it goes on from what this client believed before:
//!
//! 1. the root it was given, and every root since, each signed by the one before (TUF);
//! 2. timestamp, snapshot and targets in that chain, none older than the last seen, none expired;
//! 3. the log's checkpoint, signed by the log (and by witnesses, if asked for), and by its tiles proven to begin with the last seen one;
//! 4. `feed.json`, which must say what the log says;
//! 5. the files, of the length and digest signed.
//!
//! Every refusal has a name ([`SyncError::reason`]), and leaves what was believed before as it was.

mod audit;
mod error;
mod fetch;
mod log;
mod memory;
mod origin;
mod release;
#[cfg(test)]
pub(crate) mod testing;
mod trusted;
mod verify;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod hostile_bytes;
#[cfg(test)]
mod log_attacks;
#[cfg(test)]
mod sudden_ends;

pub use error::SyncError;
pub use fetch::sync;
pub use origin::Origin;
pub use verify::{VerifyOptions, VerifyReport, verify};

use std::time::Duration;

use model::Digest;

use crate::trust::note::VerifierKey;

/// What a client believes before it has believed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstTrust {
    /// Only what the folder remembers.
    Memory,
    /// This root: the content of a `N.root.json` that came another way.
    Root(Vec<u8>),
    /// The feed's `1.root.json`, if it has this digest.
    Fingerprint(Digest),
}

/// How to synchronise.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// What to believe in an empty folder.
    pub root: FirstTrust,
    /// Witnesses that are trusted.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have signed the log's state.
    pub witnesses_min: usize,
    /// Also mirrors the whole log, checks every change in it, and that the entries are what the changes add up to.
    pub audit: bool,
    /// How long a small file may take; a long one more, by 64 KiB/s.
    pub timeout: Duration,
    /// Like `http://proxy.example.org:3128`.
    pub proxy: Option<String>,
}

impl SyncOptions {
    /// From `root` on, without witnesses.
    #[must_use]
    pub fn new(root: FirstTrust) -> Self {
        let timeout = Duration::from_secs(30);
        Self { root, witnesses: Vec::new(), witnesses_min: 0, audit: false, timeout, proxy: None }
    }
}

/// What a synchronisation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReport {
    /// How many changes the feed now is made of.
    pub sequence: u64,
    /// Whether the folder now holds another release.
    pub changed: bool,
    /// Files that were fetched, metadata and tiles among them.
    pub files_fetched: u64,
    /// Their bytes.
    pub bytes_fetched: u64,
    /// Files that the last release had already.
    pub files_kept: u64,
    /// When the feed can no longer be believed: seconds since 1970.
    pub expires_at: u64,
    /// Version of the root it rests on.
    pub root_version: u64,
    /// Version of the timestamp.
    pub version: u64,
}
