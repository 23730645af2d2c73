//! Whole images for tests, written down in JSON.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspect::{At, ImageView, MergedFiles, Place, RulePack, packages};
use model::{Digest, EntryKind, EntryRecord, FileKind, Finding, ImageConfig, LayerPackages, LayerRecord, Problem};
use serde::Deserialize;

/// An image without tar and gzip:
///
/// ```json
/// {"reference": "docker.io/library/nginx:1", "config": {"config": {"Cmd": ["/x"]}}, "runs": ["x"],
///  "layers": [{"files": {"x": {"text": "…"}, "y": {"base64": "…", "mode": 2541}, "z": {"link": "x"}, ".wh.w": {}},
///              "problems": [{"kind": "ambiguous", "place": "x", "detail": "…", "unseen_bytes": 0}]}]}
/// ```
#[derive(Deserialize)]
pub(crate) struct Image {
    #[serde(default)]
    reference: String,
    #[serde(default)]
    config: serde_json::Value,
    layers: Vec<Layer>,
    /// Paths that the image runs: following the entry point is not this crate's work.
    #[serde(default)]
    runs: Vec<String>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(default)]
    files: BTreeMap<String, File>,
    #[serde(default)]
    problems: Vec<Problem>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    text: String,
    base64: String,
    mode: Option<u32>,
    link: Option<String>,
}

/// The topmost entry of each path.
struct Merged {
    visible: BTreeMap<String, At>,
}

impl MergedFiles for Merged {
    fn at(&self, path: &str) -> Option<At> {
        self.visible.get(path.trim_start_matches('/')).copied()
    }

    fn is_hidden(&self, at: At) -> bool {
        !self.visible.values().any(|&visible| visible == at)
    }
}

impl Image {
    /// What the detectors of whole images say.
    pub(crate) fn findings(&self, pack: &RulePack) -> Vec<Finding> {
        let config = if self.config.is_null() { serde_json::json!({"config": {}}) } else { self.config.clone() };
        let config = ImageConfig::parse(config.to_string().as_bytes()).expect("a config");
        let layers: Vec<LayerRecord> = self.layers.iter().map(|layer| layer.record(pack)).collect();
        let layers: Vec<&LayerRecord> = layers.iter().collect();
        let mut merged = Merged { visible: BTreeMap::new() };
        for (number, layer) in layers.iter().enumerate() {
            for (index, entry) in layer.entries.iter().enumerate() {
                if entry.kind == EntryKind::Whiteout {
                    merged.visible.remove(&entry.path);
                } else {
                    merged.visible.insert(entry.path.clone(), (number, index));
                }
            }
        }
        let runs: HashSet<At> = self.runs.iter().filter_map(|path| merged.at(path)).collect();
        pack.image(&ImageView {
            reference: &self.reference,
            config: &config,
            layers: &layers,
            problems: &[],
            files: &merged,
            runs: &runs,
            installed: std::cell::OnceCell::new(),
        })
    }
}

impl Layer {
    fn record(&self, pack: &RulePack) -> LayerRecord {
        let mut inspector = pack.inspector();
        let mut record = LayerRecord {
            digest: Digest::of(format!("{:?}", self.files.keys().collect::<BTreeSet<_>>()).as_bytes()),
            diff_id: None,
            compression: "tar".to_owned(),
            packed_bytes: 0,
            unpacked_bytes: 0,
            entries: Vec::new(),
            observations: Vec::new(),
            mentions: Vec::new(),
            problems: self.problems.clone(),
            packages: LayerPackages::default(),
        };
        for (path, file) in &self.files {
            let index = u32::try_from(record.entries.len()).expect("few files");
            let mode = file.mode.unwrap_or(0o644);
            let mut entry =
                EntryRecord { path: path.clone(), kind: EntryKind::File, mode, size: 0, sha256: None, link: None };
            if let Some(removed) = path.rsplit_once("/.wh.").map(|(folder, name)| format!("{folder}/{name}")) {
                (entry.path, entry.kind) = (removed, EntryKind::Whiteout);
            } else if let Some(link) = &file.link {
                (entry.kind, entry.link) = (EntryKind::Symlink, Some(link.clone()));
            } else {
                let bytes = if file.base64.is_empty() {
                    file.text.clone().into_bytes()
                } else {
                    STANDARD.decode(&file.base64).expect("base64")
                };
                (entry.size, entry.sha256) = (bytes.len() as u64, Some(Digest::of(&bytes)));
                let facts = inspector.content(&bytes);
                let kind: FileKind = facts.kind;
                let place = Place { path, mode, uid: 0, kind, size: entry.size };
                let seen = facts.observations.into_iter().chain(inspector.place(&place, &bytes));
                record.observations.extend(seen.map(|seen| (index, seen)));
                record.mentions.push((index, facts.mentions));
                let databases = packages::database(path, Some(&bytes)).into_iter();
                record.packages.databases.extend(databases.map(|mut database| {
                    database.entry = index;
                    database
                }));
                let digests = packages::digests(path, kind, &bytes).into_iter();
                record.packages.digests.extend(digests.map(|mut digests| {
                    digests.entry = index;
                    digests
                }));
            }
            record.entries.push(entry);
        }
        let LayerRecord { entries, packages: found, .. } = &mut record;
        let find = |path: &str| {
            let files = entries.iter().zip(0..).filter(|(entry, _)| entry.kind == EntryKind::File);
            files.filter(|(entry, _)| packages::merged(&entry.path) == path).map(|(_, number)| number).last()
        };
        packages::resolve(&mut found.databases, |entry| packages::is_list(&entries[entry as usize].path), find);
        record
    }
}
