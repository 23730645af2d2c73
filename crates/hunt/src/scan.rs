//! One place: a registry reference, an archive, a layout, the Docker daemon.

use model::{Locator, Platform, ScanReport};
use registry::RegistryError;

use crate::{Context, Run, ScanError, image::scan_image, streamed::scan_stream};

/// Scans one place: one report a platform (`platform` none: all of an index).
///
/// An image of an index that could not be scanned is only logged where others could: whoever decides by the result
/// asks [`scan_each`].
///
/// # Errors
///
/// [`ScanError`] if not even a manifest and config could be read. A layer that cannot be read is a problem in the
/// report, not an error.
pub fn scan(
    locator: &Locator,
    platform: Option<&Platform>,
    context: &Context<'_>,
) -> Result<Vec<ScanReport>, ScanError> {
    let mut reports = Vec::new();
    let mut first_error = None;
    for result in scan_each(locator, platform, context)? {
        match result {
            Ok(report) => reports.push(report),
            Err(error) => {
                tracing::warn!("one image of {locator} could not be scanned: {error}");
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if reports.is_empty() => Err(error),
        _ => Ok(reports),
    }
}

/// As [`scan`], with what became of each image: one broken platform of an index must not hide the others; nor may it
/// pass for scanned.
///
/// # Errors
///
/// [`ScanError`] if the place as a whole could not be read, the catalog fails, or it was asked to stop.
pub fn scan_each(
    locator: &Locator,
    platform: Option<&Platform>,
    context: &Context<'_>,
) -> Result<Vec<Result<ScanReport, ScanError>>, ScanError> {
    let run = Run::new(context, None);
    let scanned = scan_in(locator, platform, &run);
    let report = scanned.iter().flatten().find_map(|result| result.as_ref().ok());
    context.progress.image_ends(&locator.to_string(), report);
    scanned
}

/// As [`scan`], sharing memory and layers under way with the other scans of a run.
pub(crate) fn scan_in(
    locator: &Locator,
    platform: Option<&Platform>,
    run: &Run<'_>,
) -> Result<Vec<Result<ScanReport, ScanError>>, ScanError> {
    let all = |reports: Vec<ScanReport>| reports.into_iter().map(Ok).collect();
    match locator {
        Locator::DockerArchive(None) => {
            let mut stdin = std::io::stdin();
            return scan_stream("docker-archive:-", &mut stdin, run).map(all);
        }
        Locator::DockerDaemon(reference) => {
            let mut stream = registry::docker_daemon_stream(reference, run.context.registry)?;
            return scan_stream(&locator.to_string(), &mut stream, run).map(all);
        }
        _ => {}
    }
    let source = registry::open(locator, run.context.registry)?;
    let mut results = Vec::new();
    for image in source.resolve(platform)? {
        match scan_image(source.as_ref(), image, run) {
            Ok(report) => results.extend(report.map(Ok)),
            Err(error @ (ScanError::Stopped(_) | ScanError::Store(_))) => return Err(error),
            Err(error) => results.push(Err(error)),
        }
    }
    if results.is_empty() {
        let detail = "it lists no image".to_owned();
        return Err(RegistryError::Invalid { what: locator.to_string(), detail }.into());
    }
    Ok(results)
}
