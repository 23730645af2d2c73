//! Names the questions this build asks of traces: a hash over the behaviours' sources, and their headers for `lazaret detectors`.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

fn main() {
    // Asked when it runs: a build folder may be shared by several checkouts.
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed={}", here.join("src").display());
    let mut files = Vec::new();
    list(&here.join("src"), &mut files);
    files.sort();
    // A change detector, no proof against anybody: the source is ours.
    let mut hash = DefaultHasher::new();
    let mut headers = String::from("&[\n");
    for file in files {
        let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        source.hash(&mut hash);
        if file.parent().is_some_and(|folder| folder.ends_with("behaviours")) {
            let id = file.file_stem().expect("a file has a name").to_string_lossy().replace('_', "-");
            let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
            let header: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            headers.push_str(&format!("    ({id:?}, {:?}),\n", header.join("\n")));
        }
    }
    headers.push_str("]\n");
    println!("cargo::rustc-env=BEHAVIOUR_SOURCES={:016x}", hash.finish());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("headers.rs"), headers).expect("OUT_DIR can be written");
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
