//! Prints what the catalog costs on this disk: `cargo run --release -p store --example measure [FOLDER]`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement shows times")]

use std::time::Instant;

use model::{Digest, EntryKind, EntryRecord, FileFacts, FileKind, LayerRecord};

const FILES: u32 = 60_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder)?;
    let catalog = store::open(folder.path())?;

    for layer in 0..4_u32 {
        let (record, files) = large_layer(layer);
        let start = Instant::now();
        catalog.put_layer(&record, &files, "rules")?;
        println!("put_layer with {FILES} files: {} ms", start.elapsed().as_millis());
        if layer == 3 {
            let start = Instant::now();
            catalog.put_layer(&record, &files, "rules")?;
            println!("put_layer again: {} ms", start.elapsed().as_millis());
            let start = Instant::now();
            assert!(catalog.layer(&record.digest, "rules")?.is_some());
            println!("layer: {} ms", start.elapsed().as_millis());
        }
    }
    for (what, known) in [("known", true), ("unknown", false)] {
        let (_, files) = large_layer(if known { 1 } else { 9 });
        let start = Instant::now();
        for (sha256, _) in &files {
            assert_eq!(catalog.file(sha256, "rules")?.is_some(), known);
        }
        let each = start.elapsed() / FILES;
        println!("file, {what}: {:.2} µs", each.as_secs_f64() * 1e6);
    }
    let bytes = std::fs::metadata(folder.path().join("catalog.sqlite"))?.len();
    println!("catalog: {bytes} bytes, {} a file", bytes / u64::from(FILES * 4));
    Ok(())
}

fn large_layer(layer: u32) -> (LayerRecord, Vec<(Digest, FileFacts)>) {
    let facts = |kind| FileFacts { kind, observations: vec![], mentions: vec![], problems: vec![] };
    let sha256 = |file: u32| Digest::of(&[layer.to_le_bytes(), file.to_le_bytes()].concat());
    let kinds = [FileKind::Elf, FileKind::Text, FileKind::Script, FileKind::Binary];
    let files = (0..FILES).zip(kinds.iter().cycle()).map(|(file, kind)| (sha256(file), facts(*kind))).collect();
    let entries = (0..FILES).map(|file| EntryRecord {
        path: format!("usr/lib/python3/dist-packages/package_{}/module_{file}.py", file / 100),
        kind: EntryKind::File,
        mode: 0o644,
        size: u64::from(file),
        sha256: Some(sha256(file)),
        link: None,
    });
    let record = LayerRecord {
        digest: Digest::of(&layer.to_le_bytes()),
        diff_id: None,
        compression: "gzip".to_owned(),
        packed_bytes: 1,
        unpacked_bytes: 2,
        entries: entries.collect(),
        observations: vec![],
        mentions: vec![],
        problems: vec![],
        packages: model::LayerPackages::default(),
    };
    (record, files)
}
