//! Where each STIX object is: read once per release, and of a file that a release shares with the one before not again.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;

use super::timestamp;
use crate::{
    date,
    forms::Uuid,
    serve::release::{Key, Opened, Release},
};

/// Longest bundle that is read.
const BUNDLE_BYTES_MAX: u64 = 1 << 30;
/// Most objects: 1 GiB of memory.
const ITEMS_MAX: usize = 20_000_000;

model::words! {
    /// Types of objects that the forms write.
    Kind {
        /// Who says so.
        Identity = "identity",
        /// What the extension means.
        ExtensionDefinition = "extension-definition",
        /// A category.
        Malware = "malware",
        /// An entry.
        Indicator = "indicator",
        /// From an entry to a category.
        Relationship = "relationship",
    }
}

/// One object: what is asked by, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// When its only version was made, which is when it was added: seconds since 1970.
    pub(super) added: u64,
    pub(super) uuid: Uuid,
    pub(super) kind: Kind,
    /// Whether it is in the collection of what may be blocked unread.
    pub(super) stable: bool,
    /// The bundle: the digests' first byte, or [`COMMON`].
    bundle: u16,
    from: u32,
    /// How long it is there.
    pub(super) bytes: u32,
}

/// Of the bundle of what all others refer to.
const COMMON: u16 = 256;

impl Item {
    pub(super) fn id(&self) -> String {
        format!("{}--{}", self.kind, self.uuid)
    }

    pub(super) fn date(&self) -> String {
        timestamp(self.added)
    }

    /// As `modified` in the object.
    pub(super) fn version(&self) -> String {
        date::rfc3339(self.added).replace('Z', ".000Z")
    }
}

/// The newest release's objects.
#[derive(Default)]
pub(crate) struct Objects(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    kept: Option<Arc<Kept>>,
    /// By the identity of the bundle's file.
    bundles: HashMap<Key, Arc<Vec<Item>>>,
}

/// A release's objects.
pub(super) struct Kept {
    release: Release,
    /// By when they were added, then by UUID.
    items: Vec<Item>,
}

impl Objects {
    /// The objects of `release`. Others wait while they are read for the first time.
    pub(super) fn of(&self, release: &Release) -> io::Result<Arc<Kept>> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = memory.kept.as_ref().filter(|kept| kept.release.folder() == release.folder()) {
            return Ok(kept.clone());
        }
        let (mut all, mut known) = (Vec::new(), HashMap::new());
        for bundle in 0..=COMMON {
            let path = path(bundle);
            let opened = release.file(&path)?;
            let items = match memory.bundles.get(&opened.key()) {
                Some(items) => items.clone(),
                None => {
                    let damaged = |what| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {what}"));
                    Arc::new(items(bundle, &opened.read(BUNDLE_BYTES_MAX)?).map_err(damaged)?)
                }
            };
            if all.len() + items.len() > ITEMS_MAX {
                return Err(io::Error::other(format!("more than {ITEMS_MAX} objects: take the bundles in stix/")));
            }
            all.extend_from_slice(&items);
            known.insert(opened.key(), items);
        }
        all.sort_unstable_by_key(|item| (item.added, item.uuid));
        let kept = Arc::new(Kept { release: release.clone(), items: all });
        *memory = Memory { kept: Some(kept.clone()), bundles: known };
        Ok(kept)
    }
}

impl Kept {
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The objects themselves, as JSON, in the order of `items`. One bundle is open at a time.
    pub(super) fn read(&self, items: &[Item]) -> io::Result<Vec<String>> {
        let mut by_bundle: Vec<(usize, &Item)> = items.iter().enumerate().collect();
        by_bundle.sort_unstable_by_key(|(_, item)| (item.bundle, item.from));
        let (mut objects, mut open) = (vec![String::new(); items.len()], None::<(u16, Opened)>);
        for (at, item) in by_bundle {
            let opened = match open.take().filter(|(bundle, _)| *bundle == item.bundle) {
                Some((_, opened)) => opened,
                None => self.release.file(&path(item.bundle))?,
            };
            let mut bytes = vec![0; item.bytes as usize];
            std::os::unix::fs::FileExt::read_exact_at(&opened.file, &mut bytes, item.from.into())?;
            objects[at] = String::from_utf8(bytes).map_err(io::Error::other)?;
            open = Some((item.bundle, opened));
        }
        Ok(objects)
    }
}

fn path(bundle: u16) -> String {
    if bundle == COMMON { "stix/common.json".to_owned() } else { format!("stix/{bundle:02x}.json") }
}

/// The objects in a bundle: one a line, after the first line and before the last.
fn items(bundle: u16, bytes: &[u8]) -> Result<Vec<Item>, String> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: Kind,
        id: String,
        modified: String,
        #[serde(default)]
        labels: Vec<String>,
    }
    let (mut items, mut from, mut stable) = (Vec::new(), 0, bundle == COMMON);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let object = line.strip_suffix(b",").unwrap_or(line);
        if number > 0 && object.first() == Some(&b'{') {
            let head: Head = serde_json::from_slice(object).map_err(|error| format!("line {}: {error}", number + 1))?;
            let wrong = || format!("line {}: {:?} was not written by us", number + 1, head.id);
            let uuid = head.id.strip_prefix(head.kind.word()).and_then(|id| id.strip_prefix("--"));
            let uuid = uuid.and_then(|uuid| uuid.parse().ok()).ok_or_else(wrong)?;
            let modified = head.modified.strip_suffix(".000Z").and_then(|time| date::seconds(&format!("{time}Z")));
            if head.kind == Kind::Indicator {
                let labelled = |label: &str| head.labels.iter().any(|one| one == label);
                // What it indicates follows it.
                stable = labelled("channel:stable") && labelled("list:block");
            }
            items.push(Item {
                added: modified.ok_or_else(wrong)?,
                uuid,
                kind: head.kind,
                stable,
                bundle,
                from: u32::try_from(from).map_err(|_| "it is too long".to_owned())?,
                bytes: u32::try_from(object.len()).map_err(|_| "it is too long".to_owned())?,
            });
        }
        from += line.len() + 1;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::super::testing::*;
    use crate::entry::{Channel, List};

    /// Ids of indicators on all pages.
    fn indicators(site: &Site, query: &str) -> BTreeSet<String> {
        let (mut found, mut next) = (BTreeSet::new(), String::new());
        loop {
            let got = site.get(&format!("/taxii2/feed/collections/{query}{next}"), &[]);
            let page: Value = serde_json::from_slice(&got.body).expect("JSON");
            for object in page["objects"].as_array().into_iter().flatten() {
                if object["type"] == "indicator" {
                    let new = found
                        .insert(object["external_references"][0]["external_id"].as_str().expect("an id").to_owned());
                    assert!(new, "{object} comes twice");
                }
            }
            if page["more"] != true {
                return found;
            }
            next = format!("&next={}", page["next"].as_str().expect("a token"));
        }
    }

    #[test]
    fn pages_hold_each_object_once() {
        let site = Site::of(500);
        let all: BTreeSet<_> = site.world.entries.iter().map(|entry| entry.id.to_string()).collect();
        for limit in [7, 100, 5_000] {
            assert_eq!(indicators(&site, &format!("all/objects/?limit={limit}")), all);
        }
        let stable =
            site.world.entries.iter().filter(|entry| entry.channel == Channel::Stable && entry.list == List::Block);
        assert_eq!(indicators(&site, "stable/objects/?limit=50"), stable.map(|entry| entry.id.to_string()).collect());
    }

    #[test]
    fn what_changed_since_is_what_a_client_gets() {
        let mut site = Site::of(100);
        let newest = site.world.entries.iter().map(|entry| entry.changed_at.clone()).max().expect("some");
        assert!(indicators(&site, &format!("all/objects/?added_after={newest}")).is_empty());
        let withdrawn = site.world.entries[5].id.to_string();
        site.world.entries[5].changed_at = "2026-11-23T13:00:00Z".to_owned();
        site.world.entries[5].status = crate::Status::Withdrawn;
        site.publish();
        assert_eq!(indicators(&site, &format!("all/objects/?added_after={newest}")), [withdrawn].into());
    }

    #[test]
    fn a_page_goes_on_where_it_ended_though_the_feed_changed() {
        let mut site = Site::of(100);
        let first = site.get("/taxii2/feed/collections/all/objects/?limit=10", &[]);
        let first: Value = serde_json::from_slice(&first.body).expect("JSON");
        let next = first["next"].as_str().expect("a token").to_owned();
        site.publish();
        let second = site.get(&format!("/taxii2/feed/collections/all/objects/?limit=10&next={next}"), &[]);
        let second: Value = serde_json::from_slice(&second.body).expect("JSON");
        let ids = |page: &Value| -> BTreeSet<String> {
            page["objects"].as_array().expect("objects").iter().map(|object| object["id"].to_string()).collect()
        };
        assert_eq!(ids(&first).intersection(&ids(&second)).count(), 0);
        let other = site.get(&format!("/taxii2/feed/collections/all/objects/?match[type]=malware&next={next}"), &[]);
        assert_eq!(other.status, 400, "other filters begin again");
    }
}
