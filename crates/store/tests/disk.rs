//! The catalog as a file: who may read it, what survives, and what is said when it cannot be used.
#![expect(clippy::disallowed_types, reason = "looks at the file from outside")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use model::{Digest, FileFacts, FileKind};
use store::StoreError;

fn files(names: std::ops::Range<u32>) -> Vec<(Digest, FileFacts)> {
    let facts = FileFacts { kind: FileKind::Elf, observations: vec![], mentions: vec![], problems: vec![] };
    names.map(|number| (Digest::of(&number.to_le_bytes()), facts.clone())).collect()
}

fn refused(folder: &Path) -> StoreError {
    store::open(folder).err().expect("must be refused")
}

#[test]
fn only_its_owner_may_look() {
    let folder = tempfile::tempdir().expect("folder");
    let inner = folder.path().join("state/lazaret");
    let _catalog = store::open(&inner).expect("open");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(&inner.join("catalog.sqlite")), 0o600);
}

#[test]
fn what_was_put_is_there_after_a_crash() {
    let folder = tempfile::tempdir().expect("folder");
    let catalog = store::open(folder.path()).expect("open");
    catalog.put_files(&files(0..100), "rules").expect("put");
    // A killed process closes nothing: its write-ahead log stays beside the file. So does that of one never dropped.
    std::mem::forget(catalog);
    assert!(folder.path().join("catalog.sqlite-wal").metadata().expect("log").len() > 0);

    let crashed = tempfile::tempdir().expect("folder");
    for entry in fs::read_dir(folder.path()).expect("list") {
        let entry = entry.expect("entry");
        fs::copy(entry.path(), crashed.path().join(entry.file_name())).expect("copy");
    }
    let catalog = store::open(crashed.path()).expect("open again");
    for (sha256, facts) in files(0..100) {
        assert_eq!(catalog.file(&sha256, "rules").expect("file"), Some(facts));
    }
}

/// Two processes differ from two catalogs on one file only in their memory: neither shares a connection.
#[test]
fn several_hunts_use_one_file_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    std::thread::scope(|scope| {
        for hunt in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                let catalog = store::open(folder).expect("open while others do");
                for turn in 0..25 {
                    let number = hunt * 1_000 + turn;
                    catalog.put_files(&files(number..number + 1), "rules").expect("put");
                    catalog.enqueue("hunt", &[format!("r:{turn}")]).expect("enqueue");
                }
            });
        }
    });
    let catalog = store::open(folder.path()).expect("open");
    assert_eq!(catalog.hunt_items("hunt").expect("items").len(), 25);
    for hunt in 0..4 {
        for (sha256, facts) in files(hunt * 1_000..hunt * 1_000 + 25) {
            assert_eq!(catalog.file(&sha256, "rules").expect("file"), Some(facts));
        }
    }
}

#[test]
fn a_newer_catalog_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    drop(store::open(folder.path()).expect("open"));
    let file = rusqlite::Connection::open(folder.path().join("catalog.sqlite")).expect("file");
    file.pragma_update(None, "user_version", 999).expect("raise");
    let error = refused(folder.path());
    assert!(matches!(error, StoreError::TooNew { found: 999, .. }), "{error}");
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("catalog.sqlite");
    fs::write(&file, "this is not a database, and it is longer than a header of one hundred bytes is ".repeat(99))
        .expect("write");
    let text = refused(folder.path()).to_string();
    assert!(text.contains(&*file.to_string_lossy()) && text.contains("move it away"), "{text}");
    assert!(fs::read(&file).expect("still there").starts_with(b"this is not"), "the damaged file is left alone");
}

#[test]
fn damage_within_is_found_when_it_is_met() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("catalog.sqlite");
    let known = files(0..20_000);
    {
        let catalog = store::open(folder.path()).expect("open");
        catalog.put_files(&known, "rules").expect("put");
    }
    let mut bytes = fs::read(&file).expect("read");
    bytes[8192..].fill(0xff);
    fs::write(&file, bytes).expect("write");

    let errors = store::open(folder.path())
        .map(|catalog| known.iter().filter_map(|(sha256, _)| catalog.file(sha256, "rules").err()).next())
        .unwrap_or_else(Some);
    assert!(matches!(errors, Some(StoreError::Corrupt { .. })), "{errors:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let occupied = folder.path().join("file");
    fs::write(&occupied, "").expect("write");
    let error = refused(&occupied);
    assert!(matches!(&error, StoreError::Open { path, .. } if path.contains("file/catalog.sqlite")), "{error}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("catalog.sqlite");
    let theirs = rusqlite::Connection::open(&file).expect("file");
    theirs.execute_batch("CREATE TABLE theirs (a)").expect("table");
    let before = fs::read(&file).expect("read");
    let error = refused(folder.path());
    assert!(matches!(&error, StoreError::Open { detail, .. } if detail.contains("another program")), "{error}");
    assert_eq!(fs::read(&file).expect("read"), before);
}
