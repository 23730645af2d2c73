//! The work of hunts, so that one that was interrupted goes on where it stood.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use model::Digest;
use rusqlite::{Connection, Error, Result, Row, params, types::Type};

use crate::{HuntItem, HuntState};

pub(crate) fn enqueue(catalog: &Connection, hunt: &str, references: &[String]) -> Result<()> {
    let hunt = hunt_id(catalog, hunt)?;
    let mut insert = catalog.prepare_cached(
        "INSERT INTO hunt_item (hunt, reference, state, subjects, attempts) VALUES (?1, ?2, ?3, x'', 0)
         ON CONFLICT DO NOTHING",
    )?;
    for reference in references {
        insert.execute(params![hunt, reference, number(HuntState::Pending)])?;
    }
    Ok(())
}

pub(crate) fn items(catalog: &Connection, hunt: &str) -> Result<Vec<HuntItem>> {
    catalog
        .prepare_cached(
            "SELECT reference, state, subjects, error, attempts FROM hunt_item
             WHERE hunt = (SELECT id FROM hunt WHERE name = ?1) ORDER BY id",
        )?
        .query_map([hunt], item)?
        .collect()
}

pub(crate) fn set_item(catalog: &Connection, hunt: &str, item: &HuntItem) -> Result<()> {
    let hunt = hunt_id(catalog, hunt)?;
    let subjects: Vec<u8> = item.subjects.iter().flat_map(|subject| *subject.as_bytes()).collect();
    catalog
        .prepare_cached(
            "INSERT INTO hunt_item (hunt, reference, state, subjects, error, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (hunt, reference) DO UPDATE SET state = excluded.state, subjects = excluded.subjects,
                 error = excluded.error, attempts = excluded.attempts",
        )?
        .execute(params![hunt, item.reference, number(item.state), subjects, item.error, item.attempts])?;
    Ok(())
}

fn hunt_id(catalog: &Connection, hunt: &str) -> Result<i64> {
    catalog.prepare_cached("INSERT INTO hunt (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([hunt])?;
    catalog.prepare_cached("SELECT id FROM hunt WHERE name = ?1")?.query_row([hunt], |row| row.get(0))
}

fn item(row: &Row<'_>) -> Result<HuntItem> {
    let (digests, rest) = row.get_ref(2)?.as_blob()?.as_chunks::<32>();
    let state = match (row.get::<_, u8>(1)?, rest) {
        (0, []) => HuntState::Pending,
        (1, []) => HuntState::Done,
        (2, []) => HuntState::Failed,
        _ => return Err(Error::FromSqlConversionFailure(1, Type::Integer, "a hunt item that cannot be".into())),
    };
    Ok(HuntItem {
        reference: row.get(0)?,
        state,
        subjects: digests.iter().copied().map(Digest::from_bytes).collect(),
        error: row.get(3)?,
        attempts: row.get(4)?,
    })
}

/// The number in the column `hunt_item.state`; [`item`] reads it back.
const fn number(state: HuntState) -> u8 {
    match state {
        HuntState::Pending => 0,
        HuntState::Done => 1,
        HuntState::Failed => 2,
    }
}
