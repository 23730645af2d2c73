//! One synchronisation, from the root to the switch.

use std::path::Path;

use serde::Deserialize;

use super::{
    Origin, SyncError, SyncOptions, SyncReport, log,
    memory::{METADATA_BYTES_MAX, Memory, first_trust},
    origin::{Length, Source},
    release,
    trusted::Trusted,
};
use crate::trust::{
    metadata::{MetaFile, Signed as _},
    note::Checkpoint,
    proof::LogPolicy,
};

/// Source of this and the next two: python-tuf, `ngclient/config.py`.
pub(super) const ROOTS_MAX: u64 = 256;
pub(super) const ROOT_BYTES_MAX: u64 = 512_000;
pub(super) const TIMESTAMP_BYTES_MAX: u64 = 16_384;
/// Longest `feed.json`.
pub(super) const FEED_BYTES_MAX: u64 = 1 << 16;

/// What `feed.json` says of the log.
#[derive(Debug, Deserialize)]
pub(super) struct FeedFile {
    pub(super) sequence: u64,
    pub(super) log: FeedLog,
}

#[derive(Debug, Deserialize)]
pub(super) struct FeedLog {
    pub(super) size: u64,
    pub(super) root: model::Digest,
}

impl FeedFile {
    /// Reads it, and holds it against the log.
    pub(super) fn read(bytes: &[u8], checkpoint: &Checkpoint) -> Result<Self, SyncError> {
        let file = || "feed.json".to_owned();
        let feed: Self = serde_json::from_slice(bytes)
            .map_err(|error| SyncError::Malformed { file: file(), what: error.to_string() })?;
        if (feed.log.size, feed.log.root) != (checkpoint.size, checkpoint.root) || feed.sequence != checkpoint.size {
            let what = format!("it is of {} changes, the checkpoint of {}", feed.log.size, checkpoint.size);
            return Err(SyncError::Contradiction { file: file(), what });
        }
        Ok(feed)
    }
}

/// Mirrors the feed at `from` into `to`, for a clock that shows `now` (seconds since 1970).
///
/// `to/current` is the last release that was believed, in the published layout; it is switched in one step. Files that have not changed are
/// not fetched but hard links of the release before. An error changes nothing that a reader of `to/current` sees.
///
/// # Errors
///
/// [`SyncError`]; [`SyncError::reason`] names it.
pub fn sync(from: &Origin, to: &Path, now: u64, options: &SyncOptions) -> Result<SyncReport, SyncError> {
    let memory = Memory::open(to)?;
    let mut source = Source::open(from, options)?;
    let mut fetch = |file: &str| source.get(file, Length::AtMost(ROOT_BYTES_MAX));
    let mut trusted = first_trust(&memory, &options.root, &mut fetch)?;

    follow_roots(&mut trusted, &mut fetch, now)?;
    memory.remember("root.json", &trusted.root.bytes)?;
    follow_metadata(&mut source, &mut trusted, now, &mut |name, bytes| memory.remember(name, bytes))?;

    let policy = policy(&trusted, options)?;
    let (note, checkpoint) = log::follow(&mut source, &trusted, &policy, memory.checkpoint()?)?;
    memory.remember("checkpoint", note.as_bytes())?;

    let made = release::make(&mut source, &trusted, &memory, &checkpoint, options.audit)?;
    if made.changed {
        memory.switch()?;
    }
    Ok(SyncReport {
        sequence: checkpoint.size,
        changed: made.changed,
        files_fetched: source.files,
        bytes_fetched: source.bytes,
        files_kept: made.files_kept,
        expires_at: trusted.expires_at(),
        root_version: trusted.root.said.version(),
        version: trusted.timestamp.as_ref().map_or(0, |timestamp| timestamp.said.version()),
    })
}

/// Every root since the one believed (5.3).
pub(super) fn follow_roots(
    trusted: &mut Trusted,
    fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>, SyncError>,
    now: u64,
) -> Result<(), SyncError> {
    for _ in 0..ROOTS_MAX {
        match fetch(&format!("metadata/{}.root.json", trusted.root.said.version() + 1)) {
            Ok(bytes) => trusted.next_root(bytes)?,
            Err(SyncError::Missing { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    trusted.root_lives(now)
}

/// Takes a file's name and content.
type Remember<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<(), SyncError>;

/// Timestamp, snapshot, targets; each is handed to `remember` once it is believed.
pub(super) fn follow_metadata(
    source: &mut Source,
    trusted: &mut Trusted,
    now: u64,
    remember: Remember<'_>,
) -> Result<(), SyncError> {
    let bytes = source.get("metadata/timestamp.json", Length::AtMost(TIMESTAMP_BYTES_MAX))?;
    trusted.next_timestamp(bytes, now)?;
    if let Some(timestamp) = &trusted.timestamp {
        remember("timestamp.json", &timestamp.bytes)?;
    }
    let named = trusted.named_snapshot().cloned();
    let bytes = get_named(source, "snapshot", named.as_ref())?;
    trusted.next_snapshot(bytes, now)?;
    if let Some(snapshot) = &trusted.snapshot {
        remember("snapshot.json", &snapshot.bytes)?;
    }
    let named = trusted.named_targets().cloned();
    let bytes = get_named(source, "targets", named.as_ref())?;
    trusted.next_targets(bytes, now)?;
    trusted.targets.as_ref().map_or(Ok(()), |targets| remember("targets.json", &targets.bytes))
}

fn get_named(source: &mut Source, role: &str, named: Option<&MetaFile>) -> Result<Vec<u8>, SyncError> {
    let named = named.ok_or_else(|| SyncError::Missing { file: format!("{role}.json") })?;
    // Room for another state's file in this one's place: its digest tells what was done.
    let room = named.length.unwrap_or(METADATA_BYTES_MAX).saturating_mul(2).saturating_add(4096);
    let length = Length::AtMost(room.min(METADATA_BYTES_MAX));
    source.get(&format!("metadata/{}.{role}.json", named.version), length)
}

fn policy(trusted: &Trusted, options: &SyncOptions) -> Result<LogPolicy, SyncError> {
    let log = trusted.root.said.own.log.parse();
    let log = log.map_err(|what| SyncError::Malformed { file: "root.json".to_owned(), what })?;
    Ok(LogPolicy { log, witnesses: options.witnesses.clone(), witnesses_min: options.witnesses_min })
}
