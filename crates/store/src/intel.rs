//! Threat intelligence: sources and their entries, which are always read as a whole.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use model::{IntelEntry, IntelSource};
use rusqlite::{Connection, Error, Result, Row, params, types::Type};

/// Raise it when `IntelEntry` or anything in it changes shape (order of fields and variants included).
const FORMAT: u8 = 1;

/// Entries in one blob: a few hundred KB.
const CHUNK_ENTRIES: usize = 4_096;

pub(crate) fn sources(catalog: &Connection) -> Result<Vec<IntelSource>> {
    catalog
        .prepare_cached("SELECT source FROM intel_source ORDER BY name")?
        .query_map([], |row| source(row, 0))?
        .collect()
}

pub(crate) fn put(catalog: &Connection, source: &IntelSource, entries: &[IntelEntry]) -> Result<()> {
    remove(catalog, &source.name)?;
    let json = serde_json::to_string(source).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    catalog
        .prepare_cached("INSERT INTO intel_source (name, source) VALUES (?1, ?2)")?
        .execute(params![source.name, json])?;
    let id = catalog.last_insert_rowid();
    let mut insert = catalog.prepare_cached("INSERT INTO intel_chunk (source, number, entries) VALUES (?1, ?2, ?3)")?;
    for (number, chunk) in entries.chunks(CHUNK_ENTRIES).enumerate() {
        let blob = postcard::to_extend(chunk, vec![FORMAT]);
        let blob = blob.map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
        insert.execute(params![id, number, blob])?;
    }
    Ok(())
}

pub(crate) fn remove(catalog: &Connection, name: &str) -> Result<bool> {
    catalog
        .prepare_cached("DELETE FROM intel_chunk WHERE source = (SELECT id FROM intel_source WHERE name = ?1)")?
        .execute([name])?;
    Ok(catalog.prepare_cached("DELETE FROM intel_source WHERE name = ?1")?.execute([name])? > 0)
}

pub(crate) fn for_each(catalog: &Connection, visit: &mut dyn FnMut(&IntelSource, IntelEntry)) -> Result<()> {
    let mut chunks = catalog.prepare_cached(
        "SELECT s.id, s.source, c.entries FROM intel_source AS s JOIN intel_chunk AS c ON c.source = s.id
         ORDER BY s.id, c.number",
    )?;
    let mut rows = chunks.query([])?;
    let mut current: Option<(i64, IntelSource)> = None;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let source = match &mut current {
            Some((known, source)) if *known == id => source,
            other => &mut other.insert((id, source(row, 1)?)).1,
        };
        let entries = decoded(row.get_ref(2)?.as_blob()?).ok_or_else(|| {
            let detail = format!("intelligence {:?} is of another version: import it again", source.name);
            Error::FromSqlConversionFailure(2, Type::Blob, detail.into())
        })?;
        entries.into_iter().for_each(|entry| visit(source, entry));
    }
    Ok(())
}

fn decoded(blob: &[u8]) -> Option<Vec<IntelEntry>> {
    let (&FORMAT, value) = blob.split_first()? else { return None };
    postcard::from_bytes(value).ok()
}

fn source(row: &Row<'_>, column: usize) -> Result<IntelSource> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
