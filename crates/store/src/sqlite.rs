//! The catalog in one SQLite file.
//!
//! One connection writes, behind a mutex; idle ones that only read wait in a pool, so that lookups of several threads do not
//! queue behind a write. Other processes may have the same file open: SQLite's WAL lets them read at any time and makes
//! writers wait for each other. Every change is one transaction, so a process may die between any two instructions; the
//! newest changes can be lost with the power (`synchronous=NORMAL`), never half of one.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use std::{
    collections::HashMap,
    fs::{DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use model::{Digest, FileFacts, IntelEntry, IntelSource, KnownImage, LayerRecord, ScanReport};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};

use crate::{Catalog, HuntItem, StoreError, hunts, intel, known, memo, reports, schema};

/// Longest wait for another process that writes. The largest layer takes well under a second.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// Most connections kept for reading while nobody reads.
const IDLE_READERS_MAX: usize = 16;
/// Statements kept prepared on each connection: more than there are in this crate.
const STATEMENTS_MAX: usize = 48;
/// Reports held in memory by `for_each_report`.
const PAGE_REPORTS: u32 = 16;

pub(crate) struct Sqlite {
    /// None for a catalog in memory: it has the one connection.
    file: Option<PathBuf>,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Rule packs whose number is known. Numbers never change.
    rule_packs: RwLock<HashMap<String, i64>>,
}

impl Sqlite {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = folder.join("catalog.sqlite");
        let refused = |error: std::io::Error| StoreError::Open {
            path: file.display().to_string(),
            detail: format!("{error}; name a folder that you may write to"),
        };
        // What was found in images is nobody else's business: only its owner may look.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file).map_err(refused)?;
        let explain = |error| explained(&error, Some(&file));
        let mut writer = connected(&file).map_err(explain)?;
        prepare(&mut writer, Some(&file))?;
        // SQLite does not wait here while another process opens the same new file: the wait is ours.
        let mut tries = 0;
        while let Err(error) = writer.pragma_update(None, "journal_mode", "wal") {
            tries += 1;
            if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || tries > 500 {
                return Err(explain(error));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self::with(Some(file), writer))
    }

    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let mut writer = Connection::open_in_memory().map_err(|error| explained(&error, None))?;
        writer.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        prepare(&mut writer, None)?;
        Ok(Self::with(None, writer))
    }

    fn with(file: Option<PathBuf>, writer: Connection) -> Self {
        Self { file, writer: Mutex::new(writer), readers: Mutex::default(), rule_packs: RwLock::default() }
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let explain = |error| explained(&error, self.file.as_deref());
        let Some(file) = &self.file else {
            return query(&locked(&self.writer)).map_err(explain);
        };
        let idle = locked(&self.readers).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => reading(file).map_err(explain)?,
        };
        let answer = query(&reader);
        let mut readers = locked(&self.readers);
        if readers.len() < IDLE_READERS_MAX {
            readers.push(reader);
        }
        answer.map_err(explain)
    }

    fn write(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), StoreError> {
        let explain = |error| explained(&error, self.file.as_deref());
        let mut writer = locked(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
        change(&transaction).and_then(|()| transaction.commit()).map_err(explain)
    }

    /// The number of a rule pack; none if nothing was ever put under it.
    fn known_rule_pack(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let known = self.rule_packs.read().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.read(|catalog| {
            let mut select = catalog.prepare_cached("SELECT id FROM rule_pack WHERE name = ?1")?;
            select.query_row([name], |row| row.get(0)).optional()
        })?;
        if let Some(id) = found {
            self.rule_packs.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), id);
        }
        Ok(found)
    }

    /// The number of a rule pack, given now if it has none.
    fn rule_pack(&self, name: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.known_rule_pack(name)? {
            return Ok(id);
        }
        self.write(|catalog| {
            catalog.execute("INSERT INTO rule_pack (name) VALUES (?1) ON CONFLICT DO NOTHING", [name]).map(drop)
        })?;
        let id = self.known_rule_pack(name)?;
        id.ok_or_else(|| StoreError::Other(format!("rule pack {name:?} vanished while it was stored")))
    }
}

impl Catalog for Sqlite {
    fn layer(&self, digest: &Digest, rule_pack: &str) -> Result<Option<LayerRecord>, StoreError> {
        let Some(rule_pack) = self.known_rule_pack(rule_pack)? else { return Ok(None) };
        self.read(|catalog| memo::layer(catalog, rule_pack, digest))
    }

    fn put_layer(
        &self,
        record: &LayerRecord,
        files: &[(Digest, FileFacts)],
        rule_pack: &str,
    ) -> Result<(), StoreError> {
        let rule_pack = self.rule_pack(rule_pack)?;
        self.write(|catalog| {
            memo::put_files(catalog, rule_pack, files)?;
            memo::put_layer(catalog, rule_pack, record)
        })
    }

    fn file(&self, sha256: &Digest, rule_pack: &str) -> Result<Option<FileFacts>, StoreError> {
        let Some(rule_pack) = self.known_rule_pack(rule_pack)? else { return Ok(None) };
        self.read(|catalog| memo::file(catalog, rule_pack, sha256))
    }

    fn put_files(&self, files: &[(Digest, FileFacts)], rule_pack: &str) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        let rule_pack = self.rule_pack(rule_pack)?;
        self.write(|catalog| memo::put_files(catalog, rule_pack, files))
    }

    fn report(&self, subject: &Digest, rule_pack: &str) -> Result<Option<ScanReport>, StoreError> {
        let Some(rule_pack) = self.known_rule_pack(rule_pack)? else { return Ok(None) };
        self.read(|catalog| reports::report(catalog, rule_pack, subject))
    }

    fn put_report(&self, report: &ScanReport) -> Result<(), StoreError> {
        let rule_pack = self.rule_pack(&report.rule_pack)?;
        self.write(|catalog| reports::put_report(catalog, rule_pack, report))
    }

    fn reports_with(&self, digest: &Digest) -> Result<Vec<ScanReport>, StoreError> {
        self.read(|catalog| reports::reports_with(catalog, digest))
    }

    /// Page by page, with nothing locked while `visit` runs: it may use the catalog itself.
    fn for_each_report(&self, visit: &mut dyn FnMut(ScanReport)) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = self.read(|catalog| reports::page(catalog, last.as_ref(), PAGE_REPORTS))?;
            let Some(newest) = page.last() else { return Ok(()) };
            last = Some(newest.image.subject());
            page.into_iter().for_each(&mut *visit);
        }
    }

    fn sightings(&self, subject: &Digest) -> Result<Vec<(String, u64, u64)>, StoreError> {
        self.read(|catalog| reports::sightings(catalog, subject))
    }

    fn enqueue(&self, hunt: &str, references: &[String]) -> Result<(), StoreError> {
        self.write(|catalog| hunts::enqueue(catalog, hunt, references))
    }

    fn hunt_items(&self, hunt: &str) -> Result<Vec<HuntItem>, StoreError> {
        self.read(|catalog| hunts::items(catalog, hunt))
    }

    fn set_hunt_item(&self, hunt: &str, item: &HuntItem) -> Result<(), StoreError> {
        self.write(|catalog| hunts::set_item(catalog, hunt, item))
    }

    fn intel_sources(&self) -> Result<Vec<IntelSource>, StoreError> {
        self.read(intel::sources)
    }

    fn put_intel(&self, source: &IntelSource, entries: &[IntelEntry]) -> Result<(), StoreError> {
        self.write(|catalog| intel::put(catalog, source, entries))
    }

    fn remove_intel(&self, name: &str) -> Result<bool, StoreError> {
        let mut was_there = false;
        self.write(|catalog| {
            was_there = intel::remove(catalog, name)?;
            Ok(())
        })?;
        Ok(was_there)
    }

    fn for_each_intel(&self, visit: &mut dyn FnMut(&IntelSource, IntelEntry)) -> Result<(), StoreError> {
        self.read(|catalog| intel::for_each(catalog, visit))
    }

    fn put_known(&self, images: &[KnownImage]) -> Result<(), StoreError> {
        self.write(|catalog| images.iter().try_for_each(|image| known::put(catalog, image)))
    }

    fn known(&self) -> Result<Vec<KnownImage>, StoreError> {
        self.read(known::all)
    }

    fn remove_known(&self, name: &str) -> Result<usize, StoreError> {
        let mut removed = 0;
        self.write(|catalog| known::remove(catalog, name).map(|count| removed = count))?;
        Ok(removed)
    }
}

/// A connection to a file that exists, not yet known to be a catalog.
fn connected(file: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn reading(file: &Path) -> rusqlite::Result<Connection> {
    let connection = connected(file)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepare(writer: &mut Connection, file: Option<&Path>) -> Result<(), StoreError> {
    let path = shown(file);
    schema::migrate(writer, schema::MIGRATIONS).map_err(|error| match error {
        schema::MigrateError::Sql(error) => explained(&error, file),
        schema::MigrateError::Foreign => {
            StoreError::Open { path, detail: "it is a database of another program; name another folder".to_owned() }
        }
        schema::MigrateError::TooNew(found) => {
            let known = u32::try_from(schema::MIGRATIONS.len()).unwrap_or(u32::MAX);
            StoreError::TooNew { path, found, known }
        }
    })
}

/// What a caller can do about an error of SQLite. What cannot be read back as what was put counts as damage.
fn explained(error: &rusqlite::Error, file: Option<&Path>) -> StoreError {
    let (path, detail) = (shown(file), error.to_string());
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => return StoreError::Corrupt { path, detail },
        _ => {}
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path, detail },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::Open { path, detail: format!("{detail}; it and its folder must be writable") }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Other(format!("{path} was locked by another process for {} s", BUSY_TIMEOUT.as_secs()))
        }
        _ => StoreError::Other(format!("{path}: {detail}")),
    }
}

fn shown(file: Option<&Path>) -> String {
    file.map_or_else(|| "in memory".to_owned(), |file| file.display().to_string())
}

/// A thread that panicked left no half change behind: its transaction was rolled back.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use model::{FileFacts, FileKind};

    use super::*;

    fn files(count: u32) -> Vec<(Digest, FileFacts)> {
        let facts = FileFacts { kind: FileKind::Elf, observations: vec![], mentions: vec![], problems: vec![] };
        (0..count).map(|number| (Digest::of(&number.to_le_bytes()), facts.clone())).collect()
    }

    #[test]
    fn a_full_disk_is_named_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let catalog = Sqlite::open(folder.path()).expect("open");
        let few = files(10);
        catalog.put_files(&few, "rules").expect("room for few");
        let pages: i64 = locked(&catalog.writer).query_row("PRAGMA page_count", [], |row| row.get(0)).expect("pages");
        locked(&catalog.writer).pragma_update(None, "max_page_count", pages + 2).expect("a small disk");

        let many = files(10_000);
        let result = catalog.put_files(&many, "rules");

        assert!(matches!(&result, Err(StoreError::Full { path }) if path.ends_with("catalog.sqlite")), "{result:?}");
        assert_eq!(catalog.file(&few[9].0, "rules").expect("still works"), Some(few[9].1.clone()));
        assert_eq!(catalog.file(&many[10].0, "rules").expect("still works"), None, "all or nothing");
    }

    #[test]
    fn a_change_that_fails_midway_leaves_nothing() {
        let catalog = Sqlite::in_memory().expect("open");
        let result = catalog.write(|connection| {
            hunts::enqueue(connection, "hunt", &["a".to_owned()])?;
            connection.execute_batch("SELECT no_such_function()")
        });
        assert!(matches!(result, Err(StoreError::Other(_))));
        assert_eq!(catalog.hunt_items("hunt").expect("items"), []);
    }

    #[test]
    fn a_report_that_is_no_report_is_damage() {
        let catalog = Sqlite::in_memory().expect("open");
        catalog.rule_pack("rules").expect("rule pack");
        let subject = Digest::of(b"subject");
        catalog
            .write(|connection| {
                let sql = "INSERT INTO report VALUES (1, ?1, 1, 1, 1, '{}')";
                connection.execute(sql, [subject.as_bytes()]).map(drop)
            })
            .expect("insert");
        assert!(matches!(catalog.report(&subject, "rules"), Err(StoreError::Corrupt { .. })));
    }
}
