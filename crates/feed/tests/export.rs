//! The exact bytes of the feed, for a small catalog.

use std::collections::BTreeSet;

use model::{
    Category, Completeness, Confidence, Digest, Disposition, Finding, ImageIdentity, LayerSummary, Location, Maturity,
    Observation, Platform, SCHEMA, ScanReport, Severity, Verdict, Weight,
};
use store::Catalog;

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn finding(category: Category, layer: &str, file: &str) -> Finding {
    let observation = Observation {
        detector: "miner-binary".to_owned(),
        title: "Miner".to_owned(),
        category,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: vec![],
        summary: "miner".to_owned(),
        offset: None,
        indicators: vec![],
        inside: None,
    };
    let (layer, sha256) = (digest(layer), Some(digest(file)));
    Finding::new(observation, Location::File { layer, path: file.to_owned(), sha256, hidden: false }, true)
}

fn report(name: &str, disposition: Disposition, layers: &[&str], findings: Vec<Finding>) -> ScanReport {
    let layer = |name: &&str| LayerSummary {
        digest: digest(name),
        diff_id: None,
        packed_bytes: 1,
        unpacked_bytes: 1,
        entries: 1,
        history: None,
        findings: 0,
        remembered: false,
    };
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: format!("registry.test/{name}:latest"),
            index: Some(digest("index")),
            manifest: Some(digest(name)),
            config: digest(&format!("{name} config")),
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
            created: None,
            command: vec![],
            description: String::new(),
            layers: layers.iter().map(layer).collect(),
        },
        verdict: Verdict {
            disposition,
            categories: findings.iter().map(|finding| finding.observation.category).collect::<BTreeSet<_>>(),
            severity: Severity::High,
            confidence: Confidence::Certain,
            concealment: None,
            reasons: vec![],
            completeness: Completeness::Complete,
        },
        findings,
        problems: vec![],
        rule_pack: "rules".to_owned(),
        scanned_at: 1_709_164_800,
        remembered: false,
    }
}

/// An index with a bad and a good child that share a base.
fn catalog() -> Box<dyn Catalog> {
    let catalog = store::in_memory().expect("open");
    let findings = vec![
        finding(Category::Cryptominer, "payload", "miner"),
        finding(Category::Cryptominer, "base", "tool"),
        finding(Category::HackingTool, "tools", "scanner"),
    ];
    let bad = report("bad", Disposition::Malicious, &["base", "tools", "payload"], findings);
    for report in [bad, report("good", Disposition::Clean, &["base"], vec![])] {
        catalog.put_report(&report).expect("put");
    }
    catalog
}

fn exported(export: impl Fn(&mut Vec<u8>) -> Result<usize, store::StoreError>) -> String {
    let mut out = Vec::new();
    let lines = export(&mut out).expect("export");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count(), lines);
    text
}

#[test]
fn json_lines() {
    let text = exported(|out| feed::export_json_lines(&*catalog(), out));
    insta::assert_snapshot!(text);
    assert_eq!(text, exported(|out| feed::export_json_lines(&*catalog(), out)), "byte-equal for an equal catalog");
}

#[test]
fn plain() {
    let text = exported(|out| feed::export_plain(&*catalog(), out));
    insta::assert_snapshot!(text);
    for good in ["good", "good config", "base", "tools", "miner"] {
        assert!(!text.contains(&digest(good).to_string()), "{good}");
    }
    for bad in ["index", "bad", "bad config", "payload"] {
        assert!(text.contains(&digest(bad).to_string()), "{bad}");
    }
}
