//! SARIF 2.1.0, one run an image, for code scanning services.
//!
//! Source: OASIS SARIF 2.1.0 plus errata 01. `tests/sarif.rs` validates with Microsoft's multitool.

use std::collections::BTreeMap;

use model::{Disposition, Finding, Location, ScanReport, Severity, text};
use serde_json::{Value, json};

use super::{
    Row, RowError,
    json::written,
    table::serde_word,
    words::{counts, place, score, worst_first},
};
use crate::dates;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The root folder that paths in an image are relative to.
const ROOT: &str = "IMAGE_ROOT";

/// The whole log, one run a row.
#[must_use]
pub fn scan(rows: &[Row]) -> String {
    let runs: Vec<_> = rows
        .iter()
        .map(|row| match &row.result {
            Ok(report) => run(report),
            Err(error) => failed_run(&row.reference, error),
        })
        .collect();
    written(&json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs }))
}

fn run(report: &ScanReport) -> Value {
    let findings = worst_first(&report.findings);
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for finding in &findings {
        rules.entry(&finding.observation.detector).or_insert_with(|| rule(finding));
    }
    let index: BTreeMap<_, _> = rules.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| result(finding, index.get(finding.observation.detector.as_str()).copied(), report))
        .collect();
    let image = &report.image;
    let verdict = &report.verdict;
    let rules: Vec<_> = rules.into_values().collect();
    let mut run = base(&image.reference, &rules, &results, &notifications(report));
    run["invocations"][0]["executionSuccessful"] = (verdict.disposition != Disposition::Undetermined).into();
    run["invocations"][0]["endTimeUtc"] = dates::shown(report.scanned_at).into();
    run["properties"] = json!({
        "reference": image.reference,
        "subject": image.subject(),
        "manifest": image.manifest,
        "config": image.config,
        "platform": image.platform.to_string(),
        "verdict": verdict,
        "rulePack": report.rule_pack,
    });
    run
}

fn failed_run(reference: &str, error: &RowError) -> Value {
    let notification = json!({ "level": "error", "message": { "text": sentence(&error.message) }, "descriptor": { "id": error.kind } });
    let mut run = base(reference, &[], &[], &[notification]);
    run["invocations"][0]["executionSuccessful"] = false.into();
    run["properties"] = json!({ "reference": reference });
    run
}

fn base(reference: &str, rules: &[Value], results: &[Value], notifications: &[Value]) -> Value {
    json!({
        "tool": { "driver": {
            "name": "lazaret",
            "fullName": concat!("Lazaret ", env!("CARGO_PKG_VERSION"), ", quarantine station for container images"),
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        } },
        "automationDetails": { "id": format!("lazaret/{reference}/") },
        "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notifications }],
        "originalUriBaseIds": { ROOT: { "description": { "text": "The root folder of the image." } } },
        "columnKind": "unicodeCodePoints",
        "results": results,
    })
}

fn rule(finding: &Finding) -> Value {
    let seen = &finding.observation;
    let help = format!(
        "{} The image is judged by category `{}`; the detector is {}. `lazaret explain DIGEST` shows all evidence.",
        sentence(&seen.title),
        seen.category,
        seen.maturity,
    );
    let mut rule = json!({
        "id": seen.detector,
        "shortDescription": { "text": sentence(&seen.title) },
        "fullDescription": { "text": sentence(&seen.title) },
        "help": { "text": help },
        "defaultConfiguration": { "level": level(seen.severity) },
        "properties": {
            "tags": tags(finding),
            "security-severity": score(seen.severity),
            "precision": precision(seen.confidence),
            "maturity": seen.maturity,
        },
    });
    // SARIF1001: a name that equals the id is to be left out.
    let name = pascal_case(&seen.detector);
    if !name.eq_ignore_ascii_case(&seen.detector) {
        rule["name"] = name.into();
    }
    rule
}

fn result(finding: &Finding, rule_index: Option<usize>, report: &ScanReport) -> Value {
    let seen = &finding.observation;
    // What did not count for the verdict is a note, however bad it would be elsewhere.
    let level =
        if counts(finding) && report.verdict.disposition != Disposition::Clean { level(seen.severity) } else { "note" };
    let mut message = sentence(&seen.title);
    if !seen.summary.is_empty() {
        message.push_str(&format!(" {}", sentence(&seen.summary)));
    }
    json!({
        "ruleId": seen.detector,
        "ruleIndex": rule_index,
        "level": level,
        "kind": "fail",
        "message": { "text": message },
        "locations": [location(finding)],
        "partialFingerprints": { "lazaretFindingId/v1": finding.id },
        "properties": {
            "category": seen.category,
            "weight": seen.weight,
            "severity": seen.severity,
            "confidence": seen.confidence,
            "techniques": seen.techniques,
            "indicators": seen.indicators,
            "runs": finding.runs,
        },
    })
}

fn location(finding: &Finding) -> Value {
    let message = json!({ "text": sentence(&place(finding)) });
    match &finding.location {
        Location::File { layer, path, sha256, hidden } => {
            let mut physical = json!({ "artifactLocation": { "uri": relative_uri(path), "uriBaseId": ROOT } });
            // Without an archive in between, the offset is one in the named file.
            if let (Some(offset), None) = (finding.observation.offset, &finding.observation.inside) {
                physical["region"] = json!({ "byteOffset": offset, "byteLength": 0 });
            }
            json!({
                "physicalLocation": physical,
                "message": message,
                "properties": {
                    "layer": layer,
                    "sha256": sha256,
                    "hidden": hidden,
                    "inside": finding.observation.inside,
                },
            })
        }
        Location::Config { field } => logical(field, "member", &message),
        Location::History { line } => logical(&format!("history[{line}]"), "member", &message),
        Location::Layer { layer } => logical(&layer.to_string(), "module", &message),
        Location::Image => logical("image", "module", &message),
        Location::Event { run, sequence } => {
            let mut place = logical(&format!("runs[{run}].events[{sequence}]"), "event", &message);
            place["properties"] = json!({ "run": run, "event": sequence });
            place
        }
        Location::Captured { run, path, sha256 } => {
            let mut place = logical(&format!("runs[{run}].files[{path}]"), "resource", &message);
            let inside = &finding.observation.inside;
            place["properties"] = json!({ "run": run, "path": path, "sha256": sha256, "inside": inside });
            place
        }
    }
}

fn logical(name: &str, kind: &str, message: &Value) -> Value {
    json!({ "logicalLocations": [{ "fullyQualifiedName": name, "kind": kind }], "message": message })
}

fn notifications(report: &ScanReport) -> Vec<Value> {
    report
        .problems
        .iter()
        .map(|problem| {
            json!({
                "level": if problem.kind.hides_content() { "warning" } else { "note" },
                "descriptor": { "id": serde_word(&problem.kind) },
                "message": { "text": sentence(&format!("{}: {}", problem.place, problem.detail)) },
                "properties": { "unseenBytes": problem.unseen_bytes },
            })
        })
        .collect()
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// GitHub's word for confidence.
const fn precision(confidence: model::Confidence) -> &'static str {
    match confidence {
        model::Confidence::Low => "low",
        model::Confidence::Medium => "medium",
        model::Confidence::High => "high",
        model::Confidence::Certain => "very-high",
    }
}

fn tags(finding: &Finding) -> Vec<String> {
    let mut tags = vec!["security".to_owned(), finding.observation.category.to_string()];
    tags.extend(finding.observation.techniques.iter().map(|technique| format!("external/attack/{technique}")));
    tags.sort();
    tags.dedup();
    tags
}

/// SARIF wants messages that end with a period.
fn sentence(text: &str) -> String {
    let shown = text::visible(text.trim());
    if shown.ends_with(['.', '!', '?']) { shown.into_owned() } else { format!("{shown}.") }
}

/// `miner-config` as `MinerConfig`, as SARIF viewers show rule names.
fn pascal_case(id: &str) -> String {
    id.split(|character: char| !character.is_ascii_alphanumeric())
        .filter_map(|word| word.split_at_checked(1))
        .map(|(first, rest)| first.to_ascii_uppercase() + rest)
        .collect()
}

/// A path as a relative reference (RFC 3986, 4.2): everything but unreserved characters and `/` is percent-encoded, so
/// that no path reads as a scheme, an authority, a query or a fragment. Never empty, never climbing.
#[must_use]
pub fn relative_uri(path: &str) -> String {
    let parts: Vec<String> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).map(encoded).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

fn encoded(part: &str) -> String {
    let mut uri = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn paths_become_relative_references() {
        assert_eq!(relative_uri("usr/bin/a b"), "usr/bin/a%20b");
        assert_eq!(relative_uri("http://x/?q#f"), "http%3A/x/%3Fq%23f");
        assert_eq!(relative_uri("//../é%"), "%C3%A9%25");
        assert_eq!(relative_uri(""), ".");
    }

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(scan(&testing::rows()));
    }

    #[test]
    fn what_did_not_count_is_a_note() {
        let log: Value = serde_json::from_str(&scan(&testing::rows())).expect("is JSON");
        let results = log.pointer("/runs/0/results").and_then(Value::as_array).expect("has results");
        for result in results.iter().filter(|result| result["properties"]["weight"] == "fact") {
            assert_eq!(result["level"], "note");
        }
        assert_eq!(results[0]["level"], "error");
    }
}
