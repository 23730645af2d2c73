//! Imported intelligence: known by its id at once, read into memory when the first image is judged.

use std::sync::OnceLock;

use inspect::intel::IntelSet;
use model::Digest;
use store::{Catalog, StoreError};

/// What the catalog was taught about hosts and files.
#[derive(Default)]
pub struct Intelligence {
    id: String,
    set: OnceLock<IntelSet>,
    now: u64,
}

impl Intelligence {
    /// Looks which sources there are, at `now` (seconds since 1970). Cheap: no entry is read.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub fn open(catalog: &dyn Catalog, now: u64) -> Result<Self, StoreError> {
        let sources = catalog.intel_sources()?;
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let mut key = String::new();
        for source in &sources {
            key.push_str(&format!("{} {:?}\n", source.digest, source.name));
        }
        // What expires, and how old a domain is, can be another answer tomorrow.
        if sources.iter().any(|source| source.is_dated) {
            key.push_str(&format!("day {}", now / 86_400));
        }
        let id = Digest::of(key.as_bytes()).hex().chars().take(16).collect();
        Ok(Self { id, set: OnceLock::new(), now })
    }

    /// 16 hex digits over what is known and, where that matters, the day; empty if nothing is.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The entries, read once.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub fn set(&self, catalog: &dyn Catalog) -> Result<&IntelSet, StoreError> {
        if let Some(set) = self.set.get() {
            return Ok(set);
        }
        let mut set = IntelSet::builder();
        if !self.id.is_empty() {
            catalog.for_each_intel(&mut |source, entry| {
                if entry.until.is_none_or(|until| until > self.now) {
                    set.add(&source.name, &entry);
                }
            })?;
        }
        let set = set.finish(self.id.clone());
        Ok(self.set.get_or_init(|| set))
    }
}
