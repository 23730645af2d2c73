//! What is listed: the rules that the crate's page states.

use std::collections::BTreeMap;

use model::{Digest, Disposition, Finding, LayerSummary, Location, Locator, ScanReport};
use store::{Catalog, StoreError};

use crate::{
    candidate::{Candidate, Draft},
    entry::Role,
    evidence::{self, Strength},
    held::Held,
};

/// Every entry, by digest and role.
pub(crate) fn entries(catalog: &dyn Catalog) -> Result<Vec<Candidate>, StoreError> {
    let mut listing = Listing { held: Held::read(catalog)?, drafts: BTreeMap::new() };
    let mut failed = None;
    catalog.for_each_report(&mut |report| {
        if report.verdict.disposition == Disposition::Malicious && failed.is_none() {
            match catalog.sightings(&report.image.subject()) {
                Ok(sightings) => listing.add(&report, &Seen::new(&report, sightings)),
                Err(error) => failed = Some(error),
            }
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(listing.drafts.into_iter().map(|((digest, role), draft)| draft.finish(digest, role)).collect()),
    }
}

/// What an entry is sorted and found by.
type Key = (Digest, Role);

struct Listing {
    held: Held,
    drafts: BTreeMap<Key, Draft>,
}

/// When and where an image was seen.
struct Seen {
    /// Seconds since 1970.
    first: u64,
    /// In registries.
    references: Vec<String>,
}

impl Seen {
    fn new(report: &ScanReport, sightings: Vec<(String, u64, u64)>) -> Self {
        let first = sightings.iter().map(|(_, first, _)| *first).fold(report.scanned_at, u64::min);
        let in_registry = |reference: &String| matches!(reference.parse(), Ok(Locator::Registry(_)));
        let references = sightings.into_iter().map(|(reference, ..)| reference).filter(in_registry).collect();
        Self { first, references }
    }
}

impl Listing {
    /// Lists what of a malicious image may be listed, from the outside in.
    fn add(&mut self, report: &ScanReport, seen: &Seen) {
        let image = &report.image;
        let malice = evidence::malice(report);
        if malice.is_empty() {
            return;
        }
        let index = image.index.map(|digest| self.list((digest, Role::Index), None, &malice, seen));
        let manifest = image.manifest.map(|digest| self.list((digest, Role::Manifest), index, &malice, seen));
        let others = self.held.by_clean(&image.config) || self.held.by_doubtful(&image.config);
        let own_config = image.config_pins_layers && !others;
        let config = own_config.then(|| self.list((image.config, Role::Config), manifest, &malice, seen));

        let mut located = by_layer(&malice);
        for layer in &image.layers {
            if let Some(findings) = located.remove(&layer.digest)
                && self.condemns(layer, &findings)
            {
                let layer = self.list((layer.digest, Role::Layer), manifest.or(config), &findings, seen);
                self.add_files(layer, &findings, seen);
            }
        }
    }

    /// Lists the files that are proof, of a layer that is listed.
    fn add_files(&mut self, layer: Key, findings: &[&Finding], seen: &Seen) {
        let mut located: BTreeMap<Digest, Vec<&Finding>> = BTreeMap::new();
        for finding in findings {
            for file in evidence::files(finding) {
                located.entry(file).or_default().push(finding);
            }
        }
        for (file, findings) in located {
            if evidence::strength(&findings) == Some(Strength::Proof) && !self.held.file_by_clean(&file) {
                self.list((file, Role::File), Some(layer), &findings, seen);
            }
        }
    }

    /// Whether the stable `findings` in a layer suffice to list it.
    fn condemns(&self, layer: &LayerSummary, findings: &[&Finding]) -> bool {
        let same = || [Some(layer.digest), layer.diff_id].into_iter().flatten();
        let clean = same().any(|digest| self.held.by_clean(&digest));
        let doubtful = same().any(|digest| self.held.by_doubtful(&digest));
        match evidence::strength(findings) {
            Some(Strength::Proof) => !clean,
            Some(Strength::Signs) => !clean && !doubtful,
            None => false,
        }
    }

    /// Adds to the entry, and ties it to its parent. Returns its key, to be the next one's parent.
    fn list(&mut self, key: Key, parent: Option<Key>, findings: &[&Finding], seen: &Seen) -> Key {
        let draft = self.drafts.entry(key).or_default();
        draft.rest_on(findings);
        draft.seen(seen.first, &seen.references);
        if let Some(parent) = parent {
            draft.parents.insert(parent.0);
            self.drafts.entry(parent).or_default().children.insert(key.0);
        }
        key
    }
}

/// The stable findings in each layer: a digest that other images share is listed on nothing less.
fn by_layer<'a>(malice: &[&'a Finding]) -> BTreeMap<Digest, Vec<&'a Finding>> {
    let mut located: BTreeMap<Digest, Vec<&Finding>> = BTreeMap::new();
    for finding in malice.iter().filter(|finding| evidence::is_stable(finding)) {
        if let Location::File { layer, .. } = &finding.location {
            located.entry(*layer).or_default().push(finding);
        }
    }
    located
}
