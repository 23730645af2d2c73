//! Reports what no builder writes: archives and configs that two readers understand differently.
//!
//! A scanner that sees one file where the runtime sees another can be walked past. Our reader follows what runtimes do and
//! names every place where another reader could disagree; here those become findings, one for each layer and kind.
//!
//! - Sees: sizes, names or links that tar readers resolve differently, one path twice in a layer, bytes behind the end of the
//!   stream or the archive, a DiffID that is not the layer's, fields of an unexpected type in the config, foreign layers.
//! - Misses: differences between runtimes that nobody has described yet.
//! - False alarms: home-made builders write a folder where they wrote a link before; that alone is a fact, as is what is odd
//!   inside archives that lie in the image.
//! - Source: CVE-2025-62518 and GHSA-3cv2-h65g-fgmm (tar parsers that disagree); OCI image-spec v1.1 `layer.md`; ATT&CK T1027.

use model::{Category, Confidence, Maturity, Problem, ProblemKind, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::ImageView;

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "format-anomaly",
        title: "Two readers see two different images",
        category: Category::Other,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1027"],
    },
    inspect,
};

/// What builders other than Docker's do without meaning harm.
const HARMLESS: &[&str] = &["unexpected type", "occurs as Folder and as Symlink", "occurs as Symlink and as Folder"];

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    let mut found: Vec<_> = grouped(image.problems).into_iter().map(|found| (Spot::Image, found)).collect();
    for (number, layer) in image.layers.iter().enumerate() {
        found.extend(grouped(&layer.problems).into_iter().map(|found| (Spot::Layer(number), found)));
    }
    found
}

/// One match for all problems that would change what is seen, one for those that only look odd.
fn grouped(problems: &[Problem]) -> Vec<Match> {
    let (harmless, odd): (Vec<&Problem>, Vec<&Problem>) =
        problems.iter().filter(|problem| problem.kind == ProblemKind::Ambiguous).partition(|problem| {
            // In an archive that lies in the image: self-extracting zips begin with a program, test data is odd on purpose.
            problem.place.contains('!') || HARMLESS.iter().any(|words| problem.detail.contains(words))
        });
    let summed = |problems: Vec<&Problem>, weight| {
        let first = problems.first()?;
        let more = if problems.len() > 1 { format!(" and {} more", problems.len() - 1) } else { String::new() };
        let mut found = Match::new(format!("{}: {}{more}", first.place, first.detail), None);
        found.weight = Some(weight);
        Some(found)
    };
    summed(odd, Weight::Sign).into_iter().chain(summed(harmless, Weight::Fact)).collect()
}
