//! Guard rails: what is never listed, and what leaves the list by itself.

use std::fs;

use feed::{
    ChangeKind, Channel, List, Role, Status,
    guard::{Refusal, Rules},
    publish::{self, Named},
};
use model::{Category, Confidence, Disposition, KnownImage, KnownLayer, Location, Maturity, Weight};

use crate::{
    NOW, Station,
    images::{digest, finding, miner, report, sign},
};

/// Why a digest was refused, in the latest publication.
fn refusals(published: &publish::Published, name: &str) -> Vec<Refusal> {
    let wanted = digest(name);
    published.plan.refused.iter().filter(|it| it.digest == wanted).map(|it| it.refusal.clone()).collect()
}

#[test]
fn an_official_image_is_never_listed_whatever_is_found_in_it() {
    let station = Station::new();
    let mut official = miner("a", digest("layer"));
    official.image.reference = "docker.io/library/nginx:1".to_owned();
    station.catalog.put_report(&official).expect("puts");
    // Seen later under somebody's name: it is the official one still.
    official.image.reference = "docker.io/evil/nginx:1".to_owned();
    official.scanned_at += 1;
    station.catalog.put_report(&official).expect("puts");
    station.catalog.put_report(&miner("copy", digest("layer"))).expect("puts");
    let published = station.publish(NOW);
    for name in ["a", "a config", "layer", "index"] {
        let why = refusals(&published, name);
        assert!(
            matches!(&why[..], [Refusal::Official { reference }] if reference.contains("library")),
            "{name}: {why:?}"
        );
    }
    let listed: Vec<_> = station.entries().into_keys().collect();
    let mut expected = [(digest("copy"), Role::Manifest), (digest("copy config"), Role::Config)];
    expected.sort();
    assert_eq!(listed, expected, "another image on its layer is listed, the layer is not");
    let warning = fs::read_to_string(station.public().join("misp-warninglist/list.json")).expect("reads");
    assert!(warning.contains(&digest("layer").hex()), "others are told, too");
}

#[test]
fn what_many_owners_build_on_waits_for_a_person() {
    let station = Station::new();
    let owners = Rules::default().popular_owners;
    for owner in 0..owners {
        let mut image = miner(&format!("image{owner}"), digest("base"));
        image.image.reference = format!("docker.io/owner{owner}/app:latest");
        image.findings = vec![finding(Category::Cryptominer, digest("base"), "tool")];
        station.catalog.put_report(&image).expect("puts");
    }
    let published = station.publish(NOW);
    assert_eq!(refusals(&published, "base"), [Refusal::Popular { owners }]);
    assert!(!station.entries().contains_key(&(digest("base"), Role::Layer)));

    let approved = publish::decided(&station.folder, &station.keys, NOW + 60, |state, mut rules| {
        rules.approved.insert(digest("base"));
        let found = feed::find(station.catalog.as_ref(), &rules)?;
        Ok(publish::approve(state, &found, &[Named::Digest(digest("base"))], NOW + 60)?)
    });
    let changes = approved.expect("approves").plan.changes;
    assert_eq!((changes.len(), changes[0].kind, changes[0].entry.channel), (1, ChangeKind::Approved, Channel::Stable));
    // The next publication does not take it back, and lists nothing twice.
    let again = station.publish(NOW + 120);
    assert!(again.plan.changes.iter().all(|change| change.kind != ChangeKind::Withdrawn), "{:?}", again.plan.changes);
    assert_eq!(station.entries()[&(digest("base"), Role::Layer)].status, Status::Active);
}

#[test]
fn vouching_for_an_image_takes_its_parts_off_the_list_even_approved_ones() {
    let station = Station::with(&["a"]);
    station.publish(NOW);
    publish::decided(&station.folder, &station.keys, NOW + 1, |state, rules| {
        let found = feed::find(station.catalog.as_ref(), &rules)?;
        Ok(publish::approve(state, &found, &[Named::Digest(digest("a layer"))], NOW + 1)?)
    })
    .expect("approves");
    let known = KnownImage {
        schema: model::known::SCHEMA.to_owned(),
        name: "ours".to_owned(),
        reference: "ours:1".to_owned(),
        manifest: None,
        config: digest("else"),
        layers: vec![KnownLayer { digest: digest("a layer"), diff_id: digest("tar"), own: true }],
        names: Vec::new(),
        programs: model::FileSet::default(),
        files: model::FileSet::default(),
        added_at: 0,
    };
    station.catalog.put_known(&[known]).expect("puts");
    let published = station.publish(NOW + 60);
    let withdrawn: Vec<_> =
        published.plan.changes.iter().filter(|change| change.kind == ChangeKind::Withdrawn).collect();
    let layer = withdrawn.iter().find(|change| change.entry.role == Role::Layer).expect("is withdrawn");
    assert!(layer.entry.reason.as_ref().is_some_and(|reason| reason.contains("ours")), "{layer:?}");
}

#[test]
fn an_image_judged_again_leaves_the_list_and_one_that_cannot_be_read_stays() {
    let station = Station::with(&["a", "b"]);
    station.publish(NOW);
    for (name, disposition) in [("a", Disposition::Clean), ("b", Disposition::Undetermined)] {
        let layer = digest(&format!("{name} layer"));
        let mut again = report(name, disposition, &[layer], Vec::new());
        again.scanned_at += 60;
        station.catalog.put_report(&again).expect("puts");
    }
    let published = station.publish(NOW + 60);
    let entries = station.entries();
    assert_eq!(entries[&(digest("a"), Role::Manifest)].status, Status::Withdrawn);
    assert_eq!(entries[&(digest("a"), Role::Manifest)].reason.as_deref(), Some("judged again: clean"));
    assert_eq!(entries[&(digest("a miner"), Role::File)].status, Status::Withdrawn);
    for (name, role) in [("b", Role::Manifest), ("b layer", Role::Layer), ("b miner", Role::File)] {
        assert_eq!(entries[&(digest(name), role)].status, Status::Active, "{name}");
    }
    assert_eq!(published.plan.held_back, 0);

    // And comes back when the evidence does, under its name.
    let mut found_again = miner("a", digest("a layer"));
    found_again.scanned_at += 120;
    station.catalog.put_report(&found_again).expect("puts");
    let id = entries[&(digest("a"), Role::Manifest)].id;
    station.publish(NOW + 120);
    let back = &station.entries()[&(digest("a"), Role::Manifest)];
    assert_eq!((back.id, back.status, back.reason.as_ref()), (id, Status::Active, None));
}

#[test]
fn evidence_at_rest_and_at_run_time_makes_an_entry_stable() {
    let station = Station::new();
    let mut image = miner("a", digest("layer"));
    station.catalog.put_report(&image).expect("puts");
    station.publish(NOW);
    assert_eq!(station.entries()[&(digest("a"), Role::Manifest)].channel, Channel::Candidate);
    let mut ran = finding(Category::Cryptominer, digest("layer"), "miner");
    ran.location = Location::Event { run: "R-1".to_owned(), sequence: 7 };
    ran.id = "E-ffffffffffffffff".to_owned();
    image.findings.push(ran);
    image.scanned_at += 60;
    station.catalog.put_report(&image).expect("puts");
    let published = station.publish(NOW + 60);
    assert!(published.plan.changes.iter().any(|change| change.kind == ChangeKind::Promoted));
    assert_eq!(station.entries()[&(digest("a"), Role::Manifest)].channel, Channel::Stable);
    assert_eq!(station.entries()[&(digest("layer"), Role::Layer)].channel, Channel::Candidate, "only the image ran");
}

#[test]
fn what_is_risky_for_sure_is_advised_on_without_its_layers() {
    let station = Station::new();
    let tool = finding(Category::HackingTool, digest("layer"), "scanner");
    let sure = report("sure", Disposition::Risky, &[digest("layer")], vec![tool.clone()]);
    let mut unsure = report("unsure", Disposition::Suspicious, &[digest("layer")], vec![tool.clone()]);
    unsure.verdict.confidence = Confidence::Medium;
    let mut draft = report("draft", Disposition::Risky, &[digest("layer")], vec![tool]);
    (draft.findings[0].observation.maturity, draft.findings[0].observation.weight) = (Maturity::Draft, Weight::Proof);
    for image in [&sure, &unsure, &draft] {
        station.catalog.put_report(image).expect("puts");
    }
    station.publish(NOW);
    let mut expected =
        vec![(digest("index"), Role::Index), (digest("sure"), Role::Manifest), (digest("sure config"), Role::Config)];
    expected.sort();
    let entries = station.entries();
    assert_eq!(entries.keys().copied().collect::<Vec<_>>(), expected);
    assert!(entries.values().all(|entry| entry.list == List::Advise));

    // Malicious after all: the same entry, to block now.
    let mut worse = miner("sure", digest("layer"));
    worse.scanned_at += 60;
    station.catalog.put_report(&worse).expect("puts");
    station.publish(NOW + 60);
    let now = &station.entries()[&(digest("sure"), Role::Manifest)];
    assert_eq!((now.id, now.list), (entries[&(digest("sure"), Role::Manifest)].id, List::Block));
}

#[test]
fn what_others_have_too_is_refused_and_says_so() {
    let station = Station::new();
    let shared = digest("shared");
    let signs = [sign("one", Category::Cryptominer, shared, "a"), sign("two", Category::Cryptominer, shared, "b")];
    station.catalog.put_report(&report("bad", Disposition::Malicious, &[shared], signs.to_vec())).expect("puts");
    station.catalog.put_report(&report("odd", Disposition::Suspicious, &[shared], Vec::new())).expect("puts");
    assert_eq!(refusals(&station.publish(NOW), "shared"), [Refusal::HeldByOthers]);
    station.catalog.put_report(&report("good", Disposition::Clean, &[shared], Vec::new())).expect("puts");
    assert_eq!(refusals(&station.publish(NOW + 1), "shared"), [Refusal::HeldByClean]);
}
