//! All package databases of an image together: who owns a file, and whether it is as it was installed.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::{
    Diversion, EntryDigests, FileDigest, FileKind, LayerRecord, ListedPath, PackageDatabase, PackageFacts,
    PackageManager, PackagedFile,
};

use super::merged;
use crate::view::{At, MergedFiles};

/// Packages that may list one path: Debian's own have two or three (diversions, one package replacing another).
const CLAIMS_MAX: usize = 32;

/// What is installed in an image, by its own account.
pub struct Installed<'a> {
    layers: &'a [&'a LayerRecord],
    databases: Vec<(usize, &'a PackageDatabase)>,
    claims: HashMap<&'a str, Vec<Claim<'a>>>,
    versions: HashMap<(PackageManager, &'a str), &'a str>,
}

/// A package that lists a path.
#[derive(Clone, Copy)]
struct Claim<'a> {
    layer: usize,
    manager: PackageManager,
    package: &'a PackageFacts,
    file: &'a PackagedFile,
}

/// A file that a package lists.
pub struct Owned<'a> {
    /// Whose database lists it.
    pub manager: PackageManager,
    /// The package.
    pub package: &'a PackageFacts,
    /// Whether it is as it was.
    pub content: Content,
    /// What the file was before a later layer replaced it, if a lower layer has it.
    pub was: Option<FileKind>,
}

/// Whether a packaged file is as it was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As a database says.
    Same,
    /// Another than every database says.
    Changed,
    /// Replaced by a layer above that of the database, which does not say what it was.
    Replaced,
    /// There is nothing to compare.
    Unknown,
}

impl<'a> Installed<'a> {
    pub(crate) fn new(layers: &'a [&'a LayerRecord], files: &dyn MergedFiles) -> Self {
        let databases = standing(layers, files);
        let diversions: HashMap<&str, &Diversion> = databases
            .iter()
            .flat_map(|(_, database)| &database.diversions)
            .map(|diversion| (merged(&diversion.from), diversion))
            .collect();
        let mut claims: HashMap<&str, Vec<Claim<'_>>> = HashMap::new();
        let mut versions = HashMap::new();
        for &(layer, database) in &databases {
            let manager = database.manager;
            for package in &database.packages {
                if !package.version.is_empty() {
                    versions.insert((manager, package.name.as_str()), package.version.as_str());
                }
                for file in &package.files {
                    let Some(path) = path_of(layers, layer, file) else { continue };
                    let away = diversions.get(path).filter(|diversion| diversion.by != package.name);
                    let path = away.map_or(path, |diversion| merged(&diversion.to));
                    let listed = claims.entry(path).or_default();
                    if listed.len() < CLAIMS_MAX {
                        listed.push(Claim { layer, manager, package, file });
                    }
                }
            }
        }
        Self { layers, databases, claims, versions }
    }

    /// Every package, with its manager. A package is there more than once if several files of a database name it.
    pub fn packages(&self) -> impl Iterator<Item = (PackageManager, &'a PackageFacts)> {
        self.databases
            .iter()
            .flat_map(|(_, database)| database.packages.iter().map(|package| (database.manager, package)))
    }

    /// The visible databases and the number of their layer.
    #[must_use]
    pub fn databases(&self) -> &[(usize, &'a PackageDatabase)] {
        &self.databases
    }

    /// The version of a package; empty if no database says.
    #[must_use]
    pub fn version(&self, manager: PackageManager, package: &'a PackageFacts) -> &'a str {
        self.versions.get(&(manager, package.name.as_str())).copied().unwrap_or(package.version.as_str())
    }

    /// Who owns a path (from the root, without a leading `/`), whatever stands there.
    #[must_use]
    pub fn owner(&self, path: &str) -> Option<(PackageManager, &'a PackageFacts)> {
        let claim = self.claims.get(merged(path))?.last()?;
        Some((claim.manager, claim.package))
    }

    /// Who owns the regular file at `at`, and whether it is as it was installed; none if nobody lists its path.
    #[must_use]
    pub fn owned(&self, at: At) -> Option<Owned<'a>> {
        let layer = self.layers.get(at.0)?;
        let entry = layer.entries.get(at.1)?;
        let claims = self.claims.get(merged(&entry.path))?;
        let sha256 = entry.sha256?;
        let digests = digests_of(layer, at.1);
        let compare = |claim: &Claim<'a>| {
            let same = match (claim.file.digest, digests) {
                (Some(FileDigest::Sha256(head)), _) => sha256.as_bytes().starts_with(&head),
                (Some(FileDigest::Md5(head)), Some(digests)) => digests.md5 == head,
                (Some(FileDigest::Sha1(head)), Some(digests)) => digests.sha1 == head,
                // No digest to compare: what stands in the layer of the database is what it lists.
                _ => match self.installed(claim) {
                    Some(installed) if installed.sha256 == Some(sha256) => return Content::Same,
                    Some(installed) if installed.sha256.is_some() && at.0 > claim.layer => return Content::Replaced,
                    _ => return Content::Unknown,
                },
            };
            if same { Content::Same } else { Content::Changed }
        };
        let owned = |claim: &Claim<'a>, content| Owned {
            manager: claim.manager,
            package: claim.package,
            content,
            was: self.was(claim, at),
        };
        // Of two packages that list a path, one has replaced the other's file: it is enough that it is one of them.
        for content in [Content::Same, Content::Unknown, Content::Changed, Content::Replaced] {
            if let Some(claim) = claims.iter().rev().find(|claim| compare(claim) == content) {
                return Some(owned(claim, content));
            }
        }
        None
    }

    /// The file that the claim is about, if it is in the layer of the database.
    fn installed(&self, claim: &Claim<'a>) -> Option<&'a model::EntryRecord> {
        let ListedPath::Entry(entry) = claim.file.path else { return None };
        self.layers.get(claim.layer)?.entries.get(entry as usize)
    }

    /// What the packaged file was, if that is not the file at `at` itself.
    fn was(&self, claim: &Claim<'a>, at: At) -> Option<FileKind> {
        let ListedPath::Entry(entry) = claim.file.path else { return None };
        let entry = entry as usize;
        if (claim.layer, entry) == at {
            return None;
        }
        Some(digests_of(self.layers.get(claim.layer)?, entry)?.kind)
    }

    /// What the file at `at` is, if it is one whose digests were computed.
    #[must_use]
    pub fn kind(&self, at: At) -> Option<FileKind> {
        Some(digests_of(self.layers.get(at.0)?, at.1)?.kind)
    }
}

/// The databases that tell what is installed: those that are visible, and deleted ones of packages that are still there.
///
/// Whoever deletes a package's checksums and leaves it in dpkg's `status`, or deletes all databases of a manager, has not
/// removed the package.
fn standing<'a>(layers: &'a [&'a LayerRecord], files: &dyn MergedFiles) -> Vec<(usize, &'a PackageDatabase)> {
    let mut topmost: BTreeMap<&str, (usize, &PackageDatabase)> = BTreeMap::new();
    for (number, layer) in layers.iter().enumerate() {
        for database in &layer.packages.databases {
            if let Some(entry) = layer.entries.get(database.entry as usize) {
                topmost.insert(&entry.path, (number, database));
            }
        }
    }
    let is_visible =
        |(number, database): (usize, &PackageDatabase)| !files.is_hidden((number, database.entry as usize));
    let visible: Vec<_> = topmost.values().copied().filter(|at| is_visible(*at)).collect();
    let managers: HashSet<PackageManager> = visible
        .iter()
        .filter(|(_, database)| !database.packages.is_empty())
        .map(|(_, database)| database.manager)
        .collect();
    let status: HashSet<&str> = visible
        .iter()
        .filter(|(_, database)| database.manager == PackageManager::Dpkg)
        .flat_map(|(_, database)| &database.packages)
        .filter(|package| package.files.is_empty() && !package.version.is_empty())
        .map(|package| package.name.as_str())
        .collect();
    let stands = |(number, database): &(usize, &PackageDatabase)| {
        let in_status = |package: &PackageFacts| status.contains(package.name.as_str());
        is_visible((*number, database))
            || !managers.contains(&database.manager)
            || (database.manager == PackageManager::Dpkg && database.packages.iter().any(in_status))
    };
    topmost.into_values().filter(stands).collect()
}

fn digests_of(layer: &LayerRecord, entry: usize) -> Option<&EntryDigests> {
    let digests = &layer.packages.digests;
    let found = digests.binary_search_by_key(&entry, |digests| digests.entry as usize).ok()?;
    digests.get(found)
}

fn path_of<'a>(layers: &'a [&'a LayerRecord], layer: usize, file: &'a PackagedFile) -> Option<&'a str> {
    let path = match &file.path {
        ListedPath::Path(path) => path,
        ListedPath::Entry(entry) => &layers.get(layer)?.entries.get(*entry as usize)?.path,
    };
    Some(merged(path))
}
