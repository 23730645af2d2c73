//! A MISP feed folder: `misp/manifest.json`, `misp/hashes.csv`, and an event for each first byte of the digests that has entries.
//!
//! Events hold `container-image` objects (MISP's own template) for images, and `sha256` attributes for configs, layers and files. What is
//! withdrawn or only advised on stays with `to_ids` off. UUIDs follow from the feed's base URL and the entry's id, timestamps from the
//! entries, so an event is fetched again only if it changed. Source: MISP, "Managing feeds", and misp-objects, `container-image`.

use std::{fmt::Write as _, io};

use md5::{Digest as _, Md5};
use model::ImageReference;
use serde_json::{Map, Value, json};

use super::{Form, Sink, State, Uuid, text::line};
use crate::{
    date,
    entry::{Entry, Role},
};

pub(super) const FORM: Form = Form { name: "misp", title: "A MISP feed folder", path: "misp/", files };

/// The template `container-image`. Source: misp-objects, `objects/container-image/definition.json`.
const TEMPLATE: &str = "4aa82e67-ed3d-48a2-8ecd-7a39cf2c3f3c";
const TEMPLATE_VERSION: &str = "1";

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let (mut manifest, mut hashes) = (Map::new(), String::new());
    for shard in 0..=u8::MAX {
        let prefix = format!("{shard:02x}");
        let entries = state.with_prefix(&prefix);
        if entries.is_empty() {
            continue;
        }
        let id = state.namespace().name(&format!("misp/{prefix}")).to_string();
        let head = head(state, &prefix, entries);
        for value in entries.iter().flat_map(|entry| attributes(state, entry)).map(|attribute| attribute.value) {
            let _ = writeln!(hashes, "{},{id}", hex::encode(Md5::digest(value.as_bytes())));
        }
        let path = format!("misp/{id}.json");
        if !out.keep(&path, &prefix)? {
            out.file(&path, event(state, &id, &head, entries))?;
        }
        manifest.insert(id, Value::Object(head));
    }
    out.file("misp/manifest.json", serde_json::to_vec(&manifest).expect("text into memory"))?;
    out.file("misp/hashes.csv", hashes.into_bytes())
}

/// What manifest and event both say.
fn head(state: &State<'_>, prefix: &str, entries: &[Entry]) -> Map<String, Value> {
    let changed = entries.iter().map(|entry| entry.changed_at.as_str()).max().unwrap_or_default();
    let listed = entries.iter().map(|entry| entry.listed_at.as_str()).min().unwrap_or_default();
    let organisation = json!({ "name": line(state.name), "uuid": state.namespace().name("misp").to_string() });
    let mut head = Map::new();
    head.insert("Orgc".to_owned(), organisation);
    head.insert("Tag".to_owned(), json!([tag("type:OSINT")]));
    head.insert("info".to_owned(), format!("Malicious container images, digests {prefix}…").into());
    head.insert("date".to_owned(), listed.get(..10).unwrap_or("1970-01-01").into());
    // Complete; high.
    head.insert("analysis".to_owned(), "2".into());
    head.insert("threat_level_id".to_owned(), "1".into());
    head.insert("timestamp".to_owned(), seconds(changed).into());
    head
}

fn event(state: &State<'_>, id: &str, head: &Map<String, Value>, entries: &[Entry]) -> Vec<u8> {
    let mut event = head.clone();
    let timestamp = head.get("timestamp").and_then(Value::as_u64).unwrap_or(0).to_string();
    event.insert("uuid".to_owned(), id.into());
    event.insert("published".to_owned(), true.into());
    event.insert("publish_timestamp".to_owned(), timestamp.clone().into());
    event.insert("timestamp".to_owned(), timestamp.into());
    let (mut objects, mut alone) = (Vec::new(), Vec::new());
    for entry in entries {
        let values: Vec<_> = attributes(state, entry).into_iter().map(|attribute| attribute.json(entry)).collect();
        if entry.is_pulled() {
            objects.push(json!({
                "uuid": own_id(state, entry, "object").to_string(),
                "name": "container-image",
                "meta-category": "misc",
                "description": "Generic container-image object template to represent container images across platforms.",
                "template_uuid": TEMPLATE,
                "template_version": TEMPLATE_VERSION,
                "timestamp": seconds(&entry.changed_at).to_string(),
                "comment": comment(entry),
                "deleted": false,
                "Attribute": values,
            }));
        } else {
            alone.extend(values);
        }
    }
    event.insert("Attribute".to_owned(), alone.into());
    event.insert("Object".to_owned(), objects.into());
    let mut bytes = serde_json::to_vec(&json!({ "Event": event })).expect("text into memory");
    bytes.push(b'\n');
    bytes
}

/// One value of an entry.
struct Attribute {
    id: Uuid,
    /// In its object; none for a value that stands alone.
    relation: Option<&'static str>,
    kind: &'static str,
    category: &'static str,
    value: String,
    /// Whether others may be told by it.
    identifies: bool,
}

impl Attribute {
    fn json(&self, entry: &Entry) -> Value {
        let mut json = json!({
            "uuid": self.id.to_string(),
            "type": self.kind,
            "category": self.category,
            "value": self.value,
            "to_ids": self.identifies && entry.blocks(),
            "disable_correlation": !self.identifies,
            "timestamp": seconds(&entry.changed_at).to_string(),
            "comment": if self.identifies { comment(entry) } else { String::new() },
            "deleted": false,
        });
        if let Some(relation) = self.relation {
            json["object_relation"] = relation.into();
        }
        if self.identifies {
            let tags = entry.categories.iter().map(|category| tag(&format!("lazaret:category=\"{category}\"")));
            json["Tag"] = tags.collect();
        }
        json
    }
}

/// The values of an entry, in their order: the digest, then context.
fn attributes(state: &State<'_>, entry: &Entry) -> Vec<Attribute> {
    let hex = entry.digest.hex();
    let new = |relation: Option<&'static str>, kind, category, value: String, identifies| Attribute {
        id: own_id(state, entry, relation.unwrap_or("sha256")),
        relation,
        kind,
        category,
        value,
        identifies,
    };
    if !entry.is_pulled() {
        let category = if entry.role == Role::File { "Payload delivery" } else { "Artifacts dropped" };
        return vec![new(None, "sha256", category, hex, true)];
    }
    let mut values = vec![new(Some("digest"), "sha256", "Payload delivery", hex, true)];
    let mut context = |relation, value: String| values.push(new(Some(relation), "text", "Other", value, false));
    // The template has room for one name.
    if let Some(image) = entry.references.iter().find_map(|reference| reference.parse::<ImageReference>().ok()) {
        context("image-name", image.repository);
        context("registry", image.registry);
        image.tag.into_iter().for_each(|tag| context("tag", tag));
    }
    if let Some(platform) = &entry.platform {
        context("os", line(&platform.os));
        context("architecture", line(&platform.architecture));
    }
    values
}

fn comment(entry: &Entry) -> String {
    let mut text = format!("{}; {}, {}, {}", entry.headline(), entry.list, entry.channel, entry.status);
    if let Some(reason) = &entry.reason {
        let _ = write!(text, ": {}", line(reason));
    }
    text
}

fn own_id(state: &State<'_>, entry: &Entry, what: &str) -> Uuid {
    state.namespace().name(&format!("misp/{}/{what}", entry.id))
}

fn tag(name: &str) -> Value {
    json!({ "name": name, "colour": "#8a1c1c" })
}

fn seconds(rfc3339: &str) -> u64 {
    date::seconds(rfc3339).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::super::testing::*;

    #[test]
    fn every_entry_is_in_its_event_and_what_is_withdrawn_identifies_nothing() {
        let world = World::hostile();
        let written = world.write();
        let manifest: BTreeMap<String, Value> =
            serde_json::from_str(&written.text("misp/manifest.json")).expect("JSON");
        let (mut found, mut identifying) = (0, 0);
        for id in manifest.keys() {
            let event: Value = serde_json::from_str(&written.text(&format!("misp/{id}.json"))).expect("JSON");
            let alone = event["Event"]["Attribute"].as_array().cloned().unwrap_or_default();
            let objects = event["Event"]["Object"].as_array().cloned().unwrap_or_default();
            let digests: Vec<_> = objects.iter().map(|object| object["Attribute"][0].clone()).chain(alone).collect();
            found += digests.len();
            identifying += digests.iter().filter(|attribute| attribute["to_ids"] == true).count();
        }
        assert_eq!(found, world.entries.len());
        assert_eq!(identifying, world.entries.iter().filter(|entry| entry.blocks()).count());
    }
}
