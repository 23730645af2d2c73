//! The known-good set at work: what it takes away from findings, and how an image gets into it.
//!
//! What somebody vouches for is not suspect where it stands somewhere else: a sign on a file of a known-good image becomes a
//! fact that says so. Never a proof, and never by what the image itself says of its files.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use model::{
    Digest, EntryKind, FileSet, Finding, Known, KnownImage, KnownLayer, LayerRecord, Location, ScanReport, Weight,
    known::{FILES_MAX, NAME_BYTES_MAX, NAMES_MAX, PROGRAMS_MAX, SCHEMA},
    text::{SUMMARY_CHARS_MAX, shortened},
};

use crate::{Context, ScanError};

/// Detectors that see a file's content and nothing else; the others see where it stands, too.
static BY_CONTENT: LazyLock<HashSet<&str>> =
    LazyLock::new(|| inspect::detectors::kinds().into_iter().map(|(id, _)| id).collect());

/// Turns heuristic findings in what is known to be good into facts with a note.
pub(crate) fn subtract(findings: &mut [Finding], known: &Known, layers: &[&LayerRecord]) {
    if known.images().is_empty() {
        return;
    }
    let in_known_layer = layers.iter().filter_map(|layer| {
        let image = known.with_layer(&layer.digest, layer.diff_id.as_ref())?;
        Some((layer.digest, format!("the layer is of known-good {}", image.reference)))
    });
    let known_layers: HashMap<Digest, String> = in_known_layer.collect();
    let mut known_files: HashMap<Digest, Option<String>> = HashMap::new();
    for finding in findings.iter_mut().filter(|finding| finding.observation.weight != Weight::Proof) {
        let note = match &finding.location {
            Location::File { layer, sha256, .. } => known_layers.get(layer).cloned().or_else(|| {
                let file = sha256.filter(|_| is_by_content(&finding.observation.detector))?;
                let found = known_files.entry(file).or_insert_with(|| {
                    let image = known.with_file(&file)?;
                    Some(format!("the same file is in known-good {}", image.reference))
                });
                found.clone()
            }),
            Location::Layer { layer } => known_layers.get(layer).cloned(),
            Location::Config { .. }
            | Location::History { .. }
            | Location::Image
            | Location::Captured { .. }
            | Location::Event { .. } => None,
        };
        if let Some(note) = note {
            let mut seen = finding.observation.clone();
            seen.weight = Weight::Fact;
            // The note stays whole, whatever was seen.
            let room = SUMMARY_CHARS_MAX.saturating_sub(note.chars().count() + 3);
            seen.summary = format!("{} ({note})", shortened(&seen.summary, room));
            *finding = Finding::new(seen, finding.location.clone(), finding.runs);
        }
    }
}

/// Rules see content alone.
fn is_by_content(detector: &str) -> bool {
    BY_CONTENT.contains(detector) || detector.starts_with("yara-") || detector.starts_with("yara:")
}

/// Why an image cannot be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum VouchError {
    /// Not everything of it was read.
    #[error("{0} was not read whole: nobody can vouch for what was not seen")]
    NotWhole(String),
    /// The catalog failed.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// What the known-good set keeps of a scanned image: `name` is what it vouches for, the last part of a repository.
///
/// # Errors
///
/// [`VouchError::NotWhole`] if a layer was not read to its end.
pub fn vouch(report: &ScanReport, name: &str, context: &Context<'_>) -> Result<KnownImage, VouchError> {
    let image = &report.image;
    let not_whole = || VouchError::NotWhole(image.reference.clone());
    let mut records = Vec::new();
    for layer in &image.layers {
        let record = context.catalog.layer(&layer.digest, context.rules.id()).map_err(ScanError::from)?;
        let record = record.ok_or_else(not_whole)?;
        let diff_id = record.diff_id.ok_or_else(not_whole)?;
        records.push((Arc::new(record), diff_id));
    }
    let signs = inspect::signs(name);
    let has_own = |record: &LayerRecord| record.entries.iter().any(|entry| inspect::is_own_file(entry, &signs));
    let layers = records.iter().map(|(record, diff_id)| KnownLayer {
        digest: record.digest,
        diff_id: *diff_id,
        own: has_own(record),
    });
    let mut files = Files::default();
    for entry in records.iter().flat_map(|(record, _)| &record.entries) {
        let own = inspect::is_own_file(entry, &signs);
        if own && let Some(file_name) = entry.path.rsplit('/').next() {
            files.names.insert(file_name);
        }
        let Some(sha256) = entry.sha256.filter(|_| entry.kind == EntryKind::File && entry.size > 0) else { continue };
        match (own, entry.mode & 0o111 != 0) {
            (true, true) => files.own_programs.push(sha256),
            (true, false) => files.own.push(sha256),
            (false, true) => files.programs.push(sha256),
            (false, false) => files.others.push(sha256),
        }
    }
    Ok(KnownImage {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        reference: image.reference.clone(),
        manifest: image.manifest,
        config: image.config,
        layers: layers.collect(),
        names: files
            .names
            .iter()
            .filter(|name| name.len() <= NAME_BYTES_MAX)
            .take(NAMES_MAX)
            .map(ToString::to_string)
            .collect(),
        // A library without programs has only files.
        programs: FileSet::new(
            if files.own_programs.is_empty() { &files.own } else { &files.own_programs }
                .iter()
                .copied()
                .take(PROGRAMS_MAX),
        ),
        files: FileSet::new(
            files
                .own_programs
                .iter()
                .chain(&files.programs)
                .chain(&files.own)
                .chain(&files.others)
                .copied()
                .take(FILES_MAX),
        ),
        added_at: (context.now)(),
    })
}

/// The files of an image, by what they are to the project.
#[derive(Default)]
struct Files<'a> {
    names: BTreeSet<&'a str>,
    own_programs: Vec<Digest>,
    own: Vec<Digest>,
    programs: Vec<Digest>,
    others: Vec<Digest>,
}

#[cfg(test)]
mod tests {
    use model::{Category, Confidence, Maturity, Observation, Severity};

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn known() -> Known {
        Known::new(vec![KnownImage {
            schema: SCHEMA.to_owned(),
            name: "nginx".to_owned(),
            reference: "docker.io/library/nginx:1.25".to_owned(),
            manifest: None,
            config: digest("config"),
            layers: vec![KnownLayer { digest: digest("layer"), diff_id: digest("tar"), own: true }],
            names: Vec::new(),
            programs: FileSet::default(),
            files: FileSet::new([digest("good")]),
            added_at: 0,
        }])
    }

    fn layer(name: &str, tar: &str) -> LayerRecord {
        let mut layer = crate::overlay::tests::layer(&[]);
        (layer.digest, layer.diff_id) = (digest(name), Some(digest(tar)));
        layer
    }

    /// Weight and summary of a finding of `detector` on `file` in the layer `layer` after the subtraction.
    fn after(detector: &str, weight: Weight, layer_name: &str, tar: &str, file: &str) -> (Weight, String) {
        let observation = Observation {
            detector: detector.to_owned(),
            title: "t".to_owned(),
            category: Category::Backdoor,
            weight,
            severity: Severity::High,
            confidence: Confidence::High,
            maturity: Maturity::Stable,
            techniques: Vec::new(),
            summary: "seen".repeat(100),
            offset: None,
            indicators: Vec::new(),
            inside: None,
        };
        let record = layer(layer_name, tar);
        let (layer, sha256) = (record.digest, Some(digest(file)));
        let location = Location::File { layer, path: "x".to_owned(), sha256, hidden: false };
        let mut findings = [Finding::new(observation, location, true)];
        subtract(&mut findings, &known(), &[&record]);
        let seen = &findings[0].observation;
        assert!(seen.summary.chars().count() <= SUMMARY_CHARS_MAX.max(400));
        (seen.weight, seen.summary.clone())
    }

    #[test]
    fn a_sign_on_a_known_good_file_is_a_fact_that_says_so() {
        let (weight, summary) = after("reverse-shell", Weight::Sign, "other", "other", "good");
        assert_eq!(weight, Weight::Fact);
        assert!(summary.ends_with("(the same file is in known-good docker.io/library/nginx:1.25)"), "{summary}");
        let (weight, summary) = after("yara:mine.rule", Weight::Fact, "other", "other", "good");
        assert!(weight == Weight::Fact && summary.contains("known-good"));
    }

    #[test]
    fn proofs_other_files_and_places_stay() {
        assert_eq!(after("reverse-shell", Weight::Proof, "layer", "tar", "good").0, Weight::Proof);
        assert_eq!(after("reverse-shell", Weight::Sign, "other", "other", "bad").0, Weight::Sign);
        assert_eq!(
            after("cron-persistence", Weight::Sign, "other", "other", "good").0,
            Weight::Sign,
            "the place matters"
        );
    }

    #[test]
    fn everything_in_a_known_good_layer_is_known() {
        assert_eq!(after("cron-persistence", Weight::Sign, "layer", "else", "any").0, Weight::Fact);
        assert_eq!(after("cron-persistence", Weight::Sign, "recompressed", "tar", "any").0, Weight::Fact);
    }
}
