//! Reports files whose SHA-256 imported intelligence lists.
//!
//! - Sees: every file of every layer, also one that a later layer hides, and files inside archives in which another
//!   detector saw something.
//! - Misses: a file of which one byte differs; lists of MD5 and SHA-1, which are not computed; files inside archives in
//!   which nothing else was seen.
//! - False alarms: those of the lists.
//! - Source: the imported lists.

use std::collections::BTreeSet;

use model::{Category, Confidence, Digest, Indicator, IndicatorKind, IntelValue, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{ImageView, intel::day};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "known-bad-file",
        title: "Holds a file that intelligence lists",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        // Equal by SHA-256: what is said of it is said by the list.
        maturity: Maturity::Stable,
        techniques: &["T1204.003"],
    },
    inspect,
};

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    if image.intel.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, layer) in image.layers.iter().enumerate() {
        for (index, entry) in layer.entries.iter().enumerate() {
            if let Some(digest) = &entry.sha256 {
                found.extend(looked_up(image, digest, "").map(|found| (Spot::File((number, index)), found)));
            }
        }
        let inner =
            layer.observations.iter().filter_map(|(index, seen)| Some((*index as usize, seen.inside.as_ref()?)));
        let inner: BTreeSet<_> = inner.map(|(index, inside)| (index, inside.sha256, inside.path.as_str())).collect();
        for (index, digest, path) in inner {
            found.extend(looked_up(image, &digest, path).map(|found| (Spot::File((number, index)), found)));
        }
    }
    found
}

fn looked_up(image: &ImageView<'_>, digest: &Digest, inside: &str) -> Option<Match> {
    let listing = image.intel.listings(&IntelValue::File(*digest)).into_iter().next()?;
    let label = if listing.label.is_empty() { String::new() } else { format!(": {}", listing.label) };
    let since = listing.first_seen.map_or(String::new(), |seen| format!(" since {}", day(seen)));
    let inside = if inside.is_empty() { String::new() } else { format!(" ({inside})") };
    let mut found =
        Match::new(format!("{}{inside} is listed by {}{since}{label}", digest.short(), listing.source), None);
    found.category = Some(listing.category);
    found.confidence = Some(listing.confidence);
    found.indicators = vec![Indicator { kind: IndicatorKind::FileHash, value: digest.to_string() }];
    Some(found)
}
