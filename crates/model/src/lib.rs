//! The vocabulary of Lazaret: what every other crate says to each other. No I/O, no clock.
//!
//! | module | what it names |
//! |---|---|
//! | [`about`] | what a detector or behaviour says of itself |
//! | [`digest`] | SHA-256 content addresses |
//! | [`reference`] | what a user types for an image, and Docker's way of completing it |
//! | [`image`] | OCI and Docker manifests, indexes, configs |
//! | [`taxonomy`] | category, disposition, severity, confidence, maturity, weight |
//! | [`evidence`] | indicators, observations, findings, and where each of them is |
//! | [`packages`] | what the package databases inside a layer say |
//! | [`intel`] | threat intelligence: sources, entries, values |
//! | [`known`] | images somebody vouches for |
//! | [`record`] | what is remembered of a file, a layer and an image: the catalog's contents |
//! | [`report`] | verdict and scan report: the public JSON |
//! | [`trace`] | what one run of a sample did: events, and how they were recorded |
//! | [`text`] | making text that a sample wrote safe to show |

pub mod about;
pub mod digest;
pub mod evidence;
pub mod image;
pub mod intel;
pub mod known;
pub mod packages;
pub mod record;
pub mod reference;
pub mod report;
pub mod taxonomy;
pub mod text;
pub mod trace;

pub use about::About;
pub use digest::{Digest, Hasher};
pub use evidence::{Finding, Indicator, IndicatorKind, Inside, InsideLevel, Location, Observation, Origin};
pub use image::{Descriptor, HistoryLine, ImageConfig, Index, Manifest, ManifestOrIndex, Platform};
pub use intel::{IntelEntry, IntelSource, IntelValue, Standing};
pub use known::{FileSet, Known, KnownImage, KnownLayer};
pub use packages::{
    Diversion, EntryDigests, FileDigest, LayerPackages, ListedPath, PackageDatabase, PackageFacts, PackageManager,
    PackagedFile,
};
pub use record::{EntryKind, EntryRecord, FileFacts, FileKind, LayerRecord, Problem, ProblemKind};
pub use reference::{ImageReference, Locator, ReferenceError};
pub use report::{Completeness, Concealment, ImageIdentity, LayerSummary, Reason, SCHEMA, ScanReport, Verdict};
pub use taxonomy::{Category, Confidence, Disposition, Maturity, Severity, Weight};
pub use trace::{Canary, CapturedFile, EndReason, Event, Stream, Trace, TraceEnd, TraceHead, What};
