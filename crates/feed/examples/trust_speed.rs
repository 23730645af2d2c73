//! Times what makes a feed believed: the log, TUF, a mirror's first and next synchronisation, an offline check. The figures of
//! SPECIFICATION.md.
//!
//! `cargo run --release -p feed --example trust_speed [CHANGES]`; in a folder of its own, which it removes.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "measures")]

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use feed::{
    Change, ChangeKind, Channel, Entry, EntryId, List, Role, SCHEMA, Status,
    client::{FirstTrust, Origin, SyncOptions, VerifyOptions, sync, verify},
    shard::{self, Listed, Meta},
    trust::{Keys, Plan, Secret, TargetFile, system_random, write_log, write_tuf},
};
use model::{Category, Confidence, Digest, Severity};

const NOW: u64 = 1_795_435_200;

fn entry(number: u32) -> Entry {
    let at = "2026-11-23T12:00:00Z".to_owned();
    Entry {
        schema: SCHEMA.to_owned(),
        id: EntryId { year: 2026, number },
        digest: Digest::of(&number.to_be_bytes()),
        role: Role::Manifest,
        platform: None,
        list: List::Block,
        channel: Channel::Stable,
        status: Status::Active,
        reason: None,
        superseded_by: None,
        categories: [Category::Cryptominer].into(),
        severity: Severity::High,
        confidence: Confidence::High,
        summary: "xmrig 6 starts with the container and speaks to a pool".to_owned(),
        kinds: [].into(),
        evidence: (0..4).map(|part| Digest::of(&[part]).hex()).collect(),
        references: [format!("docker.io/somebody{}/image{number}:latest", number / 7)].into(),
        first_seen: at.clone(),
        listed_at: at.clone(),
        changed_at: at,
        parents: [Digest::of(b"parent")].into(),
        children: [Digest::of(b"child")].into(),
        blast: Default::default(),
        omitted: Default::default(),
    }
}

fn write_files(release: &Path, entries: &[Entry], log: (u64, Digest)) -> Vec<TargetFile> {
    let mut shards: BTreeMap<u8, Vec<&Entry>> = (0..=u8::MAX).map(|number| (number, vec![])).collect();
    for entry in entries {
        shards.entry(entry.digest.as_bytes()[0]).or_default().push(entry);
    }
    let mut names = vec!["feed.json".to_owned(), "log/checkpoint".to_owned()];
    for folder in ["shards", "entries"] {
        fs::create_dir_all(release.join(folder)).unwrap();
    }
    for (number, mut entries) in shards {
        entries.sort_by_key(|entry| entry.digest);
        let meta = |entry: &Entry| Listed {
            id: entry.id,
            role: entry.role,
            list: entry.list,
            channel: entry.channel,
            categories: entry.categories.iter().copied().collect(),
            severity: entry.severity,
            confidence: entry.confidence,
        };
        let records = entries.iter().map(|entry| (entry.digest, Meta::from(&meta(entry)))).collect();
        let lines: String = entries.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect();
        names.extend([format!("shards/{number:02x}.bin"), format!("entries/{number:02x}.jsonl")]);
        fs::write(release.join(&names[names.len() - 2]), shard::encode(records)).unwrap();
        fs::write(release.join(&names[names.len() - 1]), lines).unwrap();
    }
    let feed = serde_json::json!({ "sequence": log.0, "log": { "size": log.0, "root": log.1 } });
    fs::write(release.join("feed.json"), feed.to_string()).unwrap();
    names.into_iter().map(TargetFile).collect()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    println!("{what:<44} {:>9.3} s", began.elapsed().as_secs_f64());
    done
}

fn main() {
    let count: u32 = std::env::args().nth(1).map_or(100_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let secret = Secret::new("not a secret".to_owned());
    let keys = folder.path().join("keys");
    timed("make and seal the keys", || {
        Keys::create(&keys, &secret, &Plan::new("feed.test"), &mut system_random, NOW).unwrap();
    });
    let keys = timed("open the keys", || Keys::open(&keys, &secret).unwrap());
    let mut entries = Vec::new();
    let mut leaves: Vec<Vec<u8>> = Vec::new();
    let list = |entries: &mut Vec<Entry>, leaves: &mut Vec<Vec<u8>>| {
        let entry = entry(u32::try_from(entries.len()).unwrap() + 1);
        let at = entry.changed_at.clone();
        let change = Change { sequence: entries.len() as u64, at, kind: ChangeKind::Listed, entry };
        leaves.push(serde_json::to_vec(&change).unwrap());
        entries.push(change.entry);
    };
    (0..count).for_each(|_| list(&mut entries, &mut leaves));
    println!("{count} changes, {} MB of leaves", leaves.iter().map(Vec::len).sum::<usize>() >> 20);

    let mirror = folder.path().join("mirror");
    let options = SyncOptions::new(FirstTrust::Root(keys.first_root().to_vec()));
    for (number, what) in [(1, "from nothing"), (2, "one more")] {
        let (public, before) = (folder.path().join(number.to_string()), folder.path().join("1"));
        let before = (number == 2).then_some(before.as_path());
        let checkpoint = timed(&format!("log, {what}"), || write_log(&public, before, &leaves, &keys).unwrap());
        let targets = write_files(&public, &entries, (checkpoint.size, checkpoint.root));
        if let Some(before) = before {
            for TargetFile(name) in &targets {
                if fs::read(before.join(name)).unwrap() == fs::read(public.join(name)).unwrap() {
                    fs::remove_file(public.join(name)).unwrap();
                    fs::hard_link(before.join(name), public.join(name)).unwrap();
                }
            }
        }
        timed(&format!("TUF, {what}"), || write_tuf(&public, before, &targets, &keys, NOW).unwrap());
        let from = Origin::Folder(public);
        let report = timed(&format!("synchronise, {what}"), || sync(&from, &mirror, NOW, &options).unwrap());
        println!("  {} files, {} kB fetched", report.files_fetched, report.bytes_fetched >> 10);
        list(&mut entries, &mut leaves);
    }
    let options =
        VerifyOptions { root: Some(FirstTrust::Root(keys.first_root().to_vec())), ..VerifyOptions::default() };
    timed("check the published folder and its whole log", || verify(&folder.path().join("2"), NOW, &options).unwrap());
}
