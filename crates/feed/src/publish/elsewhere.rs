//! What the catalog says now of what it does not list any more.

use model::Disposition;
use store::{Catalog, StoreError};

use crate::entry::{Entry, List, Role};

/// Why an entry is no candidate any more; none where the catalog does not know its digest, or could not decide: a registry
/// that deletes an image, or a layer of it, takes nothing off the list.
///
/// # Errors
///
/// Any [`StoreError`].
pub fn elsewhere(catalog: &dyn Catalog, entry: &Entry) -> Result<Option<String>, StoreError> {
    let mut reports = catalog.reports_with(&entry.digest)?;
    if reports.is_empty() && entry.role == Role::File {
        // The catalog finds files by their findings: one without is known by its layer.
        for layer in &entry.parents {
            reports.extend(catalog.reports_with(layer)?);
        }
    }
    let dispositions = || reports.iter().map(|report| report.verdict.disposition);
    if reports.is_empty() || dispositions().any(|disposition| disposition == Disposition::Undetermined) {
        return Ok(None);
    }
    let worst = dispositions().max().unwrap_or(Disposition::Clean);
    Ok(Some(match (worst, entry.list) {
        (Disposition::Malicious, List::Block) => "judged again: the image is malicious, but not by this".to_owned(),
        (worst, _) => format!("judged again: {worst}"),
    }))
}
