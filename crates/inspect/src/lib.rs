//! Static detectors, extractors and rule packs: bytes in, observations out. No I/O, no clock.

pub mod detectors;
pub mod kind;
mod secret;

mod intel;
mod pool;
mod shell;
mod wallet;

use model::{FileFacts, FileKind, Finding, ImageConfig, Observation};

/// A user's rule file, already read.
pub struct RuleFile {
    /// For messages and as the YARA namespace.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why a rule pack could not be built.
#[derive(Debug, thiserror::Error)]
#[error("rule file {name}: {detail}")]
pub struct RuleError {
    /// Which file.
    pub name: String,
    /// What the compiler says, with the line.
    pub detail: String,
}

/// Everything that decides what is looked for: detectors, our rules, the user's rules.
pub struct RulePack {
    _private: (),
}

impl RulePack {
    /// Our detectors and rules with the user's YARA files added. Compiling YARA is put off until first needed, but
    /// the user's files are checked at once.
    ///
    /// # Errors
    ///
    /// [`RuleError`] for a file that does not compile.
    pub fn new(user_rules: Vec<RuleFile>) -> Result<Self, RuleError> {
        let _ = user_rules;
        unimplemented!()
    }

    /// 16 hex digits over the code of the detectors and the text of all rules. Same id, same questions.
    #[must_use]
    pub fn id(&self) -> &str {
        unimplemented!()
    }

    /// A worker's own inspector. Not shared between threads; keep it for many files.
    #[must_use]
    pub fn inspector(&self) -> Inspector<'_> {
        unimplemented!()
    }

    /// Looks at the image config and history; the findings have their place.
    #[must_use]
    pub fn config(&self, config: &ImageConfig) -> Vec<Finding> {
        let _ = config;
        unimplemented!()
    }
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

/// Runs the detectors over files, one after another.
pub struct Inspector<'p> {
    _pack: &'p RulePack,
}

impl Inspector<'_> {
    /// Looks at a whole file's content, archives inside it included.
    pub fn content(&mut self, bytes: &[u8]) -> FileFacts {
        let _ = bytes;
        unimplemented!()
    }

    /// Looks at one window of a longer file that starts at `offset`. `kind` is none for the first window and what that
    /// returned for the others. Archives longer than a window are not opened: that is reported as a problem.
    pub fn window(&mut self, bytes: &[u8], offset: u64, kind: Option<FileKind>) -> FileFacts {
        let _ = (bytes, offset, kind);
        unimplemented!()
    }

    /// Looks at an occurrence: path, mode, owner together with the content's head (at most one window).
    /// Runs at every occurrence, also where the content is known.
    pub fn place(&mut self, place: &Place<'_>, head: &[u8]) -> Vec<Observation> {
        let _ = (place, head);
        unimplemented!()
    }
}
