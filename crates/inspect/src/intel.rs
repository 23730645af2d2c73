//! What is known of hosts and files: lists of public facts that are built in, and what users import.
//!
//! The pools of miners are split into lines when the crate is compiled, so that the same list can be a detector's literals
//! and what it compares with.

mod csv;
mod date;
mod domain_age;
mod hosts;
pub mod import;
mod misp;
mod named;
mod plain;
mod set;
mod stix;
mod threatfox;
mod urlhaus;
mod value;
mod warning_list;

use std::{collections::HashSet, sync::LazyLock};

pub(crate) use date::{day, seconds as created};
pub(crate) use named::{Said, named};
pub use set::{IntelSet, IntelSetBuilder, Listing, host_of};
pub use value::{read, registrable, shown};

/// Domains of mining pools.
pub(crate) const MINING_POOLS: &[&str] = &lines::<{ count(MINING_POOLS_TEXT) }>(MINING_POOLS_TEXT);

const MINING_POOLS_TEXT: &str = include_str!("../../../rules/intel/mining_pools.txt");

/// Donation and fee addresses of miners' authors, as written.
pub(crate) const DONATION_ADDRESSES: &[&str] = &lines::<{ count(DONATIONS_TEXT) }>(DONATIONS_TEXT);

const DONATIONS_TEXT: &str = include_str!("../../../rules/intel/donation_addresses.txt");

/// Under which names dynamic DNS is given away.
pub(crate) static DYNAMIC_DNS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/dynamic_dns.txt")));
/// Under which names tunnels end.
pub(crate) static TUNNELS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/tunnels.txt")));
/// Where strangers drop text and files.
pub(crate) static PASTE_HOSTS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/paste_hosts.txt")));
static LINK_SHORTENERS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/link_shorteners.txt")));
static TOR_GATEWAYS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/tor_gateways.txt")));
static SHARED_HOSTS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/shared_hosts.txt")));
/// What software names all the time.
pub(crate) static COMMON_HOSTS: Suffixes = suffixes(|| entries(include_str!("../../../rules/intel/common_hosts.txt")));

/// Domains of a built-in list, matched on label boundaries.
pub(crate) struct Suffixes(LazyLock<HashSet<&'static str>>);

const fn suffixes(text: fn() -> HashSet<&'static str>) -> Suffixes {
    Suffixes(LazyLock::new(text))
}

fn entries(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

impl Suffixes {
    /// The entry that `host` (lower case) is or is under.
    pub(crate) fn find(&self, host: &str) -> Option<&'static str> {
        let mut name = host;
        loop {
            if let Some(entry) = self.0.get(name) {
                return Some(entry);
            }
            name = name.split_once('.')?.1;
        }
    }
}

/// Whether a stranger's program can come from there without leaving a name: paste sites, link shorteners, tunnels, dynamic
/// DNS, gateways into Tor.
pub(crate) fn is_throwaway(host: &str) -> bool {
    [&PASTE_HOSTS, &LINK_SHORTENERS, &TUNNELS, &DYNAMIC_DNS, &TOR_GATEWAYS].iter().any(|list| list.find(host).is_some())
}

/// Whether many strangers keep files there, so that one of them says nothing about the others.
pub(crate) fn is_shared(host: &str) -> bool {
    [&SHARED_HOSTS, &COMMON_HOSTS].iter().any(|list| list.find(host).is_some()) || is_throwaway(host)
}

/// The entry of `list` that `host` is or is under, on a label boundary; ASCII case ignored.
pub(crate) fn listed(list: &[&'static str], host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.iter()
        .copied()
        .find(|entry| host.strip_suffix(entry).is_some_and(|left| left.is_empty() || left.ends_with('.')))
}

/// How many lines of `text` are entries: neither empty nor a `#` comment.
const fn count(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut found = 0;
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || bytes[at - 1] == b'\n';
        if begins && bytes[at] != b'\n' && bytes[at] != b'#' {
            found += 1;
        }
        at += 1;
    }
    found
}

/// The entries; `N` is [`count`].
const fn lines<const N: usize>(text: &'static str) -> [&'static str; N] {
    let mut entries = [""; N];
    let mut rest = text;
    let mut next = 0;
    while !rest.is_empty() {
        let bytes = rest.as_bytes();
        let mut end = 0;
        while end < bytes.len() && bytes[end] != b'\n' {
            end += 1;
        }
        let (line, tail) = rest.split_at(end);
        if !line.is_empty() && bytes[0] != b'#' {
            entries[next] = line;
            next += 1;
        }
        rest = if tail.is_empty() { tail } else { tail.split_at(1).1 };
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_lower_case_domains_and_unique() {
        let lists = [
            "dynamic_dns",
            "tunnels",
            "paste_hosts",
            "link_shorteners",
            "tor_gateways",
            "shared_hosts",
            "common_hosts",
        ];
        let read = |name: &str| {
            let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/intel");
            std::fs::read_to_string(place.join(format!("{name}.txt"))).expect("a list")
        };
        let texts: Vec<String> = lists.into_iter().map(read).collect();
        let entries = |text: &'static str| text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lists = texts.iter().map(|text| entries(text.clone().leak()).collect::<Vec<_>>());
        for list in lists.chain([MINING_POOLS.to_vec()]) {
            let mut seen = std::collections::BTreeSet::new();
            for entry in list {
                assert!(entry.contains('.') && !entry.starts_with('.'), "{entry}");
                assert!(entry.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')), "{entry}");
                assert!(seen.insert(entry), "{entry} is listed twice");
            }
        }
        assert!(MINING_POOLS.len() >= 60 && DYNAMIC_DNS.0.len() >= 150);
    }

    #[test]
    fn a_suffix_is_found_above_its_hosts() {
        assert_eq!(DYNAMIC_DNS.find("a.b.duckdns.org"), Some("duckdns.org"));
        assert_eq!(DYNAMIC_DNS.find("notduckdns.org"), None);
        assert!(is_throwaway("x.trycloudflare.com") && !is_throwaway("github.com"));
        assert!(is_shared("raw.githubusercontent.com") && !is_shared("bad.com"));
    }

    #[test]
    fn a_host_matches_on_label_boundaries_only() {
        assert_eq!(listed(MINING_POOLS, "Pool.SupportXMR.com"), Some("supportxmr.com"));
        assert_eq!(listed(MINING_POOLS, "notsupportxmr.com"), None);
        assert_eq!(listed(MINING_POOLS, "supportxmr.com.example"), None);
    }
}
