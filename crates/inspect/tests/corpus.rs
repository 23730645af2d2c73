//! The contract of every detector and rule: listed, described, and shown by samples on disk that go through the whole
//! inspector.
//!
//! `corpus/<id>/hits/*` must give an observation of `<id>`, `corpus/<id>/misses/*` none. How a sample is stored:
//!
//! - `NAME.hex` (white space is ignored) and `NAME.b64` are decoded first and the suffix is dropped, so that nothing
//!   executable and nothing that looks like a secret lies in the repository;
//! - a name with `%2F` is a path in an image (`%2F` for `/`; a file at the root starts with `%2F`), with an optional
//!   `mode=4755,` before it: the sample is also looked at in that place;
//! - `NAME.config.json` is an image config;
//! - `NAME.image.json` is a whole image: see [`common::Image`].

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use inspect::{Place, RulePack, detectors::About};
use model::{FileKind, ImageConfig, Observation, ProblemKind};

/// Lengths at which each sample is cut to see that no prefix makes a detector fail.
const PREFIXES_MAX: usize = 200;

static PACK: LazyLock<RulePack> = LazyLock::new(|| RulePack::new(Vec::new()).expect("no user rules to be wrong"));

struct Sample {
    file: PathBuf,
    name: String,
    bytes: Vec<u8>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The samples in `corpus/<id>/<side>`. A missing or empty folder fails.
fn samples(id: &str, side: &str) -> Vec<Sample> {
    let folder = root().join("corpus").join(id).join(side);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut samples: Vec<_> = entries.map(|entry| sample(entry.expect("listed").path())).collect();
    samples.sort_by(|a, b| a.file.cmp(&b.file));
    assert!(!samples.is_empty(), "{} is empty", folder.display());
    samples
}

fn sample(file: PathBuf) -> Sample {
    let raw = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = file.file_name().expect("a file").to_str().expect("sample names are UTF-8").to_owned();
    let dense = || raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
    let (name, bytes) = if let Some(name) = name.strip_suffix(".hex") {
        (name.to_owned(), hex::decode(dense()).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    } else if let Some(name) = name.strip_suffix(".b64") {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(dense());
        (name.to_owned(), bytes.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    } else {
        (name, raw)
    };
    Sample { file, name, bytes }
}

/// Path and mode that the name of a sample means, if it means one.
fn path_and_mode(name: &str) -> Option<(String, u32)> {
    let (mode, path) = match name.strip_prefix("mode=").and_then(|rest| rest.split_once(',')) {
        Some((mode, path)) => (u32::from_str_radix(mode, 8).expect("an octal mode"), path),
        None => (0o644, name),
    };
    path.contains("%2F").then(|| (path.replace("%2F", "/").trim_start_matches('/').to_owned(), mode))
}

/// Everything the whole inspector says of the first `length` bytes of a sample.
fn look(sample: &Sample, length: usize) -> Vec<Observation> {
    let bytes = &sample.bytes[..length];
    if sample.name.ends_with(".config.json") {
        // A cut config is no config.
        return match ImageConfig::parse(bytes) {
            Ok(config) => PACK.config(&config).into_iter().map(|finding| finding.observation).collect(),
            Err(_) => Vec::new(),
        };
    }
    if sample.name.ends_with(".image.json") {
        let Ok(image) = serde_json::from_slice::<common::Image>(bytes) else { return Vec::new() };
        return image.findings(&PACK).into_iter().map(|finding| finding.observation).collect();
    }
    let mut inspector = PACK.inspector();
    let facts = inspector.content(bytes);
    let failed: Vec<_> = facts.problems.iter().filter(|problem| problem.kind == ProblemKind::DetectorFailed).collect();
    assert!(failed.is_empty(), "{} cut to {length}: {failed:?}", sample.file.display());
    let mut seen = facts.observations;
    if let Some((path, mode)) = path_and_mode(&sample.name) {
        let place = Place { path: &path, mode, uid: 0, kind: facts.kind, size: bytes.len() as u64 };
        seen.extend(inspector.place(&place, bytes));
    }
    let failed = seen.iter().find(|seen| seen.summary.contains("this detector failed"));
    assert!(failed.is_none(), "{} cut to {length}: {failed:?}", sample.file.display());
    seen
}

#[test]
fn every_file_is_listed_under_its_own_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detectors");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .expect("the folder of detectors")
        .map(|entry| entry.expect("listed").path())
        .filter_map(|file| file.file_stem().and_then(|stem| stem.to_str()).map(|stem| stem.replace('_', "-")))
        .filter(|id| id != "mod")
        .collect();
    let listed: Vec<_> = inspect::detectors::list().iter().map(|about| about.id.to_owned()).collect();
    let ids: BTreeSet<_> = listed.iter().cloned().collect();

    assert_eq!(ids.len(), listed.len(), "an id is there twice: {listed:?}");
    assert_eq!(files, ids, "files in src/detectors (left) and ids in the lists (right)");
}

#[test]
fn everything_says_what_it_is() {
    let all = inspect::catalogue();
    let ids: BTreeSet<_> = all.iter().map(|about| about.id).collect();
    assert_eq!(ids.len(), all.len(), "an id is there twice");
    for About { id, title, techniques, .. } in all {
        assert!(!title.is_empty() && title.len() <= 100, "{id}: a title is a few words");
        assert!(inspect::header(id).is_some_and(|header| header.len() > 40), "{id} has no header");
        for technique in *techniques {
            let is_id = technique.len() >= 5 && technique.starts_with('T') && technique[1..5].parse::<u16>().is_ok();
            assert!(is_id, "{id}: {technique:?} is no ATT&CK technique");
        }
    }
}

#[test]
fn hits_fire_and_misses_stay_silent() {
    let mut wrong = Vec::new();
    for About { id, .. } in inspect::catalogue() {
        for (side, expected) in [("hits", true), ("misses", false)] {
            for sample in samples(id, side) {
                let seen = look(&sample, sample.bytes.len());
                if seen.iter().any(|seen| seen.detector == *id) != expected {
                    wrong.push(format!("{}: saw {seen:#?}", sample.file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_prefix_of_a_sample_makes_a_detector_fail() {
    for About { id, .. } in inspect::catalogue() {
        for sample in samples(id, "hits").into_iter().chain(samples(id, "misses")) {
            let step = (sample.bytes.len() / PREFIXES_MAX).max(1);
            for length in (0..sample.bytes.len()).step_by(step) {
                look(&sample, length);
            }
        }
    }
}

/// A folder that belongs to nothing is a detector that was renamed or lost. `images` holds recipes of whole images.
#[test]
fn every_folder_of_the_corpus_belongs_to_something() {
    let ids: BTreeSet<_> = inspect::catalogue().iter().map(|about| about.id).collect();
    for entry in fs::read_dir(root().join("corpus")).expect("the corpus") {
        let entry = entry.expect("listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(
            !entry.path().is_dir() || name == "images" || ids.contains(name.as_str()),
            "corpus/{name} belongs to no detector"
        );
    }
}

/// An author decides whether a script starts with `#!`; a shell runs it either way.
#[test]
fn whoever_reads_scripts_reads_text() {
    for (id, kinds) in inspect::detectors::kinds() {
        let reads_scripts_only = kinds.contains(&FileKind::Script) && !kinds.contains(&FileKind::Text);
        assert!(!reads_scripts_only, "{id} names Script without Text");
    }
}
