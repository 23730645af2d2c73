//! What somebody with all the online keys can do to the log, and how it shows: from tiles alone.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::{
    Origin, SyncError, VerifyOptions, VerifyReport,
    log::goes_on,
    origin::Source,
    testing::{NOW, Publisher, Victim, copy_of, entry},
    verify,
};
use crate::{
    entry::{ChangeKind, Status},
    trust::{
        Checkpoint, LogError,
        key::SigningKey,
        note::cosign,
        proof::{LogPolicy, ProofError, check, prove},
        tiles::tile_path,
        write_log,
    },
};

/// Enough for two levels of tiles, full and partial ones.
const MANY: usize = 600;

fn publisher() -> Publisher {
    let mut publisher = Publisher::new();
    publisher.list(MANY);
    publisher.publish(NOW);
    publisher
}

fn verified(publisher: &Publisher, folder: &Path) -> Result<VerifyReport, SyncError> {
    verify(folder, NOW, &VerifyOptions { root: Some(publisher.trust()), ..VerifyOptions::default() })
}

/// The reason why a copy of the feed does not verify in which `file` was altered.
#[track_caller]
fn refused(publisher: &Publisher, file: &str, alter: impl FnOnce(&mut Vec<u8>)) -> SyncError {
    let copy = copy_of(&publisher.public());
    let path = copy.path().join(file);
    let mut bytes = fs::read(&path).expect("is there");
    alter(&mut bytes);
    fs::write(&path, bytes).expect("writes");
    verified(publisher, copy.path()).expect_err("it was altered")
}

fn checkpoint(release: &Path) -> String {
    fs::read_to_string(release.join("log/checkpoint")).expect("is there")
}

#[test]
fn an_untouched_folder_verifies_whole() {
    let publisher = publisher();
    let report = verified(&publisher, &publisher.public()).expect("verifies");
    assert_eq!((report.sequence, report.changes, report.root_was_given), (600, Some(600), true));
    assert_eq!(report.files, 514);
    let report = verify(&publisher.public(), NOW, &VerifyOptions::default()).expect("agrees with itself");
    assert!(!report.root_was_given, "which is said");
}

#[test]
fn an_altered_change_is_named() {
    let publisher = publisher();
    let error = refused(&publisher, &format!("log/{}", tile_path(None, 1, 256)), |bytes| {
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
    });
    assert!(matches!(error, SyncError::AlteredChange { index: 511 }), "{error}");
}

#[test]
fn a_removed_change_is_named() {
    let publisher = publisher();
    let last = format!("log/{}", tile_path(None, 2, 88));
    let error = refused(&publisher, &last, |bytes| bytes.truncate(bytes.len() / 2));
    assert!(matches!(error, SyncError::RemovedChange { index: 556 }), "{error}: the second half of 88");
    let copy = copy_of(&publisher.public());
    fs::remove_file(copy.path().join("log").join(tile_path(None, 1, 256))).expect("removes");
    let error = verified(&publisher, copy.path()).expect_err("a bundle is gone");
    assert!(matches!(error, SyncError::RemovedChange { index: 256 }), "{error}");
}

#[test]
fn altered_tiles_are_seen_at_every_level() {
    let publisher = publisher();
    let flip = |bytes: &mut Vec<u8>| bytes[0] ^= 1;
    let error = refused(&publisher, &format!("log/{}", tile_path(Some(0), 0, 256)), flip);
    assert!(matches!(error, SyncError::AlteredChange { index: 0 }), "{error}");
    let error = refused(&publisher, &format!("log/{}", tile_path(Some(1), 0, 2)), flip);
    assert!(matches!(&error, SyncError::Altered { file } if file == "log/tile/1/000.p/2"), "{error}");
}

/// All keys, and the wish that change 7 had never been.
#[test]
fn a_rewritten_log_is_a_fork() {
    let mut publisher = publisher();
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    let seen = checkpoint(&publisher.release(1));
    publisher.changes[7].push(b' ');
    publisher.list(10);
    publisher.publish_on(None, Some(&publisher.release(1)), NOW);
    let error = victim.sync(&publisher.public(), NOW).expect_err("a change was altered");
    assert!(matches!(error, SyncError::Fork { known: 600, offered: 610 }), "{error}");

    // Offline, with what was kept or what someone else was shown.
    let mut source = Source::open(&Origin::Folder(publisher.public()), &publisher.options()).expect("opens");
    let new = parsed(&checkpoint(&publisher.release(2)));
    let error = goes_on(&parsed(&seen), &new, &mut |path, length| source.get(path, length));
    assert_eq!(error.map_err(|error| error.reason()), Err("fork"));
}

#[test]
fn a_log_of_one_length_and_two_contents_is_a_fork() {
    let mut publisher = publisher();
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    publisher.changes.pop();
    publisher.change(ChangeKind::Listed, entry(999));
    publisher.publish_on(None, Some(&publisher.release(1)), NOW);
    let error = victim.sync(&publisher.public(), NOW).expect_err("another last change");
    assert!(matches!(error, SyncError::Fork { known: 600, offered: 600 }), "{error}");
}

#[test]
fn a_shortened_log_is_a_rollback() {
    let mut publisher = publisher();
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    publisher.changes.truncate(500);
    publisher.publish_on(None, Some(&publisher.release(1)), NOW);
    let error = victim.sync(&publisher.public(), NOW).expect_err("changes are gone");
    assert_eq!(error.reason(), "rollback", "{error}");
}

/// The publisher's own disk: an altered ledger is not published.
#[test]
fn an_altered_ledger_is_not_published() {
    let mut publisher = publisher();
    publisher.changes[7].push(b' ');
    publisher.list(1);
    let next = tempfile::tempdir().expect("a folder");
    let refused = write_log(next.path(), Some(&publisher.release(1)), &publisher.changes, &publisher.keys);
    assert!(matches!(refused, Err(LogError::Rewritten { size: 600 })), "{refused:?}");
    publisher.changes.truncate(599);
    let refused = write_log(next.path(), Some(&publisher.release(1)), &publisher.changes, &publisher.keys);
    assert!(matches!(refused, Err(LogError::Rewritten { size: 600 })), "{refused:?}");
}

#[test]
fn what_was_never_logged_is_seen_by_who_audits() {
    let mut publisher = publisher();
    let mut audits = Victim::of(&publisher);
    audits.options.audit = true;
    audits.sync(&publisher.public(), NOW).expect("believed");
    // Withdrawn without a word in the log.
    let quiet = publisher.entries.values_mut().next().expect("an entry");
    quiet.status = Status::Withdrawn;
    publisher.list(1);
    publisher.publish(NOW);
    let error = audits.sync(&publisher.public(), NOW).expect_err("the log says otherwise");
    assert_eq!(error.reason(), "contradiction", "{error}");
    let error = verified(&publisher, &publisher.public()).expect_err("the log says otherwise");
    assert_eq!(error.reason(), "contradiction", "{error}");
}

#[test]
fn a_log_that_grows_keeps_its_tiles_and_old_proofs() {
    let mut publisher = publisher();
    let victim = Victim::of(&publisher);
    victim.sync(&publisher.public(), NOW).expect("believed");
    for (step, count) in [1, 167, 1, 256, 300].into_iter().enumerate() {
        publisher.list(count);
        publisher.publish(NOW + 1 + step as u64);
        let report = victim.sync(&publisher.public(), NOW + 10).expect("goes on");
        assert_eq!(report.sequence, publisher.changes.len() as u64);
    }
    verified(&publisher, &publisher.public()).expect("verifies");
    let full = |release: u64| fs::metadata(publisher.release(release).join("log/tile/0/000")).expect("is there").ino();
    assert_eq!(full(1), full(6), "a full tile is one file for ever");
    let options = VerifyOptions {
        root: Some(publisher.trust()),
        checkpoints: (1..=6).map(|release| checkpoint(&publisher.release(release))).collect(),
        ..VerifyOptions::default()
    };
    let report = verify(&publisher.public(), NOW, &options).expect("goes on from each");
    assert_eq!(report.checkpoints, 6);
}

#[test]
fn a_proof_holds_offline_for_its_change_alone() {
    let publisher = publisher();
    let policy = LogPolicy::of_log(publisher.keys.log_key().parse().expect("a key"));
    for index in [0, 255, 256, 599] {
        let proof = prove(&publisher.public(), index).expect("a proof");
        let leaf = &publisher.changes[usize::try_from(index).expect("small")];
        let (at, log) = check(&proof, leaf, &policy).expect("holds");
        assert_eq!((at, log.size), (index, 600));
        assert!(matches!(check(&proof, b"another", &policy), Err(ProofError::NotIncluded { .. })));
        let moved = proof.replace(&format!("index {index}\n"), "index 77\n");
        assert!(check(&moved, leaf, &policy).is_err(), "its place is part of it");
        let lines: Vec<_> = proof.lines().collect();
        for without in 0..lines.len() {
            let cut: String =
                (0..lines.len()).filter(|at| *at != without).map(|at| format!("{}\n", lines[at])).collect();
            assert!(check(&cut, leaf, &policy).is_err(), "without line {without}");
        }
        let stranger = Publisher::seeded(100);
        let other = LogPolicy::of_log(stranger.keys.log_key().parse().expect("a key"));
        assert!(matches!(check(&proof, leaf, &other), Err(ProofError::Note(_))));
    }
    assert!(matches!(prove(&publisher.public(), 600), Err(ProofError::OutOfRange { index: 600, size: 600 })));
}

#[test]
fn without_its_witnesses_a_log_is_not_believed() {
    let mut publisher = Publisher::new();
    publisher.list(1);
    let mut victim = Victim::of(&publisher);
    let key = |seed| SigningKey::from_seed(zeroize::Zeroizing::new([seed; 32])).expect("a key");
    let witness = crate::trust::note::VerifierKey::of_witness("witness.test/w", key(1).public());
    victim.options.witnesses = vec![witness.clone(), witness];
    victim.options.witnesses_min = 2;
    publisher.publish(NOW);
    let error = victim.sync(&publisher.public(), NOW).expect_err("nobody has seen it");
    assert!(matches!(error, SyncError::Unwitnessed { found: 0, needed: 2 }), "{error}");
    // One witness under two names in the list is one.
    let note = checkpoint(&publisher.release(1));
    let cosigned = note.clone() + &cosign(&parsed(&note).text(), "witness.test/w", &key(1), NOW);
    let policy = LogPolicy {
        log: publisher.keys.log_key().parse().expect("a key"),
        witnesses: victim.options.witnesses,
        witnesses_min: 2,
    };
    assert!(matches!(policy.check(&cosigned), Err(ProofError::Witnesses { found: 1, needed: 2 })));
    assert!(LogPolicy { witnesses_min: 1, ..policy }.check(&cosigned).is_ok());
}

/// A mirror that audits is itself a feed to synchronise from.
#[test]
fn a_mirror_can_be_mirrored() {
    let mut publisher = publisher();
    let (mut mirror, leaf) = (Victim::of(&publisher), Victim::of(&publisher));
    mirror.options.audit = true;
    for _ in 0..2 {
        mirror.sync(&publisher.public(), NOW).expect("mirrors");
        leaf.sync(&mirror.folder.path().join("current"), NOW).expect("believed through the mirror");
        verify(mirror.folder.path(), NOW, &VerifyOptions::default()).expect("what was mirrored verifies");
        let report = verify(leaf.folder.path(), NOW, &VerifyOptions::default()).expect("so does what has no log");
        assert_eq!((report.changes, report.root_was_given), (None, true));
        publisher.list(100);
        publisher.publish(NOW);
    }
}

#[test]
fn only_what_changed_is_fetched() {
    let mut publisher = publisher();
    let victim = Victim::of(&publisher);
    let first = victim.sync(&publisher.public(), NOW).expect("believed");
    assert!(first.files_fetched > 512 && first.changed);
    let again = victim.sync(&publisher.public(), NOW).expect("believed");
    assert!(!again.changed && again.files_fetched < 10, "{again:?}");
    publisher.list(1);
    publisher.publish(NOW + 1);
    let next = victim.sync(&publisher.public(), NOW + 1).expect("believed");
    // Timestamp, snapshot, targets, checkpoint, feed.json, one shard, one file of entries, a few tiles.
    assert!(next.changed && next.files_fetched <= 12 && next.files_kept >= 510, "{next:?}");
    assert_eq!(next.sequence, 601);
}

fn parsed(note: &str) -> Checkpoint {
    Checkpoint::parse(crate::trust::note::Note::parse(note).expect("a note").text).expect("a checkpoint")
}
