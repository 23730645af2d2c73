//! The log as files: tiles, entry bundles, checkpoint.
//!
//! Everything but `checkpoint` never changes once written: `tile/L/N` holds the hashes of 256 subtrees of 256^L leaves each,
//! `tile/entries/N` 256 leaves, and what is not full yet ends in `.p/WIDTH`.
//! Source: C2SP tlog-tiles.

use std::{fs, path::Path};

use model::Digest;

use super::{
    files::{self, FileError},
    keys::Keys,
    merkle::{Edge, Nodes, leaf_hash, perfect_root},
    note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError},
};

/// Hashes of a full tile, and leaves of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Longest leaf: its length is written as 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// How many older partial tiles stay, at each level, for clients in the middle of something.
const PARTIALS_KEPT: usize = 8;

/// Why the log was not written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A leaf does not fit.
    #[error("change {index} has {bytes} bytes; a leaf of the log has at most {LEAF_BYTES_MAX}: shorten its lists")]
    LeafTooLong {
        /// Which.
        index: u64,
        /// How long.
        bytes: usize,
    },
    /// The ledger does not begin with what was published.
    #[error(
        "the ledger does not begin with the {size} changes that were published: it was altered, and the log would fork"
    )]
    Rewritten {
        /// How many leaves the published log has.
        size: u64,
    },
    /// The published checkpoint cannot be read.
    #[error("the previous release's checkpoint")]
    Checkpoint(#[source] NoteError),
    /// The previous log is another feed's.
    #[error("the previous release is a log of {theirs:?}, not of {ours:?}")]
    Origin {
        /// Of the previous release.
        theirs: String,
        /// Of the keys.
        ours: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Where a tile lies below `log/`: `tile/LEVEL/…`, or `tile/entries/…` without a level.
#[must_use]
pub fn tile_path(level: Option<u8>, index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    let level = level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
    let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{path}{partial}")
}

/// How many hashes tile `index` of `level` has in a tree of `size` leaves.
#[must_use]
pub fn tile_width(level: u8, index: u64, size: u64) -> u64 {
    let hashes = size.checked_shr(u32::from(level) * 8).unwrap_or(0);
    hashes.saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH)
}

/// The leaves of a bundle. None if it is no bundle.
#[must_use]
pub fn leaves(bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        found.push(leaf);
        rest = after;
    }
    Some(found)
}

/// The hashes of a tile. None if it is no tile.
pub(crate) fn hashes(tile: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = tile.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().copied().map(Digest::from_bytes).collect())
}

/// Reads the nodes of a tree of `size` leaves from its tiles, wherever they are.
pub struct TileNodes<F> {
    size: u64,
    fetch: F,
    cache: std::collections::HashMap<(u8, u64), Vec<Digest>>,
}

impl<F> TileNodes<F> {
    /// `fetch` is given level, index and width of a tile, and returns its bytes. Tiles are not believed: what is made of them is a
    /// proof, and that holds or not.
    pub fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch, cache: std::collections::HashMap::new() }
    }
}

/// A node that no tile has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: it is no tile of {width} hashes")]
pub struct NoTile {
    /// Of the tile.
    pub path: String,
    /// What it should have.
    pub width: u64,
}

impl<E: From<NoTile>, F: FnMut(u8, u64, u64) -> Result<Vec<u8>, E>> Nodes for TileNodes<F> {
    type Error = E;

    fn node(&mut self, height: u8, index: u64) -> Result<Digest, E> {
        let (level, inner) = (height / 8, height % 8);
        let (first, count) = (index << inner, 1_u64 << inner);
        let (tile, offset) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let width = tile_width(level, tile, self.size);
        let wrong = || NoTile { path: tile_path(Some(level), tile, width), width };
        if width == 0 {
            return Err(wrong().into());
        }
        if !self.cache.contains_key(&(level, tile)) {
            let bytes = (self.fetch)(level, tile, width)?;
            let found = hashes(&bytes).filter(|hashes| hashes.len() as u64 >= width).ok_or_else(wrong)?;
            self.cache.insert((level, tile), found);
        }
        let slice = usize::try_from(offset).ok().zip(usize::try_from(offset + count).ok());
        let found = self.cache.get(&(level, tile)).zip(slice).and_then(|(hashes, (from, to))| hashes.get(from..to));
        found.and_then(perfect_root).ok_or_else(|| wrong().into())
    }
}

/// Writes the log below `public/log`, and its checkpoint. `changes` are **all** leaves from the first one on; those that the
/// `previous` release has are not written again but linked, after their root was compared with the one that was published.
///
/// # Errors
///
/// [`LogError`]. What was written by then is no log: the release is not to be switched to.
pub fn write_log<T: AsRef<[u8]>>(
    public: &Path,
    previous: Option<&Path>,
    changes: impl IntoIterator<Item = T>,
    keys: &Keys,
) -> Result<Checkpoint, LogError> {
    let before = previous.map(|previous| published(&previous.join("log"), keys.origin())).transpose()?.flatten();
    let known = before.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let mut writer = Writer {
        log: &public.join("log"),
        previous: previous.map(|previous| previous.join("log")).filter(|_| known > 0),
        known,
        levels: Vec::new(),
        bundle: Vec::new(),
        edge: Edge::default(),
    };
    for change in changes {
        writer.push(change.as_ref())?;
        if let Some(before) = before.as_ref().filter(|before| before.size == writer.edge.size())
            && before.root != writer.edge.root()
        {
            return Err(LogError::Rewritten { size: before.size });
        }
    }
    if writer.edge.size() < known {
        return Err(LogError::Rewritten { size: known });
    }
    writer.finish()?;
    let checkpoint =
        Checkpoint { origin: keys.origin().to_owned(), size: writer.edge.size(), root: writer.edge.root() };
    files::fill(&public.join("log/checkpoint"), checkpoint.sign(&keys.log).as_bytes())?;
    Ok(checkpoint)
}

/// The checkpoint of a release of ours.
fn published(log: &Path, origin: &str) -> Result<Option<Checkpoint>, LogError> {
    let Some(bytes) = files::read(&log.join("checkpoint"), NOTE_BYTES_MAX as u64)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| LogError::Checkpoint(NoteError::Malformed("it is not UTF-8")))?;
    let checkpoint = Note::parse(&text).and_then(|note| Checkpoint::parse(note.text)).map_err(LogError::Checkpoint)?;
    if checkpoint.origin != origin {
        return Err(LogError::Origin { theirs: checkpoint.origin, ours: origin.to_owned() });
    }
    Ok(Some(checkpoint))
}

struct Writer<'a> {
    log: &'a Path,
    previous: Option<std::path::PathBuf>,
    known: u64,
    /// Of each level, the hashes of the tile being filled, and its index.
    levels: Vec<(Vec<Digest>, u64)>,
    bundle: Vec<u8>,
    edge: Edge,
}

impl Writer<'_> {
    fn push(&mut self, leaf: &[u8]) -> Result<(), LogError> {
        let index = self.edge.size();
        let length = u16::try_from(leaf.len()).map_err(|_| LogError::LeafTooLong { index, bytes: leaf.len() })?;
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(leaf);
        let hash = leaf_hash(leaf);
        self.edge.push(hash);
        if self.edge.size().is_multiple_of(TILE_WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write(None, index / TILE_WIDTH, TILE_WIDTH, &bundle)?;
        }
        self.push_hash(0, hash)
    }

    fn push_hash(&mut self, level: u8, hash: Digest) -> Result<(), LogError> {
        if self.levels.len() <= usize::from(level) {
            self.levels.push((Vec::new(), 0));
        }
        let Some((hashes, index)) = self.levels.get_mut(usize::from(level)) else { return Ok(()) };
        hashes.push(hash);
        if TILE_WIDTH > hashes.len() as u64 {
            return Ok(());
        }
        let (full, index) = (std::mem::take(hashes), std::mem::replace(index, *index + 1));
        self.write(Some(level), index, TILE_WIDTH, &bytes(&full))?;
        match perfect_root(&full) {
            Some(root) => self.push_hash(level + 1, root),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), LogError> {
        let size = self.edge.size();
        let bundle = std::mem::take(&mut self.bundle);
        self.write(None, size / TILE_WIDTH, size % TILE_WIDTH, &bundle)?;
        self.keep_partials(None, size / TILE_WIDTH)?;
        for (level, (hashes, index)) in (0_u8..).zip(std::mem::take(&mut self.levels)) {
            self.write(Some(level), index, hashes.len() as u64, &bytes(&hashes))?;
            self.keep_partials(Some(level), index)?;
        }
        Ok(())
    }

    fn write(&self, level: Option<u8>, index: u64, width: u64, bytes: &[u8]) -> Result<(), LogError> {
        if width == 0 {
            return Ok(());
        }
        let path = tile_path(level, index, width);
        let leaves = TILE_WIDTH.checked_pow(u32::from(level.unwrap_or(0))).unwrap_or(u64::MAX);
        let end = index.saturating_mul(TILE_WIDTH).saturating_add(width).saturating_mul(leaves);
        if end <= self.known
            && let Some(previous) = &self.previous
            && files::link(&previous.join(&path), &self.log.join(&path))?
        {
            return Ok(());
        }
        Ok(files::fill(&self.log.join(path), bytes)?)
    }

    /// Keeps the newest partial tiles of the previous release whose full one is not there yet.
    fn keep_partials(&self, level: Option<u8>, index: u64) -> Result<(), LogError> {
        let Some(previous) = &self.previous else { return Ok(()) };
        let path = tile_path(level, index, 1);
        let folder = path.strip_suffix("/1").unwrap_or(&path);
        let Ok(items) = fs::read_dir(previous.join(folder)) else { return Ok(()) };
        let names = items.filter_map(|item| item.ok()?.file_name().into_string().ok());
        let mut widths: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        widths.sort_unstable();
        for width in widths.iter().rev().take(PARTIALS_KEPT) {
            let path = tile_path(level, index, *width);
            if !self.log.join(&path).exists() {
                files::link(&previous.join(&path), &self.log.join(&path))?;
            }
        }
        Ok(())
    }
}

fn bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: C2SP tlog-tiles, "Tiles": paths, and the tree of 70,000.
    #[test]
    fn tiles_lie_where_the_specification_says() {
        assert_eq!(tile_path(Some(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(None, 5, 112), "tile/entries/005.p/112");
        assert_eq!((tile_width(0, 273, 70_000), tile_width(1, 1, 70_000), tile_width(2, 0, 70_000)), (112, 17, 1));
        assert_eq!((tile_width(0, 0, 256), tile_width(1, 0, 256), tile_width(0, 1, 256)), (256, 1, 0));
    }

    #[test]
    fn a_bundle_cut_short_is_none() {
        let bundle = [0, 2, b'a', b'b', 0, 0, 0, 1, b'c'];
        assert_eq!(leaves(&bundle), Some(vec![b"ab".as_slice(), b"", b"c"]));
        assert_eq!(leaves(&bundle[..8]), None);
        assert_eq!(leaves(&bundle[..7]), None);
        assert_eq!(hashes(&[0; 33]), None);
    }
}
