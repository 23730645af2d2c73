//! The exact bytes of the feed, and what is listed in it.

mod entries;
mod images;
mod rules;

use model::{
    Category, Confidence, Disposition, FileSet, KnownImage, KnownLayer, Maturity, ScanReport, Severity, Weight,
};
use store::Catalog;

use images::{digest, finding, finding_by, report};

/// An index with a bad and a good child that share a base. The bad one holds a miner, a backdoor it does not run, and a
/// scanner; it runs something out of the base.
fn harbour() -> Vec<ScanReport> {
    let (base, tools, payload) = (digest("base"), digest("tools"), digest("payload"));
    let mut backdoor = finding(Category::Backdoor, tools, "backdoor");
    (backdoor.runs, backdoor.observation.severity) = (false, Severity::Critical);
    let mut hint = finding_by("hint", Category::Cryptominer, payload, "miner");
    (hint.observation.weight, hint.observation.maturity) = (Weight::Sign, Maturity::Draft);
    let mut scanner = finding(Category::HackingTool, tools, "scanner");
    scanner.observation.severity = Severity::Critical;
    let mut of_base = finding(Category::Cryptominer, base, "tool");
    of_base.observation.confidence = Confidence::Medium;
    let miner = finding(Category::Cryptominer, payload, "miner");
    let findings = vec![miner, of_base, backdoor, scanner, hint];
    vec![
        report("bad", Disposition::Malicious, &[base, tools, payload], findings),
        report("good", Disposition::Clean, &[base], vec![]),
    ]
}

fn exported(reports: &[ScanReport], export: fn(&dyn Catalog, &mut Vec<u8>) -> usize) -> String {
    let catalog = store::in_memory().expect("open");
    for report in reports {
        catalog.put_report(report).expect("put");
    }
    let mut out = Vec::new();
    let lines = export(&*catalog, &mut out);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count(), lines);
    text
}

fn json_lines_of(reports: &[ScanReport]) -> String {
    exported(reports, |catalog, out| feed::export_json_lines(catalog, out).expect("export"))
}

fn plain_of(reports: &[ScanReport]) -> String {
    exported(reports, |catalog, out| feed::export_plain(catalog, out).expect("export"))
}

#[test]
fn json_lines() {
    let text = json_lines_of(&harbour());
    insta::assert_snapshot!(text);
    let mut reversed = harbour();
    reversed.reverse();
    assert_eq!(text, json_lines_of(&reversed), "byte-equal for an equal catalog");
}

#[test]
fn plain() {
    let text = plain_of(&harbour());
    insta::assert_snapshot!(text);
    for good in ["good", "good config", "base", "tools", "miner"] {
        assert!(!text.contains(&digest(good).to_string()), "{good}");
    }
    for bad in ["index", "bad", "bad config", "payload"] {
        assert!(text.contains(&digest(bad).to_string()), "{bad}");
    }
}

#[test]
fn what_the_operator_vouches_for_is_never_listed() {
    let catalog = store::in_memory().expect("open");
    for report in harbour() {
        catalog.put_report(&report).expect("put");
    }
    let listed = || {
        let mut out = Vec::new();
        feed::export_json_lines(&*catalog, &mut out).expect("export");
        let text = String::from_utf8(out).expect("text");
        ["bad", "bad config", "payload", "miner"]
            .map(|name| text.contains(&format!("\"digest\":\"{}\",", digest(name))))
    };
    let vouch = |layer, config: &str, file: &str| KnownImage {
        schema: model::known::SCHEMA.to_owned(),
        name: "a".to_owned(),
        reference: "a:1".to_owned(),
        manifest: None,
        config: digest(config),
        layers: vec![KnownLayer { digest: layer, diff_id: digest("a tar"), own: true }],
        names: Vec::new(),
        programs: FileSet::default(),
        files: FileSet::new([digest(file)]),
        added_at: 0,
    };
    assert_eq!(listed(), [true; 4]);
    catalog.put_known(&[vouch(digest("another"), "another config", "miner")]).expect("put");
    assert_eq!(listed(), [true, true, true, false], "a file");
    catalog.put_known(&[vouch(digest("payload"), "bad config", "another")]).expect("put");
    assert_eq!(listed(), [true, false, false, false], "config, layer and what is in it");
}
