//! Reports domains that were registered shortly before the image was made.
//!
//! Attackers burn through domains; what honest software names has a past. The age is counted back from the day the image
//! says it was made, because a domain that is old today was young when the image was built for it. That date is the
//! author's: where it is missing, older than containers, or in the future, the day of the scan counts, so that a wrong one
//! cannot make a domain look older than it is today.
//!
//! - Sees: the registrable domains of hosts that other detectors extracted, if an imported list says when they were registered
//!   (`lazaret intel import --format domain-age`, or a list of one day's registrations with `--registered DATE`).
//! - Misses: domains that no list has; old domains that were bought or taken over.
//! - False alarms: a young project's own domain; one that was registered anew under an old image.
//! - Source: ATT&CK T1583.001; ICANN's SSAC SAC-125 on what is registered to be abused.

use model::{Category, Confidence, IntelValue, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{
    ImageView,
    intel::{Said, created, day, host_of, named, registrable},
};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "young-domain",
        title: "Names a domain that had just been registered",
        category: Category::NewlyRegisteredDomain,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1583.001"],
    },
    inspect,
};

/// How old a domain is when nobody calls it new.
const YOUNG_DAYS: u64 = 90;
/// 2013-03-01: before it there was no container image.
const CREATED_MIN: u64 = 1_362_096_000;

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    if !image.intel.has_ages() {
        return Vec::new();
    }
    let made = image.config.created.as_deref().and_then(created).filter(|at| (CREATED_MIN..image.now).contains(at));
    let (at, of_what) = made.map_or((image.now, "the scan"), |made| (made, "the image"));
    named(image, |value| {
        let host = match value {
            IntelValue::Domain(domain) => domain.as_str(),
            IntelValue::Url(url) => host_of(url),
            _ => return None,
        };
        let (registered, source) = image.intel.registered(host)?;
        let age_days = at.saturating_sub(registered) / 86_400;
        (age_days <= YOUNG_DAYS).then(|| Said {
            summary: format!(
                "{} was registered on {}, {age_days} days before {of_what} ({source})",
                registrable(host).unwrap_or(host),
                day(registered)
            ),
            weight: Weight::Sign,
            category: None,
            confidence: None,
            severity: None,
        })
    })
}
