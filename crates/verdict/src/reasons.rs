//! The lines that say why, with the ids of the findings they rest on.

use std::{cmp::Reverse, collections::BTreeMap};

use model::{Category, Disposition, Finding, Location, Maturity, Reason, Weight, text::shortened};

use crate::{Row, evidence};

/// Most reasons of a verdict; one more says how many were left out.
const REASONS_MAX: usize = 40;
/// Most finding ids of one reason.
const IDS_MAX: usize = 50;
/// Longest path or detector quoted, in characters.
const TEXT_CHARS_MAX: usize = 160;

/// The worst category first; within it proofs before signs, what runs before what lies there. An `undetermined` comes first,
/// with its cause.
pub(crate) fn reasons(rows: &[Row<'_>], undetermined: Option<String>) -> Vec<Reason> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| (Reverse(row.disposition), row.category()));
    let mut reasons: Vec<_> = undetermined
        .map(|cause| Reason { text: format!("undetermined: {cause}"), findings: Vec::new() })
        .into_iter()
        .collect();
    reasons.extend(sorted.into_iter().flat_map(of_row));
    let more = reasons.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        reasons.truncate(REASONS_MAX);
        reasons.push(Reason { text: format!("and {more} more"), findings: Vec::new() });
    }
    reasons
}

/// One line a detector, and one for the rules that decided beside the table.
fn of_row(row: &Row<'_>) -> Vec<Reason> {
    let category = row.category();
    let mut by_detector: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &row.evidence.findings {
        by_detector.entry(&finding.observation.detector).or_default().push(finding);
    }
    let mut groups: Vec<_> = by_detector.into_values().collect();
    for group in &mut groups {
        group.sort_by_cached_key(|finding| (rank(finding), place(finding), finding.id.clone()));
    }
    groups.sort_by_cached_key(|group| group.first().map(|first| (rank(first), first.observation.detector.clone())));

    let mut reasons: Vec<_> = groups.iter().filter_map(|group| of_detector(category, group)).collect();
    let mut notes = row.notes.clone();
    if row.disposition == Disposition::Clean {
        notes.push("one sign alone does not count");
    }
    if !notes.is_empty() {
        reasons.push(Reason { text: format!("{category}: {}", notes.join("; ")), findings: Vec::new() });
    }
    reasons
}

/// `group` are one detector's findings, the weightiest first.
fn of_detector(category: Category, group: &[&Finding]) -> Option<Reason> {
    let first = group.first()?;
    let detector = shortened(&first.observation.detector, TEXT_CHARS_MAX);
    let maturity = first.observation.maturity;
    let place = shortened(&place(first), TEXT_CHARS_MAX).into_owned();
    let state = match (evidence::is_run(first), evidence::is_hidden(first)) {
        (true, _) => run_by(first),
        (false, true) => ", hidden by a later layer".to_owned(),
        (false, false) => String::new(),
    };
    let more = match group.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let mut findings: Vec<String> = Vec::new();
    for finding in group {
        if findings.len() < IDS_MAX && !findings.contains(&finding.id) {
            findings.push(finding.id.clone());
        }
    }
    Some(Reason { text: format!("{category}: {detector} ({maturity}) in {place}{state}{more}"), findings })
}

/// `, run by ENTRYPOINT → /start.sh`: the way to the file, without the file.
fn run_by(finding: &Finding) -> String {
    let way = finding.origin.as_ref().and_then(|origin| origin.run_by.split_last());
    match way {
        Some((_, way)) if !way.is_empty() => format!(", run by {}", shortened(&way.join(" → "), TEXT_CHARS_MAX)),
        _ => ", run by the image".to_owned(),
    }
}

/// The weightiest first.
fn rank(finding: &Finding) -> (Reverse<Weight>, Reverse<bool>, Reverse<bool>, Maturity) {
    let Finding { observation, .. } = finding;
    let (runs, stable) = (evidence::is_run(finding), evidence::is_stable(finding));
    (Reverse(observation.weight), Reverse(runs), Reverse(stable), observation.maturity)
}

fn place(finding: &Finding) -> String {
    match &finding.location {
        Location::File { path, .. } => path.clone(),
        Location::Config { field } => field.clone(),
        Location::History { line } => format!("history line {line}"),
        Location::Layer { layer } => format!("layer {layer}"),
        Location::Image => "the image".to_owned(),
        Location::Captured { path, .. } => format!("{path}, written when it ran"),
        Location::Event { run, sequence } => format!("event {sequence} of run {run}"),
    }
}
