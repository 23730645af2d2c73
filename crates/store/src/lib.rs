//! The catalog: what was seen, kept. SQLite here; PostgreSQL and buckets join behind the same trait.
//!
//! The only code of Lazaret that knows SQL.

mod hunts;
mod intel;
mod known;
mod memo;
mod reports;
mod schema;
mod sqlite;

use model::{Digest, FileFacts, IntelEntry, IntelSource, KnownImage, LayerRecord, ScanReport};

/// What went wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error("catalog {path} cannot be opened: {detail}")]
    Open {
        /// Which file.
        path: String,
        /// The cause and what to do.
        detail: String,
    },
    /// The file is damaged.
    #[error("catalog {path} is damaged ({detail}): move it away and scan again, or restore a copy")]
    Corrupt {
        /// Which file.
        path: String,
        /// What SQLite says.
        detail: String,
    },
    /// No room left.
    #[error("catalog {path} cannot grow: the disk is full")]
    Full {
        /// Which file.
        path: String,
    },
    /// Written by a newer Lazaret.
    #[error("catalog {path} has version {found}, this Lazaret knows up to {known}: use a newer Lazaret")]
    TooNew {
        /// Which file.
        path: String,
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// Anything else SQL.
    #[error("catalog: {0}")]
    Other(String),
}

/// A unit of hunting: one tag of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntItem {
    /// `registry/repository:tag`.
    pub reference: String,
    /// How it stands.
    pub state: HuntState,
    /// The subject digests of its images once scanned.
    pub subjects: Vec<Digest>,
    /// Why it failed.
    pub error: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
}

/// How a [`HuntItem`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HuntState {
    /// Not yet scanned.
    Pending,
    /// Scanned.
    Done,
    /// Could not be scanned; the error says why.
    Failed,
}

/// What the pipeline remembers. Every method is safe to call again with the same values.
pub trait Catalog: Send + Sync {
    /// A layer inspected under this rule pack.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`], as for all methods.
    fn layer(&self, digest: &Digest, rule_pack: &str) -> Result<Option<LayerRecord>, StoreError>;

    /// Remembers a layer together with what its files' contents gave, in one transaction.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn put_layer(&self, record: &LayerRecord, files: &[(Digest, FileFacts)], rule_pack: &str)
    -> Result<(), StoreError>;

    /// What a file's content gave under this rule pack.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn file(&self, sha256: &Digest, rule_pack: &str) -> Result<Option<FileFacts>, StoreError>;

    /// Remembers what files' contents gave, in one transaction: for layers that did not come to their end.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn put_files(&self, files: &[(Digest, FileFacts)], rule_pack: &str) -> Result<(), StoreError>;

    /// The newest report on a subject (manifest, or config where there is none) under this rule pack. For a manifest
    /// seen under other references too, the reference is the one last put.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn report(&self, subject: &Digest, rule_pack: &str) -> Result<Option<ScanReport>, StoreError>;

    /// Remembers a report, and its reference as a place where the subject was seen, at the time `scanned_at`. One that is
    /// older than what is remembered under its rule pack adds only the place.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn put_report(&self, report: &ScanReport) -> Result<(), StoreError>;

    /// The newest report of every image that `digest` belongs to: as index, manifest, config, layer (blob or computed
    /// DiffID) or file with a finding. Ordered by subject digest.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn reports_with(&self, digest: &Digest) -> Result<Vec<ScanReport>, StoreError>;

    /// Hands the newest report of every subject to `visit`, ordered by subject digest. `visit` may use the catalog.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn for_each_report(&self, visit: &mut dyn FnMut(ScanReport)) -> Result<(), StoreError>;

    /// Every `(reference, first seen, last seen)` of a subject, seconds since 1970, first seen first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn sightings(&self, subject: &Digest) -> Result<Vec<(String, u64, u64)>, StoreError>;

    /// Adds work to a hunt (`hunt` is registry URL and filters); what is known is left as it stands.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn enqueue(&self, hunt: &str, references: &[String]) -> Result<(), StoreError>;

    /// All items of a hunt, in the order they were added.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn hunt_items(&self, hunt: &str) -> Result<Vec<HuntItem>, StoreError>;

    /// Sets how an item stands; adds it if it was not there.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn set_hunt_item(&self, hunt: &str, item: &HuntItem) -> Result<(), StoreError>;

    /// The imported intelligence without its entries, ordered by name.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn intel_sources(&self) -> Result<Vec<IntelSource>, StoreError>;

    /// Keeps what a source says, in place of what the source of the same name said before, in one transaction.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn put_intel(&self, source: &IntelSource, entries: &[IntelEntry]) -> Result<(), StoreError>;

    /// Forgets a source; tells whether there was one.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn remove_intel(&self, name: &str) -> Result<bool, StoreError>;

    /// Hands every entry of every source to `visit`, source by source, each in the order it was put.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; [`StoreError::Corrupt`] also for a source that another version of Lazaret imported.
    fn for_each_intel(&self, visit: &mut dyn FnMut(&IntelSource, IntelEntry)) -> Result<(), StoreError>;

    /// Adds images to the known-good set, in one transaction; one of the same name and config is replaced.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn put_known(&self, images: &[KnownImage]) -> Result<(), StoreError>;

    /// The known-good set, by name and config.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn known(&self) -> Result<Vec<KnownImage>, StoreError>;

    /// Takes every image that vouches for `name` out of the known-good set; says how many there were.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    fn remove_known(&self, name: &str) -> Result<usize, StoreError>;
}

/// Opens or creates the SQLite catalog `catalog.sqlite` in `folder`; migrates an older one. A folder that is missing is
/// made for its owner alone. Several processes may have the same catalog open.
///
/// # Errors
///
/// [`StoreError::Open`], [`StoreError::Corrupt`], [`StoreError::TooNew`], [`StoreError::Full`].
pub fn open(folder: &std::path::Path) -> Result<Box<dyn Catalog>, StoreError> {
    Ok(Box::new(sqlite::Sqlite::open(folder)?))
}

/// A catalog that forgets at exit, for `--no-store` and tests.
///
/// # Errors
///
/// Any [`StoreError`].
pub fn in_memory() -> Result<Box<dyn Catalog>, StoreError> {
    Ok(Box::new(sqlite::Sqlite::in_memory()?))
}
