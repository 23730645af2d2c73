//! The shape of the catalog file and how an older one becomes a new one.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use rusqlite::{Connection, TransactionBehavior};

/// Each raises `user_version` by one. Never edit one that was released; add the next.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
];

/// Marks the file as ours (`LZRT`), so that another program's database is not mistaken for a catalog.
pub(crate) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"LZRT");

/// Why a file cannot be brought to the newest shape.
#[derive(Debug)]
pub(crate) enum MigrateError {
    /// SQLite refused.
    Sql(rusqlite::Error),
    /// A database of another program.
    Foreign,
    /// Written by a newer Lazaret: the version it has.
    TooNew(u32),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Brings the file to version `migrations.len()`, all or nothing. A second process doing the same waits and finds it done.
pub(crate) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), MigrateError> {
    // In one transaction: another process may be making the file right now, and half of it looks like somebody else's.
    let found = version(&*connection.transaction()?)?;
    if found == migrations.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let Some(missing) = migrations.get(found..) else {
        return Err(MigrateError::TooNew(u32::try_from(found).unwrap_or(u32::MAX)));
    };
    for script in missing {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}

/// How many migrations the file has had.
fn version(connection: &Connection) -> Result<usize, MigrateError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if application == i64::from(APPLICATION_ID) || (application == 0 && version == 0 && empty) {
        usize::try_from(version).map_err(|_| MigrateError::Foreign)
    } else {
        Err(MigrateError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_migrates_and_keeps_what_it_has() {
        let mut catalog = Connection::open_in_memory().expect("memory");
        migrate(&mut catalog, MIGRATIONS).expect("first shape");
        catalog.execute("INSERT INTO hunt (name) VALUES ('kept')", []).expect("insert");

        let mut longer = MIGRATIONS.to_vec();
        longer.push("ALTER TABLE hunt ADD COLUMN note TEXT NOT NULL DEFAULT 'new'");
        migrate(&mut catalog, &longer).expect("next shape");

        let row = catalog.query_row("SELECT name || note FROM hunt", [], |row| row.get::<_, String>(0));
        assert_eq!(row, Ok("keptnew".to_owned()));
        assert!(
            matches!(migrate(&mut catalog, MIGRATIONS), Err(MigrateError::TooNew(n)) if n as usize == longer.len())
        );
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut catalog = Connection::open_in_memory().expect("memory");
        migrate(&mut catalog, MIGRATIONS).expect("first shape");
        let mut broken = MIGRATIONS.to_vec();
        broken.push("CREATE TABLE half (a); SELECT no_such_function();");

        assert!(matches!(migrate(&mut catalog, &broken), Err(MigrateError::Sql(_))));

        migrate(&mut catalog, MIGRATIONS).expect("still the first shape");
        assert!(catalog.prepare("SELECT * FROM half").is_err());
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let mut other = Connection::open_in_memory().expect("memory");
        other.execute_batch("CREATE TABLE theirs (a)").expect("table");
        assert!(matches!(migrate(&mut other, MIGRATIONS), Err(MigrateError::Foreign)));
    }
}
