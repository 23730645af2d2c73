//! A whole image as detectors of images see it: layers merged, what it runs, what it claims.

use std::collections::HashSet;

use model::{EntryRecord, ImageConfig, Known, LayerRecord, Problem};

/// Number of a layer (lowest first, of those that were read) and of an entry in it.
pub type At = (usize, usize);

/// How the place of a problem begins that is a whole layer's: what it was read up to, or not.
pub const LAYER_PLACE: &str = "layer ";

/// A whole image.
pub struct ImageView<'a> {
    /// `registry/repository:tag` as it was asked for, or as an archive says it goes by; for an archive that says nothing, where
    /// it is (`oci:FOLDER:TAG`), which is no claim. Hostile text.
    pub reference: &'a str,
    /// Its config.
    pub config: &'a ImageConfig,
    /// The layers that were read, lowest first.
    pub layers: &'a [&'a LayerRecord],
    /// Problems that are no single layer's: a layer that could not be read, a DiffID that is another.
    pub problems: &'a [Problem],
    /// What is visible where.
    pub files: &'a dyn MergedFiles,
    /// Visible entries that the image runs, or that what it runs reads.
    pub runs: &'a HashSet<At>,
    /// Images that the operator vouches for.
    pub known: &'a Known,
}

/// The merged view over an image's layers.
pub trait MergedFiles {
    /// The visible file that `path` (with or without a leading `/`) leads to through links, if there is one.
    fn at(&self, path: &str) -> Option<At>;
    /// Whether a running container cannot see the entry.
    fn is_hidden(&self, at: At) -> bool;
}

impl<'a> ImageView<'a> {
    /// Whether every layer was read to its end: only then something can be said to be missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let ends = |problem: &Problem| problem.kind.hides_content() && problem.place.starts_with(LAYER_PLACE);
        !self.problems.iter().any(|problem| problem.kind.hides_content())
            && !self.layers.iter().any(|layer| layer.problems.iter().any(ends))
    }

    /// The entry at a place.
    #[must_use]
    pub fn entry(&self, at: At) -> Option<&'a EntryRecord> {
        self.layers.get(at.0)?.entries.get(at.1)
    }
}
