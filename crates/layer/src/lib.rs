//! Turns a layer blob into a bounded stream of entries, and opens archives inside files.
//!
//! The only code of Lazaret that inflates bytes, and its only tar reader. Nothing is written to disk.

mod block;
mod compression;
mod inflate;
mod limits;
mod nested;
mod path;
mod places;
mod stream;
mod tar;

use model::{Digest, EntryKind, Problem};

pub use block::{BlockCode, unpack_block};
pub use inflate::{Compression, InflateEnd, Inflated, inflate};
pub use limits::{Limits, PLACE_CHARS_MAX};
pub use nested::{NestedLimits, expand, is_archive};
pub use stream::{for_each_member, stream_layer};

/// One entry as the visitor sees it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Normalised: relative, `/`-separated, no `.`/`..`, non-UTF-8 bytes as `\xNN`; for whiteouts already without `.wh.`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// `0o7777` bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Size of the (unsparsed) content; 0 for what has none.
    pub size: u64,
    /// Link target as written.
    pub link: Option<String>,
}

/// What streaming a layer gave, whether it came to its end or not.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `gzip`, `zstd` or `tar`: as sniffed.
    pub compression: &'static str,
    /// Of the whole uncompressed stream; none if it could not be read to its end.
    pub diff_id: Option<Digest>,
    /// Compressed bytes read.
    pub packed_bytes: u64,
    /// Uncompressed bytes read.
    pub unpacked_bytes: u64,
    /// Entries seen.
    pub entries: u64,
    /// Ceilings reached, damage, ambiguities.
    pub problems: Vec<Problem>,
    /// Set if the blob itself could not be read (the error of the passed reader): nothing visited is verified.
    pub read_error: Option<String>,
}
