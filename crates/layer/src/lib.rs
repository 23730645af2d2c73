//! Turns a layer blob into a bounded stream of entries, and opens archives inside files.
//!
//! The only code of Lazaret that inflates bytes, and its only tar reader. Nothing is written to disk.

use std::io::Read;

use model::{Digest, EntryKind, Problem};

/// Ceilings for one layer. Reaching one ends the stream with a named [`Problem`] in the [`Outcome`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Uncompressed bytes of the tar stream.
    pub unpacked_bytes_max: u64,
    /// Entries, headers of any kind counted.
    pub entries_max: u64,
    /// Uncompressed bytes per compressed byte, checked after the first `ratio_grace_bytes`.
    pub ratio_max: u64,
    /// Uncompressed bytes before `ratio_max` counts.
    pub ratio_grace_bytes: u64,
    /// Bytes of one path, link target or pax record set.
    pub name_bytes_max: u64,
    /// Wall seconds for the layer; the clock is passed in.
    pub seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes_max: 64 << 30,
            entries_max: 2_000_000,
            ratio_max: 200,
            ratio_grace_bytes: 256 << 20,
            name_bytes_max: 64 << 10,
            seconds_max: 3_600,
        }
    }
}

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
    /// Size of the (unsparsed) content.
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

/// Streams one layer and hands every entry to `visit`, in archive order, with a reader over its content.
///
/// What `visit` does not read of the content is skipped. The blob is always read to its end, so that a verifying
/// reader can check digest and size. `seconds` is a monotonic clock.
pub fn stream_layer(
    blob: impl Read + Send,
    limits: &Limits,
    seconds: &(dyn Fn() -> f64 + Sync),
    visit: impl FnMut(&Entry, &mut dyn Read),
) -> Outcome {
    let _ = (blob, limits, seconds, visit);
    unimplemented!()
}

/// Ceilings for archives inside one file.
#[derive(Debug, Clone)]
pub struct NestedLimits {
    /// Archives within archives.
    pub depth_max: u32,
    /// Uncompressed bytes of everything inside one outer file.
    pub unpacked_bytes_max: u64,
    /// Entries of everything inside one outer file.
    pub entries_max: u64,
    /// Uncompressed bytes of one inner file: more is not looked at.
    pub file_bytes_max: u64,
    /// Uncompressed per compressed byte over the outer file.
    pub ratio_max: u64,
}

impl Default for NestedLimits {
    fn default() -> Self {
        Self {
            depth_max: 4,
            unpacked_bytes_max: 1 << 30,
            entries_max: 100_000,
            file_bytes_max: 64 << 20,
            ratio_max: 200,
        }
    }
}

/// Whether `head` (the first 512 bytes or fewer) starts an archive or compressed file that [`expand`] opens.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 9] = [
        b"\x1f\x8b\x08",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"!<arch>\ndebian",
        b"\xed\xab\xee\xdb",
        b"7z\xbc\xaf\x27\x1c",
    ];
    MAGICS.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}

/// Opens the archive `bytes` and, to `limits.depth_max`, the archives in it; hands every innermost and every
/// intermediate file to `visit` with its path inside (levels joined by `!`).
///
/// Returns what was not looked at. Opens zip (jar, whl), tar, gzip, xz, zstd, bzip2, deb (ar) and rpm.
pub fn expand(bytes: &[u8], limits: &NestedLimits, visit: &mut dyn FnMut(&str, &[u8])) -> Vec<Problem> {
    let _ = (bytes, limits, visit);
    unimplemented!()
}

/// A tar archive read member by member from a stream, for image archives (`docker save`): gzip, zstd or plain.
///
/// `visit` gets each member's path, kind, link target, the offset of its content in the *uncompressed* stream, and a reader.
/// Returns whether the stream was plain tar (so that offsets can be sought to) and the problems.
///
/// # Errors
///
/// The first error that `visit` or the reader gives.
pub fn for_each_member(
    archive: impl Read,
    limits: &Limits,
    visit: impl FnMut(&Entry, u64, &mut dyn Read) -> std::io::Result<()>,
) -> std::io::Result<(bool, Vec<Problem>)> {
    let _ = (archive, limits, visit);
    unimplemented!()
}
