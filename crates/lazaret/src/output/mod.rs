//! Reports as people and programs read them. Everything an image says is hostile text: `table` and `html` pass it
//! through [`model::text::visible`], `html` escapes it too, `json` and `sarif` escape it as JSON.

pub mod deeds;
pub mod destination;
pub mod html;
pub mod json;
pub mod picture;
pub mod run_page;
pub mod sarif;
pub mod style;
pub mod table;
pub mod timeline;
pub mod words;

#[doc(hidden)]
pub mod testing;

use hunt::ScanError;
use model::ScanReport;
use registry::RegistryError;

/// One image of a result: its report, or why there is none.
#[derive(Debug, Clone)]
pub struct Row {
    /// As the user named it; with a report, the report's own name of it counts.
    pub reference: String,
    /// The report.
    pub result: Result<ScanReport, RowError>,
}

/// Why an image could not be decided.
#[derive(Debug, Clone)]
pub struct RowError {
    /// A word a program can rely on, listed in docs/json.md.
    pub kind: &'static str,
    /// One line for people; may quote hostile text.
    pub message: String,
}

impl From<&ScanError> for RowError {
    fn from(error: &ScanError) -> Self {
        let kind = match error {
            ScanError::Registry(error) => match error {
                RegistryError::NotFound { .. } => "not-found",
                RegistryError::Denied { .. } => "denied",
                RegistryError::Unreachable { .. } => "unreachable",
                RegistryError::RateLimited { .. } => "rate-limited",
                RegistryError::WrongDigest { .. } => "wrong-digest",
                RegistryError::WrongSize { .. } => "wrong-size",
                RegistryError::Invalid { .. } => "invalid",
                RegistryError::NoPlatform { .. } => "no-platform",
            },
            ScanError::Store(_) => "catalog",
            ScanError::Stopped(_) => "stopped",
        };
        Self { kind, message: error.to_string() }
    }
}

/// The reports of `rows`.
pub fn reports(rows: &[Row]) -> impl Iterator<Item = &ScanReport> {
    rows.iter().filter_map(|row| row.result.as_ref().ok())
}
