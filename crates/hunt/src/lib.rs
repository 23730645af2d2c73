//! The one straight line: discover, fetch, unpack, inspect, judge, record.

use std::sync::atomic::AtomicBool;

use inspect::RulePack;
use model::{Locator, Platform, ScanReport};
use registry::{Options, RegistryError};
use store::{Catalog, StoreError};

/// What every stage needs, made once below `main`.
pub struct Context<'a> {
    /// What to look for.
    pub rules: &'a RulePack,
    /// What is known.
    pub catalog: &'a dyn Catalog,
    /// How to talk to registries.
    pub registry: &'a Options,
    /// Ceilings for layers.
    pub limits: &'a layer::Limits,
    /// Threads that inspect files.
    pub workers: usize,
    /// Seconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Monotonic seconds.
    pub seconds: &'a (dyn Fn() -> f64 + Sync),
    /// Told what happens.
    pub progress: &'a dyn Progress,
    /// Set to stop: what is under way is given up, what is recorded stays.
    pub stop: &'a AtomicBool,
    /// Ask everything again, also where the catalog knows the answer.
    pub rescan: bool,
}

/// Told what happens, for bars and logs. Called from several threads.
pub trait Progress: Sync {
    /// An image's scan begins, with its layers' packed sizes summed up.
    fn image_begins(&self, reference: &str, packed_bytes: u64);
    /// Bytes of blobs read (or skipped because remembered) since the last call.
    fn bytes(&self, reference: &str, packed_bytes: u64);
    /// An image's scan ended.
    fn image_ends(&self, reference: &str, report: Option<&ScanReport>);
    /// How many images a hunt knows of, and how many of these are done.
    fn hunt(&self, done: usize, known: usize);
}

/// Why an image has no report.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The catalog failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Asked to stop.
    #[error("stopped before {0} was done; what is recorded stays, run again to go on")]
    Stopped(String),
}

/// Scans one place: one report a platform (`platform` none: all of an index).
///
/// # Errors
///
/// [`ScanError`] if not even a manifest and config could be read. A layer that cannot be read is a problem in the
/// report, not an error.
pub fn scan(
    locator: &Locator,
    platform: Option<&Platform>,
    context: &Context<'_>,
) -> Result<Vec<ScanReport>, ScanError> {
    let _ = (locator, platform, context);
    unimplemented!()
}

/// What to hunt.
pub struct HuntPlan {
    /// Registry URL or host.
    pub registry: String,
    /// Repositories that match one of these globs (`*` and `?`); empty: all.
    pub repositories: Vec<String>,
    /// Only images whose config says they were created at or after this (seconds since 1970); unverified, so an image
    /// without a date is scanned.
    pub since: Option<u64>,
    /// Only these platforms; empty: all of an index.
    pub platforms: Vec<Platform>,
    /// At most so many tags of a repository.
    pub tags_max: usize,
    /// At most so many repositories.
    pub repositories_max: usize,
    /// Images scanned side by side.
    pub images_at_once: usize,
    /// Try again what failed in an earlier run.
    pub retry_failed: bool,
}

/// One row of a hunt's result.
#[derive(Debug)]
pub struct HuntRow {
    /// `registry/repository:tag`.
    pub reference: String,
    /// Its reports, or why there are none.
    pub result: Result<Vec<ScanReport>, String>,
}

/// Hunts a registry, going on where an earlier run of the same plan stopped. Rows in queue order.
///
/// # Errors
///
/// [`ScanError`] if the registry's catalogue cannot be read at all, or the catalog fails.
pub fn hunt(plan: &HuntPlan, context: &Context<'_>) -> Result<Vec<HuntRow>, ScanError> {
    let _ = (plan, context);
    unimplemented!()
}
