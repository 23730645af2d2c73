//! How fast are hashing, the prefilter, an Aho-Corasick automaton and the whole inspector on this machine?
//!
//! `cargo run --release -p inspect --example prefilter_speed -- FILE_OR_FOLDER [BYTES_MAX]`
//!
//! Reads up to `BYTES_MAX` (1 GiB) into memory first and then measures each on one thread, over the literals of the
//! detectors and over 500 invented ones.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{fs, io::Read, path::Path, time::Instant};

use aho_corasick::{AhoCorasickBuilder, AhoCorasickKind};
use inspect::{
    RulePack, WINDOW_BYTES_MAX,
    prefilter::{Hits, Prefilter},
};
use model::Digest;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "/usr/bin".to_owned());
    let bytes_max = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1 << 30);
    let mut files = Vec::new();
    let mut room = bytes_max;
    collect(Path::new(&place), &mut room, &mut files);
    let total: usize = files.iter().map(Vec::len).sum();
    println!("{} files, {} MB from {place}", files.len(), total / 1_000_000);

    measure("sha256", total, || files.iter().for_each(|file| assert!(!Digest::of(file).hex().is_empty())));
    let literals = invented(500);
    let literals: Vec<_> = literals.iter().map(String::as_str).collect();
    let prefilter = Prefilter::new(&literals);
    let wanted = vec![true; literals.len()];
    let mut hits = Hits::default();
    let mut found = 0;
    measure("prefilter, 500 literals", total, || {
        for file in &files {
            prefilter.scan(file, &wanted, &mut hits);
            found += hits.found.len();
        }
    });
    let automaton = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(&literals)
        .expect("a few thousand states");
    let mut expected = 0;
    measure("aho-corasick DFA, the same", total, || {
        expected = files.iter().map(|file| automaton.find_overlapping_iter(file).count()).sum();
    });
    println!("  {found} and {expected} hits");

    let pack = RulePack::new(Vec::new()).expect("no user rules");
    let mut inspector = pack.inspector();
    let mut seen = 0;
    measure(&format!("whole inspector, {} literals", pack.literals()), total, || {
        for file in files.iter().filter(|file| !layer::is_archive(file)) {
            seen += inspector.content(file).observations.len();
        }
    });
    println!("  {seen} observations");
}

fn measure(what: &str, bytes: usize, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} MB/s", bytes as f64 / 1e6 / seconds);
}

fn collect(place: &Path, room: &mut u64, files: &mut Vec<Vec<u8>>) {
    let Ok(about) = fs::symlink_metadata(place) else { return };
    if about.is_dir() {
        let Ok(entries) = fs::read_dir(place) else { return };
        entries.flatten().for_each(|entry| collect(&entry.path(), room, files));
    } else if about.is_file() {
        let mut bytes = Vec::new();
        let most = (*room).min(WINDOW_BYTES_MAX as u64);
        #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
        let read = fs::File::open(place).and_then(|file| file.take(most).read_to_end(&mut bytes));
        if read.is_ok() {
            *room = room.saturating_sub(bytes.len() as u64);
            files.push(bytes);
        }
    }
}

/// Literals as detectors have them: words, host names, options; always the same.
fn invented(count: usize) -> Vec<String> {
    let words = ["stratum", "wallet", "donate", "pool", "token", "secret", "flood", "curl", "chmod", "payload"];
    let ends = ["+tcp://", "-key", ".example.org", "_level", "=", ".sh", "://", "-----", " -o ", "xmr"];
    (0..count)
        .map(|n| format!("{}{:x}{}", words[n % 10], (n as u32).wrapping_mul(2_654_435_761) >> 24, ends[(n / 10) % 10]))
        .collect()
}
