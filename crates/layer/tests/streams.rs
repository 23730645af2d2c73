//! Compression, digests and what stands around the archive.

mod support;

use std::io::{self, Read};

use layer::Limits;
use model::{Digest, EntryKind, ProblemKind};
use support::{archive, file, folder, gzip, kinds, link, paths, stream, zstd};

fn sample() -> Vec<u8> {
    // Not compressible, and more than one chunk and one read.
    let mut state = 1_u64;
    let big: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(1_500_000)
    .collect();
    archive(&[folder("etc/"), file("etc/a", b"hello"), file("big", &big), link("l", b'2', "etc/a"), file("end", b"")])
}

fn check(blob: &[u8], compression: &str, tar: &[u8]) {
    let (outcome, seen) = stream(blob, &Limits::default());
    assert_eq!(outcome.compression, compression);
    assert_eq!(paths(&seen), ["etc", "etc/a", "big", "l", "end"], "{:?}", outcome.problems);
    assert_eq!(seen[1].sha256, Digest::of(b"hello"));
    assert_eq!((seen[2].read, seen[2].size), (1_500_000, 1_500_000));
    assert_eq!((seen[3].kind, seen[3].link.as_deref()), (EntryKind::Symlink, Some("etc/a")));
    assert_eq!(outcome.diff_id, Some(Digest::of(tar)));
    assert_eq!((outcome.packed_bytes, outcome.unpacked_bytes), (blob.len() as u64, tar.len() as u64));
    assert_eq!(outcome.entries, 5);
    assert_eq!(outcome.problems, []);
    assert_eq!(outcome.read_error, None);
}

#[test]
fn plain_gzip_and_zstd_give_the_same_entries_and_digest() {
    let tar = sample();
    check(&tar, "tar", &tar);
    check(&gzip(&tar), "gzip", &tar);
    check(&zstd(&tar), "zstd", &tar);
}

#[test]
fn every_gzip_member_and_zstd_frame_is_read() {
    let tar = sample();
    for at in [1, 512, 700_000, tar.len()] {
        let (one, two) = tar.split_at(at);
        check(&[gzip(one), gzip(two)].concat(), "gzip", &tar);
        check(&[zstd(one), zstd(two)].concat(), "zstd", &tar);
    }
    // What eStargz ends with, and what zstd:chunked begins with.
    check(&[gzip(&tar), gzip(b"")].concat(), "gzip", &tar);
    let skipped = b"\x50\x2a\x4d\x18\x05\0\0\0table";
    check(&[&skipped[..], &zstd(&tar), skipped].concat(), "zstd", &tar);
}

#[test]
fn small_layers_give_the_same_without_threads() {
    let tar = archive(&[file("a", b"x")]);
    for blob in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let (outcome, seen) = stream(&blob[..], &Limits::default());
        assert_eq!((paths(&seen), outcome.diff_id), (vec!["a"], Some(Digest::of(&tar))));
        assert_eq!((outcome.packed_bytes, outcome.problems), (blob.len() as u64, vec![]));
    }
}

#[test]
fn what_nobody_decodes_is_told() {
    let tar = sample();
    for blob in [gzip(&tar), zstd(&tar)] {
        let (outcome, seen) = stream(&[&blob[..], b"garbage"].concat()[..], &Limits::default());
        assert_eq!(seen.len(), 5);
        assert_eq!(kinds(&outcome), [ProblemKind::Ambiguous]);
        assert!(outcome.problems[0].detail.starts_with("7 bytes follow"), "{:?}", outcome.problems);
        assert_eq!(outcome.diff_id, Some(Digest::of(&tar)));
    }
    let hidden = [&tar[..], &file("hidden", b"x")].concat();
    let (outcome, seen) = stream(&gzip(&hidden)[..], &Limits::default());
    assert_eq!((seen.len(), kinds(&outcome)), (5, vec![ProblemKind::Ambiguous]));
    assert_eq!(outcome.diff_id, Some(Digest::of(&hidden)));
}

#[test]
fn a_cut_or_damaged_stream_has_no_diff_id() {
    let tar = sample();
    for blob in [gzip(&tar), zstd(&tar)] {
        let (outcome, _) = stream(&blob[..blob.len() - 9], &Limits::default());
        assert_eq!((kinds(&outcome), outcome.diff_id), (vec![ProblemKind::Truncated], None));
        let mut damaged = blob.clone();
        damaged[700_000..700_100].fill(0xff);
        let (outcome, _) = stream(&damaged[..], &Limits::default());
        // Stored deflate blocks carry no check of their own: what was damaged is then just other bytes.
        assert!(outcome.diff_id != Some(Digest::of(&tar)), "{:?}", outcome.problems);
        assert_eq!(outcome.packed_bytes, blob.len() as u64, "the blob must be read to its end");
    }
    let (outcome, _) = stream(&b"\xfd7zXZ\0 and more"[..], &Limits::default());
    assert_eq!(kinds(&outcome), [ProblemKind::Unsupported]);
}

#[test]
fn the_error_of_the_reader_is_handed_on() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("digest is wrong"))
        }
    }
    let tar = sample();
    for blob in [tar.clone(), gzip(&tar), tar[..2_000].to_vec()] {
        let (outcome, _) = stream(blob.chain(Failing), &Limits::default());
        assert_eq!(outcome.read_error.as_deref(), Some("digest is wrong"));
        assert_eq!(outcome.diff_id, None);
    }
    let result = layer::for_each_member(sample().chain(Failing), &Limits::default(), |_, _, _| Ok(()));
    assert_eq!(result.unwrap_err().to_string(), "digest is wrong");
}

#[test]
fn members_of_an_image_archive_have_offsets() {
    let tar = sample();
    let mut found = None;
    let visit = |entry: &layer::Entry, offset: u64, content: &mut dyn Read| {
        if entry.path == "etc/a" {
            found = Some((offset, support::see(entry, content)));
        }
        Ok(())
    };
    let (is_plain, problems) = layer::for_each_member(&tar[..], &Limits::default(), visit).unwrap();
    let (offset, seen) = found.unwrap();
    assert!(is_plain && problems.is_empty(), "{problems:?}");
    assert_eq!(&tar[offset as usize..][..seen.size as usize], b"hello");
    let (is_plain, _) = layer::for_each_member(&gzip(&tar)[..], &Limits::default(), |_, _, _| Ok(())).unwrap();
    assert!(!is_plain);
    let stopped = layer::for_each_member(&tar[..], &Limits::default(), |_, _, _| Err(io::Error::other("enough")));
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
}
