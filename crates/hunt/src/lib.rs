//! The one straight line: discover, fetch, unpack, inspect, judge, record.

mod crawl;
mod detonate;
mod documented;
mod image;
mod intelligence;
mod known;
mod origin;
mod overlay;
mod package_notes;
mod reach;
mod read_ahead;
mod read_layer;
mod scan;
mod since;
mod streamed;

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, atomic::AtomicBool},
};

use inspect::RulePack;
use model::{Digest, Known, ScanReport};
use registry::{Options, RegistryError};
use store::{Catalog, StoreError};

pub use crawl::{HuntPlan, HuntRow, hunt};
pub use detonate::{Detonating, Onlooker, UntilCertain, Unwatched, replayed};
pub use intelligence::Intelligence;
pub use known::{VouchError, vouch};
pub use scan::{Scanned, scan};

/// What every stage needs, made once below `main`.
pub struct Context<'a> {
    /// What to look for.
    pub rules: &'a RulePack,
    /// What is known.
    pub catalog: &'a dyn Catalog,
    /// What was imported about hosts and files.
    pub intel: &'a Intelligence,
    /// Images that the operator vouches for.
    pub known: &'a Known,
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
    /// How images are run; none where they are only looked at.
    pub detonating: Option<&'a Detonating<'a>>,
}

impl Context<'_> {
    /// What a report answers under: the rule pack, and the intelligence where there is any. What is remembered of layers and
    /// files does not depend on intelligence and has the rule pack alone.
    #[must_use]
    pub fn questions(&self) -> String {
        self.questions_of(self.detonating.is_some())
    }

    /// The same for images that are run as well, or not.
    fn questions_of(&self, with_runs: bool) -> String {
        let runs = if with_runs { detonate::id() } else { String::new() };
        let ids = [self.rules.id(), self.intel.id(), self.known.id(), &runs];
        ids.into_iter().filter(|id| !id.is_empty()).collect::<Vec<_>>().join("+")
    }
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

/// What the scans of one run share.
struct Run<'a> {
    context: &'a Context<'a>,
    budget: read_layer::Budget,
    /// Layers being read now.
    busy: Mutex<HashSet<Digest>>,
    done: Condvar,
    /// Images created before are left out.
    since: Option<u64>,
}

impl<'a> Run<'a> {
    fn new(context: &'a Context<'a>, since: Option<u64>) -> Self {
        let budget = read_layer::Budget::new(read_layer::BUFFER_BYTES_MAX);
        Self { context, budget, busy: Mutex::default(), done: Condvar::new(), since }
    }
}
