//! What the catalog remembers of a file and a layer. Written as `postcard`: no `flatten`, no tagged enums here.

use serde::{Deserialize, Serialize};

use crate::{Digest, LayerPackages, Observation};

/// What a file is, judged by its first bytes and never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// No bytes.
    Empty,
    /// ELF program or library.
    Elf,
    /// Windows PE.
    Pe,
    /// Mach-O.
    MachO,
    /// Starts with `#!`.
    Script,
    /// Mostly printable text, UTF-8 or Latin.
    Text,
    /// UTF-16 text.
    Utf16,
    /// An archive or compressed file that `layer` can open.
    Archive,
    /// Anything else.
    Binary,
}

/// What inspecting a file's *content* gave. Keyed by its SHA-256 and the rule pack, true wherever the file stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// What the file is.
    pub kind: FileKind,
    /// What the content detectors saw, nested archives included.
    pub observations: Vec<Observation>,
    /// Absolute paths and bare command names a script runs, at most [`MENTIONS_MAX`]: what it leads to. A script that names
    /// more has a problem that says so.
    pub mentions: Vec<String>,
    /// What was not looked at inside this file (nested ceilings, damaged archives); `place` is the inner path.
    pub problems: Vec<Problem>,
}

/// Most paths kept of one script.
pub const MENTIONS_MAX: usize = 4_000;
/// Most paths kept of one text that starts nothing by itself.
pub const TEXT_MENTIONS_MAX: usize = 64;

/// Something that was not looked at, or could be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// Where: a path, a layer digest, a field. Hostile text.
    pub place: String,
    /// One line: what happened, with the figure of the ceiling if there is one. Hostile text.
    pub detail: String,
    /// Bytes not looked at as far as known; 0 for an ambiguity.
    pub unseen_bytes: u64,
}

/// Kinds of [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A ceiling on unpacked bytes was reached.
    BytesLimit,
    /// A ceiling on entries was reached.
    EntriesLimit,
    /// A ceiling on unpacked bytes per packed byte was reached.
    RatioLimit,
    /// A ceiling on archives within archives was reached.
    DepthLimit,
    /// A ceiling on time was reached.
    TimeLimit,
    /// A ceiling on a path, name or header was reached.
    NameLimit,
    /// A ceiling on what one detector or file may report was reached.
    FindingsLimit,
    /// The bytes end early.
    Truncated,
    /// The bytes are not what their format says.
    Corrupt,
    /// A format or media type we do not open.
    Unsupported,
    /// Two readers could see two different things (tar parser differentials).
    Ambiguous,
    /// A path that leaves the root, a device node, a link that loops: a runtime would refuse or be fooled.
    UnsafeEntry,
    /// Encrypted content.
    Encrypted,
    /// Could not be fetched.
    Unreachable,
    /// A detector failed; its own answer is missing.
    DetectorFailed,
    /// It was to be run and could not be, or its trace has gaps.
    Unwatched,
    /// It was to be run and is nothing that can run here.
    NotRunnable,
}

impl ProblemKind {
    /// Whether it means that something was left unseen (and not only that something is odd).
    #[must_use]
    pub const fn hides_content(self) -> bool {
        !matches!(self, Self::Ambiguous | Self::UnsafeEntry | Self::NotRunnable)
    }
}

/// What a tar entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Folder.
    Folder,
    /// Symbolic link; `link` is where to, as written.
    Symlink,
    /// Hard link; `link` is the path it shares content with.
    Hardlink,
    /// Character or block device.
    Device,
    /// Named pipe.
    Fifo,
    /// `.wh.NAME`: removes `path` of the layers below (`path` is already without `.wh.`).
    Whiteout,
    /// `.wh..wh..opq`: empties folder `path` of the layers below.
    Opaque,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Relative, `/`-separated, no `.`/`..` parts, no leading or trailing `/`; bytes that are not UTF-8 as `\xNN`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-uid, set-gid and sticky (`0o7777`).
    pub mode: u32,
    /// Size of a regular file's content in bytes.
    pub size: u64,
    /// Of a regular file's content.
    pub sha256: Option<Digest>,
    /// Link target as written.
    pub link: Option<String>,
}

/// What inspecting one layer blob gave. Keyed by its digest and the rule pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Of the blob, verified.
    pub digest: Digest,
    /// Of the uncompressed tar, as we computed it; none if it could not be read to its end.
    pub diff_id: Option<Digest>,
    /// `gzip`, `zstd`, `tar`: as sniffed.
    pub compression: String,
    /// Size of the blob.
    pub packed_bytes: u64,
    /// Size of the tar as far as it was read.
    pub unpacked_bytes: u64,
    /// Its entries, in archive order.
    pub entries: Vec<EntryRecord>,
    /// What content and place detectors saw; the number indexes `entries`.
    pub observations: Vec<(u32, Observation)>,
    /// What scripts lead to; the number indexes `entries`.
    pub mentions: Vec<(u32, Vec<String>)>,
    /// What was not looked at, and ambiguities.
    pub problems: Vec<Problem>,
    /// What its package databases say.
    pub packages: LayerPackages,
}
