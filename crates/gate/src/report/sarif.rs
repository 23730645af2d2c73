//! SARIF 2.1.0, for code scanning services: a rule an entry, a result an image that is not simply allowed.
//!
//! Source: OASIS SARIF 2.1.0 plus errata 01. `crates/gate/tests/sarif.rs` validates with Microsoft's multitool.

use std::collections::BTreeMap;

use model::{Digest, Severity};
use serde_json::{Value, json};

use super::{Checked, Format, Row};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "sarif", help: "SARIF 2.1.0, for code scanning services", write };

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Most results: services take 5,000 to 25,000 of one run.
const RESULTS_MAX: usize = 5_000;
/// What an image is called that no file names: results must have a place.
const COMMAND_LINE: &str = "command-line";

fn write(checked: &Checked<'_>) -> String {
    let rows: Vec<&Row> = checked.rows.iter().filter(|row| row.matters()).take(RESULTS_MAX).collect();
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for row in &rows {
        rules.entry(row.rule()).or_insert_with(|| rule(row));
    }
    let indexes: BTreeMap<&String, usize> = rules.keys().enumerate().map(|(index, id)| (id, index)).collect();
    let results: Vec<_> = rows.iter().map(|row| result(row, indexes.get(&row.rule()).copied())).collect();
    super::pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lazaret",
                "fullName": "Lazaret gate",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": "lazaret/gate/" },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "SRCROOT": { "description": { "text": "The folder that lazaret gate check was run in." } } },
            "properties": { "feed_sequence": checked.sequence, "feed_age_s": checked.age_s },
            "results": results,
        }],
    }))
}

fn rule(row: &Row) -> Value {
    let Some(hit) = row.decision.hits.iter().find(|hit| hit.listed.id.to_string() == row.rule()) else {
        return json!({
            "id": "undecided",
            "name": "ImageNotDecided",
            "shortDescription": { "text": "The image could not be decided." },
            "fullDescription": { "text": "Its name could not be followed to a digest, or the feed is too old to decide by." },
            "help": { "text": "Name the image by digest, check that the registry can be reached, and run `lazaret feed sync`." },
            "defaultConfiguration": { "level": "warning" },
        });
    };
    let listed = &hit.listed;
    let categories: Vec<_> = listed.categories.iter().map(|category| category.word()).collect();
    let text = format!("{} is listed: {}.", listed.id, categories.join(", "));
    json!({
        "id": listed.id,
        "name": "ListedImage",
        "shortDescription": { "text": text },
        "fullDescription": { "text": format!("{text} Do not run an image that has it.") },
        "help": { "text": format!("Replace the image. `lazaret explain {}` says why it is listed.", hit.digest) },
        "defaultConfiguration": { "level": level(hit.effect) },
        "properties": { "tags": categories, "security-severity": score(listed.severity) },
    })
}

fn result(row: &Row, index: Option<usize>) -> Value {
    let asked = &row.asked;
    let uri = asked.file.as_deref().filter(|file| *file != "-").map_or_else(|| COMMAND_LINE.to_owned(), uri);
    let region = json!({ "startLine": asked.line.unwrap_or(1).max(1) });
    let digests: Vec<_> = row.decision.hits.iter().map(|hit| hit.digest.to_string()).collect();
    let digest =
        digests.first().cloned().or_else(|| asked.subject.digests.first().map(|(digest, _)| digest.to_string()));
    let place = if asked.place.is_empty() { row.name() } else { super::shown(&asked.place) };
    // A line end is no end of a sentence for the multitool.
    let message = row.decision.message.trim_end_matches('.').to_owned() + ".";
    // Two places that use one image are two results: where it stands is part of the fingerprint, the line is not.
    let print = Digest::of(format!("{}\n{uri}\n{}\n{}", row.rule(), asked.place, row.name()).as_bytes());
    let mut prints = json!({ "lazaretPlace/v1": print.hex() });
    if let Some(digest) = digest {
        prints["imageDigest/v1"] = json!(digest);
    }
    json!({
        "ruleId": row.rule(),
        "ruleIndex": index,
        "level": level(row.decision.effect),
        "kind": "fail",
        "message": { "text": message },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri, "uriBaseId": "SRCROOT" }, "region": region },
            "logicalLocations": [{ "fullyQualifiedName": place, "kind": "resource" }],
        }],
        "partialFingerprints": prints,
        "properties": { "effect": row.decision.effect, "entries": row.entries(), "digests": digests, "undecided": row.decision.undecided },
    })
}

const fn level(effect: Effect) -> &'static str {
    match effect {
        Effect::Deny => "error",
        Effect::Warn => "warning",
        Effect::Allow => "note",
    }
}

/// GitHub's `security-severity`: a CVSS-like figure.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

/// A path as a relative URI reference: absolute ones lose their first slash, so that no scheme or host can be read into it.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !uri.is_empty() {
            uri.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if uri.is_empty() { COMMAND_LINE.to_owned() } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(write(&Checked { rows: &testing::rows(), sequence: 7, age_s: 60, verbose: false }));
    }

    #[test]
    fn a_path_can_name_no_other_place() {
        assert_eq!(uri("/etc/./a b"), "etc/a%20b");
        assert_eq!(uri("//host/x:y"), "host/x%3Ay");
        assert_eq!(uri("javascript:x"), "javascript%3Ax");
    }
}
