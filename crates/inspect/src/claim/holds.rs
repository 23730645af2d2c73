//! Whether an image holds anything of a project.

use std::collections::HashSet;

use memchr::memmem;
use model::{Category, EntryKind, EntryRecord, KnownImage, Observation, Weight};

use crate::{At, ImageView};

/// Names of the project's files that two builds of it share at least.
const FAMILIAR_MIN: usize = 3;

/// Whether an entry is a file of a project's own, by [`super::signs`]: one of them is in its path. Empty files and folders
/// are none, because they prove nothing.
#[must_use]
pub fn is_own_file(entry: &EntryRecord, signs: &[String]) -> bool {
    let has_content = match entry.kind {
        EntryKind::File => entry.size > 0,
        EntryKind::Symlink | EntryKind::Hardlink => true,
        _ => false,
    };
    if !has_content {
        return false;
    }
    let path = entry.path.to_ascii_lowercase();
    signs.iter().any(|sign| memmem::find(path.as_bytes(), sign.as_bytes()).is_some())
}

/// Whether any file in any layer is the project's, by its path: what is deleted later or never run counts too.
pub(crate) fn holds(image: &ImageView<'_>, signs: &[String]) -> bool {
    let malice = malicious(image);
    own_files(image, signs).any(|(at, _)| !malice.contains(&at))
}

/// Whether the image runs a file of the project's, or holds enough of the files that `known` has: then it is another build of
/// the same.
pub(crate) fn is_run_or_familiar(image: &ImageView<'_>, signs: &[String], known: &KnownImage) -> bool {
    let malice = malicious(image);
    let needed = FAMILIAR_MIN.min(known.names.len() / 2).max(1);
    let names: HashSet<&str> = known.names.iter().map(String::as_str).collect();
    let mut familiar = HashSet::new();
    for (at, entry) in own_files(image, signs).filter(|(at, _)| !malice.contains(at)) {
        if image.runs.contains(&at) {
            return true;
        }
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        if names.contains(name) && familiar.insert(name) && familiar.len() >= needed {
            return true;
        }
    }
    false
}

fn own_files<'a>(image: &ImageView<'a>, signs: &[String]) -> impl Iterator<Item = (At, &'a EntryRecord)> {
    let entries = image.layers.iter().enumerate().flat_map(|(number, layer)| {
        layer.entries.iter().enumerate().map(move |(index, entry)| ((number, index), entry))
    });
    entries.filter(|(_, entry)| is_own_file(entry, signs))
}

/// Files that are something else whatever they are called: a miner by the name of `nginx`.
fn malicious(image: &ImageView<'_>) -> HashSet<At> {
    let layers = image.layers.iter().enumerate();
    let seen =
        layers.flat_map(|(number, layer)| layer.observations.iter().map(move |(entry, seen)| (number, entry, seen)));
    seen.filter(|(_, _, seen)| is_malice(seen)).map(|(number, entry, _)| (number, *entry as usize)).collect()
}

fn is_malice(seen: &Observation) -> bool {
    use Category as C;
    seen.weight != Weight::Fact
        && matches!(
            seen.category,
            C::Cryptominer
                | C::Ddos
                | C::Backdoor
                | C::Worm
                | C::CredentialTheft
                | C::Ransomware
                | C::Wiper
                | C::Proxyware
        )
}
