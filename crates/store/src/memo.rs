//! The memos: what inspecting a layer or a file's content gave, so that nobody inspects it twice.
//!
//! A memo blob is one byte [`FORMAT`] and then `postcard`. A blob of another format, or one that cannot be read, counts as
//! not remembered: it costs an inspection, never a run.
#![expect(clippy::disallowed_types, reason = "this crate is the one that knows SQL")]

use model::{Digest, FileFacts, FileKind, LayerRecord};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, params};
use serde::{Serialize, de::DeserializeOwned};

/// Raise it when `LayerRecord`, `FileFacts` or anything in them changes shape (order of fields and variants included).
const FORMAT: u8 = 2;

/// `file.kind` is the position here: only ever append.
const KINDS: [FileKind; 9] = [
    FileKind::Empty,
    FileKind::Elf,
    FileKind::Pe,
    FileKind::MachO,
    FileKind::Script,
    FileKind::Text,
    FileKind::Utf16,
    FileKind::Archive,
    FileKind::Binary,
];

pub(crate) fn layer(catalog: &Connection, rule_pack: i64, digest: &Digest) -> Result<Option<LayerRecord>> {
    catalog
        .prepare_cached("SELECT record FROM layer WHERE rule_pack = ?1 AND digest = ?2")?
        .query_row(params![rule_pack, digest.as_bytes()], |row| Ok(decode(row.get_ref(0)?.as_blob()?)))
        .optional()
        .map(Option::flatten)
}

pub(crate) fn put_layer(catalog: &Connection, rule_pack: i64, record: &LayerRecord) -> Result<()> {
    catalog
        .prepare_cached(
            "INSERT INTO layer (rule_pack, digest, record) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET record = excluded.record WHERE record IS NOT excluded.record",
        )?
        .execute(params![rule_pack, record.digest.as_bytes(), encode(record)?])?;
    Ok(())
}

pub(crate) fn file(catalog: &Connection, rule_pack: i64, sha256: &Digest) -> Result<Option<FileFacts>> {
    catalog
        .prepare_cached("SELECT kind, facts FROM file WHERE rule_pack = ?1 AND sha256 = ?2")?
        .query_row(params![rule_pack, sha256.as_bytes()], |row| {
            let Some(facts) = row.get_ref(1)?.as_blob_or_null()? else {
                let kind = KINDS.get(row.get::<_, usize>(0)?);
                return Ok(kind.map(|kind| without_findings(*kind)));
            };
            Ok(decode(facts))
        })
        .optional()
        .map(Option::flatten)
}

/// In the order of the key, so that neighbours share pages.
pub(crate) fn put_files(catalog: &Connection, rule_pack: i64, files: &[(Digest, FileFacts)]) -> Result<()> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by_key(|(sha256, _)| *sha256);
    let mut insert = catalog.prepare_cached(
        "INSERT INTO file (rule_pack, sha256, kind, facts) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET kind = excluded.kind, facts = excluded.facts
         WHERE kind IS NOT excluded.kind OR facts IS NOT excluded.facts",
    )?;
    for (sha256, facts) in sorted {
        let empty = facts.observations.is_empty() && facts.mentions.is_empty() && facts.problems.is_empty();
        let blob = if empty { None } else { Some(encode(facts)?) };
        let kind = KINDS.iter().position(|kind| *kind == facts.kind);
        insert.execute(params![rule_pack, sha256.as_bytes(), kind, blob])?;
    }
    Ok(())
}

fn without_findings(kind: FileKind) -> FileFacts {
    FileFacts { kind, observations: Vec::new(), mentions: Vec::new(), problems: Vec::new() }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(value, vec![FORMAT]).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

fn decode<T: DeserializeOwned>(blob: &[u8]) -> Option<T> {
    let (&FORMAT, value) = blob.split_first()? else {
        return None;
    };
    match postcard::take_from_bytes(value) {
        Ok((value, [])) => Some(value),
        _ => {
            tracing::warn!(bytes = blob.len(), "a remembered inspection cannot be read; it will be made again");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Category, Confidence, Diversion, EntryDigests, EntryKind, EntryRecord, FileDigest, Indicator, IndicatorKind,
        Inside, LayerPackages, ListedPath, Maturity, Observation, PackageDatabase, PackageFacts, PackageManager,
        PackagedFile, Problem, ProblemKind, Severity, Weight,
    };

    use super::*;

    fn observation() -> Observation {
        Observation {
            detector: "d".to_owned(),
            title: "t".to_owned(),
            category: Category::Other,
            weight: Weight::Proof,
            severity: Severity::Critical,
            confidence: Confidence::Certain,
            maturity: Maturity::Deprecated,
            techniques: vec!["T1".to_owned()],
            summary: "s".to_owned(),
            offset: Some(300),
            indicators: vec![Indicator { kind: IndicatorKind::FileHash, value: "v".to_owned() }],
            inside: Some(Inside { path: "p".to_owned(), sha256: Digest::from_bytes([7; 32]) }),
        }
    }

    fn problem() -> Problem {
        let (place, detail) = ("p".to_owned(), "d".to_owned());
        Problem { kind: ProblemKind::DetectorFailed, place, detail, unseen_bytes: 1 }
    }

    fn packages() -> LayerPackages {
        let text = str::to_owned;
        let file = |path, digest| PackagedFile { path, digest };
        let files = vec![
            file(ListedPath::Entry(300), Some(FileDigest::Md5([1; 8]))),
            file(ListedPath::Path(text("p")), Some(FileDigest::Sha256([2; 8]))),
        ];
        LayerPackages {
            databases: vec![PackageDatabase {
                entry: 1,
                manager: PackageManager::Npm,
                packages: vec![PackageFacts { name: text("n"), version: text("v"), files }],
                diversions: vec![Diversion { from: text("f"), to: text("t"), by: text("b") }],
                unread: Some(text("u")),
            }],
            digests: vec![EntryDigests { entry: 2, kind: FileKind::Elf, md5: [3; 8], sha1: [4; 8] }],
        }
    }

    #[test]
    fn every_kind_has_its_number() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert_eq!(postcard::to_allocvec(kind).expect("kind"), [u8::try_from(number).expect("few")]);
        }
        assert!(postcard::from_bytes::<FileKind>(&[9]).is_err(), "a new FileKind belongs into KINDS");
    }

    /// Fails when the shape of a memo changes: raise `FORMAT`, then take over the new digest.
    #[test]
    fn the_shape_of_a_memo_is_that_of_its_format() {
        let facts = FileFacts {
            kind: FileKind::Binary,
            observations: vec![observation()],
            mentions: vec!["/m".to_owned()],
            problems: vec![problem()],
        };
        let digest = Digest::from_bytes([1; 32]);
        let entry = EntryRecord {
            path: "p".to_owned(),
            kind: EntryKind::Opaque,
            mode: 0o755,
            size: 1,
            sha256: Some(digest),
            link: Some("l".to_owned()),
        };
        let record = LayerRecord {
            digest,
            diff_id: Some(digest),
            compression: "gzip".to_owned(),
            packed_bytes: 1,
            unpacked_bytes: 2,
            entries: vec![entry],
            observations: vec![(0, observation())],
            mentions: vec![(0, vec!["/m".to_owned()])],
            problems: vec![problem()],
            packages: packages(),
        };
        let blob = encode(&(facts, record)).expect("encode");
        assert_eq!((FORMAT, Digest::of(&blob).short().as_str()), (2, "sha256:14c9bb0f97e9"));
    }

    #[test]
    fn a_memo_that_cannot_be_read_is_not_remembered() {
        let blob = encode(&without_findings(FileKind::Elf)).expect("encode");
        assert_eq!(decode(&blob), Some(without_findings(FileKind::Elf)));
        for end in 0..blob.len() {
            assert_eq!(decode::<FileFacts>(&blob[..end]), None);
        }
        assert_eq!(decode::<FileFacts>(&[&blob[..], &[0]].concat()), None);
        assert_eq!(decode::<FileFacts>(&[&[FORMAT + 1], &blob[1..]].concat()), None);
    }
}
