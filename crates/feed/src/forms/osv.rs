//! OSV-shaped JSON: `osv/00.jsonl` to `osv/ff.jsonl`, a record an entry, by the digest's first byte; and `osv/modified.csv` (time and
//! shard, newest first), so that a consumer fetches what changed.
//!
//! It is OSV 1.7 but for one thing: there is no ecosystem of container images, so `OCI` stands where OSV wants one of its list. Ids
//! have the prefix `x_` that OSV keeps for databases it does not aggregate. A match is an incident, not an upgrade: there is never a
//! fixed version. What no package URL can name (config, layer, file) has its digest in `database_specific` alone.
//! Source: ossf.github.io/osv-schema; package-url/purl-spec, `oci`.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write as _, io};

use model::ImageReference;
use serde_json::{Map, Value, json};

use super::{Form, Sink, State, json_lines::lines, text::line, text::url_part};
use crate::entry::{Entry, Status};

pub(super) const FORM: Form =
    Form { name: "osv", title: "OSV-shaped JSON records, for vulnerability tools", path: "osv/", files };

/// Version of the schema that the records follow.
const SCHEMA_VERSION: &str = "1.7.0";

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    state.sharded(
        out,
        |shard| format!("osv/{shard}.jsonl"),
        |_, entries| lines(&entries.iter().map(|entry| record(state, entry)).collect::<Vec<_>>()),
    )?;
    let mut newest: BTreeMap<u8, &str> = BTreeMap::new();
    for entry in state.entries {
        let time = newest.entry(entry.digest.as_bytes()[0]).or_default();
        *time = (*time).max(entry.changed_at.as_str());
    }
    let mut order: Vec<_> = newest.into_iter().collect();
    order.sort_by_key(|(shard, time)| (Reverse(*time), *shard));
    let mut text = String::new();
    for (shard, time) in order {
        let _ = writeln!(text, "{time},{shard:02x}.jsonl");
    }
    out.file("osv/modified.csv", text.into_bytes())
}

fn record(state: &State<'_>, entry: &Entry) -> Value {
    let mut record = Map::new();
    let mut set = |key: &str, value: Value| record.insert(key.to_owned(), value);
    set("schema_version", SCHEMA_VERSION.into());
    set("id", osv_id(entry).into());
    set("modified", entry.changed_at.clone().into());
    set("published", entry.listed_at.clone().into());
    if entry.status != Status::Active {
        set("withdrawn", entry.changed_at.clone().into());
    }
    if let Some(other) = entry.superseded_by {
        set("related", json!([format!("x_{other}")]));
    }
    set("summary", entry.headline().into());
    set("details", line(&entry.summary).into());
    let affected = affected(entry);
    if !affected.is_empty() {
        set("affected", affected.into());
    }
    let shard = &entry.digest.hex()[..2];
    if state.base_url.starts_with("https://") || state.base_url.starts_with("http://") {
        let url = format!("{}/entries/{shard}.jsonl", state.base_url);
        set("references", json!([{ "type": "EVIDENCE", "url": url }]));
    }
    let mut specific = json!({
        "cwes": ["CWE-506"],
        "feed": state.name,
        "digest": entry.digest,
        "role": entry.role,
        "list": entry.list,
        "channel": entry.channel,
        "status": entry.status,
        "categories": entry.categories,
        "severity": entry.severity,
        "confidence": entry.confidence,
        "kinds": entry.kinds,
        "evidence": entry.evidence,
        "first_seen": entry.first_seen,
        "references": entry.references,
        "parents": entry.parents,
        "children": entry.children,
        "blast": entry.blast,
    });
    if let Some(reason) = &entry.reason {
        specific["reason"] = reason.clone().into();
    }
    set("database_specific", specific);
    Value::Object(record)
}

fn osv_id(entry: &Entry) -> String {
    format!("x_{}", entry.id)
}

/// One package a repository, the digest its only version.
fn affected(entry: &Entry) -> Vec<Value> {
    if !entry.is_pulled() {
        return Vec::new();
    }
    let parsed = entry.references.iter().filter_map(|reference| reference.parse::<ImageReference>().ok());
    let names: std::collections::BTreeSet<_> = parsed.map(|image| image.name()).collect();
    let package = |name: &String| {
        let last = name.rsplit('/').next().unwrap_or(name);
        let (last, digest) = (url_part(last), entry.digest.to_string());
        // A `/` may stand in a qualifier's value; purl's own examples leave it.
        let repository = name.split('/').map(url_part).collect::<Vec<_>>().join("/");
        json!({
            "package": {
                "ecosystem": "OCI",
                "name": name,
                "purl": format!("pkg:oci/{last}@{}?repository_url={repository}", url_part(&digest)),
            },
            "versions": [digest],
        })
    };
    names.iter().map(package).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::*;

    #[test]
    fn a_package_url_is_as_its_specification_says() {
        let mut world = World::of(1);
        world.entries[0].references = ["evil/miner:1".to_owned(), "evil/miner:2".to_owned()].into();
        let hex = world.entries[0].digest.hex();
        let text = world.write().text(&format!("osv/{}.jsonl", &hex[..2]));
        let record: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(record["affected"].as_array().map(Vec::len), Some(1), "{text}");
        assert_eq!(
            record["affected"][0]["package"]["purl"].as_str(),
            Some(format!("pkg:oci/miner@sha256%3A{hex}?repository_url=docker.io/evil/miner").as_str())
        );
    }
}
