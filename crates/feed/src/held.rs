//! What malicious images share with others.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use model::{Digest, Disposition, Locator, ScanReport};
use store::{Catalog, StoreError};

use crate::{
    entry::Role,
    evidence,
    guard::{Guard, Refusal, Rules},
};

/// Most reports and findings kept in memory.
const KEPT_MAX: usize = 500_000;
/// Owners counted of one digest; beyond, there are "many".
const OWNERS_MAX: usize = 1_000;

/// Parts of malicious images (configs, layers by blob and by DiffID, files with a finding) and who holds them.
pub(crate) struct Held {
    /// What no approval lists.
    guard: Guard,
    parts: BTreeMap<Digest, Holders>,
    popular_owners: usize,
    approved: BTreeSet<Digest>,
}

/// What the first look at the catalog keeps, so that it need not be read for it again.
pub(crate) struct Kept {
    /// Those that may be listed, without what they did when they ran; none if they are too many.
    pub(crate) reports: Option<Vec<ScanReport>>,
    room: usize,
}

impl Kept {
    fn keep(&mut self, mut report: ScanReport) {
        match self.room.checked_sub(1 + report.findings.len()) {
            Some(room) => self.room = room,
            None => self.reports = None,
        }
        if let Some(reports) = &mut self.reports {
            report.runs = Vec::new();
            reports.push(report);
        }
    }
}

/// Who holds one digest.
#[derive(Default)]
struct Holders {
    /// Images judged clean.
    clean: u64,
    /// Images judged risky or suspicious, or not decided.
    doubtful: u64,
    /// Of the images' repositories, hashed.
    owners: BTreeSet<u64>,
}

impl Held {
    /// Reads the catalog twice, so that only what malicious images have is kept in memory.
    pub(crate) fn read(catalog: &dyn Catalog, rules: &Rules) -> Result<(Self, Kept), StoreError> {
        let mut kept = Kept { reports: Some(Vec::new()), room: KEPT_MAX };
        let mut parts: BTreeMap<Digest, Holders> = BTreeMap::new();
        catalog.for_each_report(&mut |report| {
            let listed = rules.advise_from.is_some_and(|from| is_advised(&report, from))
                || report.verdict.disposition == Disposition::Malicious;
            if listed {
                parts.extend(parts_of(&report).into_iter().map(|digest| (digest, Holders::default())));
                kept.keep(report);
            }
        })?;
        let mut guard = Guard::new(catalog.known()?, rules);
        let mut failed = None;
        catalog.for_each_report(&mut |report| {
            if failed.is_none() {
                failed = forbid_official(&mut guard, catalog, &report).err();
            }
            let owner = owner(&report.image.reference);
            for digest in parts_of(&report) {
                if let Some(holders) = parts.get_mut(&digest) {
                    holders.add(report.verdict.disposition, owner);
                }
            }
        })?;
        let (popular_owners, approved) = (rules.popular_owners, rules.approved.clone());
        failed.map_or(Ok((Self { guard, parts, popular_owners, approved }, kept)), Err)
    }

    /// Whether a person approved a digest.
    pub(crate) fn is_approved(&self, digest: &Digest) -> bool {
        self.approved.contains(digest)
    }

    /// Whether a part may be listed on signs (`proven`: on a proof), by everybody's leave but a person's (`approved`: by that, too).
    pub(crate) fn check(&self, digest: &Digest, role: Role, proven: bool, approved: bool) -> Result<(), Refusal> {
        self.guard.check(digest, role)?;
        let Some(holders) = self.parts.get(digest) else { return Ok(()) };
        if holders.clean > 0 {
            return Err(Refusal::HeldByClean);
        }
        if holders.doubtful > 0 && !proven {
            return Err(Refusal::HeldByOthers);
        }
        let owners = holders.owners.len();
        if owners >= self.popular_owners && !approved {
            return Err(Refusal::Popular { owners });
        }
        Ok(())
    }

    pub(crate) fn into_forbidden(self) -> BTreeMap<Digest, Refusal> {
        self.guard.into_forbidden()
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// How many images judged otherwise hold it.
    pub(crate) fn others(&self, digest: &Digest) -> u64 {
        self.parts.get(digest).map_or(0, |holders| holders.clean + holders.doubtful)
    }
}

impl Holders {
    fn add(&mut self, disposition: Disposition, owner: Option<u64>) {
        match disposition {
            Disposition::Malicious => {}
            Disposition::Clean => self.clean += 1,
            Disposition::Risky | Disposition::Suspicious | Disposition::Undetermined => self.doubtful += 1,
        }
        if self.owners.len() < OWNERS_MAX {
            self.owners.extend(owner);
        }
    }
}

/// Whether a person should know of an image.
pub(crate) fn is_advised(report: &ScanReport, from: model::Confidence) -> bool {
    matches!(report.verdict.disposition, Disposition::Risky | Disposition::Suspicious)
        && report.verdict.confidence >= from
}

/// Forbids what an image consists of that was seen under a name only its publisher can push to. Of an image judged clean only
/// its newest name is looked at: nothing of it is listed anyway.
fn forbid_official(guard: &mut Guard, catalog: &dyn Catalog, report: &ScanReport) -> Result<(), StoreError> {
    let mut names = vec![report.image.reference.clone()];
    if report.verdict.disposition != Disposition::Clean {
        names.extend(catalog.sightings(&report.image.subject())?.into_iter().map(|(name, ..)| name));
    }
    if let Some(name) = names.iter().find(|name| guard.is_official(name)) {
        let image = &report.image;
        let layers = image.layers.iter().flat_map(|layer| [Some(layer.digest), layer.diff_id]).flatten();
        let config = image.config_pins_layers.then_some(image.config);
        guard.forbid(image.index.into_iter().chain(image.manifest).chain(config).chain(layers), name);
    }
    Ok(())
}

/// Registry and everything of the repository but its last part, hashed; none for what is in no registry.
fn owner(reference: &str) -> Option<u64> {
    let Ok(Locator::Registry(parsed)) = reference.parse() else { return None };
    let owner = parsed.repository.rsplit_once('/').map_or("", |(owner, _)| owner);
    let mut hasher = DefaultHasher::new();
    (&parsed.registry, owner).hash(&mut hasher);
    Some(hasher.finish())
}

fn parts_of(report: &ScanReport) -> BTreeSet<Digest> {
    let image = &report.image;
    let config = image.config_pins_layers.then_some(image.config);
    let layers = image.layers.iter().flat_map(|layer| [Some(layer.digest), layer.diff_id]).flatten();
    config.into_iter().chain(layers).chain(report.findings.iter().flat_map(evidence::files)).collect()
}
