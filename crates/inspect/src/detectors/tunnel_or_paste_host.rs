//! Reports ends of tunnels, and texts and files on paste sites.
//!
//! A name under a tunnel service is a machine that nobody could reach otherwise: the way around a firewall, for a developer
//! and for a command server alike. A paste site is where a dropper's next stage lies without an account; for those who run
//! the image it is a fact unless what runs names it.
//!
//! - Sees: hosts below one of `rules/intel/tunnels.txt` (or of a list imported with `--category proxy-avoidance`), and URLs with
//!   a path on one of `rules/intel/paste_hosts.txt`, among the values that other detectors extracted.
//! - Misses: tunnels under a domain of one's own; a paste fetched and run is what `download-and-run` sees.
//! - False alarms: development images with a forgotten tunnel; programs that offer to paste their logs.
//! - Source: ATT&CK T1572, T1102; the services' own pages.

use model::{Category, Confidence, IntelValue, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot, dynamic_dns_host::is_customer};
use crate::{
    ImageView,
    intel::{self, Said, host_of, named},
};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "tunnel-or-paste-host",
        title: "Names the end of a tunnel or a paste",
        category: Category::ProxyAvoidance,
        weight: Weight::Sign,
        severity: Severity::Low,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1572", "T1102"],
    },
    inspect,
};

/// Parts of names that the services use for themselves.
const OF_THE_SERVICE: &[&str] = &[
    "tunnel",
    "connect",
    "bin",
    "dl",
    "dashboard",
    "status",
    "a",
    "free",
    "region1",
    "region2",
    "v2",
    "equinox",
    "static",
];

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    named(image, |value| {
        let (host, has_path) = match value {
            IntelValue::Domain(domain) => (domain.as_str(), false),
            IntelValue::Url(url) => (host_of(url), url.contains('/')),
            _ => return None,
        };
        let said =
            |summary, weight, category| Some(Said { summary, weight, category, confidence: None, severity: None });
        if let Some(service) = intel::TUNNELS.find(host)
            && is_customer(host, service)
            && !host.split('.').any(|label| OF_THE_SERVICE.contains(&label))
        {
            return said(format!("{host} is the end of a tunnel of {service}"), Weight::Sign, None);
        }
        if has_path && intel::PASTE_HOSTS.find(host).is_some() {
            let summary = format!("{} lies on a paste site", intel::shown(value));
            return said(summary, Weight::Fact, Some(Category::Other));
        }
        let listings = image.intel.listings(value);
        let listing =
            listings.into_iter().find(|found| found.category == Category::ProxyAvoidance && !found.only_site)?;
        said(format!("{host}: {} is listed by {}", listing.matched, listing.source), Weight::Sign, None)
    })
}
