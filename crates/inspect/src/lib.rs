//! Static detectors, extractors and rule packs: bytes in, observations out. No I/O, no clock.
//!
//! ```text
//! bytes ─► kind ─► prefilter ─► route ─► detectors, each on its own ─► observations
//!           │                     └────► rules (YARA), ours only where a literal of theirs is
//!           │                     └────► decoders: what is encoded in it, and the same for every stage
//!           └─ archive: `layer::expand`, and the same for every file inside
//! ```

mod catalogue;
mod claim;
mod config;
#[cfg(test)]
mod cost;
pub mod decode;
pub mod detectors;
mod engine;
mod image;
mod inspector;
pub mod intel;
pub mod kind;
mod mentions;
mod observe;
mod pack;
pub mod packages;
mod pool;
pub mod prefilter;
mod route;
mod rules;
mod secret;
mod secrets;
mod shell;
mod symbols;
mod tells;
mod utf16;
mod view;
mod wallet;
mod words;

pub use catalogue::{catalogue, header, measured};
pub use claim::{is_claim, is_own_file, signs};
pub use inspector::Inspector;
use model::FileKind;
pub use pack::RulePack;
pub use view::{At, ImageView, LAYER_PLACE, MergedFiles};

/// A user's rule file, already read.
pub struct RuleFile {
    /// For messages and, without `.yar` or `.yara`, as the YARA namespace. A name that ends in `.toml` is a file of rules
    /// for secrets in the schema of gitleaks.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why a rule pack could not be built: nothing of one file loads.
#[derive(Debug, thiserror::Error)]
#[error("rule file {name}: {detail}")]
pub struct RuleError {
    /// Which file.
    pub name: String,
    /// What the compiler says, with the line.
    pub detail: String,
}

/// Where a file stands, for detectors that look at the place.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Path in the image, without a leading `/`.
    pub path: &'a str,
    /// `0o7777` bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// What the content is.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
}

/// Longest piece of a file that is looked at in one go; longer files come as overlapping windows.
pub const WINDOW_BYTES_MAX: usize = 32 << 20;
/// How much two windows share, so that nothing is cut in two.
pub const WINDOW_OVERLAP_BYTES: usize = 1 << 20;
