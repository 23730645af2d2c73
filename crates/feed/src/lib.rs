//! The feed of malicious digests. For now: entries, JSON lines and a plain sorted list; signing and deltas come later.

use std::io::Write;

use store::{Catalog, StoreError};

/// Writes every digest with a `malicious` verdict as JSON lines, sorted by digest; byte-equal for an equal catalog.
///
/// # Errors
///
/// [`StoreError`] from the catalog; a write error as [`StoreError::Other`].
pub fn export_json_lines(catalog: &dyn Catalog, out: &mut dyn Write) -> Result<usize, StoreError> {
    let _ = (catalog, out);
    unimplemented!()
}

/// Writes the same digests as a plain sorted list, one `sha256:…` a line.
///
/// # Errors
///
/// As [`export_json_lines`].
pub fn export_plain(catalog: &dyn Catalog, out: &mut dyn Write) -> Result<usize, StoreError> {
    let _ = (catalog, out);
    unimplemented!()
}
