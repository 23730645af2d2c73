//! The feed of malicious digests. For now: entries, JSON lines and a plain sorted list; signing and deltas come later.
//!
//! A tag is never a key: it can be moved. Names an image was seen under are context in its entry.
//!
//! Whoever can push an image must not be able to get an honest digest listed. So an image judged `malicious` lists, on those
//! findings of malice that its verdict names, in its newest report:
//!
//! - **index**: the one that report came through. Under which others its manifest stands a report does not say; a gate meets
//!   the manifest under any of them.
//! - **manifest**: always.
//! - **config**: if its DiffIDs are those of the layers, so that it is no other image's, and no image judged otherwise has it.
//! - **layer**: if what stable detectors say of it suffices alone. That is a proof, or the signs of two for one category;
//!   either of what harms by being there (a miner, a flooder) or of what the image runs (a backdoor). Never one that an
//!   image judged clean has too, as blob or as DiffID, nor an empty one. One that a risky, suspicious or undetermined image
//!   has too only by a proof: a miner is the same miner in an image that says what it is.
//! - **file**: in a listed layer, by such a proof on it, unless an image judged clean carries it with a finding. Of an
//!   archive also the innermost file.
//!
//! A config, layer or file of the known-good set is never listed, on whatever evidence.

mod bounded;
mod candidate;
pub mod client;
mod date;
pub mod diff;
pub mod entry;
mod evidence;

pub mod folder;
pub mod forms;
pub mod guard;
mod held;
pub mod ledger;
mod listing;
pub mod publish;
pub mod serve;
pub mod shard;
#[cfg(test)]
mod testing;
pub mod trust;

use std::io::Write;

use store::{Catalog, StoreError};

pub use bounded::LISTED_MAX;
pub use candidate::{Candidate, Omitted};
pub use entry::{Change, ChangeKind, Channel, Entry, EntryId, EvidenceKind, List, Role, SCHEMA, Status};
pub use listing::{Found, find};

/// Writes a [`Candidate`] for every listed digest as JSON lines, sorted by digest and role; byte-equal for an equal catalog.
/// Returns how many lines.
///
/// # Errors
///
/// [`StoreError`] from the catalog; a write error as [`StoreError::Other`].
pub fn export_json_lines(catalog: &dyn Catalog, out: &mut dyn Write) -> Result<usize, StoreError> {
    let entries = blocked(catalog)?;
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
        blocked(catalog)?.iter().filter(|entry| entry.role != Role::File).map(|entry| entry.digest).collect();
    digests.dedup();
    for digest in &digests {
        writeln!(out, "{digest}").map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(digests.len())
}

/// What could be listed to be blocked.
fn blocked(catalog: &dyn Catalog) -> Result<Vec<Candidate>, StoreError> {
    let rules = guard::Rules { advise_from: None, ..guard::Rules::default() };
    Ok(listing::find(catalog, &rules)?.candidates)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritten(error: std::io::Error) -> StoreError {
    StoreError::Other(format!("the feed cannot be written: {error}"))
}
