//! Zip archives: jar, wheel, office documents.
//!
//! The central directory decides, as for `unzip`, Java's `JarFile` and Python's `zipfile`. A local entry that the directory does
//! not list is read by streaming readers (Java's `ZipInputStream`) alone: that is reported as ambiguous.
//!
//! Source: PKWARE APPNOTE 6.3.10.

use std::{collections::HashSet, io::Cursor};

use model::ProblemKind;
use zip::result::ZipError;

use super::Opener;

pub(super) fn open(opener: &mut Opener<'_>, path: &str, bytes: &[u8], depth: u32) {
    #[expect(clippy::disallowed_types, reason = "this crate is the one that opens archives")]
    let archive = zip::ZipArchive::new(Cursor::new(bytes));
    let mut archive = match archive {
        Ok(archive) => archive,
        Err(error) => return opener.note(ProblemKind::Corrupt, path, format!("zip: {error}"), bytes.len()),
    };
    let mut known: Vec<(u64, u64)> = Vec::new();
    let mut names = HashSet::new();
    for index in 0..archive.len() {
        let (name, packed, is_encrypted, is_folder) = match archive.by_index_raw(index) {
            Ok(entry) => {
                let end = entry.data_start().unwrap_or(0).saturating_add(entry.compressed_size());
                known.push((entry.header_start(), end));
                let packed = usize::try_from(entry.compressed_size()).unwrap_or(usize::MAX).min(bytes.len());
                (String::from_utf8_lossy(entry.name_raw()).into_owned(), packed, entry.encrypted(), entry.is_dir())
            }
            Err(error) => {
                opener.note(ProblemKind::Corrupt, path, format!("zip entry {index}: {error}"), 0);
                continue;
            }
        };
        if !names.insert(name.clone()) {
            let detail = format!("zip has two entries {name:?}: readers differ on which one counts");
            opener.note(ProblemKind::Ambiguous, path, detail, 0);
        }
        if is_folder {
            continue;
        }
        let inner = super::joined(path, &name);
        if is_encrypted {
            opener.note(ProblemKind::Encrypted, &inner, "encrypted zip entry".to_owned(), packed);
            continue;
        }
        match archive.by_index(index) {
            Ok(mut content) => opener.member(path, &name, &mut content, packed, depth),
            Err(ZipError::UnsupportedArchive(what)) => {
                opener.note(ProblemKind::Unsupported, &inner, format!("zip: {what}"), packed);
            }
            Err(error) => opener.note(ProblemKind::Corrupt, &inner, format!("zip: {error}"), packed),
        }
        if opener.stopped {
            return;
        }
    }
    note_unlisted(opener, path, bytes, known);
}

/// Looks for local headers outside of every entry the directory lists.
fn note_unlisted(opener: &mut Opener<'_>, path: &str, bytes: &[u8], mut known: Vec<(u64, u64)>) {
    known.sort_unstable();
    let mut at = 0_u64;
    for (start, end) in known.into_iter().chain([(bytes.len() as u64, u64::MAX)]) {
        let gap = usize::try_from(at).ok().zip(usize::try_from(start).ok()).and_then(|(from, to)| bytes.get(from..to));
        if gap.is_some_and(|gap| gap.windows(4).any(|four| four == b"PK\x03\x04")) {
            let detail = format!("zip has an entry between bytes {at} and {start} that its directory does not list");
            return opener.note(ProblemKind::Ambiguous, path, detail, 0);
        }
        at = at.max(end);
    }
}
