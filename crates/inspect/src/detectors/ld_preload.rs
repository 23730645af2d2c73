//! Flags a layer that installs a global library preload.
//!
//! Every dynamically linked program loads what `/etc/ld.so.preload` names, so rootkits in user space write it to hide
//! their files and processes. Base images hardly ever ship one.
//!
//! - Sees: `etc/ld.so.preload` naming at least one library, in any layer.
//! - Misses: `LD_PRELOAD` in the image config; a patched loader.
//! - False alarms: tracing agents and allocators that are preloaded on purpose: alone it is a sign.
//! - Source: ld.so(8), FILES; ATT&CK T1574.006.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};

/// Longest part of the file that is read.
const FILE_BYTES_MAX: usize = 4096;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "ld-preload",
        title: "Installs a global library preload",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1574.006"],
    },
    scope: Scope::Place(|place| place.path == "etc/ld.so.preload"),
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let head = sample.bytes.get(..FILE_BYTES_MAX).unwrap_or(sample.bytes);
    let text = String::from_utf8_lossy(head);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut libraries = lines
        .flat_map(|line| line.split([' ', '\t', ':', '\r']))
        .filter(|name| name.contains('/') || name.contains(".so"));
    let Some(first) = libraries.next() else { return Vec::new() };
    let summary = match libraries.count() {
        0 => format!("preloads {first} into every program"),
        more => format!("preloads {first} and {more} more into every program"),
    };
    vec![Match::new(summary, sample.bytes.windows(first.len()).position(|piece| piece == first.as_bytes()))]
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn an_empty_file_and_another_place_are_harmless() {
        check(&DETECTOR, "etc/ld.so.preload", b"\n# none\n", &[]);
        check(&DETECTOR, "usr/share/doc/ld.so.preload", b"/lib/x.so\n", &[]);
    }

    #[test]
    fn libraries_are_named() {
        check(
            &DETECTOR,
            "etc/ld.so.preload",
            b"/usr/local/lib/libx.so /lib/y.so\n",
            &["preloads /usr/local/lib/libx.so and 1 more into every program"],
        );
    }
}
