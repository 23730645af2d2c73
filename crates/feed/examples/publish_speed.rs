//! Times publishing: N entries from nothing, one more, nothing new. The figures of SPECIFICATION.md.
//!
//! `cargo run --release -p feed --example publish_speed [ENTRIES [FOLDER]]`; in a folder of its own, which it removes.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "measures")]

use std::{path::PathBuf, time::Instant};

use feed::{
    folder::{Folder, FolderError, Settings},
    publish,
    trust::{Keys, Plan, Secret, system_random},
};
use model::{
    Category, Completeness, Confidence, Digest, Disposition, Finding, ImageIdentity, LayerSummary, Location, Maturity,
    Observation, Platform, SCHEMA, ScanReport, Severity, Verdict, Weight,
};
use store::Catalog;

const NOW: u64 = 1_795_435_200;

/// An image that lists five digests: index, manifest, config, layer, file.
fn image(number: usize) -> ScanReport {
    let digest = |part: &str| Digest::of(format!("{part} {number}").as_bytes());
    let observation = Observation {
        detector: "miner-binary".to_owned(),
        title: "Program that mines".to_owned(),
        category: Category::Cryptominer,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: vec!["T1496".to_owned()],
        summary: "xmrig 6".to_owned(),
        offset: Some(17),
        indicators: vec![],
        inside: None,
    };
    let place = |path: &str| Location::File {
        layer: digest("layer"),
        path: path.to_owned(),
        sha256: Some(digest("file")),
        hidden: false,
    };
    let finding = |path: &str| Finding::new(observation.clone(), place(path), true);
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: format!("docker.io/somebody{}/image{number}:latest", number / 7),
            index: Some(digest("index")),
            manifest: Some(digest("manifest")),
            config: digest("config"),
            config_pins_layers: true,
            platform: Platform::host(),
            created: None,
            command: vec![],
            description: String::new(),
            layers: vec![LayerSummary {
                digest: digest("layer"),
                diff_id: Some(digest("tar")),
                packed_bytes: 1,
                unpacked_bytes: 1,
                entries: 1,
                history: None,
                findings: 0,
                remembered: false,
            }],
        },
        verdict: Verdict {
            disposition: Disposition::Malicious,
            categories: [Category::Cryptominer].into(),
            severity: Severity::High,
            confidence: Confidence::Certain,
            concealment: None,
            reasons: vec![],
            completeness: Completeness::Complete,
        },
        findings: vec![finding("opt/xmrig"), finding("usr/bin/kworker")],
        problems: vec![],
        runs: vec![],
        rule_pack: "rules".to_owned(),
        scanned_at: NOW - 1_000,
        remembered: false,
    }
}

/// What this process used so far, of all processors. Source: proc(5), `/proc/pid/stat`, fields 14 and 15, in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let entries: usize = arguments.next().map_or(100_000, |text| text.parse().unwrap());
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let place = place.join(format!("publish-speed-{}", std::process::id()));
    let secret = Secret::new("not a secret".to_owned());
    let settings = Settings::new("feed.test/images", "https://feed.test");
    let (folder, keys) = Folder::create::<_, FolderError>(&place, settings, |keys| {
        Ok(Keys::create(keys, &secret, &Plan::new("feed.test/images"), &mut system_random, NOW).unwrap())
    })
    .unwrap();
    std::fs::create_dir(place.join("store")).unwrap();
    let catalog = store::open(&place.join("store")).unwrap();
    for number in 0..entries / 5 {
        catalog.put_report(&image(number)).unwrap();
    }
    let published = |what: &str, catalog: &dyn Catalog, now| {
        let started = Instant::now();
        let rules = feed::guard::Rules::default();
        let found = feed::find(catalog, &rules).unwrap();
        let asked = started.elapsed();
        drop(found);
        let (started, busy) = (Instant::now(), processor_seconds());
        let published = publish::publish(&folder, catalog, &keys, now, false).unwrap();
        let whole = started.elapsed();
        println!(
            "{what:<16} {:7.2} s ({:.2} s of a processor), of it the catalog {:.2} s; {} changes, {} entries, {} files written, {} kept",
            whole.as_secs_f64(),
            processor_seconds() - busy,
            asked.as_secs_f64(),
            published.plan.changes.len(),
            published.release.info.entries,
            published.release.written,
            published.release.kept
        );
    };
    published("from nothing", catalog.as_ref(), NOW);
    catalog.put_report(&image(entries)).unwrap();
    published("one image more", catalog.as_ref(), NOW + 60);
    published("nothing new", catalog.as_ref(), NOW + 120);
    let named = publish::Named::Digest(Digest::of(format!("manifest {entries}").as_bytes()));
    let started = Instant::now();
    publish::decided(&folder, &keys, NOW + 180, |state, _| {
        Ok(publish::withdraw(state, &[named], false, None, "false alarm", NOW + 180)?)
    })
    .unwrap();
    println!("{:<16} {:7.2} s", "one withdrawn", started.elapsed().as_secs_f64());
    let memory = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    std::fs::remove_dir_all(&place).unwrap();
}
