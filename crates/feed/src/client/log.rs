//! Whether the log goes on from the one seen before.

use super::{
    SyncError,
    origin::{Length, Source},
    trusted::Trusted,
};
use crate::trust::{
    merkle::{check_consistency, prove_consistency},
    note::{Checkpoint, NOTE_BYTES_MAX},
    proof::{LogPolicy, ProofError},
    tiles::{TILE_WIDTH, TileNodes, tile_path},
    tuf,
};

/// The file of the feed that holds the log's state.
pub(super) const CHECKPOINT: &str = "log/checkpoint";
/// Bytes of a full tile.
const TILE_BYTES: u64 = 32 * TILE_WIDTH;

/// Fetches the checkpoint that the targets name, and has its tiles prove that the log begins with `known`.
pub(super) fn follow(
    source: &mut Source,
    trusted: &Trusted,
    policy: &LogPolicy,
    known: Option<Checkpoint>,
) -> Result<(String, Checkpoint), SyncError> {
    let missing = || SyncError::Missing { file: CHECKPOINT.to_owned() };
    let target = trusted.files().and_then(|files| files.get(CHECKPOINT)).ok_or_else(missing)?;
    let path = tuf::hashed_path(CHECKPOINT, &target.hashes.sha256);
    let bytes = source.get(&path, Length::Exactly(target.length.min(NOTE_BYTES_MAX as u64)))?;
    if model::Digest::of(&bytes) != target.hashes.sha256 {
        return Err(SyncError::Altered { file: CHECKPOINT.to_owned() });
    }
    let note = String::from_utf8(bytes)
        .map_err(|_| SyncError::Malformed { file: CHECKPOINT.to_owned(), what: "it is not UTF-8".to_owned() })?;
    let checkpoint = check(policy, &note)?;
    if let Some(known) = known {
        goes_on(&known, &checkpoint, &mut |path, length| source.get(path, length))?;
    }
    Ok((note, checkpoint))
}

/// The log's state, if it is signed as it must be.
pub(super) fn check(policy: &LogPolicy, note: &str) -> Result<Checkpoint, SyncError> {
    policy.check(note).map_err(|error| match error {
        ProofError::Note(error) => SyncError::Checkpoint(error),
        ProofError::Witnesses { found, needed } => SyncError::Unwitnessed { found, needed },
        other => SyncError::Malformed { file: CHECKPOINT.to_owned(), what: other.to_string() },
    })
}

/// Gives a file of the feed.
type Fetch<'a> = &'a mut dyn FnMut(&str, Length) -> Result<Vec<u8>, SyncError>;

/// Whether the log at `new` begins with the one at `known`. Tiles come from `fetch` and are believed in nothing: what they add up to is
/// a proof, or none.
pub(super) fn goes_on(known: &Checkpoint, new: &Checkpoint, fetch: Fetch<'_>) -> Result<(), SyncError> {
    if known.size > new.size {
        return Err(SyncError::Rollback { file: CHECKPOINT.to_owned(), known: known.size, offered: new.size });
    }
    let mut proof = Vec::new();
    if known.size > 0 && known.size < new.size {
        let mut nodes = TileNodes::new(new.size, |level, index, width| -> Result<Vec<u8>, SyncError> {
            let path = |width| format!("log/{}", tile_path(Some(level), index, width));
            match fetch(&path(width), Length::AtMost(TILE_BYTES)) {
                Err(SyncError::Missing { .. }) if width < TILE_WIDTH => {
                    fetch(&path(TILE_WIDTH), Length::AtMost(TILE_BYTES))
                }
                fetched => fetched,
            }
        });
        proof = prove_consistency(&mut nodes, known.size, new.size)?;
    }
    match check_consistency(known.size, &known.root, new.size, &new.root, &proof) {
        true => Ok(()),
        false => Err(SyncError::Fork { known: known.size, offered: new.size }),
    }
}
