//! Looks at whole images, once their layers are merged.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{Finding, Location};

use crate::{
    ImageView, RulePack,
    detectors::{self, Spot},
    observe::{failed, observation},
};

impl RulePack {
    /// Asks the detectors of whole images; the findings have their place.
    #[must_use]
    pub fn image(&self, image: &ImageView<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for detector in detectors::ALL_IMAGE {
            match catch_unwind(AssertUnwindSafe(|| (detector.inspect)(image))) {
                Ok(found) => findings.extend(found.into_iter().filter_map(|(spot, found)| {
                    let (location, runs) = located(spot, image)?;
                    let offset = found.offset.map(|offset| offset as u64);
                    Some(Finding::new(observation(&detector.about, found, offset), location, runs))
                })),
                Err(_) => findings.push(Finding::new(failed(&detector.about), Location::Image, false)),
            }
        }
        findings
    }
}

/// Where a spot is, and whether the image runs it.
fn located(spot: Spot, image: &ImageView<'_>) -> Option<(Location, bool)> {
    Some(match spot {
        Spot::File(at) => {
            let (layer, entry) = (image.layers.get(at.0)?.digest, image.entry(at)?);
            let hidden = image.files.is_hidden(at);
            let location = Location::File { layer, path: entry.path.clone(), sha256: entry.sha256, hidden };
            (location, !hidden && image.runs.contains(&at))
        }
        Spot::Layer(number) => (Location::Layer { layer: image.layers.get(number)?.digest }, false),
        Spot::History(line) => (Location::History { line }, false),
        Spot::Config(number) => {
            let finding = image.config_findings.get(number)?;
            (finding.location.clone(), finding.runs)
        }
        Spot::Image => (Location::Image, false),
    })
}
