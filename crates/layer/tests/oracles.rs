//! The same archives read by GNU tar, Python's `tarfile` and the `tar` crate must hold the same files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{collections::BTreeMap, fs, io::Write as _, os::unix::fs::symlink, path::Path};

use layer::Limits;
use model::{Digest, EntryKind};
use support::{Seen, gzip, stream, zstd};

#[expect(clippy::disallowed_methods, reason = "the oracles are programs")]
fn run(program: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A folder with what formats differ on.
fn tree(with_long_names: bool) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join("t").join(name);
    fs::create_dir_all(at("folder/inner")).unwrap();
    fs::write(at("empty"), b"").unwrap();
    fs::write(at("folder/hello"), b"hello\n").unwrap();
    fs::write(at("folder/block"), [7; 512]).unwrap();
    fs::write(at("folder/big"), vec![0xa5; 700_001]).unwrap();
    fs::write(at("ünïcödé"), "ä".repeat(1_000)).unwrap();
    fs::hard_link(at("folder/hello"), at("hardlink")).unwrap();
    symlink("folder/hello", at("symlink")).unwrap();
    symlink("nowhere/at/all", at("folder/dangling")).unwrap();
    if with_long_names {
        let long = format!("folder/{}", "n".repeat(120));
        fs::create_dir_all(at(&long)).unwrap();
        let deep = format!("{long}/{}", "m".repeat(200));
        fs::write(at(&deep), b"deep").unwrap();
        symlink("l".repeat(180), at("longlink")).unwrap();
    }
    let sparse = fs::File::create(at("sparse")).unwrap();
    for (offset, bytes) in [(0, &b"head"[..]), (1_000_000, b"middle"), (1_500_000, &[3; 9_000])] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, bytes, offset).unwrap();
    }
    sparse.set_len(3_000_000).unwrap();
    // More regions than a GNU header holds.
    let holes = fs::File::create(at("holes")).unwrap();
    for number in 0..40 {
        std::os::unix::fs::FileExt::write_all_at(&holes, b"data", number * 65_536).unwrap();
    }
    root
}

/// Path, kind, link target and content digest, as every reader must tell them.
type Listing = BTreeMap<String, (EntryKind, Option<String>, Option<String>)>;

fn ours(seen: &[Seen]) -> Listing {
    let line = |entry: &Seen| {
        let digest = (entry.kind == EntryKind::File).then(|| entry.sha256.hex());
        (entry.path.clone(), (entry.kind, entry.link.clone(), digest))
    };
    seen.iter().map(line).collect()
}

/// What Python sees: one line an entry.
const PYTHON: &str = r"
import hashlib, sys, tarfile
for m in tarfile.open(sys.argv[1]):
    kind = 'File' if m.isreg() else 'Folder' if m.isdir() else 'Symlink' if m.issym() else 'Hardlink' if m.islnk() else '?'
    digest = hashlib.sha256(tarfile.open(sys.argv[1]).extractfile(m).read()).hexdigest() if m.isreg() else ''
    print(kind, m.name, m.linkname, digest, sep='\t')
";

fn python(archive: &str, folder: &Path) -> Listing {
    let text = String::from_utf8(run("python3", &["-c", PYTHON, archive], folder)).unwrap();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let kind = match fields[0] {
            "File" => EntryKind::File,
            "Folder" => EntryKind::Folder,
            "Symlink" => EntryKind::Symlink,
            "Hardlink" => EntryKind::Hardlink,
            other => panic!("{other}"),
        };
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        (fields[1].to_owned(), (kind, some(fields[2]), some(fields[3])))
    };
    text.lines().map(line).collect()
}

/// The content of every regular file as GNU tar extracts it.
fn gnu(archive: &str, folder: &Path, listing: &Listing) {
    for (path, (kind, _, digest)) in listing {
        if *kind == EntryKind::File {
            let content = run("tar", &["--extract", "--to-stdout", "--file", archive, "--", path], folder);
            assert_eq!(digest.as_deref(), Some(Digest::of(&content).hex().as_str()), "{path} of {archive}");
        }
    }
    let listed =
        String::from_utf8(run("tar", &["--list", "--quoting-style=literal", "--file", archive], folder)).unwrap();
    let mut listed: Vec<&str> = listed.lines().map(|line| line.trim_end_matches('/')).collect();
    listed.sort_unstable();
    assert_eq!(listed, listing.keys().map(String::as_str).collect::<Vec<_>>(), "{archive}");
}

/// The names and kinds that the `tar` crate sees. It does not know pax's sparse files.
#[expect(clippy::disallowed_types, reason = "an oracle")]
fn tar_crate(bytes: &[u8]) -> BTreeMap<String, EntryKind> {
    let mut archive = tar::Archive::new(bytes);
    let line = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let kind = match entry.header().entry_type() {
            tar::EntryType::Directory => EntryKind::Folder,
            tar::EntryType::Symlink => EntryKind::Symlink,
            tar::EntryType::Link => EntryKind::Hardlink,
            _ => EntryKind::File,
        };
        (path.trim_end_matches('/').to_owned(), kind)
    };
    archive.entries().unwrap().map(line).collect()
}

fn check(format: &str, options: &[&str], with_long_names: bool) {
    let root = tree(with_long_names);
    let create = [&["--create", "--sort=name", "--file", "a.tar", format], options, &["t"]].concat();
    run("tar", &create, root.path());
    let bytes = fs::read(root.path().join("a.tar")).unwrap();
    let mut listings = Vec::new();
    for (name, blob) in [("a.tar", bytes.clone()), ("a.tar.gz", gzip(&bytes)), ("a.tar.zst", zstd(&bytes))] {
        fs::File::create(root.path().join(name)).unwrap().write_all(&blob).unwrap();
        let (outcome, seen) = stream(&blob[..], &Limits::default());
        assert_eq!(outcome.problems, [], "{name} {format} {options:?}");
        assert_eq!(outcome.diff_id, Some(Digest::of(&bytes)));
        assert!(seen.iter().all(|entry| entry.read == entry.size), "every content is whole");
        listings.push(ours(&seen));
    }
    let listing = &listings[0];
    assert!(listing.len() >= 13, "the tree must be there: {listing:?}");
    assert!(listings.iter().all(|other| other == listing));
    assert_eq!(*listing, python("a.tar", root.path()), "{format} {options:?}");
    gnu("a.tar", root.path(), listing);
    if !options.iter().any(|option| option.starts_with("--sparse")) {
        let kinds = listing.iter().map(|(path, (kind, _, _))| (path.clone(), *kind)).collect::<BTreeMap<_, _>>();
        assert_eq!(kinds, tar_crate(&bytes), "{format}");
    }
}

#[test]
fn gnu_archives_hold_the_same_for_every_reader() {
    check("--format=gnu", &[], true);
    check("--format=oldgnu", &[], true);
}

#[test]
fn pax_archives_hold_the_same_for_every_reader() {
    check("--format=pax", &[], true);
}

#[test]
fn ustar_and_v7_archives_hold_the_same_for_every_reader() {
    check("--format=ustar", &[], false);
    check("--format=v7", &[], false);
}

#[test]
fn sparse_files_of_every_format_hold_the_same_for_every_reader() {
    check("--format=gnu", &["--sparse"], true);
    for version in ["--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"] {
        check("--format=pax", &["--sparse", version], true);
    }
}
