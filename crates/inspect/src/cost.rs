//! The gate on what a detector or rule may cost: a share of a whole scan, measured on the programs, libraries, scripts and
//! documents of the machine that runs the test.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use model::Digest;

use crate::{
    RulePack,
    detectors::{Detector, Sample},
    kind::sniff,
    route::Routed,
    rules,
};

/// Most of a scan's time that one detector or rule may take.
const SHARE_MAX: f64 = 0.03;
/// How much is looked at.
const BYTES_MAX: usize = 96 << 20;
/// Longest file taken.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// A scan also hashes the blob and the tar and inflates, which costs about four times what hashing a file costs.
const REST_IN_HASHES: f64 = 4.0;
/// Rounds; the cheapest of each counts, because other programs run on the machine too.
const ROUNDS: usize = 5;

/// Files as an image has them: every so many of each folder, so that no kind is missing.
fn files() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in ["/usr/bin", "/usr/lib", "/usr/share", "/etc"] {
        list(Path::new(folder), 6, &mut paths);
    }
    paths.sort();
    let total: u64 = paths.iter().map(|(_, size)| size).sum();
    let step = (total / BYTES_MAX as u64).max(1) as usize;
    let mut files = Vec::new();
    let mut bytes = 0;
    for (path, _) in paths.iter().step_by(step) {
        let Ok(content) = fs::read(path) else { continue };
        bytes += content.len();
        files.push(content);
        if bytes > BYTES_MAX {
            break;
        }
    }
    assert!(bytes > BYTES_MAX / 4, "only {bytes} bytes of files here: too few to measure anything");
    files
}

fn list(folder: &Path, depth: u32, paths: &mut Vec<(std::path::PathBuf, u64)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() && depth > 0 {
            list(&entry.path(), depth - 1, paths);
        } else if about.is_file() && (1..=FILE_BYTES_MAX).contains(&about.len()) {
            paths.push((entry.path(), about.len()));
        }
    }
}

/// Seconds by detector or rule, without the file that was dearest for it, and of everything. Which files a machine has is chance: on one
/// with a certain list of 366 kB, that file alone was half of a detector's share.
fn measure(pack: &RulePack, files: &[Vec<u8>]) -> (BTreeMap<&'static str, f64>, f64) {
    let mut costs: BTreeMap<&'static str, Cost> = BTreeMap::new();
    let (mut hashing, mut everything) = (0.0, 0.0);
    let mut routed = Routed::default();
    let mut scanner = pack.own().scanner();
    for bytes in files {
        let timed = |look: &mut dyn FnMut()| {
            #[expect(clippy::disallowed_methods, reason = "a test that measures")]
            let began = Instant::now();
            look();
            began.elapsed().as_secs_f64()
        };
        hashing += timed(&mut || {
            std::hint::black_box(Digest::of(bytes));
        });
        let kind = sniff(bytes);
        let cost = timed(&mut || pack.router.route(bytes, kind, &mut routed));
        everything += cost;
        let mut outer = crate::decode::Budget::new(bytes.len());
        let cost = timed(&mut || {
            drop(std::hint::black_box(crate::decode::stages(
                &pack.router,
                &routed,
                bytes,
                kind,
                crate::inspector::Offsets::PLAIN,
                &mut outer,
            )));
        });
        everything += cost;
        let asked: Vec<(&'static Detector, _)> = pack.router.asked(kind, &routed).collect();
        for (detector, hits) in asked {
            let sample = Sample { bytes, kind, hits, place: None };
            let cost = timed(&mut || drop(std::hint::black_box((detector.inspect)(&sample))));
            costs.entry(detector.about.id).or_default().add(cost);
            everything += cost;
        }
        if routed.rules {
            let cost = timed(&mut || drop(std::hint::black_box(scanner.scan(bytes))));
            everything += cost;
            // Whoever's literal brought the file to YARA pays.
            let lower = bytes.to_ascii_lowercase();
            let here = |text: &&str| memchr::memmem::find(&lower, text.to_ascii_lowercase().as_bytes()).is_some();
            let payers: Vec<_> = rules::own().iter().filter(|rule| rule.prefilter.iter().any(here)).collect();
            for rule in &payers {
                costs.entry(rule.about.id).or_default().add(cost / payers.len() as f64);
            }
        }
    }
    let costs = costs.into_iter().map(|(id, cost)| (id, cost.sum - cost.dearest)).collect();
    (costs, everything + hashing * (1.0 + REST_IN_HASHES))
}

/// What one detector or rule took, in seconds.
#[derive(Default)]
struct Cost {
    sum: f64,
    dearest: f64,
}

impl Cost {
    fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        self.dearest = self.dearest.max(seconds);
    }
}

#[test]
fn no_detector_or_rule_costs_more_than_its_share() {
    let pack = RulePack::new(Vec::new()).expect("no user rules to be wrong");
    let files = files();
    let mut least: BTreeMap<&'static str, f64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let (costs, everything) = measure(&pack, &files);
        for (id, cost) in costs {
            let share = cost / everything;
            least.entry(id).and_modify(|known| *known = known.min(share)).or_insert(share);
        }
    }
    let mut dearest: Vec<_> = least.iter().map(|(id, share)| (*share, *id)).collect();
    dearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let told: Vec<_> = dearest.iter().take(8).map(|(share, id)| format!("{id} {:.2} %", share * 100.0)).collect();
    assert!(dearest.iter().all(|(share, _)| *share <= SHARE_MAX), "over {} %: {}", SHARE_MAX * 100.0, told.join(", "));
}
