//! What every catalog promises. A new backend joins by one more function at the end.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use model::{
    Category, Completeness, Confidence, Digest, Disposition, EntryKind, EntryRecord, FileFacts, FileKind, FileSet,
    Finding, ImageIdentity, Inside, IntelEntry, IntelSource, IntelValue, KnownImage, KnownLayer, LayerRecord,
    LayerSummary, Location, Maturity, Observation, Platform, Problem, ProblemKind, SCHEMA, ScanReport, Severity,
    Standing, Verdict, Weight,
};
use store::{Catalog, HuntItem, HuntState};

type Fresh<'a> = &'a dyn Fn() -> Box<dyn Catalog>;

fn suite(fresh: Fresh<'_>) {
    memos_come_back_as_they_were_put(fresh);
    rule_packs_do_not_share_memos(fresh);
    the_newest_report_stands(fresh);
    every_part_leads_to_the_report(fresh);
    sightings_widen(fresh);
    reports_come_in_order_and_the_visitor_may_ask_back(fresh);
    hunts_keep_their_order_and_state(fresh);
    intelligence_comes_back_and_is_replaced_whole(fresh);
    threads_share_it(fresh);
    known_images_come_back_and_go_by_name(fresh);
}

fn memos_come_back_as_they_were_put(fresh: Fresh<'_>) {
    let catalog = fresh();
    let plain = FileFacts { kind: FileKind::Script, observations: vec![], mentions: vec![], problems: vec![] };
    let telling = facts();
    let mentioning = FileFacts { mentions: vec!["/usr/bin/x".to_owned()], ..plain.clone() };
    let files = [(digest("plain"), plain), (digest("telling"), telling), (digest("mentioning"), mentioning)];
    let record = layer_record();

    for _ in 0..2 {
        catalog.put_layer(&record, &files, "rules").expect("put");
    }

    assert_eq!(catalog.layer(&record.digest, "rules").expect("layer"), Some(record.clone()));
    for (sha256, facts) in &files {
        assert_eq!(catalog.file(sha256, "rules").expect("file").as_ref(), Some(facts));
    }
    assert_eq!(catalog.file(&digest("unknown"), "rules").expect("file"), None);
    assert_eq!(catalog.layer(&digest("unknown"), "rules").expect("layer"), None);

    let again = FileFacts { kind: FileKind::Elf, ..files[0].1.clone() };
    catalog.put_files(&[(files[1].0, again.clone())], "rules").expect("put");
    assert_eq!(catalog.file(&files[1].0, "rules").expect("file"), Some(again), "the last put stands");
    catalog.put_files(&[], "rules").expect("nothing to put");
}

fn rule_packs_do_not_share_memos(fresh: Fresh<'_>) {
    let catalog = fresh();
    catalog.put_layer(&layer_record(), &[(digest("f"), facts())], "old").expect("put");
    for _ in 0..2 {
        assert_eq!(catalog.file(&digest("f"), "new").expect("file"), None);
        assert_eq!(catalog.layer(&layer_record().digest, "new").expect("layer"), None);
    }
    catalog.put_files(&[(digest("f"), facts())], "new").expect("put");
    assert!(catalog.file(&digest("f"), "new").expect("file").is_some());
}

fn the_newest_report_stands(fresh: Fresh<'_>) {
    let catalog = fresh();
    let old = report("image", "r:1", "old rules", 100);
    let new = report("image", "r:1", "new rules", 200);
    for report in [&new, &old, &new, &old] {
        catalog.put_report(report).expect("put");
    }
    let subject = old.image.subject();
    assert_eq!(catalog.report(&subject, "old rules").expect("report"), Some(old));
    assert_eq!(catalog.report(&subject, "new rules").expect("report"), Some(new.clone()));
    assert_eq!(catalog.report(&subject, "other rules").expect("report"), None);
    assert_eq!(catalog.reports_with(&subject).expect("reports"), [new]);

    let moved = ScanReport { scanned_at: 100, ..report("image", "r:2", "old rules", 100) };
    catalog.put_report(&moved).expect("put");
    assert_eq!(catalog.report(&subject, "old rules").expect("report"), Some(moved.clone()), "the reference last put");
    catalog.put_report(&report("image", "r:3", "old rules", 99)).expect("put");
    assert_eq!(catalog.report(&subject, "old rules").expect("report"), Some(moved), "an older one replaces nothing");
}

fn every_part_leads_to_the_report(fresh: Fresh<'_>) {
    let catalog = fresh();
    let report = report("image", "r:1", "rules", 1);
    catalog.put_report(&report).expect("put");
    catalog.put_report(&self::report("stranger", "r:2", "rules", 1)).expect("put");
    for part in ["image index", "image", "image config", "image layer", "image diff id", "image file", "image inner"] {
        assert_eq!(catalog.reports_with(&digest(part)).expect("reports"), std::slice::from_ref(&report), "{part}");
    }
    assert_eq!(catalog.reports_with(&digest("shared layer")).expect("reports").len(), 2);
    assert_eq!(catalog.reports_with(&digest("unknown")).expect("reports"), []);

    let archive = ScanReport { image: ImageIdentity { manifest: None, ..report.image.clone() }, ..report };
    catalog.put_report(&archive).expect("put");
    assert_eq!(
        catalog.report(&digest("image config"), "rules").expect("report"),
        Some(archive),
        "config is the subject"
    );
}

fn sightings_widen(fresh: Fresh<'_>) {
    let catalog = fresh();
    for (reference, at) in [("r:b", 50), ("r:a", 70), ("r:b", 90), ("r:b", 10), ("r:b", 50)] {
        catalog.put_report(&report("image", reference, "rules", at)).expect("put");
    }
    let seen = catalog.sightings(&digest("image")).expect("sightings");
    assert_eq!(seen, [("r:b".to_owned(), 10, 90), ("r:a".to_owned(), 70, 70)]);
    assert_eq!(catalog.sightings(&digest("unknown")).expect("sightings"), []);
}

fn reports_come_in_order_and_the_visitor_may_ask_back(fresh: Fresh<'_>) {
    let catalog = fresh();
    for number in 0..100 {
        for (rules, at) in [("new", 2), ("old", 1)] {
            catalog.put_report(&report(&format!("image {number}"), "r:1", rules, at)).expect("put");
        }
    }
    let mut subjects = Vec::new();
    catalog
        .for_each_report(&mut |report| {
            assert_eq!(report.rule_pack, "new");
            assert_eq!(catalog.sightings(&report.image.subject()).expect("sightings").len(), 1);
            catalog.put_report(&report).expect("put");
            subjects.push(report.image.subject());
        })
        .expect("reports");
    let sorted: BTreeSet<_> = subjects.iter().copied().collect();
    assert_eq!(subjects.len(), 100);
    assert_eq!(subjects, Vec::from_iter(sorted));
}

fn intelligence_comes_back_and_is_replaced_whole(fresh: Fresh<'_>) {
    let catalog = fresh();
    let source = |name: &str, entries: &[IntelEntry]| IntelSource {
        name: name.to_owned(),
        format: "plain".to_owned(),
        imported_at: 7,
        entries: entries.len() as u64,
        refused: 1,
        notes: vec!["line 3: no \0 host".to_owned()],
        digest: digest(name),
        is_dated: true,
    };
    let entry = |value, standing| IntelEntry {
        value,
        standing,
        label: "a threat \u{202e}".to_owned(),
        first_seen: Some(1),
        until: None,
        confidence: Confidence::High,
    };
    let listed = Standing::Listed(Category::MaliciousWebsite);
    let address = "2001:db8::7".parse().expect("an address");
    let every_kind = vec![
        entry(IntelValue::Domain("bad.invalid".to_owned()), listed),
        entry(IntelValue::Url("bad.invalid/a?b".to_owned()), listed),
        entry(IntelValue::UrlPrefix("bad.invalid/b".to_owned()), listed),
        entry(IntelValue::Address(address, Some(80)), listed),
        entry(IntelValue::Network(address, 32), Standing::Allowed),
        entry(IntelValue::File(digest("file")), listed),
        entry(IntelValue::Exactly("x.invalid".to_owned()), Standing::Allowed),
        entry(IntelValue::Holding("x".to_owned()), Standing::Allowed),
        entry(IntelValue::Domain("new.invalid".to_owned()), Standing::Registered(u64::MAX)),
    ];
    let many: Vec<_> =
        (0..10_000).map(|number| entry(IntelValue::Domain(format!("{number}.invalid")), listed)).collect();
    let read = || {
        let mut seen: Vec<(String, IntelEntry)> = Vec::new();
        let visit = &mut |source: &IntelSource, entry| seen.push((source.name.clone(), entry));
        catalog.for_each_intel(visit).expect("entries");
        seen
    };

    catalog.put_intel(&source("one", &many), &many).expect("put");
    catalog.put_intel(&source("two", &every_kind), &every_kind).expect("put");
    assert_eq!(catalog.intel_sources().expect("sources"), [source("one", &many), source("two", &every_kind)]);
    let (ones, twos): (Vec<_>, Vec<_>) = read().into_iter().partition(|(name, _)| name == "one");
    assert_eq!(ones.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), many);
    assert_eq!(twos.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), every_kind);

    catalog.put_intel(&source("one", &many[..1]), &many[..1]).expect("put");
    assert_eq!(read().iter().filter(|(name, _)| name == "one").count(), 1, "what it said before is gone");
    assert!(catalog.remove_intel("one").expect("remove"));
    assert!(!catalog.remove_intel("one").expect("remove"));
    assert_eq!(catalog.intel_sources().expect("sources"), [source("two", &every_kind)]);
    assert_eq!(read().len(), every_kind.len());
}

fn hunts_keep_their_order_and_state(fresh: Fresh<'_>) {
    let catalog = fresh();
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    catalog.enqueue("hunt", &named(&["r:z", "r:a"])).expect("enqueue");
    let done = HuntItem {
        reference: "r:z".to_owned(),
        state: HuntState::Done,
        subjects: vec![digest("one"), digest("two")],
        error: None,
        attempts: 1,
    };
    let error = Some("no such tag".to_owned());
    let failed =
        HuntItem { reference: "r:late".to_owned(), state: HuntState::Failed, subjects: vec![], error, attempts: 3 };
    for _ in 0..2 {
        catalog.set_hunt_item("hunt", &done).expect("set");
        catalog.set_hunt_item("hunt", &failed).expect("set");
        catalog.enqueue("hunt", &named(&["r:a", "r:z", "r:m", "r:m"])).expect("enqueue");
    }
    catalog.enqueue("other hunt", &named(&["r:a"])).expect("enqueue");

    let pending = |reference: &str| HuntItem {
        reference: reference.to_owned(),
        state: HuntState::Pending,
        subjects: vec![],
        error: None,
        attempts: 0,
    };
    let items = catalog.hunt_items("hunt").expect("items");
    assert_eq!(items, [done, pending("r:a"), failed, pending("r:m")]);
    assert_eq!(catalog.hunt_items("other hunt").expect("items"), [pending("r:a")]);
    assert_eq!(catalog.hunt_items("unknown").expect("items"), []);
}

fn threads_share_it(fresh: Fresh<'_>) {
    let catalog = fresh();
    let catalog = &*catalog;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..20 {
                    let file = digest(&format!("{thread} {turn}"));
                    catalog.put_files(&[(file, facts())], "rules").expect("put");
                    assert_eq!(catalog.file(&file, "rules").expect("file"), Some(facts()));
                    catalog.put_report(&report(&format!("image {turn}"), "r:1", "rules", thread)).expect("put");
                }
            });
        }
    });
    let mut count = 0;
    catalog.for_each_report(&mut |_| count += 1).expect("reports");
    assert_eq!(count, 20);
}

fn known_images_come_back_and_go_by_name(fresh: Fresh<'_>) {
    let catalog = fresh();
    assert_eq!(catalog.known().expect("known"), []);
    let old = known_image("nginx", "old", 10);
    let new = known_image("nginx", "new", 20_000);
    let other = known_image("alpine", "old", 0);
    for _ in 0..2 {
        catalog.put_known(&[old.clone(), other.clone()]).expect("put");
        catalog.put_known(&[KnownImage { added_at: 1, ..new.clone() }]).expect("put");
        catalog.put_known(std::slice::from_ref(&new)).expect("put");
    }
    let mut expected = [other.clone(), old, new];
    expected[1..].sort_by_key(|image| image.config);
    assert_eq!(catalog.known().expect("known"), expected, "the last put stands");
    assert_eq!(catalog.remove_known("nginx").expect("remove"), 2);
    assert_eq!(catalog.remove_known("nginx").expect("remove"), 0);
    assert_eq!(catalog.known().expect("known"), [other]);
}

fn known_image(name: &str, config: &str, files: u32) -> KnownImage {
    KnownImage {
        schema: model::known::SCHEMA.to_owned(),
        name: name.to_owned(),
        reference: format!("docker.io/library/{name}:{config}"),
        manifest: Some(digest("manifest")),
        config: digest(config),
        layers: vec![KnownLayer { digest: digest("layer"), diff_id: digest("diff id"), own: true }],
        names: vec!["hostile \0 name".to_owned()],
        programs: FileSet::new([digest("program")]),
        files: FileSet::new((0..files).map(|number| digest(&number.to_string()))),
        added_at: 7,
    }
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn observation(inner: Option<Digest>) -> Observation {
    Observation {
        detector: "miner-binary".to_owned(),
        title: "Miner".to_owned(),
        category: Category::Cryptominer,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: vec!["T1496".to_owned()],
        summary: "hostile \u{202e}\0 text".to_owned(),
        offset: Some(u64::MAX),
        indicators: vec![],
        inside: inner.map(|sha256| Inside { path: "a.zip!b".to_owned(), sha256 }),
    }
}

fn problem() -> Problem {
    let (place, detail) = ("a.zip".to_owned(), "encrypted".to_owned());
    Problem { kind: ProblemKind::Encrypted, place, detail, unseen_bytes: u64::MAX }
}

fn facts() -> FileFacts {
    FileFacts {
        kind: FileKind::Elf,
        observations: vec![observation(Some(digest("inner")))],
        mentions: vec![],
        problems: vec![problem()],
    }
}

fn layer_record() -> LayerRecord {
    let entry = |path: &str, kind, sha256| EntryRecord {
        path: path.to_owned(),
        kind,
        mode: 0o4755,
        size: 3,
        sha256,
        link: (kind == EntryKind::Symlink).then(|| "/else".to_owned()),
    };
    LayerRecord {
        digest: digest("layer"),
        diff_id: Some(digest("diff id")),
        compression: "gzip".to_owned(),
        packed_bytes: 10,
        unpacked_bytes: 20,
        entries: vec![entry("a", EntryKind::File, Some(digest("a"))), entry("b", EntryKind::Symlink, None)],
        observations: vec![(0, observation(None))],
        mentions: vec![(1, vec!["/bin/sh".to_owned()])],
        problems: vec![problem()],
        packages: model::LayerPackages::default(),
    }
}

/// A report whose digests are those of `name` and what they are.
fn report(name: &str, reference: &str, rule_pack: &str, scanned_at: u64) -> ScanReport {
    let part = |part: &str| digest(&format!("{name} {part}"));
    let layer = |digest, diff_id| LayerSummary {
        digest,
        diff_id,
        packed_bytes: 1,
        unpacked_bytes: 2,
        entries: 3,
        history: Some("RUN \0".to_owned()),
        findings: 1,
        remembered: false,
    };
    let place = Location::File {
        layer: part("layer"),
        path: "usr/bin/x".to_owned(),
        sha256: Some(part("file")),
        hidden: false,
    };
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: reference.to_owned(),
            index: Some(part("index")),
            manifest: Some(digest(name)),
            config: part("config"),
            config_pins_layers: true,
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
            created: None,
            command: vec!["/usr/bin/x".to_owned()],
            description: String::new(),
            layers: vec![layer(digest("shared layer"), None), layer(part("layer"), Some(part("diff id")))],
        },
        verdict: Verdict {
            disposition: Disposition::Malicious,
            categories: BTreeSet::from([Category::Cryptominer]),
            severity: Severity::High,
            confidence: Confidence::Certain,
            concealment: None,
            reasons: vec![],
            completeness: Completeness::Partial { not_looked_at: vec!["a.zip".to_owned()] },
        },
        findings: vec![
            Finding::new(observation(Some(part("inner"))), place, true),
            Finding::new(observation(None), Location::History { line: 1 }, false),
        ],
        problems: vec![problem()],
        runs: vec![],
        rule_pack: rule_pack.to_owned(),
        scanned_at,
        remembered: false,
    }
}

#[test]
fn sqlite_in_memory_keeps_the_contract() {
    suite(&|| store::in_memory().expect("open"));
}

#[test]
fn sqlite_on_disk_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("folder");
    let count = AtomicUsize::new(0);
    suite(&|| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        store::open(&folder.path().join(number.to_string())).expect("open")
    });
}
