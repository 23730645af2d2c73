//! One place: a registry reference, an archive, a layout, the Docker daemon.

use model::{Locator, Platform, ScanReport};
use registry::RegistryError;

use crate::{Context, Run, ScanError, image::scan_image, streamed::scan_stream};

/// What a scan gave.
#[derive(Debug, Default)]
pub struct Scanned {
    /// One a platform.
    pub reports: Vec<ScanReport>,
    /// Why one of the platforms has none.
    pub error: Option<ScanError>,
}

/// Scans one place: one report a platform (`platform` none: all of an index).
///
/// # Errors
///
/// [`ScanError`] if not even a manifest and config could be read. A layer that cannot be read is a problem in the
/// report, not an error.
pub fn scan(locator: &Locator, platform: Option<&Platform>, context: &Context<'_>) -> Result<Scanned, ScanError> {
    let run = Run::new(context, None);
    let scanned = scan_in(locator, platform, &run);
    let report = scanned.as_ref().ok().and_then(|scanned| scanned.reports.first());
    context.progress.image_ends(&locator.to_string(), report);
    scanned
}

/// As [`scan`], sharing memory and layers under way with the other scans of a run.
pub(crate) fn scan_in(locator: &Locator, platform: Option<&Platform>, run: &Run<'_>) -> Result<Scanned, ScanError> {
    let whole = |reports| Scanned { reports, error: None };
    match locator {
        Locator::DockerArchive(None) => {
            let mut stdin = std::io::stdin();
            return scan_stream("docker-archive:-", &mut stdin, run).map(whole);
        }
        Locator::DockerDaemon(reference) => {
            let mut stream = registry::docker_daemon_stream(reference, run.context.registry)?;
            return scan_stream(&locator.to_string(), &mut stream, run).map(whole);
        }
        _ => {}
    }
    let source = registry::open(locator, run.context.registry)?;
    let mut reports = Vec::new();
    let mut first_error = None;
    for image in source.resolve(platform)? {
        match scan_image(source.as_ref(), image, run) {
            Ok(report) => reports.extend(report),
            Err(error @ (ScanError::Stopped(_) | ScanError::Store(_))) => return Err(error),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        // One broken platform of an index must not hide the others; nor may it pass for scanned.
        Some(error) if reports.is_empty() => Err(error),
        None if reports.is_empty() => {
            let detail = "it lists no image".to_owned();
            Err(RegistryError::Invalid { what: locator.to_string(), detail }.into())
        }
        error => Ok(Scanned { reports, error }),
    }
}
