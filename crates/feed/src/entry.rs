//! What is listed, and as what.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, Digest, Disposition, Finding, Location, Maturity, ScanReport, Severity, Weight};
use serde::Serialize;
use store::{Catalog, StoreError};

use crate::date::rfc3339;

/// Name and version of the JSON of an entry.
pub const SCHEMA: &str = "lazaret.feed/1";

/// Layers without content: every second image has one. The gzip of an empty tar, as BuildKit and as Docker write it.
const EMPTY_LAYERS: [&str; 2] = [
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
];

/// What a listed digest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An image index with a bad child; the children name which.
    Index,
    /// An image.
    Manifest,
    /// An image's config: Docker's image id.
    Config,
    /// A layer that carries the evidence itself.
    Layer,
    /// A file that is proof.
    File,
}

/// Whether a digest is still listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is.
    Active,
}

/// One line of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What is listed.
    pub digest: Digest,
    /// As what.
    pub role: Role,
    /// What the images it belongs to are.
    pub categories: BTreeSet<Category>,
    /// The worst among those images.
    pub severity: Severity,
    /// The best among those images.
    pub confidence: Confidence,
    /// When one of those images was first seen: RFC 3339, UTC.
    pub first_seen: String,
    /// Names they were seen under: context, never a key. Hostile text.
    pub references: BTreeSet<String>,
    /// Ids of the findings it rests on.
    pub evidence: BTreeSet<String>,
    /// What it is listed as a part of.
    pub parents: BTreeSet<Digest>,
    /// For an index its bad manifests, for a manifest its config and listed layers, for a layer its listed files.
    pub children: BTreeSet<Digest>,
    /// Whether it is still listed.
    pub status: Status,
}

/// Every entry, by digest and role.
pub(crate) fn entries(catalog: &dyn Catalog) -> Result<Vec<Entry>, StoreError> {
    let mut good: BTreeSet<Digest> = EMPTY_LAYERS.iter().filter_map(|text| text.parse().ok()).collect();
    catalog.for_each_report(&mut |report| {
        if report.verdict.disposition == Disposition::Clean {
            good.extend(report.image.layers.iter().map(|layer| layer.digest));
        }
    })?;

    let mut listing = Listing { good, entries: BTreeMap::new() };
    let mut failed = None;
    catalog.for_each_report(&mut |report| {
        if report.verdict.disposition == Disposition::Malicious && failed.is_none() {
            match catalog.sightings(&report.image.subject()) {
                Ok(sightings) => listing.add(&report, &sightings),
                Err(error) => failed = Some(error),
            }
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(listing.entries.into_values().map(|(first_seen, entry)| dated(first_seen, entry)).collect()),
    }
}

fn dated(first_seen: u64, entry: Entry) -> Entry {
    Entry { first_seen: rfc3339(first_seen), ..entry }
}

struct Listing {
    /// Layers of clean images, and those without content: never listed.
    good: BTreeSet<Digest>,
    /// With the second each was first seen.
    entries: BTreeMap<(Digest, Role), (u64, Entry)>,
}

impl Listing {
    fn add(&mut self, report: &ScanReport, sightings: &[(String, u64, u64)]) {
        let image = &report.image;
        let counted: Vec<&Finding> = report.findings.iter().filter(|finding| counts(report, finding)).collect();
        let all = || counted.iter().map(|finding| finding.id.clone());
        let note = |listing: &mut Self, digest, role, parent: Option<Digest>, evidence: BTreeSet<String>| {
            let entry = listing.entry(digest, role, report, sightings);
            entry.evidence.extend(evidence);
            entry.parents.extend(parent);
            if let Some((parent, parent_role)) = parent.zip(parent_role(role, image.manifest.is_some())) {
                listing.entry(parent, parent_role, report, sightings).children.insert(digest);
            }
        };

        if let Some(index) = image.index {
            note(self, index, Role::Index, None, all().collect());
        }
        if let Some(manifest) = image.manifest {
            note(self, manifest, Role::Manifest, image.index, all().collect());
        }
        note(self, image.config, Role::Config, image.manifest, all().collect());
        // A digest that other images share is listed only on what a stable detector says.
        for finding in counted.iter().filter(|finding| finding.observation.maturity == Maturity::Stable) {
            let Location::File { layer, sha256, .. } = &finding.location else { continue };
            let listed = !self.good.contains(layer);
            let evidence = BTreeSet::from([finding.id.clone()]);
            if listed {
                note(self, *layer, Role::Layer, Some(image.subject()), evidence.clone());
            }
            if let (Weight::Proof, Some(sha256)) = (finding.observation.weight, sha256) {
                note(self, *sha256, Role::File, listed.then_some(*layer), evidence);
            }
        }
    }

    /// The entry, with what `report` adds to any of its parts.
    fn entry(&mut self, digest: Digest, role: Role, report: &ScanReport, seen: &[(String, u64, u64)]) -> &mut Entry {
        let verdict = &report.verdict;
        let (first_seen, entry) = self.entries.entry((digest, role)).or_insert_with(|| {
            let entry = Entry {
                schema: SCHEMA,
                digest,
                role,
                categories: BTreeSet::new(),
                severity: verdict.severity,
                confidence: verdict.confidence,
                first_seen: String::new(),
                references: BTreeSet::new(),
                evidence: BTreeSet::new(),
                parents: BTreeSet::new(),
                children: BTreeSet::new(),
                status: Status::Active,
            };
            (report.scanned_at, entry)
        });
        for (reference, first, _) in seen {
            *first_seen = (*first_seen).min(*first);
            entry.references.insert(reference.clone());
        }
        entry.categories.extend(&verdict.categories);
        entry.severity = entry.severity.max(verdict.severity);
        entry.confidence = entry.confidence.max(verdict.confidence);
        entry
    }
}

/// Whether it is evidence of malice that the verdict names. A scanner or a leaked key beside a miner is not listed for it.
fn counts(report: &ScanReport, finding: &Finding) -> bool {
    use Category as C;
    let category = finding.observation.category;
    let risky_at_most = matches!(
        category,
        C::HackingTool
            | C::EmbeddedSecret
            | C::ProxyAvoidance
            | C::NewlyRegisteredDomain
            | C::DynamicDns
            | C::Impersonation
            | C::Spam
            | C::Other
    );
    !risky_at_most && finding.observation.weight != Weight::Fact && report.verdict.categories.contains(&category)
}

const fn parent_role(role: Role, has_manifest: bool) -> Option<Role> {
    match role {
        Role::Index => None,
        Role::Manifest => Some(Role::Index),
        Role::Config => Some(Role::Manifest),
        Role::Layer if has_manifest => Some(Role::Manifest),
        Role::Layer => Some(Role::Config),
        Role::File => Some(Role::Layer),
    }
}
