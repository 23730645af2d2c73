//! From a catalog to a published folder.

#[path = "../export/images.rs"]
mod images;
mod rails;
mod trusted;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use feed::{
    Entry, Status,
    folder::{Folder, FolderError, Settings},
    forms::{self},
    publish::{self, Info, Named, PublishError, Published},
    trust::{Cost, KeyError, Keys, Plan, Secret},
};
use model::Digest;
use store::Catalog;
use tempfile::TempDir;

use images::{digest, miner};

/// 2026-11-23T12:00:00Z.
const NOW: u64 = 1_795_435_200;

struct Station {
    at: TempDir,
    folder: Folder,
    keys: Keys,
    catalog: Box<dyn Catalog>,
}

#[derive(Debug, thiserror::Error)]
enum Made {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Station {
    fn new() -> Self {
        // In memory where there is such a place: a release is flushed to its disk, which other tests keep busy.
        let memory = Path::new("/dev/shm");
        let at = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
        let settings = Settings::new("feed.test/images", "https://feed.test");
        let plan = Plan { cost: Cost { memory_kib: 64, passes: 1 }, ..Plan::new("feed.test/images") };
        // Keys that nobody else would call random: equal ones in every run.
        let mut next = 0_u8;
        let mut random = |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                next = next.wrapping_add(41);
                next
            });
            Ok(())
        };
        let secret = Secret::new("not a secret".to_owned());
        let (folder, keys) = Folder::create(&at.path().join("feed"), settings, |keys| {
            Keys::create(keys, &secret, &plan, &mut random, NOW).map_err(Made::Key)
        })
        .expect("is made");
        Self { at, folder, keys, catalog: store::in_memory().expect("opens") }
    }

    fn with(names: &[&str]) -> Self {
        let station = Self::new();
        station.scanned(names);
        station
    }

    /// An image each, with a miner in a layer of its own.
    fn scanned(&self, names: &[&str]) {
        for name in names {
            self.catalog.put_report(&miner(name, digest(&format!("{name} layer")))).expect("puts");
        }
    }

    #[track_caller]
    fn publish(&self, now: u64) -> Published {
        self.try_publish(now).expect("publishes")
    }

    fn try_publish(&self, now: u64) -> Result<Published, PublishError> {
        publish::publish(&self.folder, self.catalog.as_ref(), &self.keys, now, false)
    }

    fn public(&self) -> PathBuf {
        self.folder.public()
    }

    /// What is published, without where it comes from.
    fn entries(&self) -> BTreeMap<(Digest, feed::Role), Entry> {
        let mut entries = BTreeMap::new();
        for shard in 0..=u8::MAX {
            let text = fs::read_to_string(self.public().join(format!("entries/{shard:02x}.jsonl"))).expect("reads");
            for entry in text.lines().map(|line| serde_json::from_str::<Entry>(line).expect("an entry")) {
                entries.insert((entry.digest, entry.role), entry);
            }
        }
        entries
    }

    fn active(&self) -> usize {
        self.entries().values().filter(|entry| entry.status == Status::Active).count()
    }
}

/// Every file below a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![fs::canonicalize(folder).expect("is there")]);
    let top = folders[0].clone();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(&top).expect("below").to_str().expect("UTF-8").to_owned(), path);
            }
        }
    }
    found
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().map(|(name, path)| (name, fs::read(path).expect("reads"))).collect()
}

#[test]
fn two_builds_of_one_state_at_one_time_are_byte_equal() {
    let (one, two) = (Station::with(&["a", "b"]), Station::with(&["b", "a"]));
    let both = |now| {
        let (one_is, two_is) = (one.publish(now), two.publish(now));
        assert_eq!(one_is, two_is);
        assert!(contents(&one.public()) == contents(&two.public()), "at {now}");
    };
    both(NOW);
    one.scanned(&["c"]);
    two.scanned(&["c"]);
    both(NOW + 60);
}

#[test]
fn one_more_entry_rewrites_little_and_the_rest_is_the_same_file() {
    let names: Vec<String> = (0..40).map(|number| format!("image{number}")).collect();
    let station = Station::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let first = station.publish(NOW).release;
    let before = files(&station.public());
    let inodes = |files: &BTreeMap<String, PathBuf>, name: &str| {
        files.get(name).map(|path| fs::metadata(path).expect("is there").ino())
    };
    station.scanned(&["one more"]);
    let second = station.publish(NOW + 60).release;
    let after = files(&station.public());
    let same = after.keys().filter(|name| inodes(&before, name) == inodes(&after, name)).count();
    assert!(first.kept == 0 && second.kept > 10 * second.written, "{} {}", second.kept, second.written);
    assert!(same > after.len() * 3 / 4, "{same} of {}", after.len());

    // What was written from nothing is the same, but for when it was signed.
    let scratch = Station::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    scratch.publish(NOW);
    fs::remove_file(scratch.public()).expect("removes");
    fs::remove_dir_all(scratch.folder.path().join("releases")).expect("removes");
    scratch.scanned(&["one more"]);
    assert_eq!(scratch.publish(NOW + 60).release.kept, 0);
    let (one, two) = (contents(&station.public()), contents(&scratch.public()));
    let by_time = |name: &str| {
        name.ends_with(".minisig") || ["metadata/", "targets/", "log/tile"].iter().any(|it| name.starts_with(it))
    };
    for (name, bytes) in one.iter().filter(|(name, _)| !by_time(name)) {
        assert!(two.get(name) == Some(bytes), "{name}");
    }
}

#[test]
fn a_release_says_what_it_is() {
    let station = Station::with(&["a"]);
    station.publish(NOW);
    let info = Info::read(&station.public()).expect("is there");
    // Index, manifest, config, layer, file.
    assert_eq!((info.sequence, info.entries, info.block, info.advise, info.log.size), (5, 5, 5, 0, 5));
    assert_eq!(
        (info.published_at.as_str(), info.expires_at.as_str()),
        ("2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z")
    );
    assert_eq!(info.forms.len(), forms::FORMS.len());
    let json = contents(&station.public()).remove("feed.json").expect("is there");
    let signature = fs::read_to_string(station.public().join("feed.json.minisig")).expect("is there");
    assert!(feed::trust::minisign_verify(&info.minisign_key, &json, &signature).is_some());
}

#[test]
fn nothing_new_is_published_with_a_new_date() {
    let station = Station::with(&["a"]);
    station.publish(NOW);
    let again = station.publish(NOW + 3_600);
    assert_eq!((again.plan.changes.len(), again.release.number, again.release.info.sequence), (0, 2, 5));
    assert_eq!(again.release.info.published_at, "2026-11-23T13:00:00Z");
}

#[test]
fn two_releases_stay() {
    let station = Station::with(&["a"]);
    for at in 0..4 {
        station.publish(NOW + at);
    }
    let mut kept: Vec<_> = fs::read_dir(station.folder.path().join("releases"))
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    kept.sort();
    assert_eq!(kept, ["3", "4"]);
    assert_eq!(fs::read_link(station.public()).expect("a link"), Path::new("releases/4"));
}

/// Killed after the ledger was written, and in the middle of a release.
#[test]
fn what_a_killed_publication_left_is_made_good_by_the_next_one() {
    let station = Station::with(&["a"]);
    station.publish(NOW);
    let shown = contents(&station.public());
    let partial = station.folder.path().join("releases/.2.partial/shards");
    fs::create_dir_all(&partial).expect("makes");
    fs::write(partial.join("00.bin"), b"half").expect("writes");
    fs::create_dir(station.folder.path().join("releases/2")).expect("makes");
    let ledger = station.folder.ledger();
    let before = fs::read(&ledger).expect("reads");
    station.scanned(&["b"]);
    station.publish(NOW + 60);
    let after = fs::read(&ledger).expect("reads");

    // As if the machine had stopped between ledger and release: with a torn line, too.
    let again = Station::with(&["a"]);
    again.publish(NOW);
    assert!(contents(&again.public()) == shown);
    fs::write(again.folder.ledger(), [&after[..], br#"{"sequence":9"#].concat()).expect("writes");
    assert!(after.len() > before.len());
    again.scanned(&["b"]);
    let published = again.publish(NOW + 60);
    assert_eq!((published.plan.changes.len(), published.release.info.sequence), (0, 10));
    assert_eq!(again.entries(), station.entries());
}

#[test]
fn an_altered_ledger_publishes_nothing() {
    let station = Station::with(&["a", "b"]);
    station.publish(NOW);
    let shown = fs::read_link(station.public()).expect("a link");
    let text = fs::read_to_string(station.folder.ledger()).expect("reads");
    fs::write(station.folder.ledger(), text.replacen("critical", "low", 1).replacen("\"high\"", "\"low\"", 1))
        .expect("writes");
    let error = station.try_publish(NOW + 60).expect_err("must be refused").to_string();
    assert!(error.contains("altered"), "{error}");
    assert_eq!(fs::read_link(station.public()).expect("a link"), shown);
    let left = fs::read_dir(station.folder.path().join("releases")).expect("lists").count();
    assert_eq!(left, 1, "nothing half-made is left");
}

#[test]
fn two_publishers_do_not_meet() {
    let station = Station::with(&["a"]);
    let ledger = feed::ledger::Ledger::open(&station.folder.ledger()).expect("opens");
    let error = station.try_publish(NOW).expect_err("must wait").to_string();
    assert!(error.contains("another"), "{error}");
    drop(ledger);
    station.publish(NOW);
}

#[test]
fn a_withdrawn_entry_leaves_the_lists_and_stays_in_the_history() {
    let station = Station::with(&["a"]);
    station.publish(NOW);
    assert_eq!(station.active(), 5);
    let named = Named::Digest(digest("a"));
    publish::decided(&station.folder, &station.keys, NOW + 60, |state, _| {
        Ok(publish::withdraw(state, &[named], true, None, "false alarm", NOW + 60)?)
    })
    .expect("withdraws");
    let entries = station.entries();
    let of = |name: &str, role| &entries[&(digest(name), role)];
    assert_eq!(of("a", feed::Role::Manifest).reason.as_deref(), Some("false alarm"));
    for (name, role) in
        [("a config", feed::Role::Config), ("a layer", feed::Role::Layer), ("a miner", feed::Role::File)]
    {
        assert_eq!(of(name, role).status, Status::Withdrawn, "{name}");
    }
    assert_eq!(of("index", feed::Role::Index).status, Status::Active, "it was not named");
    let plain = fs::read_to_string(station.public().join("changes.jsonl")).expect("reads");
    assert_eq!(plain.matches("\"kind\":\"withdrawn\"").count(), 4);

    // The same evidence does not bring it back.
    let again = station.publish(NOW + 120);
    assert_eq!((again.plan.changes.len(), again.plan.refused.len()), (0, 4));
    drop(station.at);
}

/// Versions of TUF only grow: a mirror refuses one that begins anew.
#[test]
fn a_lost_link_or_an_unreadable_head_does_not_begin_anew() {
    let station = Station::with(&["a"]);
    let version = |station: &Station| {
        let text = fs::read_to_string(station.public().join("metadata/timestamp.json")).expect("reads");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["signed"]["version"].as_u64()
    };
    station.publish(NOW);
    fs::remove_file(station.public()).expect("removes");
    station.publish(NOW + 1);
    assert_eq!(version(&station), Some(2));
    fs::write(station.public().join("feed.json"), "{}").expect("writes");
    station.publish(NOW + 2);
    assert_eq!(version(&station), Some(3));
    fs::remove_dir_all(station.folder.path().join("releases")).expect("removes");
    let error = with_causes(&station.try_publish(NOW + 3).expect_err("must not begin anew"));
    assert!(error.contains("restore it"), "{error}");
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}: ")).collect()
}
