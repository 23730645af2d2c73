//! Flags images that say they are a well-known project of which nothing is in them.
//!
//! Most malicious images on public registries are called after something that people search for. Whoever pulls `x/pytorch`
//! and gets no PyTorch was deceived, whatever else the image does.
//!
//! - Sees: a claim to *be* the project (the repository's last part is its name or is made to look like it; title and origin
//!   labels agree; a title with letters of another script in it; a maintainer who is the project; "the official …") in an
//!   image without any file, in any layer, whose path has a sign of the project, where the project is in
//!   `rules/intel/project_signs.txt`. A file that is found to be malicious is no sign, whatever it is called.
//! - Misses: one file with the right name defeats it (`missing-ancestry` does not fall for that, but needs a known-good image);
//!   projects named by a common word (`node`, `registry`).
//! - False alarms: an image called exactly like a project that downloads it when it is started; a service of somebody's own
//!   with the name of a project. Helpers (`nginx-exporter`) claim nothing.
//! - Writing samples: say the name in a way that counts. For an OCI layout that is the annotation `io.containerd.image.name` or
//!   `org.opencontainers.image.ref.name` of the manifest's entry in `index.json`, with a `/` in it (`docker.io/evil/nqinx:1`);
//!   for a `docker save` archive `RepoTags`; for both the labels. A folder, a file name or a tag alone claims nothing.
//! - Source: ATT&CK T1036.005; Sysdig and Aqua describe images called pytorch, drupal, openjdk that held miners.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{ImageView, claim};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "false-claim",
        title: "Image holds nothing of what it claims to be",
        category: Category::Impersonation,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1036.005"],
    },
    inspect,
};

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    // Of an image that was not read whole nobody can say what is not in it.
    if image.layers.is_empty() || !image.is_whole() {
        return Vec::new();
    }
    let listed = |project: &str| claim::projects().iter().any(|other| other.is_called(project));
    let claims = claim::claims(image).into_iter().filter(|claim| listed(&claim.project));
    claims
        .filter(|claim| !claim::holds(image, &claim::signs(&claim.project)))
        .map(|claim| {
            let text =
                format!("claims to be {} by its {}, and no file of it is in any layer", claim.project, claim.how);
            (Spot::Image, Match::new(text, None))
        })
        .collect()
}
