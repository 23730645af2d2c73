//! Layers made to hurt: each ends with a named problem, soon, and never as clean.

use std::{
    io::{Cursor, Write},
    time::{Duration, Instant},
};

use harbour::{Harbour, Script};
use serde_json::Value;

use crate::support::{Home, Layer, MINER, file, gzip, image, member, problem_kinds, tar_of};

/// For a build that is hardly optimised, beside other tests; the release build's figures are in SPECIFICATION.md.
const PATIENCE: Duration = Duration::from_secs(20);

/// Scans an image of these layers, the last of which is hostile.
#[track_caller]
fn scanned(arguments: &[&str], layers: &[&Layer]) -> Value {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &image(layers));
    #[expect(clippy::disallowed_methods, reason = "a test measures")]
    let begun = Instant::now();
    let ended = home.scan(&[arguments, &[&format!("{}/a/b:v1", harbour.host())]].concat());
    let taken = begun.elapsed();
    assert!(taken < PATIENCE, "{taken:?}");
    assert!([0, 1, 3].contains(&ended.code), "{ended:?}");
    assert!(!ended.stderr.contains("panic") && !ended.stderr.contains("defect"), "{ended:?}");
    ended.result()
}

/// The hostile layer has this problem, and the image that runs what is in it is not decided.
#[track_caller]
fn undetermined(arguments: &[&str], layer: &Layer, kind: &str) {
    let report = scanned(arguments, &[layer]);
    assert!(problem_kinds(&report).iter().any(|it| it == kind), "{kind} in {}", report["problems"]);
    assert_eq!(report["verdict"]["disposition"], "undetermined", "{}", report["verdict"]);
    assert_eq!(report["verdict"]["completeness"]["state"], "partial");
}

const MIB: usize = 1 << 20;

fn zeros(bytes: usize) -> Vec<u8> {
    vec![0; bytes]
}

#[test]
fn a_thousand_to_one() {
    let layer = Layer::gzip(&[file("opt/zeros", &zeros(300 * MIB))]);
    assert!(layer.blob.len() < MIB, "it must be small to prove anything");
    undetermined(&[], &layer, "ratio-limit");
}

/// What comes behind the bomb is not seen, and the image is small beside it: still it is not clean.
#[test]
fn a_bomb_hides_nothing_behind_it() {
    let base = Layer::gzip(&[file("opt/start", b"harmless")]);
    let top = Layer::gzip(&[file("opt/zeros", &zeros(300 * MIB)), file("opt/start", MINER)]);
    let report = scanned(&[], &[&base, &top]);
    assert_eq!(report["verdict"]["disposition"], "undetermined", "{}", report["verdict"]);
}

fn zip_of(name: &str, content: &[u8], times: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for number in 0..times {
        archive.start_file(format!("{name}{number}"), options).expect("into memory");
        archive.write_all(content).expect("into memory");
    }
    archive.finish().expect("into memory").into_inner()
}

#[test]
fn archives_in_archives() {
    let mut bomb = zip_of("zeros", &zeros(16 * MIB), 4);
    for _ in 0..4 {
        bomb = zip_of("more.zip", &bomb, 16);
    }
    assert!(bomb.len() < MIB, "it must be small to prove anything");
    undetermined(&[], &Layer::gzip(&[file("opt/start", &bomb)]), "depth-limit");
    let mut bomb = gzip(&zeros(64 * MIB));
    for _ in 0..6 {
        bomb = gzip(&bomb);
    }
    undetermined(&[], &Layer::gzip(&[file("opt/start", &bomb)]), "depth-limit");
}

#[test]
fn millions_of_empty_entries() {
    // Ten million, in members of gzip that repeat.
    let members: Vec<_> = (0..20_000).map(|number| file(&format!("d/{number}"), b"")).collect();
    let layer = Layer::raw(gzip(&members.concat()).repeat(500));
    undetermined(&["--entries-max", "100000"], &layer, "entries-limit");
    undetermined(&[], &layer, "entries-limit");
}

/// Memory is spent on names, not on files.
#[test]
fn a_flood_of_long_names() {
    let folder = "d".repeat(200);
    let long = |number: u32| format!("{folder}/{folder}/{folder}/{folder}/{folder}/{number}\0");
    let members: Vec<_> = (0..2_000)
        .flat_map(|number| [member(b'L', b"././@LongLink", b"", long(number).as_bytes()), file("short", b"")])
        .collect();
    let layer = Layer::raw(gzip(&members.concat()).repeat(50));
    undetermined(&["--ratio-max", "1000000"], &layer, "name-limit");
}

#[test]
fn a_layer_that_is_cut_or_damaged() {
    let noise: Vec<u8> = (0..100_000_u32).flat_map(|it| it.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let whole = Layer::gzip(&[file("opt/noise", &noise), file("opt/start", MINER)]);
    let cut = Layer::raw(whole.blob[..whole.blob.len() / 2].to_vec());
    undetermined(&[], &cut, "truncated");
    let mut flipped = whole.blob;
    // Behind the header of ten bytes: the code table of the first block. (A flip in its text unpacks to other text.)
    flipped[11..19].iter_mut().for_each(|byte| *byte ^= 0x55);
    undetermined(&[], &Layer::raw(flipped), "corrupt");
    let tar = tar_of(&[file("opt/noise", &noise), file("opt/start", MINER)]);
    undetermined(&[], &Layer::raw(tar[..tar.len() / 2].to_vec()), "truncated");
}

/// What a runtime would refuse or be fooled by is named, and what is beside it is still found.
#[test]
fn entries_that_no_runtime_takes_as_they_are() {
    let layer = Layer::gzip(&[
        member(b'2', b"opt/a", b"/opt/b", b""),
        member(b'2', b"opt/b", b"a", b""),
        member(b'2', b"opt/self", b"self", b""),
        member(b'1', b"opt/hard", b"opt/hard", b""),
        member(b'3', b"dev/sda", b"", b""),
        member(b'4', b"opt/memory", b"", b""),
        member(b'6', b"run/pipe", b"", b""),
        member(b'0', b"../../etc/cron.d/x", b"", b"climbs"),
        member(b'0', b"/etc/absolute", b"", b"absolute"),
        member(b'2', b"opt/out", b"../../../../etc", b""),
        member(b'0', b"opt/out/passwd", b"", b"through a link"),
        member(b'Z', b"opt/unknown", b"", b"of no known type"),
        file("opt/start", MINER),
    ]);
    let report = scanned(&[], &[&layer]);
    assert_eq!(report["verdict"]["disposition"], "malicious", "{report}");
    let problems = report["problems"].as_array().expect("problems");
    for path in
        ["etc/cron.d/x", "etc/absolute", "opt/memory", "opt/b", "opt/self", "opt/hard", "opt/out", "opt/out/passwd"]
    {
        let of_path = problems.iter().find(|it| it["place"].as_str().is_some_and(|place| place == path));
        assert_eq!(of_path.map(|it| &it["kind"]), Some(&"unsafe-entry".into()), "{path}: {problems:?}");
    }
}
