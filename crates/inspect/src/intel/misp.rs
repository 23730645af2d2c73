//! Events of a MISP feed: `{"Event": {"Attribute": […], "Object": [{"Attribute": […]}]}}`, one or an array.
//!
//! An attribute counts if it is meant for detection (`to_ids`) and not deleted. Source: MISP core format
//! (draft-dulaunoy-misp-core-format), "Attribute"; the feeds' `manifest.json` is not needed.

use model::Confidence;
use serde::Deserialize;
use serde_json::Value;

use super::{
    date,
    import::{Imported, name},
};

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Several(Vec<Document>),
    Wrapped {
        #[serde(rename = "Event")]
        event: Event,
    },
    Response {
        response: Box<Document>,
    },
    Bare(Event),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event {
    info: String,
    date: String,
    #[serde(rename = "Attribute")]
    attributes: Vec<Attribute>,
    #[serde(rename = "Object")]
    objects: Vec<Object>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    deleted: Value,
    #[serde(rename = "Attribute")]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    value: Value,
    to_ids: Value,
    deleted: Value,
    first_seen: Value,
}

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    match serde_json::from_slice(bytes) {
        Ok(document) => documents(&document, into),
        Err(error) => into.refuse(format_args!("line {}", error.line()), format_args!("it is no MISP event: {error}")),
    }
}

/// JSON itself is at most 128 levels deep here: that is how deep `serde_json` reads.
fn documents(document: &Document, into: &mut Imported) {
    match document {
        Document::Several(all) => all.iter().for_each(|one| documents(one, into)),
        Document::Response { response } => documents(response, into),
        Document::Wrapped { event } | Document::Bare(event) => {
            for (number, attribute) in event.attributes.iter().enumerate() {
                read_attribute(format_args!("Attribute[{number}]"), attribute, event, into);
            }
            for (object_number, object) in event.objects.iter().enumerate().filter(|(_, object)| !is(&object.deleted)) {
                for (number, attribute) in object.attributes.iter().enumerate() {
                    let place = format_args!("Object[{object_number}].Attribute[{number}]");
                    read_attribute(place, attribute, event, into);
                }
            }
        }
    }
}

fn read_attribute(place: std::fmt::Arguments<'_>, attribute: &Attribute, event: &Event, into: &mut Imported) {
    if !is(&attribute.to_ids) || is(&attribute.deleted) {
        return;
    }
    let Some(value) = attribute.value.as_str() else { return };
    let (first, second) = value.split_once('|').unwrap_or((value, ""));
    let joined;
    let values: &[&str] = match attribute.kind.as_str() {
        "domain" | "hostname" | "url" | "ip-dst" | "ip-src" | "sha256" | "link" => &[value],
        "domain|ip" => &[first, second],
        "hostname|port" => &[first],
        "ip-dst|port" | "ip-src|port" => {
            joined = if first.contains(':') { format!("[{first}]:{second}") } else { format!("{first}:{second}") };
            &[&joined]
        }
        "filename|sha256" | "malware-sample" => &[second],
        "md5" | "sha1" | "filename|md5" | "filename|sha1" => {
            into.other_hashes += 1;
            return;
        }
        // Mail addresses, file names, registry keys, …: nothing of an image is compared with them.
        _ => return,
    };
    for value in values.iter().filter(|value| !value.is_empty()) {
        if let Some(entry) = into.list(place, value) {
            entry.first_seen =
                attribute.first_seen.as_str().and_then(date::seconds).or_else(|| date::seconds(&event.date));
            entry.confidence = Confidence::High;
            name(entry, &event.info);
        }
    }
}

/// Feeds write truth as `true`, `"True"`, `"1"` or `1`.
fn is(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.as_u64() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn attributes_of_events_and_objects_are_read() {
        let text = r#"{"Event": {"info": "A campaign", "date": "2026-01-31", "Attribute": [
            {"type": "domain|ip", "value": "bad.com|198.51.100.7", "to_ids": true},
            {"type": "ip-dst|port", "value": "198.51.100.8|443", "to_ids": "1", "deleted": false},
            {"type": "domain", "value": "context.com", "to_ids": false},
            {"type": "domain", "value": "gone.com", "to_ids": true, "deleted": "1"},
            {"type": "md5", "value": "d41d8cd98f00b204e9800998ecf8427e", "to_ids": true},
            {"type": "hostname", "value": "no host", "to_ids": true}],
            "Object": [{"name": "file", "Attribute": [{"type": "url", "value": "http://bad.com/x", "to_ids": true}]}]}}"#;
        check(
            Format::Misp,
            text,
            &[
                "bad.com · A campaign",
                "198.51.100.7 · A campaign",
                "198.51.100.8:443 · A campaign",
                "bad.com/x · A campaign",
            ],
            &[
                "Attribute[5]: \"no host\": it is neither domain, URL, address nor SHA-256",
                "1 MD5 and SHA-1 values are of no use here: files are known by SHA-256",
            ],
        );
        check(
            Format::Misp,
            "{\"Event\": ",
            &[],
            &["line 1: it is no MISP event: EOF while parsing a value at line 1 column 10"],
        );
    }
}
