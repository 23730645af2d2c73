//! What is listed: the rules that the crate's page states.

use std::collections::{BTreeMap, BTreeSet};

use model::{Digest, Disposition, Finding, LayerSummary, Location, Locator, ScanReport};
use store::{Catalog, StoreError};

use crate::{
    candidate::{Candidate, Draft},
    entry::{List, Role},
    evidence::{self, Strength},
    guard::{Refusal, Refused, Rules},
    held::{self, Held},
};

/// Most refusals kept: those beyond are counted.
const REFUSED_MAX: usize = 10_000;

/// What the catalog says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What could be listed, by digest and role.
    pub candidates: Vec<Candidate>,
    /// What has the evidence and is not, by digest and role.
    pub refused: BTreeSet<Refused>,
    /// How many more were refused.
    pub refused_more: usize,
    /// What no person may list either, and why. Known-good files beyond those of listed layers are not in it.
    pub forbidden: BTreeMap<Digest, Refusal>,
}

/// Asks the catalog what could be listed under `rules`.
///
/// # Errors
///
/// Any [`StoreError`].
pub fn find(catalog: &dyn Catalog, rules: &Rules) -> Result<Found, StoreError> {
    let (held, kept) = Held::read(catalog, rules)?;
    let mut listing =
        Listing { held, block: BTreeMap::new(), advise: BTreeMap::new(), refused: BTreeSet::new(), more: 0 };
    let mut failed = None;
    let mut visit = |report: ScanReport| {
        let malicious = report.verdict.disposition == Disposition::Malicious;
        let advised = rules.advise_from.is_some_and(|from| held::is_advised(&report, from));
        if (malicious || advised) && failed.is_none() {
            match catalog.sightings(&report.image.subject()) {
                Ok(sightings) if malicious => listing.add(&report, &Seen::new(&report, sightings)),
                Ok(sightings) => listing.advise(&report, &Seen::new(&report, sightings)),
                Err(error) => failed = Some(error),
            }
        }
    };
    match kept.reports {
        Some(reports) => reports.into_iter().for_each(&mut visit),
        None => catalog.for_each_report(&mut visit)?,
    }
    failed.map_or_else(|| Ok(listing.finish()), Err)
}

/// What an entry is sorted and found by.
pub(crate) type Key = (Digest, Role);

struct Listing {
    held: Held,
    block: BTreeMap<Key, Draft>,
    advise: BTreeMap<Key, Draft>,
    refused: BTreeSet<Refused>,
    more: usize,
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
        let index = image.index.and_then(|digest| self.list((digest, Role::Index), None, &malice, seen));
        let manifest = image.manifest.and_then(|digest| self.list((digest, Role::Manifest), index, &malice, seen));
        let config = self.own_config(report).and_then(|config| self.list(config, manifest, &malice, seen));
        for key in [manifest, config].into_iter().flatten() {
            self.block.entry(key).or_default().runs_on(&image.platform);
        }

        let mut located = by_layer(&malice);
        for layer in &image.layers {
            if let Some(findings) = located.remove(&layer.digest)
                && self.condemns(layer, &findings)
                && let Some(layer) = self.list((layer.digest, Role::Layer), manifest.or(config), &findings, seen)
            {
                self.add_files(layer, &findings, seen);
            }
        }
    }

    /// Lists an image that a person should know of; neither its layers nor its files, which others may use well.
    fn advise(&mut self, report: &ScanReport, seen: &Seen) {
        let image = &report.image;
        let concerns = evidence::concerns(report);
        let config = Some((image.config, Role::Config)).filter(|_| image.config_pins_layers);
        let manifest = image.manifest.map(|digest| (digest, Role::Manifest));
        let index = image.index.map(|digest| (digest, Role::Index));
        let mut parent = None;
        for key in [index, manifest, config].into_iter().flatten() {
            if concerns.is_empty() || self.held.guard().check(&key.0, key.1).is_err() {
                continue;
            }
            let draft = self.advise.entry(key).or_default();
            draft.rest_on(&concerns);
            draft.seen(seen.first, &seen.references);
            if key.1 != Role::Index {
                draft.runs_on(&image.platform);
            }
            tie(&mut self.advise, key, parent);
            parent = Some(key);
        }
    }

    /// The config, if it is this image's and malicious ones' alone.
    fn own_config(&mut self, report: &ScanReport) -> Option<Key> {
        let key = (report.image.config, Role::Config);
        let own = report.image.config_pins_layers;
        let allowed = own.then(|| self.held.check(&key.0, key.1, false, self.held.is_approved(&key.0))).transpose();
        allowed.map_err(|refusal| self.refuse(key, refusal)).ok().flatten().map(|()| key)
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
            let key = (file, Role::File);
            if evidence::strength(&findings) != Some(Strength::Proof) {
                continue;
            }
            match self.held.check(&file, key.1, true, self.held.is_approved(&file)) {
                Ok(()) => drop(self.list(key, Some(layer), &findings, seen)),
                Err(refusal) => self.refuse(key, refusal),
            }
        }
    }

    /// Whether the stable `findings` in a layer suffice to list it, and nobody else's it is.
    fn condemns(&mut self, layer: &LayerSummary, findings: &[&Finding]) -> bool {
        let Some(strength) = evidence::strength(findings) else { return false };
        let mut same = [Some(layer.digest), layer.diff_id].into_iter().flatten();
        let (proven, approved) = (strength == Strength::Proof, self.held.is_approved(&layer.digest));
        match same.try_for_each(|digest| self.held.check(&digest, Role::Layer, proven, approved)) {
            Ok(()) => true,
            Err(refusal) => {
                self.refuse((layer.digest, Role::Layer), refusal);
                false
            }
        }
    }

    /// Adds to the entry, and ties it to its parent. Returns its key, to be the next one's parent; none if a guard rail stands
    /// before it.
    fn list(&mut self, key: Key, parent: Option<Key>, findings: &[&Finding], seen: &Seen) -> Option<Key> {
        if let Err(refusal) = self.held.guard().check(&key.0, key.1) {
            self.refuse(key, refusal);
            return None;
        }
        let draft = self.block.entry(key).or_default();
        draft.rest_on(findings);
        draft.seen(seen.first, &seen.references);
        tie(&mut self.block, key, parent);
        Some(key)
    }

    fn refuse(&mut self, (digest, role): Key, refusal: Refusal) {
        let refused = Refused { digest, role, refusal };
        if self.refused.len() < REFUSED_MAX {
            self.refused.insert(refused);
        } else if !self.refused.contains(&refused) {
            self.more += 1;
        }
    }

    fn finish(self) -> Found {
        let Self { held, block, mut advise, refused, more } = self;
        advise.retain(|key, _| !block.contains_key(key));
        let block = block.into_iter().map(|(key, draft)| (key, (List::Block, draft)));
        let advise = advise.into_iter().map(|(key, draft)| (key, (List::Advise, draft)));
        let all: BTreeMap<Key, (List, Draft)> = block.chain(advise).collect();
        let finish = |((digest, role), (list, draft)): (Key, (List, Draft))| {
            let others = if list == List::Block { held.others(&digest) } else { 0 };
            draft.finish(digest, role, list, others)
        };
        let candidates = all.into_iter().map(finish).collect();
        Found { candidates, refused, refused_more: more, forbidden: held.into_forbidden() }
    }
}

/// Makes an entry a part of its parent's.
fn tie(drafts: &mut BTreeMap<Key, Draft>, key: Key, parent: Option<Key>) {
    if let Some(parent) = parent {
        drafts.entry(key).or_default().parents.insert(parent.0);
        drafts.entry(parent).or_default().children.insert(key.0);
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
