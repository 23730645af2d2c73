//! The log read whole: every change is the one that was logged, and the entries are what the changes add up to.
//!
//! Works from tiles alone, offline. What is kept of a change is its key and the digest of its entry.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use model::Digest;

use super::{
    SyncError,
    origin::{Length, Source},
};
use crate::{
    entry::{Change, Entry, Role, Status},
    shard::{self, Listed, Meta},
    trust::{
        FileError, files,
        merkle::{Edge, leaf_hash, perfect_root},
        note::Checkpoint,
        proof::read_tile,
        tiles::{LEAF_BYTES_MAX, TILE_WIDTH, hashes, leaves, tile_path, tile_width},
    },
};

/// Longest tile or bundle.
const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * (2 + LEAF_BYTES_MAX as u64);
/// Longest line of `entries/`.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Longest shard.
const SHARD_BYTES_MAX: u64 = 16 + shard::RECORDS_MAX * shard::RECORD_BYTES as u64;

/// What the log says now: of each key, the digest of its last entry.
pub(super) type Folded = BTreeMap<(Digest, Role), Digest>;

/// Every tile and bundle of a log of `size` leaves: level (none for bundles), index, width.
fn parts(size: u64) -> impl Iterator<Item = (Option<u8>, u64, u64)> {
    let bundles = (0..size.div_ceil(TILE_WIDTH)).map(move |index| (None, index, tile_width(0, index, size)));
    let tiles = (0..8_u8).flat_map(move |level| {
        let hashes = size.checked_shr(u32::from(level) * 8).unwrap_or(0);
        (0..hashes.div_ceil(TILE_WIDTH)).map(move |index| (Some(level), index, tile_width(level, index, size)))
    });
    bundles.chain(tiles)
}

/// Fetches the log into the release in the making; what the one before has is linked. Nothing is believed yet.
pub(super) fn mirror_log(
    source: &mut Source,
    current: &Path,
    incoming: &Path,
    checkpoint: &Checkpoint,
) -> Result<(), SyncError> {
    for (level, index, width) in parts(checkpoint.size) {
        let path = format!("log/{}", tile_path(level, index, width));
        if files::link(&current.join(&path), &incoming.join(&path))? {
            continue;
        }
        let mut bytes = match source.get(&path, Length::AtMost(BUNDLE_BYTES_MAX)) {
            Err(SyncError::Missing { .. }) if width < TILE_WIDTH => {
                source.get(&format!("log/{}", tile_path(level, index, TILE_WIDTH)), Length::AtMost(BUNDLE_BYTES_MAX))
            }
            fetched => fetched,
        }?;
        cut(level, width, &mut bytes);
        files::write(&incoming.join(&path), &bytes)?;
    }
    Ok(())
}

/// Of a full tile fetched in the place of a partial one: its beginning.
fn cut(level: Option<u8>, width: u64, bytes: &mut Vec<u8>) {
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    let end = match level {
        Some(_) => Some(width.saturating_mul(32)),
        None => leaves(bytes).map(|leaves| leaves.iter().take(width).map(|leaf| 2 + leaf.len()).sum()),
    };
    bytes.truncate(end.unwrap_or(usize::MAX));
}

/// Reads the log below `public/log`: bundles against tiles, tiles against the tiles above, all against the checkpoint. Then adds the changes up.
pub(super) fn read_log(public: &Path, checkpoint: &Checkpoint) -> Result<Folded, SyncError> {
    let log = public.join("log");
    let mut edge = Edge::default();
    let mut folded = Folded::new();
    for index in 0..checkpoint.size.div_ceil(TILE_WIDTH) {
        let width = tile_width(0, index, checkpoint.size);
        let first = index * TILE_WIDTH;
        let bundle = read_tile(&log, None, index, width)?.ok_or(SyncError::RemovedChange { index: first })?;
        let found = leaves(&bundle).unwrap_or_default();
        let tile = read_part(&log, 0, index, width)?;
        for (at, expected) in (first..).zip(&tile) {
            let leaf = usize::try_from(at - first).ok().and_then(|at| found.get(at));
            let leaf = leaf.ok_or(SyncError::RemovedChange { index: at })?;
            let hash = leaf_hash(leaf);
            if hash != *expected {
                return Err(SyncError::AlteredChange { index: at });
            }
            edge.push(hash);
            fold(&mut folded, at, leaf)?;
        }
    }
    check_tiles(&log, checkpoint.size)?;
    match edge.root() == checkpoint.root {
        true => Ok(folded),
        false => Err(SyncError::Contradiction {
            file: "log/checkpoint".to_owned(),
            what: "the changes of the log do not add up to its root".to_owned(),
        }),
    }
}

/// The hashes of a tile, as many as there must be.
fn read_part(log: &Path, level: u8, index: u64, width: u64) -> Result<Vec<Digest>, SyncError> {
    let file = || format!("log/{}", tile_path(Some(level), index, width));
    let bytes = read_tile(log, Some(level), index, width)?.ok_or_else(|| SyncError::Missing { file: file() })?;
    let mut found = hashes(&bytes).unwrap_or_default();
    if (found.len() as u64) < width {
        return Err(SyncError::Truncated { file: file(), bytes: bytes.len() as u64 });
    }
    found.truncate(usize::try_from(width).unwrap_or(usize::MAX));
    Ok(found)
}

/// Each full tile's root is its hash in the tile above.
fn check_tiles(log: &Path, size: u64) -> Result<(), SyncError> {
    for (level, index, width) in
        parts(size).filter_map(|(level, index, width)| level.map(|level| (level, index, width)))
    {
        if level == 0 {
            continue;
        }
        for (below, expected) in (index * TILE_WIDTH..).zip(read_part(log, level, index, width)?) {
            if perfect_root(&read_part(log, level - 1, below, TILE_WIDTH)?) != Some(expected) {
                return Err(SyncError::Altered { file: format!("log/{}", tile_path(Some(level), index, width)) });
            }
        }
    }
    Ok(())
}

fn fold(folded: &mut Folded, index: u64, leaf: &[u8]) -> Result<(), SyncError> {
    let malformed = |what: String| SyncError::Malformed { file: format!("change {index} of the log"), what };
    let change: Change = serde_json::from_slice(leaf).map_err(|error| malformed(error.to_string()))?;
    if change.sequence != index {
        return Err(malformed(format!("it calls itself number {}", change.sequence)));
    }
    folded.insert((change.entry.digest, change.entry.role), fingerprint(&change.entry));
    Ok(())
}

fn fingerprint(entry: &Entry) -> Digest {
    Digest::of(&serde_json::to_vec(entry).unwrap_or_default())
}

/// Whether `entries/` and `shards/` say what the log says.
pub(super) fn compare(public: &Path, folded: &Folded) -> Result<(), SyncError> {
    let mut found = 0;
    for number in 0..=u8::MAX {
        let file = format!("entries/{number:02x}.jsonl");
        let mut listed = BTreeMap::new();
        for entry in read_entries(public, &file)? {
            let differs =
                |what: &str| SyncError::Contradiction { file: file.clone(), what: format!("{} {what}", entry.id) };
            match folded.get(&(entry.digest, entry.role)) {
                None => return Err(differs("was never logged")),
                Some(logged) if *logged != fingerprint(&entry) => return Err(differs("is not as it was logged last")),
                Some(_) => found += 1,
            }
            if entry.status == Status::Active {
                listed.insert((entry.digest, Meta::from(&packed(&entry))), entry.role);
            }
        }
        compare_shard(public, number, listed)?;
    }
    match folded.len() == found {
        true => Ok(()),
        false => Err(SyncError::Contradiction {
            file: "entries/".to_owned(),
            what: format!("{} entries are there, {} were logged", found, folded.len()),
        }),
    }
}

fn packed(entry: &Entry) -> Listed {
    Listed {
        id: entry.id,
        role: entry.role,
        list: entry.list,
        channel: entry.channel,
        categories: entry.categories.iter().copied().collect(),
        severity: entry.severity,
        confidence: entry.confidence,
    }
}

/// Every record is an active entry, and every active entry that a gate can meet is a record. No gate meets a file.
fn compare_shard(public: &Path, number: u8, mut listed: BTreeMap<(Digest, Meta), Role>) -> Result<(), SyncError> {
    let file = format!("shards/{number:02x}.bin");
    let bytes = files::read(&public.join(&file), SHARD_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| SyncError::Missing { file: file.clone() })?;
    let records = shard::decode(number, &bytes);
    let records = records.map_err(|error| SyncError::Malformed { file: file.clone(), what: error.to_string() })?;
    for record in records {
        if listed.remove(&record).is_none() {
            let what = format!("{} is in it, and in no active entry", record.0);
            return Err(SyncError::Contradiction { file, what });
        }
    }
    match listed.into_iter().find(|(_, role)| *role != Role::File) {
        Some(((digest, _), _)) => Err(SyncError::Contradiction { file, what: format!("{digest} is missing") }),
        None => Ok(()),
    }
}

fn read_entries(public: &Path, file: &str) -> Result<Vec<Entry>, SyncError> {
    let path = public.join(file);
    let opened = match fs::File::open(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SyncError::Missing { file: file.to_owned() });
        }
        Err(error) => return Err(FileError::of(&path, "open")(error).into()),
    };
    let mut reader = BufReader::new(opened);
    let mut entries = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(FileError::of(&path, "read"))? == 0 {
            return Ok(entries);
        }
        let entry = serde_json::from_slice(&line);
        entries.push(entry.map_err(|error| SyncError::Malformed { file: file.to_owned(), what: error.to_string() })?);
    }
}
