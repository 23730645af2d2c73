//! Archives made by the crates' own writers and by Debian's tools; hostile ones made by hand.
#![expect(clippy::disallowed_methods, reason = "tests run Debian's own tools as oracles")]

use std::io::{Cursor, Write};

use model::{Problem, ProblemKind};

use super::{NestedLimits, expand, is_archive};

fn limits() -> NestedLimits {
    NestedLimits::default()
}

/// Paths and contents of everything inside, in order; archives inside are left out of the contents.
fn inside(bytes: &[u8], limits: &NestedLimits) -> (Vec<(String, String)>, Vec<Problem>) {
    let mut found = Vec::new();
    let problems = expand(bytes, limits, &mut |path, bytes| {
        let text = if is_archive(bytes) { "(archive)".to_owned() } else { String::from_utf8_lossy(bytes).into_owned() };
        found.push((path.to_owned(), text));
    });
    (found, problems)
}

#[track_caller]
fn check(bytes: &[u8], expected: &[(&str, &str)]) {
    assert!(is_archive(bytes));
    let (found, problems) = inside(bytes, &limits());
    let found: Vec<_> = found.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(problems, []);
}

fn kinds(problems: &[Problem]) -> Vec<ProblemKind> {
    problems.iter().map(|problem| problem.kind).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("memory");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("memory");
    }
    builder.into_inner().expect("memory")
}

#[test]
fn every_compression_is_opened_with_all_its_members() {
    let twice = |once: Vec<u8>| [once.clone(), once].concat();
    check(&twice(gzip(b"hi ")), &[("content", "hi hi ")]);
    check(&twice(zstd::encode_all(&b"hi "[..], 3).expect("memory")), &[("content", "hi hi ")]);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(b"hi ").expect("memory");
    check(&twice(bzip2.finish().expect("memory")), &[("content", "hi hi ")]);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(b"hi ").expect("memory");
    check(&twice(xz.finish().expect("memory")), &[("content", "hi hi ")]);
}

#[test]
fn archives_in_archives_are_opened_to_the_depth_and_no_deeper() {
    let inner = zip(&[("secret", b"found")]);
    let outer = gzip(&tar(&[("lib/app.jar", &inner), ("readme", b"text")]));
    check(&outer, &[("lib/app.jar", "(archive)"), ("lib/app.jar!secret", "found"), ("readme", "text")]);

    let (found, problems) = inside(&outer, &NestedLimits { depth_max: 1, ..limits() });
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(kinds(&problems), [ProblemKind::DepthLimit]);
    assert_eq!(problems[0].place, "lib/app.jar");
    assert_eq!(problems[0].unseen_bytes, inner.len() as u64);
}

#[test]
fn a_debian_package_made_by_dpkg_is_opened() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("DEBIAN")).expect("temporary folder");
    std::fs::create_dir_all(root.join("usr/bin")).expect("temporary folder");
    let control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";
    std::fs::write(root.join("DEBIAN/control"), control).expect("temporary folder");
    std::fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").expect("temporary folder");
    for compression in ["xz", "gzip"] {
        let package = folder.path().join(format!("{compression}.deb"));
        let status = std::process::Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Z", compression, "-b"])
            .args([&root, &package])
            .output()
            .expect("dpkg-deb is there");
        assert!(status.status.success(), "{status:?}");
        let (found, problems) = inside(&std::fs::read(package).expect("written"), &limits());
        assert_eq!(problems, []);
        assert!(found.iter().any(|(path, text)| path.ends_with("!usr/bin/tool") && text == "#!/bin/sh\n"), "{found:?}");
        assert!(found.iter().any(|(path, text)| path.ends_with("!control") && text == control), "{found:?}");
    }
}

#[test]
fn an_rpm_leads_to_its_payload() {
    let header = b"\x8e\xad\xe8\x01\0\0\0\0\0\0\0\0\0\0\0\0";
    let member = |name: &str, mode: u32, content: &str| {
        let fields = [1, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        let mut text = "070701".to_owned() + &fields.map(|field| format!("{field:08x}")).concat() + name + "\0";
        while !text.len().is_multiple_of(4) {
            text.push('\0');
        }
        text += content;
        while !text.len().is_multiple_of(4) {
            text.push('\0');
        }
        text
    };
    let cpio = member("./bin", 0o040_755, "") + &member("./bin/x", 0o100_755, "hello") + &member("TRAILER!!!", 0, "");
    let mut package = vec![0; 96];
    package[..4].copy_from_slice(b"\xed\xab\xee\xdb");
    package.extend_from_slice(header);
    package.extend_from_slice(header);
    package.extend(gzip(cpio.as_bytes()));
    check(&package, &[("./bin/x", "hello")]);
    let (_, problems) = inside(&package[..130], &limits());
    assert_eq!(kinds(&problems), [ProblemKind::Unsupported]);
}

#[test]
fn bombs_end_at_a_ceiling_with_its_name() {
    let zeros = vec![0; 8 << 20];
    let bomb = gzip(&zeros);
    let tight = NestedLimits { ratio_max: 20, ratio_grace_bytes: 1 << 20, ..limits() };
    let (found, problems) = inside(&bomb, &tight);
    assert!(found[0].1.len() <= (bomb.len() * 20).max(1 << 20));
    assert_eq!(kinds(&problems), [ProblemKind::RatioLimit]);

    let small = NestedLimits { unpacked_bytes_max: 1 << 20, ratio_max: 1 << 30, ..limits() };
    assert_eq!(kinds(&inside(&zip(&[("a", &zeros), ("b", &zeros)]), &small).1), [ProblemKind::BytesLimit]);

    let many: Vec<_> = (0..50).map(|number| format!("{number}")).collect();
    let files: Vec<_> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let few = NestedLimits { entries_max: 10, ..limits() };
    for archive in [zip(&files), tar(&files)] {
        let (found, problems) = inside(&archive, &few);
        assert!(found.len() <= 10, "{}", found.len());
        assert_eq!(kinds(&problems), [ProblemKind::EntriesLimit]);
    }

    let long = NestedLimits { file_bytes_max: 1 << 10, ..limits() };
    let (found, problems) = inside(&bomb, &long);
    assert_eq!((found[0].1.len(), kinds(&problems)), (1 << 10, vec![ProblemKind::BytesLimit]));
}

#[test]
fn nested_zip_bombs_share_one_budget() {
    // Each level holds ten copies of the one below: 10^4 times 1 MiB in all.
    let mut level = zip(&[("zeros", &vec![0; 1 << 20])]);
    for _ in 0..3 {
        let names: Vec<_> = (0..10).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), &level[..])).collect();
        level = zip(&files);
    }
    assert!(level.len() < 64 << 10, "small on the outside: {}", level.len());
    let mut total = 0;
    let problems = expand(&level, &limits(), &mut |_, bytes| total += bytes.len());
    assert!(total <= 66 << 20, "{total}");
    assert!(kinds(&problems).contains(&ProblemKind::RatioLimit), "{problems:?}");
}

#[test]
fn what_is_damaged_encrypted_or_foreign_is_named() {
    let text = gzip(&b"some text that is long enough ".repeat(1000));
    let (found, problems) = inside(&text[..text.len() / 2], &limits());
    assert!(!found[0].1.is_empty());
    assert_eq!(kinds(&problems), [ProblemKind::Truncated]);
    assert_eq!(kinds(&inside(b"7z\xbc\xaf\x27\x1c\0\x04", &limits()).1), [ProblemKind::Unsupported]);
    assert_eq!(kinds(&inside(b"PK\x03\x04 and nothing", &limits()).1), [ProblemKind::Corrupt]);
    assert!(!is_archive(b"BZh is how this sentence begins"));
}

/// Found by fuzzing: a Huffman group beyond the last, at which one bzip2 library aborted the process.
#[test]
fn a_damaged_bzip2_file_costs_itself_only() {
    let file = b"BZh91AY\x26SYHM\xfd\x00\x00\x00\x00\x00\x00\x00\xe0h\x00\x9ae\x88\x00\x20\x001\x00\x00\x0a\x00\x0ah\
        \xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00\x21\x01\x16\x00\x00\x00t\x2f\xe5\xa3\x01\x00\x14\x23\x21\
        \x2fbin\x2fs\x98\xf5\x9a\xa0ho\x20hello\x0a\x00\x00\x00\x00\x3f\xa9T\xc4\x9d\xee8\xc6\x00\x01\x2d\
        \x15\x2f\x0bqm\xc9\xe9\xa1\xa9\x85\xa3\xb1\x82\x9cw\xe4\x98\x1f\x8b\x1f\xb6\xf3\x7d\x01\x00\x00\x00\
        \x00\x04Y\xb9\x22\x9c\x24\x26Z\xfe\xa3\xa3\x80";
    let (_, problems) = inside(file, &limits());
    assert_eq!(kinds(&problems), [ProblemKind::Corrupt]);
}

#[test]
fn a_zip_entry_outside_the_directory_is_reported() {
    let hidden = zip(&[("hidden", b"x")]);
    let local = &hidden[..hidden.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory")];
    let both = [local, &zip(&[("seen", b"y")])].concat();
    let (found, problems) = inside(&both, &limits());
    assert_eq!(found, [("seen".to_owned(), "y".to_owned())]);
    assert_eq!(kinds(&problems), [ProblemKind::Ambiguous], "{problems:?}");
}

proptest::proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..4096, value in 0_u8..=255, cut in 0_usize..4096) {
        let inner = zip(&[("a", b"text"), ("b", &[7; 300])]);
        for mut bytes in [gzip(&tar(&[("x.zip", &inner), ("y", b"z")])), inner] {
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = inside(&bytes, &limits());
        }
    }
}
