//! The feed of malicious digests. For now: entries, JSON lines and a plain sorted list; signing and deltas come later.
//!
//! A tag is never a key: it can be moved. Names an image was seen under are context in its entry.

mod date;
mod entry;

use std::io::Write;

use store::{Catalog, StoreError};

pub use entry::{Entry, Role, SCHEMA, Status};

/// Writes every digest with a `malicious` verdict as JSON lines, sorted by digest and role; byte-equal for an equal catalog.
/// Returns how many lines.
///
/// # Errors
///
/// [`StoreError`] from the catalog; a write error as [`StoreError::Other`].
pub fn export_json_lines(catalog: &dyn Catalog, out: &mut dyn Write) -> Result<usize, StoreError> {
    let entries = entry::entries(catalog)?;
    for entry in &entries {
        let json = serde_json::to_string(entry).map_err(|error| StoreError::Other(format!("feed entry: {error}")))?;
        writeln!(out, "{json}").map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(entries.len())
}

/// Writes the digests that a registry or a gate meets (index, manifest, config, layer; no files) as a plain sorted list, one
/// `sha256:…` a line. Returns how many lines.
///
/// # Errors
///
/// As [`export_json_lines`].
pub fn export_plain(catalog: &dyn Catalog, out: &mut dyn Write) -> Result<usize, StoreError> {
    let mut digests: Vec<_> =
        entry::entries(catalog)?.iter().filter(|entry| entry.role != Role::File).map(|entry| entry.digest).collect();
    digests.dedup();
    for digest in &digests {
        writeln!(out, "{digest}").map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(digests.len())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritten(error: std::io::Error) -> StoreError {
    StoreError::Other(format!("the feed cannot be written: {error}"))
}
