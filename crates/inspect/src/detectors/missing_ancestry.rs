//! Flags images that claim to be a project and share nothing with the image that the operator knows to be it.
//!
//! The test that decides: an image of nginx has a layer or a program of nginx's. It needs an entry of the known-good set
//! (`lazaret known add nginx`) for the claimed name.
//!
//! - Sees: a claim as `false-claim` takes it, also for any name in the known-good set, by an image that shares with no entry of
//!   that name a layer (blob or DiffID; a base below the project does not count) or a program, runs no file that is called
//!   after the project, and does not hold as many of its file names as another version or another build would. A file that is
//!   found to be malicious is not the project's, whatever it is called.
//! - Misses: an image that carries a copy of the real thing beside what it really does; a renamed program that no detector
//!   recognises, if it is run; names without a known-good entry, or whose entry has no file called after them.
//! - False alarms: a rebuild under the same name whose programs and files are all called otherwise.
//! - Source: our own; ATT&CK T1036.005.

use model::{Category, Confidence, KnownImage, LayerRecord, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{ImageView, claim};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "missing-ancestry",
        title: "Image does not descend from what it claims to be",
        category: Category::Impersonation,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1036.005"],
    },
    inspect,
};

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    if image.known.images().is_empty() || image.layers.is_empty() || !image.is_whole() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for claim in claim::claims(image) {
        // Without a file of its own there is nothing that a descendant must have.
        let vouched = image.known.images().iter().filter(|known| claim::is_same(&known.name, &claim.project));
        let known: Vec<&KnownImage> = vouched.filter(|known| !known.names.is_empty()).collect();
        let signs = claim::signs(&claim.project);
        let Some(first) = known.first() else { continue };
        if known.iter().any(|known| descends(image, known) || claim::is_run_or_familiar(image, &signs, known)) {
            continue;
        }
        let text = format!(
            "claims to be {} by its {}, and shares no layer and no program with known-good {}",
            claim.project, claim.how, first.reference
        );
        found.push((Spot::Image, Match::new(text, None)));
    }
    found
}

/// Whether the image has a layer or a program of the project's.
fn descends(image: &ImageView<'_>, known: &KnownImage) -> bool {
    let has_layer = |layer: &&LayerRecord| {
        known.layers.iter().any(|known| known.own && known.is(&layer.digest, layer.diff_id.as_ref()))
    };
    let has_program = |layer: &&LayerRecord| {
        layer.entries.iter().filter_map(|entry| entry.sha256.as_ref()).any(|file| known.programs.contains(file))
    };
    image.layers.iter().any(has_layer) || image.layers.iter().any(has_program)
}
