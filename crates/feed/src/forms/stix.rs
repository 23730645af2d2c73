//! STIX 2.1 bundles: `stix/common.json` (who says so, what the categories are) and `stix/00.json` to `stix/ff.json`, an indicator an
//! entry, by the digest's first byte. The same objects are what TAXII serves.
//!
//! An indicator's pattern is `[file:hashes.'SHA-256' = '…']`, which every tool matches; what the digest is, and where it was seen, is
//! in a property extension. A withdrawn entry is revoked. Ids follow from the feed's base URL and the entry's id. Each object has a line
//! of its own, which begins with its type, id and times: the server finds objects by it without reading the rest.
//! Source: STIX 2.1, sections 3, 4.7, 4.11, 5.1, 7.3.

use std::io;

use model::{Category, Confidence};
use serde_json::{Map, Value, json};

use super::{Form, Sink, State, Uuid, text::line};
use crate::entry::{Entry, List, Status};

pub(super) const FORM: Form = Form { name: "stix", title: "STIX 2.1 bundles of indicators", path: "stix/", files };

/// When the objects that all bundles refer to were made.
const MADE: &str = "2026-01-01T00:00:00.000Z";

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let path = "stix/common.json";
    out.file(path, bundle(state, "common", &common(state)))?;
    state.sharded(
        out,
        |shard| format!("stix/{shard}.json"),
        |shard, entries| {
            let objects: Vec<_> = entries.iter().flat_map(|entry| objects(state, entry)).collect();
            bundle(state, shard, &objects)
        },
    )
}

/// An object a line. STIX has no empty list: a bundle of nothing leaves it out.
fn bundle(state: &State<'_>, name: &str, objects: &[Value]) -> Vec<u8> {
    let id = Ids(state.namespace()).id("bundle", name);
    let lines: Vec<_> = objects.iter().map(Value::to_string).collect();
    let text = if lines.is_empty() {
        format!("{{\"type\":\"bundle\",\"id\":\"{id}\"}}\n")
    } else {
        format!("{{\"type\":\"bundle\",\"id\":\"{id}\",\"objects\":[\n{}\n]}}\n", lines.join(",\n"))
    };
    text.into_bytes()
}

struct Ids(Uuid);

impl Ids {
    fn id(&self, kind: &str, name: &str) -> String {
        format!("{kind}--{}", self.0.name(&format!("stix/{kind}/{name}")))
    }

    fn identity(&self) -> String {
        self.id("identity", "feed")
    }

    fn extension(&self) -> String {
        self.id("extension-definition", "digest")
    }

    fn malware(&self, category: Category) -> String {
        self.id("malware", category.word())
    }
}

/// What every object begins with, in this order.
fn begun(kind: &str, id: String, created: String, modified: String) -> Map<String, Value> {
    let texts = [
        ("type", kind.to_owned()),
        ("spec_version", "2.1".to_owned()),
        ("id", id),
        ("created", created),
        ("modified", modified),
    ];
    texts.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// Ours, then the categories that are malware.
fn common(state: &State<'_>) -> Vec<Value> {
    let ids = Ids(state.namespace());
    let made = |kind, id, rest: Value| {
        let mut object = begun(kind, id, MADE.to_owned(), MADE.to_owned());
        if let Value::Object(rest) = rest {
            object.extend(rest);
        }
        Value::Object(object)
    };
    let identity = json!({
        "name": line(state.name),
        "description": "A feed of malicious container images, by digest",
        "identity_class": "system",
    });
    let extension = json!({
        "created_by_ref": ids.identity(),
        "name": "Digest of a container image or a part of one",
        "description": "What a listed digest is (index, manifest, config, layer, file), where it was seen and what the feed says of it",
        "schema": format!("{}/feed.json", line(state.base_url)),
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    });
    let mut objects =
        vec![made("identity", ids.identity(), identity), made("extension-definition", ids.extension(), extension)];
    for (category, kind) in Category::ALL.iter().filter_map(|category| Some((*category, malware_type(*category)?))) {
        let malware = json!({
            "created_by_ref": ids.identity(),
            "name": format!("Container image: {category}"),
            "description": format!("Container images of the category {category}"),
            "malware_types": [kind],
            "is_family": true,
        });
        objects.push(made("malware", ids.malware(category), malware));
    }
    objects
}

/// STIX's word for a category that is malware. Source: STIX 2.1, section 10.14.
fn malware_type(category: Category) -> Option<&'static str> {
    match category {
        Category::Cryptominer | Category::Proxyware => Some("resource-exploitation"),
        Category::Ddos => Some("ddos"),
        Category::Backdoor => Some("backdoor"),
        Category::Worm => Some("worm"),
        Category::CredentialTheft => Some("spyware"),
        Category::Ransomware => Some("ransomware"),
        Category::Wiper => Some("wiper"),
        Category::ContainerEscape => Some("exploit-kit"),
        _ => None,
    }
}

/// The indicator, and what it indicates.
fn objects(state: &State<'_>, entry: &Entry) -> Vec<Value> {
    let ids = Ids(state.namespace());
    let name = entry.id.to_string();
    let (created, modified) = (milliseconds(&entry.listed_at), milliseconds(&entry.changed_at));
    let indicator = ids.id("indicator", &name);
    let mut objects = vec![indicator_of(state, entry, &ids)];
    if entry.list == List::Block {
        for category in entry.categories.iter().filter(|category| malware_type(**category).is_some()) {
            let id = ids.id("relationship", &format!("{name}/{category}"));
            let mut relationship = begun("relationship", id, created.clone(), modified.clone());
            relationship.insert("created_by_ref".to_owned(), ids.identity().into());
            if entry.status != Status::Active {
                relationship.insert("revoked".to_owned(), true.into());
            }
            relationship.insert("relationship_type".to_owned(), "indicates".into());
            relationship.insert("source_ref".to_owned(), indicator.clone().into());
            relationship.insert("target_ref".to_owned(), ids.malware(*category).into());
            objects.push(Value::Object(relationship));
        }
    }
    objects
}

fn indicator_of(state: &State<'_>, entry: &Entry, ids: &Ids) -> Value {
    let (created, modified) = (milliseconds(&entry.listed_at), milliseconds(&entry.changed_at));
    let mut object = begun("indicator", ids.id("indicator", &entry.id.to_string()), created.clone(), modified);
    let kind = if entry.list == List::Block { "malicious-activity" } else { "anomalous-activity" };
    let mut description = line(&entry.summary);
    if let Some(reason) = &entry.reason {
        description = format!("{}: {}. {description}", entry.status, line(reason));
    }
    let labels = entry.categories.iter().map(|category| category.word().to_owned()).chain([
        format!("role:{}", entry.role),
        format!("list:{}", entry.list),
        format!("channel:{}", entry.channel),
        format!("severity:{}", entry.severity),
    ]);
    let mut extension = json!({
        "extension_type": "property-extension",
        "digest": entry.digest,
        "role": entry.role,
        "channel": entry.channel,
        "status": entry.status,
        "severity": entry.severity,
        "first_seen": entry.first_seen,
    });
    for (key, values) in
        [("references", serde_json::to_value(&entry.references)), ("parents", serde_json::to_value(&entry.parents))]
    {
        if let Ok(Value::Array(values)) = values
            && !values.is_empty()
        {
            extension[key] = values.into();
        }
    }
    if let Some(platform) = &entry.platform {
        extension["platform"] = platform.to_string().into();
    }
    let rest = json!({
        "created_by_ref": ids.identity(),
        "revoked": entry.status != Status::Active,
        "name": entry.headline(),
        "description": description,
        "indicator_types": [kind],
        "pattern": format!("[file:hashes.'SHA-256' = '{}']", entry.digest.hex()),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": created,
        "labels": labels.collect::<Vec<_>>(),
        "confidence": confidence(entry.confidence),
        "external_references": [{ "source_name": line(state.name), "external_id": entry.id }],
        "extensions": { (ids.extension()): extension },
    });
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    Value::Object(object)
}

/// From 0 to 100. Source: STIX 2.1, appendix A, the scale None / Low / Med / High.
fn confidence(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 15,
        Confidence::Medium => 50,
        Confidence::High => 85,
        Confidence::Certain => 95,
    }
}

/// STIX writes times with milliseconds.
fn milliseconds(rfc3339: &str) -> String {
    rfc3339.strip_suffix('Z').map_or_else(|| MADE.to_owned(), |time| format!("{time}.000Z"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::*;

    #[test]
    fn each_object_has_a_line_that_begins_with_its_head() {
        let world = World::hostile();
        let written = world.write();
        let mut indicators = 0;
        for (path, bytes) in written.files.iter().filter(|(path, _)| path.starts_with("stix/")) {
            let text = std::str::from_utf8(bytes).expect("text");
            let whole: Value = serde_json::from_str(text).expect("JSON");
            let objects = whole["objects"].as_array().cloned().unwrap_or_default();
            let lines: Vec<_> = text.lines().skip(1).filter(|line| line.starts_with('{')).collect();
            assert_eq!(lines.len(), objects.len(), "{path}");
            for (line, object) in lines.iter().zip(&objects) {
                let kind = object["type"].as_str().expect("a type");
                let head = format!("{{\"type\":\"{kind}\",\"spec_version\":\"2.1\",\"id\":\"{kind}--");
                assert!(line.starts_with(&head), "{line}");
                indicators += usize::from(kind == "indicator");
            }
        }
        assert_eq!(indicators, world.entries.len());
    }
}
