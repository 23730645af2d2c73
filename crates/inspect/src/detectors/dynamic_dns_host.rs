//! Reports hosts under a dynamic DNS provider's names.
//!
//! They cost nothing, follow a changing address within a minute and lead to nobody, so commodity malware calls home to them.
//! What is published as an image has little reason to name a machine behind somebody's home router.
//!
//! - Sees: hosts below one of `rules/intel/dynamic_dns.txt`, or of a list imported with `--category dynamic-dns`, among the
//!   values that other detectors extracted.
//! - Misses: the providers' own hosts (`www.`, `members.`, `dynupdate.`), which update clients name; own domains with short
//!   lifetimes.
//! - False alarms: images that people made for themselves; examples in code.
//! - Source: ATT&CK T1568.002 and T1583.001; the providers' pages of offered domains.

use model::{Category, Confidence, IntelValue, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{
    ImageView,
    intel::{self, Said, host_of, named},
};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "dynamic-dns-host",
        title: "Names a host under dynamic DNS",
        category: Category::DynamicDns,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1568"],
    },
    inspect,
};

/// First labels of hosts that the provider itself runs, or that stand for a name in examples.
const NOT_A_CUSTOMER: &[&str] = &[
    "www",
    "api",
    "api6",
    "api-ipv4",
    "api-ipv6",
    "members",
    "update",
    "updates",
    "dynupdate",
    "dynupdate6",
    "nic",
    "dyndns",
    "checkip",
    "checkipv6",
    "ip",
    "ipv4",
    "ipv6",
    "ip1",
    "ip4",
    "ip6",
    "freedns",
    "sync",
    "ns1",
    "ns2",
    "ns3",
    "ns4",
    "mail",
    "support",
    "help",
    "docs",
    "blog",
    "admin",
    "account",
    "dns",
    "service",
    "svc",
    "client",
    "download",
    "example",
    "test",
    "myhost",
    "yourhost",
    "your",
    "my",
    "host",
    "hostname",
    "yourhostname",
    "yourdomain",
    "mydomain",
    "domain",
    "subdomain",
    "foo",
    "bar",
    "home",
    "yourname",
    "myname",
    "name",
    "username",
    "user",
];

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    named(image, |value| {
        let host = match value {
            IntelValue::Domain(domain) => domain.as_str(),
            IntelValue::Url(url) => host_of(url),
            _ => return None,
        };
        let provider = intel::DYNAMIC_DNS.find(host).filter(|suffix| is_customer(host, suffix)).map(str::to_owned);
        let listed = || {
            let listings = image.intel.listings(value);
            let listing =
                listings.into_iter().find(|found| found.category == Category::DynamicDns && !found.only_site)?;
            Some(listing.matched)
        };
        let provider = provider.or_else(listed)?;
        Some(Said {
            summary: format!("{host} is a name under {provider}"),
            weight: Weight::Sign,
            category: None,
            confidence: None,
            severity: None,
        })
    })
}

/// Whether `host` is somebody's name below `suffix` and not the provider's own or an example's.
pub(super) fn is_customer(host: &str, suffix: &str) -> bool {
    let Some(name) = host.strip_suffix(suffix).and_then(|name| name.strip_suffix('.')) else { return false };
    !name.split('.').any(|label| NOT_A_CUSTOMER.contains(&label) || label.starts_with("example") || label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::is_customer;

    #[test]
    fn the_providers_own_hosts_are_nobodys() {
        assert!(is_customer("c2-4711.duckdns.org", "duckdns.org"));
        for host in ["duckdns.org", "www.duckdns.org", "members.dyndns.org", "example.ddns.net", "myhost.ddns.net"] {
            let suffix = host.split_once('.').map_or(host, |(_, suffix)| suffix);
            assert!(!is_customer(host, if host == "duckdns.org" { host } else { suffix }), "{host}");
        }
    }
}
