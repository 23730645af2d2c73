//! A `.tlog-proof`: one text file that shows, offline, that a change stands in the log.
//!
//! Ours carry the change itself as `extra`, so that nothing else is needed: it is believed because it is what was proven.
//! Source: C2SP tlog-proof@v1.

use std::{fmt::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Digest;

use super::{
    files::{self, FileError},
    merkle::{PROOF_MAX, check_inclusion, leaf_hash, prove_inclusion},
    note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, VerifierKey, decimal},
    tiles::{NoTile, TILE_WIDTH, TileNodes, leaves, tile_path, tile_width},
};
use crate::entry::{Change, EntryId};

const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Whose word counts for a log.
#[derive(Debug, Clone)]
pub struct LogPolicy {
    /// The log.
    pub log: VerifierKey,
    /// Witnesses that are trusted.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have seen it.
    pub witnesses_min: usize,
}

impl LogPolicy {
    /// The log alone.
    #[must_use]
    pub fn of_log(log: VerifierKey) -> Self {
        Self { log, witnesses: Vec::new(), witnesses_min: 0 }
    }

    /// The checkpoint of `note`, if the log and enough witnesses signed it.
    ///
    /// # Errors
    ///
    /// [`ProofError::Note`], [`ProofError::Origin`], [`ProofError::Witnesses`].
    pub fn check(&self, note: &str) -> Result<Checkpoint, ProofError> {
        let note = Note::parse(note).map_err(ProofError::Note)?;
        note.verified_by(&self.log).map_err(ProofError::Note)?;
        let checkpoint = Checkpoint::parse(note.text).map_err(ProofError::Note)?;
        if checkpoint.origin != self.log.name {
            return Err(ProofError::Origin { theirs: checkpoint.origin, ours: self.log.name.clone() });
        }
        let mut found: Vec<_> = self
            .witnesses
            .iter()
            .filter(|witness| note.verified_by(witness).is_ok())
            .map(|witness| witness.key)
            .collect();
        found.sort_unstable();
        found.dedup();
        if found.len() < self.witnesses_min {
            return Err(ProofError::Witnesses { found: found.len(), needed: self.witnesses_min });
        }
        Ok(checkpoint)
    }
}

/// Why a proof is not one.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It cannot be read.
    #[error("it is no tlog-proof: {0}")]
    Malformed(&'static str),
    /// The checkpoint is not believed.
    #[error("the checkpoint: {0}")]
    Note(#[source] NoteError),
    /// It is another log's.
    #[error("the checkpoint is of the log {theirs:?}, not of {ours:?}")]
    Origin {
        /// What it says.
        theirs: String,
        /// What is trusted.
        ours: String,
    },
    /// Too few witnesses have seen this state of the log.
    #[error("{found} of the trusted witnesses have signed the checkpoint; {needed} are needed")]
    Witnesses {
        /// How many did.
        found: usize,
        /// How many must.
        needed: usize,
    },
    /// The leaf is not where the proof says.
    #[error("the log does not have this change as number {index}")]
    NotIncluded {
        /// Where it should be.
        index: u64,
    },
    /// There is no such leaf.
    #[error("the log has {size} changes; there is no number {index}")]
    OutOfRange {
        /// Asked for.
        index: u64,
        /// Of the log.
        size: u64,
    },
    /// A tile is missing or not one.
    #[error(transparent)]
    Tile(#[from] NoTile),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The bytes of a tile of the log in the folder `log`; of a partial one that is gone, the full one.
pub(crate) fn read_tile(log: &Path, level: Option<u8>, index: u64, width: u64) -> Result<Option<Vec<u8>>, FileError> {
    const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * (2 + 65_535);
    match files::read(&log.join(tile_path(level, index, width)), BUNDLE_BYTES_MAX)? {
        None if width < TILE_WIDTH => files::read(&log.join(tile_path(level, index, TILE_WIDTH)), BUNDLE_BYTES_MAX),
        found => Ok(found),
    }
}

/// The log's state as the published folder says it: nothing is believed.
fn published(public: &Path) -> Result<(String, Checkpoint), ProofError> {
    let bytes = files::read(&public.join("log/checkpoint"), NOTE_BYTES_MAX as u64)?.unwrap_or_default();
    let note = String::from_utf8(bytes).map_err(|_| ProofError::Malformed("the checkpoint is not UTF-8"))?;
    let checkpoint = Note::parse(&note).and_then(|note| Checkpoint::parse(note.text)).map_err(ProofError::Note)?;
    Ok((note, checkpoint))
}

/// The leaves of bundle `number` in a log of `size`.
fn bundle(public: &Path, number: u64, size: u64) -> Result<Vec<u8>, ProofError> {
    let width = tile_width(0, number, size);
    let path = || tile_path(None, number, width);
    Ok(read_tile(&public.join("log"), None, number, width)?.ok_or_else(|| NoTile { path: path(), width })?)
}

/// Number of the last change of entry `id`; None if it was never logged. Reads the log from its end.
///
/// # Errors
///
/// [`ProofError`].
pub fn last_change(public: &Path, id: EntryId) -> Result<Option<u64>, ProofError> {
    let (_, checkpoint) = published(public)?;
    for number in (0..checkpoint.size.div_ceil(TILE_WIDTH)).rev() {
        let bytes = bundle(public, number, checkpoint.size)?;
        let found = leaves(&bytes).ok_or(ProofError::Malformed("a bundle of the log is damaged"))?;
        let is_of = |leaf: &&[u8]| serde_json::from_slice::<Change>(leaf).is_ok_and(|change| change.entry.id == id);
        if let Some(at) = found.iter().rposition(is_of) {
            return Ok(Some(number * TILE_WIDTH + at as u64));
        }
    }
    Ok(None)
}

/// Writes the proof for change `index` from the published folder.
///
/// # Errors
///
/// [`ProofError`].
pub fn prove(public: &Path, index: u64) -> Result<String, ProofError> {
    let log = public.join("log");
    let (note, checkpoint) = published(public)?;
    if index >= checkpoint.size {
        return Err(ProofError::OutOfRange { index, size: checkpoint.size });
    }
    let mut nodes = TileNodes::new(checkpoint.size, |level, index, width| -> Result<Vec<u8>, ProofError> {
        let missing = || NoTile { path: tile_path(Some(level), index, width), width };
        Ok(read_tile(&log, Some(level), index, width)?.ok_or_else(missing)?)
    });
    let proof = prove_inclusion(&mut nodes, index, checkpoint.size)?;
    let bytes = bundle(public, index / TILE_WIDTH, checkpoint.size)?;
    let found = leaves(&bytes).ok_or(ProofError::Malformed("a bundle of the log is damaged"))?;
    let leaf = usize::try_from(index % TILE_WIDTH).ok().and_then(|at| found.get(at).copied());
    let leaf = leaf.ok_or(ProofError::NotIncluded { index })?;
    let mut text = format!("{HEAD}\nextra {}\nindex {index}\n", STANDARD.encode(leaf));
    for hash in &proof {
        let _ = writeln!(text, "{}", STANDARD.encode(hash.as_bytes()));
    }
    Ok(text + "\n" + &note)
}

/// The change that a proof of ours carries, if the proof shows that it is in the log.
///
/// # Errors
///
/// As [`check`].
pub fn check_own(proof: &str, policy: &LogPolicy) -> Result<(Change, Checkpoint), ProofError> {
    let extra = proof.lines().nth(1).and_then(|line| line.strip_prefix("extra "));
    let leaf = extra.and_then(|extra| STANDARD.decode(extra).ok());
    let leaf = leaf.ok_or(ProofError::Malformed("it does not carry the change"))?;
    let (_, checkpoint) = check(proof, &leaf, policy)?;
    let change = serde_json::from_slice(&leaf);
    Ok((change.map_err(|_| ProofError::Malformed("what it proves is no change of a feed"))?, checkpoint))
}

/// Whether `proof` shows that `leaf` (a change's line) is in the log. Returns its index and the log's state.
///
/// # Errors
///
/// [`ProofError`]: the leaf is then not shown to be in the log.
pub fn check(proof: &str, leaf: &[u8], policy: &LogPolicy) -> Result<(u64, Checkpoint), ProofError> {
    let wrong = ProofError::Malformed;
    let (head, note) = proof.split_once("\n\n").ok_or_else(|| wrong("it has no checkpoint"))?;
    let mut lines = head.lines();
    if lines.next() != Some(HEAD) {
        return Err(wrong("its first line is not that of version 1"));
    }
    let mut line = lines.next();
    if line.is_some_and(|line| line.starts_with("extra ")) {
        line = lines.next();
    }
    let index = line.and_then(|line| line.strip_prefix("index ")).and_then(decimal);
    let index = index.ok_or_else(|| wrong("it has no index"))?;
    let hashes = lines
        .take(PROOF_MAX + 1)
        .map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest::from_bytes));
    let hashes: Vec<_> = hashes.collect::<Option<_>>().ok_or_else(|| wrong("a line is no hash"))?;
    let checkpoint = policy.check(note)?;
    if hashes.len() > PROOF_MAX || !check_inclusion(&leaf_hash(leaf), index, checkpoint.size, &hashes, &checkpoint.root)
    {
        return Err(ProofError::NotIncluded { index });
    }
    Ok((index, checkpoint))
}
