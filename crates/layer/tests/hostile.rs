//! Layers made to exhaust or to fool: each ends in a named result.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{self, Read, Write as _};

use layer::Limits;
use model::{Digest, EntryKind, ProblemKind};
use proptest::prelude::*;
use support::{Raw, archive, file, folder, gzip, kinds, link, paths, pax, stream, zstd};

const MIB: u64 = 1 << 20;

/// `block` again and again, `times` times.
struct Repeated {
    block: Vec<u8>,
    left: u64,
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() && self.left > 0 {
            let rest = &self.block[self.at..];
            let bytes = rest.len().min(out.len() - filled);
            out[filled..filled + bytes].copy_from_slice(&rest[..bytes]);
            filled += bytes;
            self.at += bytes;
            if self.at == self.block.len() {
                self.at = 0;
                self.left -= 1;
            }
        }
        Ok(filled)
    }
}

fn gzipped_zeros(bytes: u64) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    writer.write_all(&Raw::new(b"zeros", b'0', bytes).bytes(b"")).unwrap();
    let zeros = vec![0; MIB as usize];
    for _ in 0..bytes / MIB {
        writer.write_all(&zeros).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn a_bomb_stops_at_the_ratio_and_the_blob_is_read_to_its_end() {
    let bomb = gzipped_zeros(64 * MIB);
    let limits = Limits { ratio_grace_bytes: 8 * MIB, ..Limits::default() };
    assert!(bomb.len() as u64 * 900 < 64 * MIB, "the bomb must be small to prove anything");
    let (outcome, seen) = stream(&bomb[..], &limits);
    assert_eq!(kinds(&outcome), [ProblemKind::RatioLimit]);
    assert!(seen[0].read < 9 * MIB && outcome.unpacked_bytes < 9 * MIB, "{}", outcome.unpacked_bytes);
    assert_eq!((outcome.diff_id, outcome.packed_bytes), (None, bomb.len() as u64));
    assert!(outcome.problems[0].unseen_bytes > 0);
}

#[test]
fn a_bomb_stops_at_the_bytes() {
    for blob in [gzipped_zeros(16 * MIB), zstd(&vec![0; 16 << 20])] {
        let limits = Limits { unpacked_bytes_max: 5 * MIB, ..Limits::default() };
        let (outcome, _) = stream(&blob[..], &limits);
        assert!(kinds(&outcome).contains(&ProblemKind::BytesLimit), "{:?}", outcome.problems);
        assert_eq!((outcome.unpacked_bytes, outcome.diff_id), (5 * MIB, None));
    }
}

#[test]
fn exactly_the_ceiling_is_allowed() {
    let tar = archive(&[file("a", &vec![7; 600_000])]);
    let limits = Limits { unpacked_bytes_max: tar.len() as u64, entries_max: 1, ..Limits::default() };
    for blob in [tar.clone(), gzip(&tar)] {
        let (outcome, _) = stream(&blob[..], &limits);
        assert_eq!((outcome.problems, outcome.diff_id), (vec![], Some(Digest::of(&tar))));
    }
}

#[test]
fn ten_million_empty_entries_stop_at_the_entries() {
    let layer = Repeated { block: file("a", b""), left: 10_000_000, at: 0 };
    let limits = Limits { empty_entries_max: 100_000, ..Limits::default() };
    let mut visited = 0;
    let outcome = layer::stream_layer(layer.take(1 << 30), &limits, &|| 0.0, |_, _| visited += 1);
    assert_eq!((visited, kinds(&outcome)), (100_000, vec![ProblemKind::EntriesLimit]));
    assert_eq!((outcome.diff_id, outcome.packed_bytes), (None, 1 << 30));
}

#[test]
fn names_stop_before_they_fill_the_memory() {
    let long = format!("{}f", "a/".repeat(40));
    let layer = Repeated { block: file(&long, b""), left: 1_000_000, at: 0 };
    let limits = Limits { names_bytes_max: 81 * 500, ..Limits::default() };
    let mut visited = 0;
    let outcome = layer::stream_layer(layer.take(8 << 20), &limits, &|| 0.0, |_, _| visited += 1);
    assert_eq!((visited, kinds(&outcome)), (500, vec![ProblemKind::NameLimit]));
    assert!(outcome.problems[0].unseen_bytes > 0);
}

#[test]
fn time_runs_out_by_the_clock_that_was_passed() {
    let ticks = std::sync::atomic::AtomicU32::new(0);
    let clock = || f64::from(ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let layer = Repeated { block: file("a", b""), left: 1_000_000, at: 0 };
    let limits = Limits { seconds_max: 10, ..Limits::default() };
    let outcome = layer::stream_layer(layer, &limits, &clock, |_, _| ());
    assert_eq!((kinds(&outcome), outcome.diff_id), (vec![ProblemKind::TimeLimit], None));
}

#[test]
fn sparse_bombs_give_what_is_stored_without_the_holes() {
    let exbibyte = (1_u64 << 60).to_string();
    let records = [
        ("GNU.sparse.major", "0"),
        ("GNU.sparse.minor", "1"),
        ("GNU.sparse.name", "s"),
        ("GNU.sparse.size", &exbibyte),
    ];
    let map = [("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "0,4,1000000000000,5")];
    let tar = archive(&[pax(b'x', &[&records[..], &map].concat()), file("GNUSparseFile.1/s", b"headpayld")]);
    for (limits, kind) in [
        (Limits::default(), ProblemKind::BytesLimit),
        (Limits { unpacked_bytes_max: u64::MAX, ..Limits::default() }, ProblemKind::RatioLimit),
    ] {
        let mut content = Vec::new();
        let outcome = layer::stream_layer(&tar[..], &limits, &|| 0.0, |entry, reader| {
            assert_eq!((entry.path.as_str(), entry.size), ("s", 1 << 60));
            io::copy(reader, &mut content).unwrap();
        });
        assert_eq!(kinds(&outcome), [kind]);
        assert!(content.starts_with(b"head\0") && content.windows(5).any(|part| part == b"payld"));
        assert!(content.len() < 10_000, "{}", content.len());
        assert!(outcome.diff_id.is_some());
    }
}

#[test]
fn names_that_leave_the_root_are_told_and_rooted() {
    let tar = archive(&[
        file("../../etc/passwd", b"a"),
        file("/abs", b"b"),
        file("a/../b", b"c"),
        Raw::new(b"sda", b'4', 0).bytes(b""),
        Raw::new(b"dev/null", b'3', 0).bytes(b""),
        link("esc", b'2', "../../x"),
        link("h", b'1', "../h"),
        file(".wh..", b""),
    ]);
    let (outcome, seen) = stream(&tar[..], &Limits::default());
    assert_eq!(paths(&seen), ["etc/passwd", "abs", "b", "sda", "dev/null", "esc", "h", ".wh.."]);
    let places: Vec<_> = outcome.problems.iter().map(|p| (p.kind, p.place.as_str())).collect();
    let unsafe_entry = |place| (ProblemKind::UnsafeEntry, place);
    let (ambiguous, rest) = (places[2], [&places[..2], &places[3..]].concat());
    assert_eq!(ambiguous, (ProblemKind::Ambiguous, "b"));
    assert_eq!(rest, ["etc/passwd", "abs", "sda", "esc", "h", ".wh.."].map(unsafe_entry));
}

#[test]
fn links_that_loop_or_redirect_are_told() {
    let tar = archive(&[
        link("a", b'2', "b"),
        link("b", b'2', "/a"),
        link("self", b'1', "./self"),
        link("d", b'2', "etc"),
        file("d/shadow", b"x"),
        link("bin", b'2', "usr/bin"),
        link("X11", b'2', "."),
    ]);
    let (outcome, seen) = stream(&tar[..], &Limits::default());
    assert_eq!(seen.len(), 7);
    let places: Vec<_> = outcome.problems.iter().map(|p| (p.kind, p.place.as_str())).collect();
    assert_eq!(places, ["b", "self", "d/shadow"].map(|place| (ProblemKind::UnsafeEntry, place)));
}

#[test]
fn every_cut_of_an_archive_is_named() {
    let long = "n".repeat(150);
    let tar = archive(&[
        folder("d"),
        pax(b'x', &[("path", &long)]),
        file("n", b"content"),
        Raw::gnu(b"././@LongLink", b'L', 151).bytes(format!("{long}\0").as_bytes()),
        file("n", &[1; 700]),
    ]);
    for cut in 0..tar.len() - 1024 {
        let (outcome, _) = stream(&tar[..cut], &Limits::default());
        let last = outcome.problems.last().map(|problem| problem.kind);
        assert!(matches!(last, Some(ProblemKind::Truncated | ProblemKind::Ambiguous)), "{cut}: {:?}", outcome.problems);
        assert_eq!(outcome.diff_id, Some(Digest::of(&tar[..cut])));
    }
}

#[test]
fn what_readers_see_differently_is_told() {
    let inner = archive(&[file("inner", b"smuggled")]);
    let size = inner.len().to_string();
    let desync = archive(&[
        pax(b'x', &[("path", "outer"), ("size", &size)]),
        Raw::new(b"outer", b'0', 0).bytes(&inner),
        file("after", b"x"),
    ]);
    let renamed = archive(&[pax(b'g', &[("path", "evil")]), file("good", b"x")]);
    let lost = archive(&[pax(b'x', &[("path", "lost")]), pax(b'g', &[("comment", "x")]), file("kept", b"x")]);
    let named = archive(&[pax(b'x', &[("path", "two")]), file("one", b"x")]);
    let lone = [file("a", b"x"), vec![0; 512], file("b", b"y"), vec![0; 1024]].concat();
    let changed = archive(&[file("a", b"x"), folder("a/"), file("b", b"x"), file(".wh.b", b"")]);
    let nul = archive(&[pax(b'x', &[("path", "a\0b")]), file("a", b"x")]);
    let unknown = archive(&[Raw::new(b"v", b'V', 0).bytes(b""), file("a", b"x")]);
    let linked = archive(&[Raw::new(b"l", b'1', 512).put(157, b"a").bytes(b""), file("a", b"x")]);
    let plain = archive(&[pax(b'g', &[("comment", "git")]), file("a", b"x"), file("a", b"y")]);
    let cases: [(&str, Vec<u8>, &[&str], usize); 10] = [
        ("desync", desync, &["outer", "after"], 1),
        ("renamed", renamed, &["good"], 1),
        ("lost", lost, &["kept"], 1),
        ("named", named, &["two"], 1),
        ("lone", lone, &["a", "b"], 1),
        ("changed", changed, &["a", "a", "b", "b"], 2),
        ("nul", nul, &["a\\x00b"], 2),
        ("unknown", unknown, &["v", "a"], 1),
        ("linked", linked, &["l", "a"], 1),
        ("plain", plain, &["a", "a"], 0),
    ];
    for (name, tar, expected, ambiguities) in cases {
        let (outcome, seen) = stream(&tar[..], &Limits::default());
        assert_eq!(paths(&seen), expected, "{name}: {:?}", outcome.problems);
        assert_eq!(kinds(&outcome), vec![ProblemKind::Ambiguous; ambiguities], "{name}: {:?}", outcome.problems);
    }
}

#[test]
fn names_over_the_ceiling_are_named() {
    let long = "a/".repeat(5_000) + "b";
    let parts = [pax(b'x', &[("path", &long)]), file("a", b"content")];
    let (outcome, seen) = stream(&archive(&parts)[..], &Limits::default());
    assert_eq!(kinds(&outcome), [ProblemKind::NameLimit]);
    assert!(seen[0].path.len() < 4_096 && seen[0].sha256 == Digest::of(b"content"));
    let limits = Limits { name_bytes_max: 1_000, ..Limits::default() };
    let (outcome, seen) = stream(&archive(&parts)[..], &limits);
    assert_eq!((kinds(&outcome), seen.len()), (vec![ProblemKind::NameLimit], 0));
    assert!(outcome.problems[0].unseen_bytes > 10_000 && outcome.diff_id.is_some());
}

#[test]
fn whiteouts_are_entries_without_their_mark() {
    let tar = archive(&[file("d/.wh..wh..opq", b""), file("d/.wh.gone", b""), file(".wh..wh.plnk/1", b"aufs")]);
    let (outcome, seen) = stream(&tar[..], &Limits::default());
    let kinds: Vec<_> = seen.iter().map(|entry| (entry.kind, entry.path.as_str())).collect();
    let expected = [(EntryKind::Opaque, "d"), (EntryKind::Whiteout, "d/gone"), (EntryKind::File, ".wh..wh.plnk/1")];
    assert_eq!((&kinds[..], &outcome.problems[..]), (&expected[..], &[][..]));
}

fn mixed() -> Vec<u8> {
    let map = [("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "3,4"), ("GNU.sparse.size", "99")];
    archive(&[
        folder("d/"),
        pax(b'g', &[("comment", "x")]),
        pax(b'x', &[("path", "d/päx"), ("uid", "7")]),
        file("d/p", b"content"),
        Raw::gnu(b"././@LongLink", b'L', 5).bytes(b"d/lo\0"),
        link("d/l", b'2', "p"),
        pax(b'x', &map),
        file("s", b"data"),
        file("end", &[9; 1_000]),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bits_never_panic_and_always_end(flips in prop::collection::vec((0..20_000_usize, 0..8_u8), 1..12), pack in 0..3) {
        let tar = mixed();
        let mut blob = match pack { 0 => tar, 1 => gzip(&tar), _ => zstd(&tar) };
        let length = blob.len();
        for (at, bit) in flips {
            blob[at % length] ^= 1 << bit;
        }
        let limits = Limits { unpacked_bytes_max: MIB, ratio_grace_bytes: MIB, ..Limits::default() };
        let (outcome, seen) = stream(&blob[..], &limits);
        prop_assert_eq!(outcome.packed_bytes, length as u64);
        prop_assert!(seen.len() as u64 <= outcome.entries);
        prop_assert!(outcome.unpacked_bytes <= MIB);
    }

    #[test]
    fn arbitrary_headers_never_panic(name in prop::collection::vec(any::<u8>(), 0..100), flag in any::<u8>(),
        size in prop::collection::vec(any::<u8>(), 12), content in prop::collection::vec(any::<u8>(), 0..1_500)) {
        let mut raw = Raw::new(&name, flag, 0);
        raw.put(124, &size);
        let tar = [raw.bytes(&content), mixed()].concat();
        let (outcome, _) = stream(&tar[..], &Limits::default());
        prop_assert!(outcome.diff_id.is_some());
    }
}
