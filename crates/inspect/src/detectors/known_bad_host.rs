//! Reports hosts and URLs that imported intelligence lists.
//!
//! What a container fetches its next stage from, or reports to, is what gives it away, and somebody may have met it before.
//! `lazaret intel import` brings their lists; without any, this detector says nothing.
//!
//! - Sees: URLs, domains (and names below listed ones), addresses and networks among the values that other detectors
//!   extracted from files and the config. A listed value is a proof; another URL or port of a site that has a listed one
//!   is a sign, except on hosts that many strangers share (`rules/intel/shared_hosts.txt`).
//! - Misses: names that are put together at run time; what no list has.
//! - False alarms: those of the lists. A warning list (`--format misp-warning-list`, `--allow`) takes them back.
//! - Source: the imported lists; ATT&CK T1071, T1105.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{
    ImageView,
    intel::{Said, day, named, shown},
};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "known-bad-host",
        title: "Names a host that intelligence lists",
        category: Category::MaliciousWebsite,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Medium,
        // It compares and judges nothing: without imported lists it says nothing, and with them what they say.
        maturity: Maturity::Stable,
        techniques: &["T1071", "T1105"],
    },
    inspect,
};

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    if image.intel.is_empty() {
        return Vec::new();
    }
    named(image, |value| {
        let listings = image.intel.listings(value);
        let has_own_detector = |category| {
            matches!(category, Category::DynamicDns | Category::ProxyAvoidance | Category::NewlyRegisteredDomain)
        };
        let listing = listings.into_iter().find(|listing| !has_own_detector(listing.category))?;
        let label = if listing.label.is_empty() { String::new() } else { format!(": {}", listing.label) };
        let since = listing.first_seen.map_or(String::new(), |seen| format!(" since {}", day(seen)));
        let written = shown(value);
        let what = match (listing.only_site, written == listing.matched) {
            (true, _) => format!("{written} is on {}, which has a URL or port", listing.matched),
            (false, true) => written,
            (false, false) => format!("{written} belongs to {}", listing.matched),
        };
        Some(Said {
            summary: format!("{what}, listed by {}{since}{label}", listing.source),
            weight: if listing.only_site { Weight::Sign } else { Weight::Proof },
            category: Some(listing.category),
            confidence: Some(if listing.only_site { Confidence::Low } else { listing.confidence }),
            severity: listing.only_site.then_some(Severity::Medium),
        })
    })
}
