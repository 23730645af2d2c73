//! Reports, which digests they speak about, and where their subjects were seen.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use std::collections::BTreeSet;

use model::{Digest, Location, ScanReport};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, Row, params, types::Type};

/// Numbers in the column `part.role`.
const ROLE_INDEX: u8 = 1;
const ROLE_MANIFEST: u8 = 2;
const ROLE_CONFIG: u8 = 3;
const ROLE_LAYER: u8 = 4;
/// A layer's DiffID, only as we computed it.
const ROLE_DIFF_ID: u8 = 5;
/// A file that carries a finding.
const ROLE_FILE: u8 = 6;

/// Keeps `r`, unless the same subject has a newer report under another rule pack.
macro_rules! newest {
    ($where:literal) => {
        concat!(
            "SELECT r.report, r.subject FROM report AS r WHERE ",
            $where,
            " AND NOT EXISTS (SELECT 1 FROM report AS n WHERE n.subject = r.subject
                AND (n.scanned_at, n.put_order) > (r.scanned_at, r.put_order))
              ORDER BY r.subject"
        )
    };
}

pub(crate) fn report(catalog: &Connection, rule_pack: i64, subject: &Digest) -> Result<Option<ScanReport>> {
    catalog
        .prepare_cached("SELECT report FROM report WHERE subject = ?1 AND rule_pack = ?2")?
        .query_row(params![subject.as_bytes(), rule_pack], parsed)
        .optional()
}

/// A report older than the one remembered adds its sighting and its parts, and replaces nothing.
pub(crate) fn put_report(catalog: &Connection, rule_pack: i64, report: &ScanReport) -> Result<()> {
    let subject = report.image.subject();
    let scanned_at = i64::try_from(report.scanned_at).unwrap_or(i64::MAX);
    let json = serde_json::to_string(report).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    catalog
        .prepare_cached(
            "INSERT INTO report (subject, rule_pack, scanned_at, put_order, report)
             VALUES (?1, ?2, ?3, (SELECT coalesce(max(put_order), 0) + 1 FROM report), ?4)
             ON CONFLICT (subject, rule_pack) DO UPDATE
             SET scanned_at = excluded.scanned_at, put_order = excluded.put_order, report = excluded.report
             WHERE excluded.scanned_at >= scanned_at",
        )?
        .execute(params![subject.as_bytes(), rule_pack, scanned_at, json])?;

    let mut add = catalog.prepare_cached("INSERT OR IGNORE INTO part (digest, subject, role) VALUES (?1, ?2, ?3)")?;
    for (digest, role) in parts(report) {
        add.execute(params![digest.as_bytes(), subject.as_bytes(), role])?;
    }
    catalog
        .prepare_cached(
            "INSERT INTO sighting (subject, reference, first_seen, last_seen) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),
                                       last_seen = max(last_seen, excluded.last_seen)",
        )?
        .execute(params![subject.as_bytes(), report.image.reference, scanned_at])?;
    Ok(())
}

pub(crate) fn reports_with(catalog: &Connection, digest: &Digest) -> Result<Vec<ScanReport>> {
    catalog
        .prepare_cached(newest!("r.subject IN (SELECT subject FROM part WHERE digest = ?1)"))?
        .query_map([digest.as_bytes()], parsed)?
        .collect()
}

/// The newest reports of the next `count` subjects after `last`.
pub(crate) fn page(catalog: &Connection, last: Option<&Digest>, count: u32) -> Result<Vec<ScanReport>> {
    let last: &[u8] = last.map_or(&[], |last| last.as_bytes());
    catalog
        .prepare_cached(concat!(newest!("r.subject > ?1"), " LIMIT ?2"))?
        .query_map(params![last, count], parsed)?
        .collect()
}

pub(crate) fn sightings(catalog: &Connection, subject: &Digest) -> Result<Vec<(String, u64, u64)>> {
    catalog
        .prepare_cached(
            "SELECT reference, first_seen, last_seen FROM sighting WHERE subject = ?1 ORDER BY first_seen, reference",
        )?
        .query_map([subject.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

fn parts(report: &ScanReport) -> BTreeSet<(Digest, u8)> {
    let image = &report.image;
    let mut parts = BTreeSet::from([(image.config, ROLE_CONFIG)]);
    parts.extend(image.index.map(|digest| (digest, ROLE_INDEX)));
    parts.extend(image.manifest.map(|digest| (digest, ROLE_MANIFEST)));
    for layer in &image.layers {
        parts.insert((layer.digest, ROLE_LAYER));
        parts.extend(layer.diff_id.map(|digest| (digest, ROLE_DIFF_ID)));
    }
    for finding in &report.findings {
        if let Location::File { sha256: Some(sha256), .. } = &finding.location {
            parts.insert((*sha256, ROLE_FILE));
        }
        parts.extend(finding.observation.inside.as_ref().map(|inside| (inside.sha256, ROLE_FILE)));
    }
    parts
}

/// Column 0 as a report.
fn parsed(row: &Row<'_>) -> Result<ScanReport> {
    serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
