//! A whole image as detectors of images see it: layers merged, what it runs, what it claims.

use std::{cell::OnceCell, collections::HashSet};

use model::{EntryKind, EntryRecord, Finding, ImageConfig, Known, LayerRecord, Problem};

use crate::{intel::IntelSet, packages::Installed};

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
    /// Filled by the first who asks [`Self::packages`].
    pub installed: OnceCell<Installed<'a>>,
    /// What was found in the config and its history.
    pub config_findings: &'a [Finding],
    /// What is known of hosts and files.
    pub intel: &'a IntelSet,
    /// Seconds since 1970.
    pub now: u64,
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

    /// What the package databases inside the image say, read together once. Takes time linear in what they list.
    pub fn packages(&self) -> &Installed<'a> {
        self.installed.get_or_init(|| Installed::new(self.layers, self.files))
    }

    /// Every visible regular file.
    pub fn visible_files(&self) -> impl Iterator<Item = (At, &'a EntryRecord)> {
        let layers = self.layers.iter().enumerate();
        let entries = layers.flat_map(|(layer, record)| {
            record.entries.iter().enumerate().map(move |(index, entry)| ((layer, index), entry))
        });
        entries.filter(|(at, entry)| entry.kind == EntryKind::File && !self.files.is_hidden(*at))
    }
}
