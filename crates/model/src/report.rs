//! The verdict and the scan report: the public JSON. A change of shape raises [`SCHEMA`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Category, Confidence, Digest, Disposition, Finding, Platform, Problem, Severity, Trace};

/// Name and version of the JSON that `lazaret scan --format json` writes.
pub const SCHEMA: &str = "lazaret.scan/1";

/// The judgement over one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How it ends.
    pub disposition: Disposition,
    /// What it is.
    pub categories: BTreeSet<Category>,
    /// The worst severity among the findings that carry the disposition.
    pub severity: Severity,
    /// The best confidence among them.
    pub confidence: Confidence,
    /// Whether it admits what it does; none where nothing is to admit.
    pub concealment: Option<Concealment>,
    /// Why, one line each, with the ids of the findings it rests on.
    pub reasons: Vec<Reason>,
    /// Whether everything was looked at.
    pub completeness: Completeness,
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One line for people; may quote hostile text.
    pub text: String,
    /// Ids of the findings.
    pub findings: Vec<String>,
}

/// Whether an image admits what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concealment {
    /// Name, description or labels, and the entry point say it.
    Declared,
    /// They say something else, or nothing.
    Concealed,
}

/// Whether everything was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Completeness {
    /// Everything.
    Complete,
    /// Not everything; the lines say what not.
    Partial {
        /// What was not looked at.
        not_looked_at: Vec<String>,
    },
}

/// Which image a report is about. Everything that is a digest was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// As the user or the hunt named it, for example `docker.io/library/alpine:3.20` or `oci:folder`.
    pub reference: String,
    /// The index it was chosen from, if any.
    pub index: Option<Digest>,
    /// Its manifest. For a `docker save` archive, which has none, absent: the config digest is the subject.
    pub manifest: Option<Digest>,
    /// Its config: Docker's image id.
    pub config: Digest,
    /// Whether the config's DiffIDs are those of the layers, as we computed them. If not, the config digest may belong
    /// to another, honest image and is never listed for this one.
    pub config_pins_layers: bool,
    /// What it runs on.
    pub platform: Platform,
    /// When its author says it was made (RFC 3339, unverified).
    pub created: Option<String>,
    /// ENTRYPOINT and CMD joined: what runs.
    pub command: Vec<String>,
    /// Labels whose text decides whether it declares what it does (title, description).
    pub description: String,
    /// Layers, lowest first.
    pub layers: Vec<LayerSummary>,
}

impl ImageIdentity {
    /// The digest the verdict is about: manifest, or config where there is none.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.manifest.unwrap_or(self.config)
    }
}

/// One layer of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSummary {
    /// Of the blob.
    pub digest: Digest,
    /// Of the tar, as we computed it.
    pub diff_id: Option<Digest>,
    /// Size of the blob.
    pub packed_bytes: u64,
    /// Size of the tar.
    pub unpacked_bytes: u64,
    /// How many entries.
    pub entries: u64,
    /// The build step its author claims for it. Hostile text.
    pub history: Option<String>,
    /// How many findings are in it.
    pub findings: u64,
    /// Set if the layer was known and not read again.
    pub remembered: bool,
}

/// Everything one scan of one image says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which image.
    pub image: ImageIdentity,
    /// The judgement.
    pub verdict: Verdict,
    /// The evidence, worst first.
    pub findings: Vec<Finding>,
    /// What was not looked at, and what could be read in two ways.
    pub problems: Vec<Problem>,
    /// Id of the rule pack: two reports with the same id asked the same questions.
    pub rule_pack: String,
    /// When it was scanned, seconds since 1970 (UTC).
    pub scanned_at: u64,
    /// Set if the verdict came from the catalog and no layer was read.
    pub remembered: bool,
    /// What it did when it ran, one a run, with the events that tell most; empty where it was not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Trace>,
}
