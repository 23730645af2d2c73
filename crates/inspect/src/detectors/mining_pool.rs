//! Recognises the addresses of public mining pools.
//!
//! A miner has to be told where to work, and most are told a public pool. A pool's name is in many harmless places too
//! (block lists, documents, wallets, exchange software), so it supports other evidence and proves nothing.
//!
//! - Sees: a host under a domain of `rules/intel/mining_pools.txt`, with a port or as a Stratum URL.
//! - Misses: private proxies and pools that are not on the list; names built at run time.
//! - False alarms: block lists and documents; they become facts (many pools in one file, or text for people).
//! - Source: connection pages of the pools; ATT&CK T1496.

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope, miner_config};
use crate::{intel, pool, shell::text, wallet};

/// More different pools than a miner's list of fall-backs has.
const POOLS_OF_ONE_MINER_MAX: usize = 8;
/// Most indicators kept of one file.
const INDICATORS_MAX: usize = 16;
/// Ports of Monero nodes: pools run public ones, and wallets connect to them.
const NODE_PORTS: &[u16] = &[18080, 18081, 18089];
/// How far from a pool its login is looked for.
const EXAMPLE_BYTES: usize = 1200;
/// Most literals looked around of one file.
const HITS_MAX: usize = 4096;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "mining-pool",
        title: "Address of a public mining pool",
        category: Category::Cryptominer,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1496"],
    },
    scope: Scope::Content { kinds: &[], literals: intel::MINING_POOLS },
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<(usize, pool::Endpoint)> = Vec::new();
    let mut domains = std::collections::BTreeSet::new();
    for hit in sample.hits.iter().take(HITS_MAX) {
        let Some(domain) = intel::MINING_POOLS.get(hit.literal) else { continue };
        let (start, near) = sample.around(hit.offset, 96, domain.len() + 8);
        let near = String::from_utf8_lossy(near);
        for endpoint in pool::endpoints(&near) {
            if endpoint.is_known && endpoint.host.ends_with(domain) {
                domains.insert(*domain);
                if found.iter().all(|(_, known)| known.host != endpoint.host || known.port != endpoint.port)
                    && found.len() < INDICATORS_MAX
                {
                    found.push((start.saturating_add(endpoint.offset), endpoint));
                }
            }
        }
    }
    let Some((offset, _)) = found.first() else { return Vec::new() };
    let offset = *offset;
    let connects = found
        .iter()
        .any(|(_, endpoint)| endpoint.is_stratum || endpoint.port.is_some_and(|port| !NODE_PORTS.contains(&port)));
    let is_data = sample.kind == FileKind::Binary && !text::is_program(sample) && !text::stands_in_text(sample, offset);
    let is_list = domains.len() > POOLS_OF_ONE_MINER_MAX || is_data;
    let for_people = !text::is_program(sample) && text::is_document(sample, offset);
    let names: Vec<_> = found.iter().take(3).map(|(_, endpoint)| endpoint.written()).collect();
    let more =
        if domains.len() > names.len() { format!(" and others ({} pools)", domains.len()) } else { String::new() };
    let mut one = Match::new(format!("{}{more}", names.join(", ")), offset);
    one.indicators = found.iter().map(|(_, endpoint)| endpoint.indicator()).collect();
    if is_list || for_people || !connects || is_example(sample, offset) {
        one.weight = Some(Weight::Fact);
        one.severity = Some(Severity::Info);
    }
    vec![one]
}

/// Whether it is told whom to pay by a placeholder or pays a miner's author, or is a miner's own source text.
fn is_example(sample: &Sample<'_>, offset: usize) -> bool {
    if text::is_program(sample) {
        return false;
    }
    let (_, near) = sample.around(offset, EXAMPLE_BYTES, EXAMPLE_BYTES);
    let text = String::from_utf8_lossy(near);
    let is_unpaid = || wallet::find(near).is_empty();
    let names_author = || intel::DONATION_ADDRESSES.iter().any(|address| text.contains(address));
    (miner_config::has_placeholder(&text) || names_author()) && is_unpaid() || miner_config::is_c_source(&text)
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn a_pool_with_a_port_is_a_sign_and_its_name_a_fact() {
        let found = run(&DETECTOR, "a", 0o755, b"#!/bin/sh\nPOOL=pool.supportxmr.com:3333\n");
        assert_eq!((found[0].weight, found[0].indicators[0].value.as_str()), (None, "pool.supportxmr.com:3333"));
        let found = run(&DETECTOR, "a", 0o755, b"#!/bin/sh\nSITE=https://supportxmr.com/\n");
        assert_eq!(found[0].weight, Some(Weight::Fact));
    }

    #[test]
    fn a_block_list_is_a_fact() {
        let list: String = crate::intel::MINING_POOLS.iter().map(|pool| format!("0.0.0.0 {pool}:3333\n")).collect();
        let found = run(&DETECTOR, "hosts", 0o644, list.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].weight, Some(Weight::Fact));
        assert!(found[0].indicators.len() <= 16);
    }

    #[test]
    fn an_example_is_a_fact() {
        let example = b"{\"url\": \"gulf.moneroocean.stream:10128\", \"user\": \"YOUR_WALLET_ADDRESS\"}";
        assert_eq!(run(&DETECTOR, "a", 0o644, example)[0].weight, Some(Weight::Fact));
    }

    #[test]
    fn a_longer_name_is_another_host() {
        check(&DETECTOR, "a", b"notsupportxmr.com:3333 supportxmr.community:3333", &[]);
    }
}
