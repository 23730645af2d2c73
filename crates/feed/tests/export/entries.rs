//! What an entry says.

use feed::LISTED_MAX;
use model::{Category, Confidence, Disposition, ScanReport, Severity, Weight};
use serde_json::{Value, json};

use crate::{
    harbour,
    images::{digest, finding, finding_by, miner, report, sign},
    json_lines_of,
};

#[track_caller]
fn entry(reports: &[ScanReport], name: &str, role: &str) -> Value {
    let wanted = digest(name).to_string();
    let text = json_lines_of(reports);
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    entries.into_iter().find(|entry| entry["digest"] == wanted && entry["role"] == role).expect("is listed")
}

#[test]
fn each_entry_speaks_of_its_own_findings() {
    for (name, role, categories, severity) in [
        ("index", "index", &["cryptominer", "backdoor"][..], "critical"),
        ("bad", "manifest", &["cryptominer", "backdoor"], "critical"),
        ("bad config", "config", &["cryptominer", "backdoor"], "critical"),
        ("payload", "layer", &["cryptominer"], "high"),
        ("miner", "file", &["cryptominer"], "high"),
    ] {
        let entry = entry(&harbour(), name, role);
        assert_eq!((&entry["categories"], &entry["severity"]), (&json!(categories), &json!(severity)), "{name}");
    }
}

/// The worst and the surest of what each image says, and of everybody's parts.
#[test]
fn a_digest_of_several_images_merges_them() {
    let layer = digest("payload");
    let mut flooder = finding_by("flooder", Category::Ddos, layer, "flooder");
    (flooder.observation.severity, flooder.observation.confidence) = (Severity::Critical, Confidence::Low);
    let mut second = report("second", Disposition::Malicious, &[layer], vec![flooder]);
    second.scanned_at -= 86_400;

    let entry = entry(&[miner("first", layer), second.clone()], "payload", "layer");

    let mut parents = [digest("first"), digest("second")];
    parents.sort();
    let mut evidence = [miner("first", layer).findings[0].id.clone(), second.findings[0].id.clone()];
    evidence.sort();
    assert_eq!(entry["categories"], json!(["cryptominer", "ddos"]));
    assert_eq!((&entry["severity"], &entry["confidence"]), (&json!("critical"), &json!("certain")));
    assert_eq!(entry["first_seen"], "2024-02-28T00:00:00Z");
    assert_eq!(entry["references"], json!(["registry.test/first:latest", "registry.test/second:latest"]));
    assert_eq!((&entry["parents"], &entry["evidence"]), (&json!(parents), &json!(evidence)));
}

#[test]
fn lists_are_bounded_and_the_rest_is_counted() {
    let (layer, more) = (digest("payload"), 7);
    let images = LISTED_MAX + more;
    let reports: Vec<ScanReport> = (0..images).map(|number| miner(&format!("image{number}"), layer)).collect();
    let lists = ["references", "evidence", "parents", "children"];
    let counts =
        |entry: &Value| lists.map(|list| (entry[list].as_array().map(Vec::len), entry["omitted"][list].clone()));

    let (full, none) = ((Some(LISTED_MAX), json!(more)), (Some(0), json!(0)));
    assert_eq!(counts(&entry(&reports, "payload", "layer")), [full.clone(), full.clone(), full.clone(), full.clone()]);
    assert_eq!(counts(&entry(&reports, "index", "index")), [full.clone(), full.clone(), none, full]);
}

/// Noise must not push the proof out of its entry.
#[test]
fn the_weightiest_evidence_is_kept() {
    let layer = digest("payload");
    let mut noisy = miner("noisy", layer);
    let noise = (0..1_000).map(|number| sign("noise", Category::Cryptominer, layer, &number.to_string()));
    let proof = noisy.findings[0].id.clone();
    noisy.findings.splice(0..0, noise);

    let entry = entry(&[noisy], "payload", "layer");

    assert!(entry["evidence"].as_array().expect("list").contains(&json!(proof)));
    assert_eq!(entry["omitted"]["evidence"], 1_001 - LISTED_MAX);
}

#[test]
fn facts_and_what_the_verdict_does_not_name_are_no_evidence() {
    let layer = digest("payload");
    let mut report = miner("bad", layer);
    let mut fact = finding(Category::Cryptominer, layer, "document");
    fact.observation.weight = Weight::Fact;
    report.findings.extend([fact, finding(Category::Worm, layer, "worm")]);

    let entry = entry(&[report.clone()], "bad", "manifest");

    assert_eq!(entry["evidence"], json!([report.findings[0].id]));
    assert_eq!(entry["categories"], json!(["cryptominer"]));
}
