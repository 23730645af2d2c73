//! The known-good set.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use model::{FileSet, KnownImage};
use rusqlite::{Connection, Error, Result, Row, params, types::Type};

/// One of the same name and config is replaced.
pub(crate) fn put(catalog: &Connection, image: &KnownImage) -> Result<()> {
    let slim = KnownImage { files: FileSet::default(), ..image.clone() };
    let json = serde_json::to_string(&slim).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    catalog
        .prepare_cached(
            "INSERT INTO known_image (name, config, image, files) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, config) DO UPDATE SET image = excluded.image, files = excluded.files",
        )?
        .execute(params![image.name, image.config.as_bytes(), json, image.files.as_bytes()])?;
    Ok(())
}

pub(crate) fn all(catalog: &Connection) -> Result<Vec<KnownImage>> {
    catalog
        .prepare_cached("SELECT image, files FROM known_image ORDER BY name, config")?
        .query_map([], known_image)?
        .collect()
}

pub(crate) fn remove(catalog: &Connection, name: &str) -> Result<usize> {
    catalog.prepare_cached("DELETE FROM known_image WHERE name = ?1")?.execute([name])
}

fn known_image(row: &Row<'_>) -> Result<KnownImage> {
    let mut image: KnownImage = serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    let files = FileSet::from_bytes(row.get_ref(1)?.as_blob()?);
    image.files =
        files.ok_or_else(|| Error::FromSqlConversionFailure(1, Type::Blob, "files are 16 bytes each".into()))?;
    Ok(image)
}
