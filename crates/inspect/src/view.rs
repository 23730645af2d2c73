//! A whole image as detectors of images see it: layers merged, what it runs, what it claims.

use std::{cell::OnceCell, collections::HashSet};

use model::{EntryKind, EntryRecord, ImageConfig, LayerRecord, Problem};

use crate::packages::Installed;

/// Number of a layer (lowest first, of those that were read) and of an entry in it.
pub type At = (usize, usize);

/// A whole image.
pub struct ImageView<'a> {
    /// `registry/repository:tag` as it was asked for, or the name of an archive. Hostile text.
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
}

/// The merged view over an image's layers.
pub trait MergedFiles {
    /// The visible file that `path` (with or without a leading `/`) leads to through links, if there is one.
    fn at(&self, path: &str) -> Option<At>;
    /// Whether a running container cannot see the entry.
    fn is_hidden(&self, at: At) -> bool;
}

impl<'a> ImageView<'a> {
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
