//! Reports repositories and publishers whose name is made to be taken for a popular one.
//!
//! Attackers call images `nqinx`, `ubuntu-official` or `bitnarni/redis` so that somebody mistypes or does not look twice. A
//! name proves nothing, so this is a fact; `false-claim` and `missing-ancestry` look for what the name promises.
//!
//! - Sees: letters that look alike (`0` and `o`, `rn` and `m`, Cyrillic and Greek ones), swapped, doubled and dropped letters,
//!   separators, added promises (`-official`, `library-`), up to two edits of a long name; against Docker's official images,
//!   well-known publishers and the names of the known-good set. The name is that of a registry, or the one that an archive
//!   itself says it goes by.
//! - Misses: names that promise by meaning (`web-server-stable`).
//! - False alarms: words that are a letter from a popular name (`mango`), hence a fact.
//! - Source: `rules/intel/popular_images.txt`; Unicode TR39; ATT&CK T1036.005.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{ImageView, claim};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "look-alike-name",
        title: "Name resembles a popular image",
        category: Category::Impersonation,
        weight: Weight::Fact,
        severity: Severity::Low,
        confidence: Confidence::Low,
        maturity: Maturity::Draft,
        techniques: &["T1036.005"],
    },
    inspect,
};

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    let resembled = claim::resembled(image.reference, image.known).into_iter();
    resembled
        .map(|(name, likeness, target)| (Spot::Image, Match::new(format!("the name {name} {likeness} {target}"), None)))
        .collect()
}
