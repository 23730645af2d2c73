//! Walks a registry: catalogue → tags → queue → scans, going on where an earlier run stopped.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use model::{ImageReference, Platform, ScanReport};
use registry::{Catalogue, RegistryError};
use store::{HuntItem, HuntState};
use wildmatch::WildMatch;

use crate::{Context, Run, ScanError, image::scan_image, read_layer::lock};

/// What to hunt.
#[derive(Debug, Clone)]
pub struct HuntPlan {
    /// Registry URL or host.
    pub registry: String,
    /// Repositories that match one of these globs (`*` and `?`); empty: all.
    pub repositories: Vec<String>,
    /// Only images whose config says they were created at or after this (seconds since 1970); unverified, so an image
    /// without a date is scanned.
    pub since: Option<u64>,
    /// Only these platforms; empty: all of an index.
    pub platforms: Vec<Platform>,
    /// At most so many tags of a repository: `latest` first, then from the end of the registry's own order.
    pub tags_max: usize,
    /// At most so many repositories.
    pub repositories_max: usize,
    /// Images scanned side by side.
    pub images_at_once: usize,
    /// Try again what failed in an earlier, unfinished run.
    pub retry_failed: bool,
}

impl HuntPlan {
    /// Names the queue: two runs with the same key are the same hunt.
    fn key(&self) -> String {
        let platforms: Vec<_> = self.platforms.iter().map(ToString::to_string).collect();
        format!("{} {:?} since {:?} {platforms:?} tags {}", self.registry, self.repositories, self.since, self.tags_max)
    }

    fn names_its_repositories(&self) -> bool {
        !self.repositories.is_empty() && !self.repositories.iter().any(|name| name.contains(['*', '?']))
    }

    fn wants(&self, repository: &str) -> bool {
        self.repositories.is_empty() || self.repositories.iter().any(|glob| WildMatch::new(glob).matches(repository))
    }
}

/// One row of a hunt's result.
#[derive(Debug)]
pub struct HuntRow {
    /// `registry/repository:tag`.
    pub reference: String,
    /// Its reports, one a platform. None and no error: left out by the plan (`since`, platform).
    pub reports: Vec<ScanReport>,
    /// Why there is no report of it, or of one of its platforms.
    pub error: Option<String>,
}

/// Most tags asked of one repository before the plan chooses among them.
const TAGS_LISTED_MAX: usize = 10_000;

/// Hunts a registry. Rows in queue order.
///
/// A run that ended early is gone on with: what it scanned is answered from the catalog. A run that came to its end is
/// begun anew: tags may have moved, and what has not changed is answered from the catalog too.
///
/// # Errors
///
/// [`ScanError`] if the registry's catalogue cannot be read at all, the catalog fails, or it was asked to stop.
pub fn hunt(plan: &HuntPlan, context: &Context<'_>) -> Result<Vec<HuntRow>, ScanError> {
    let registry = registry::open_registry(&plan.registry, context.registry)?;
    let key = plan.key();
    begin(plan, &key, context)?;
    let unlisted = discover(plan, &key, registry.as_ref(), context)?;
    let items = context.catalog.hunt_items(&key)?;
    let rows = scan_all(plan, &key, registry.as_ref(), &items, context)?;
    Ok(rows.into_iter().chain(unlisted).collect())
}

/// A hunt that came to its end starts a new round.
fn begin(plan: &HuntPlan, key: &str, context: &Context<'_>) -> Result<(), ScanError> {
    let items = context.catalog.hunt_items(key)?;
    let is_finished = !items.iter().any(|item| item.state == HuntState::Pending);
    for item in items {
        if is_finished || (plan.retry_failed && item.state == HuntState::Failed) {
            let fresh = HuntItem { state: HuntState::Pending, subjects: Vec::new(), error: None, ..item };
            context.catalog.set_hunt_item(key, &fresh)?;
        }
    }
    Ok(())
}

/// Queues the tags of every repository wanted. Repositories whose tags cannot be listed become rows of their own.
fn discover(
    plan: &HuntPlan,
    key: &str,
    registry: &dyn Catalogue,
    context: &Context<'_>,
) -> Result<Vec<HuntRow>, ScanError> {
    let mut repositories = Vec::new();
    if plan.names_its_repositories() {
        // Docker Hub and others show no catalogue; whoever names the repositories needs none.
        repositories.clone_from(&plan.repositories);
    } else {
        registry.repositories(plan.repositories_max, &mut |name| {
            if plan.wants(&name) {
                repositories.push(name);
            }
        })?;
    }
    let mut failed = Vec::new();
    for repository in repositories {
        if context.stop.load(Ordering::Relaxed) {
            return Err(ScanError::Stopped(plan.registry.clone()));
        }
        match registry.tags(&repository, TAGS_LISTED_MAX) {
            Ok(tags) => {
                let name = registry.reference(&repository, "latest").name();
                let references: Vec<_> =
                    chosen_tags(tags, plan.tags_max).into_iter().map(|tag| format!("{name}:{tag}")).collect();
                context.catalog.enqueue(key, &references)?;
            }
            // A repository whose last image was deleted stays in the catalogue and has no tags.
            Err(RegistryError::NotFound { .. }) if !plan.names_its_repositories() => {}
            Err(error) => {
                failed.push(HuntRow { reference: repository, reports: Vec::new(), error: Some(error.to_string()) });
            }
        }
    }
    Ok(failed)
}

fn chosen_tags(tags: Vec<String>, tags_max: usize) -> Vec<String> {
    let has_latest = tags.iter().any(|tag| tag == "latest");
    let latest = has_latest.then(|| "latest".to_owned());
    latest.into_iter().chain(tags.into_iter().rev().filter(|tag| tag != "latest")).take(tags_max).collect()
}

fn scan_all(
    plan: &HuntPlan,
    key: &str,
    registry: &dyn Catalogue,
    items: &[HuntItem],
    context: &Context<'_>,
) -> Result<Vec<HuntRow>, ScanError> {
    let run = Run::new(context, plan.since);
    let known = items.len();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let rows: Mutex<BTreeMap<usize, HuntRow>> = Mutex::default();
    let failure: Mutex<Option<ScanError>> = Mutex::default();
    context.progress.hunt(0, known);
    std::thread::scope(|scope| {
        for _ in 0..plan.images_at_once.clamp(1, known.max(1)) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    if lock(&failure).is_some() {
                        break;
                    }
                    match scan_item(plan, key, registry, item, &run) {
                        Ok(row) => {
                            lock(&rows).insert(number, row);
                        }
                        Err(error) => {
                            lock(&failure).get_or_insert(error);
                            break;
                        }
                    }
                    context.progress.hunt(done.fetch_add(1, Ordering::Relaxed) + 1, known);
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect()),
    }
}

/// Scans one item unless an earlier run did, and writes down how it went. Errors are only those that end the hunt.
fn scan_item(
    plan: &HuntPlan,
    key: &str,
    registry: &dyn Catalogue,
    item: &HuntItem,
    run: &Run<'_>,
) -> Result<HuntRow, ScanError> {
    let context = run.context;
    if context.stop.load(Ordering::Relaxed) {
        return Err(ScanError::Stopped(plan.registry.clone()));
    }
    if let Some(row) = finished(item, context)? {
        return Ok(row);
    }
    let mut reports = Vec::new();
    let error = match scan_reference(plan, registry, &item.reference, run, &mut reports) {
        Err(error @ (ScanError::Store(_) | ScanError::Stopped(_))) => return Err(error),
        result => result.err().map(|error| error.to_string()),
    };
    let state = if error.is_some() { HuntState::Failed } else { HuntState::Done };
    context.progress.image_ends(&item.reference, reports.first());
    let subjects = reports.iter().map(|report| report.image.subject()).collect();
    let attempts = item.attempts + 1;
    let now = HuntItem { reference: item.reference.clone(), state, subjects, error: error.clone(), attempts };
    context.catalog.set_hunt_item(key, &now)?;
    Ok(HuntRow { reference: item.reference.clone(), reports, error })
}

/// The row of an item that an earlier run finished under this rule pack.
fn finished(item: &HuntItem, context: &Context<'_>) -> Result<Option<HuntRow>, ScanError> {
    if item.state == HuntState::Pending {
        return Ok(None);
    }
    let mut reports = Vec::new();
    for subject in &item.subjects {
        match context.catalog.report(subject, &crate::image::questions(context))? {
            Some(report) => reports.push(ScanReport { remembered: true, ..report }),
            None => return Ok(None),
        }
    }
    let error = (item.state == HuntState::Failed).then(|| item.error.clone().unwrap_or_default());
    Ok(Some(HuntRow { reference: item.reference.clone(), reports, error }))
}

/// Scans every platform wanted, also after one that could not be read: a broken platform must not hide the others.
fn scan_reference(
    plan: &HuntPlan,
    registry: &dyn Catalogue,
    reference: &str,
    run: &Run<'_>,
    reports: &mut Vec<ScanReport>,
) -> Result<(), ScanError> {
    let reference: ImageReference = reference.parse().map_err(|error: model::ReferenceError| {
        RegistryError::Invalid { what: error.text.clone(), detail: error.to_string() }
    })?;
    let source = registry.image(&reference);
    let mut subjects = HashSet::new();
    let mut first_error = None;
    for image in source.resolve(None)? {
        let wanted = plan.platforms.is_empty()
            || image.platform.as_ref().is_none_or(|has| plan.platforms.iter().any(|wanted| has.serves(wanted)));
        if !wanted {
            continue;
        }
        match scan_image(source.as_ref(), image, run) {
            Ok(report) => reports.extend(report.filter(|report| subjects.insert(report.image.subject()))),
            Err(error @ (ScanError::Store(_) | ScanError::Stopped(_))) => return Err(error),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::chosen_tags;

    #[test]
    fn latest_comes_first_and_the_newest_names_follow() {
        let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(chosen_tags(tags(&["1", "2", "3", "latest"]), 3), ["latest", "3", "2"]);
        assert_eq!(chosen_tags(tags(&["1", "2"]), 3), ["2", "1"]);
    }
}
