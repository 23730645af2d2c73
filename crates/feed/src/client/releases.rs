//! What a release is made of, as a client sees it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::testing::{DAY, NOW, Publisher, Victim};
use crate::{
    entry::{ChangeKind, Status},
    shard,
    trust::tuf::hashed_path,
};

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for item in fs::read_dir(&inside).expect("lists") {
            let path = item.expect("an item").path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(
                    found
                        .insert(path.strip_prefix(folder).expect("inside").to_owned(), fs::read(&path).expect("reads")),
                ),
            }
        }
    }
    found
}

#[test]
fn two_builds_of_one_state_at_one_time_are_equal() {
    let built = || {
        let mut publisher = Publisher::new();
        publisher.list(300);
        files(&publisher.publish(NOW))
    };
    let (one, other) = (built(), built());
    assert!(one.len() > 1000, "all of it: {}", one.len());
    assert!(one == other);
}

#[test]
fn what_has_not_changed_is_not_signed_again_until_half_its_life_is_over() {
    let mut publisher = Publisher::new();
    publisher.list(3);
    publisher.publish(NOW);
    let has = |publisher: &Publisher, name: &str| publisher.public().join("metadata").join(name).is_file();
    publisher.publish(NOW + 60);
    assert!(has(&publisher, "1.snapshot.json") && !has(&publisher, "2.snapshot.json"));
    let victim = Victim::of(&publisher);
    assert_eq!(victim.sync(&publisher.public(), NOW + 60).expect("believed").version, 2);
    publisher.publish(NOW + 16 * DAY);
    assert!(has(&publisher, "2.snapshot.json") && !has(&publisher, "2.targets.json"));
    let report = victim.sync(&publisher.public(), NOW + 16 * DAY).expect("believed");
    assert_eq!((report.version, report.changed), (3, true));
}

/// A client that read the timestamp before the switch finds what it names after it.
#[test]
fn a_release_holds_the_files_of_the_last_ones() {
    let mut publisher = Publisher::new();
    publisher.list(1);
    let first = publisher.publish(NOW);
    let feed = fs::read(first.join("feed.json")).expect("is there");
    let path = hashed_path("feed.json", &model::Digest::of(&feed));
    let held = |release: &Path| release.join(&path).is_file() && release.join("metadata/1.targets.json").is_file();
    for _ in 0..8 {
        publisher.list(1);
        let next = publisher.publish(NOW);
        assert!(held(&next));
    }
    publisher.list(1);
    assert!(!held(&publisher.publish(NOW)), "not for ever");
}

#[test]
fn what_is_withdrawn_leaves_the_shards_and_stays_in_the_entries() {
    let mut publisher = Publisher::new();
    publisher.list(2);
    publisher.publish(NOW);
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    let mut entry = publisher.entries.values().next().expect("an entry").clone();
    let number = entry.digest.as_bytes()[0];
    (entry.status, entry.reason) = (Status::Withdrawn, Some("it was a false alarm".to_owned()));
    publisher.change(ChangeKind::Withdrawn, entry);
    publisher.publish(NOW + 60);
    victim.sync(&publisher.public(), NOW + 60).expect("believed");
    let read = |name: String| fs::read(victim.current().join(name)).expect("is there");
    assert_eq!(shard::decode(number, &read(format!("shards/{number:02x}.bin"))), Ok(vec![]));
    assert!(String::from_utf8_lossy(&read(format!("entries/{number:02x}.jsonl"))).contains("false alarm"));
}

/// A file of the last release that lost its end is fetched again.
#[test]
fn a_damaged_file_is_not_kept() {
    let mut publisher = Publisher::new();
    publisher.list(2);
    publisher.publish(NOW);
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    let number = publisher.entries.keys().next().expect("an entry").0.as_bytes()[0];
    let name = format!("shards/{number:02x}.bin");
    fs::write(victim.current().join(&name), b"").expect("writes");
    publisher.publish(NOW + 60);
    victim.sync(&publisher.public(), NOW + 60).expect("believed");
    assert_eq!(
        fs::read(victim.current().join(&name)).expect("is there"),
        fs::read(publisher.public().join(&name)).expect("is there")
    );
}
