//! Names the questions this build asks: a hash over everything that can change an answer, and the headers of the
//! detectors for `lazaret rules show`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// What decides the answers: the detectors, the reader of archives, the shape of what is remembered, the rules.
const SOURCES: [&str; 5] =
    ["crates/inspect/src", "crates/inspect/build.rs", "crates/layer/src", "crates/model/src", "rules"];

fn main() {
    // Asked when it runs: a build folder may be shared by several checkouts.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&here).join("../..");
    let mut hash = Sha256::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
        let mut files = Vec::new();
        list(&root.join(source), &mut files);
        files.sort();
        for file in files {
            let text = fs::read(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
            let name = file.strip_prefix(&root).expect("listed below the root").to_string_lossy();
            hash.update(format!("{} {name}\0", text.len()));
            hash.update(&text);
        }
    }
    let id: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=INSPECT_SOURCES_SHA256={id}");

    let mut headers = String::from("&[\n");
    let mut detectors = Vec::new();
    list(&root.join("crates/inspect/src/detectors"), &mut detectors);
    detectors.sort();
    for file in detectors {
        let id = file.file_stem().expect("a file has a name").to_string_lossy().replace('_', "-");
        let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let header: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        headers.push_str(&format!("    ({id:?}, {:?}),\n", header.join("\n")));
    }
    headers.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("headers.rs"), headers).expect("OUT_DIR can be written");
}

/// Every file below `place`, which may be a file itself.
fn list(place: &Path, files: &mut Vec<PathBuf>) {
    if place.is_file() {
        files.push(place.to_owned());
        return;
    }
    let entries = fs::read_dir(place).unwrap_or_else(|error| panic!("list {}: {error}", place.display()));
    for entry in entries {
        list(&entry.expect("a folder can be listed").path(), files);
    }
}
