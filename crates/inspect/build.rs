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

    secrets(&root);

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

/// The files of rules for secrets, and their keywords in the order of files and lines. A line `keywords = ["…", "…"]`
/// names them; a test compares them with what the reader of TOML sees.
fn secrets(root: &Path) {
    let mut files = Vec::new();
    list(&root.join("rules/secrets"), &mut files);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let (mut names, mut keywords) = (String::from("&[\n"), String::from("&[\n"));
    for file in files {
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        names.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
        for line in text.lines().filter_map(|line| line.strip_prefix("keywords = ")) {
            for word in line.split('"').skip(1).step_by(2) {
                keywords.push_str(&format!("    {word:?},\n"));
            }
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (name, text) in [("secret_files.rs", names), ("secret_keywords.rs", keywords)] {
        fs::write(out.join(name), text + "]\n").expect("OUT_DIR can be written");
    }
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
