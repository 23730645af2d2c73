//! Sees a host of a known mining pool contacted.
//!
//! - Sees: a connection to a port that is not the web's, under a domain of the built-in list of pools.
//! - Misses: pools that are not listed, addresses without a name, private proxies.
//! - False alarms: the same domains' web pages and statistics (a fact).
//! - Source: `rules/intel/mining_pools.txt`; ATT&CK T1496.001.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, lists, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "pool-contacted",
        title: "Contacts a known mining pool",
        category: Category::Cryptominer,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1496.001"],
    },
    judge: Judge::Run(judge),
};

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut told = Vec::new();
    for flow in story.flows().filter(|flow| !flow.inbound && flow.protocol == "tcp") {
        let host = flow.host();
        if !lists::MINING_POOLS.hold(host) || told.contains(&flow.remote) {
            continue;
        }
        told.push(flow.remote);
        let web = matches!(flow.port(), 80 | 443) && !flow.requests.is_empty();
        let seen = Match::new(flow.start, format!("connects to {host}, port {}", flow.port()));
        found.push(if web {
            seen.fact().with([indicators::host(flow)])
        } else {
            seen.with(indicators::pool(flow, ""))
        });
    }
    if found.is_empty() {
        let asked = story.events().find_map(|(at, event)| match &event.what {
            What::Dns { name, .. } if lists::MINING_POOLS.hold(name) => Some((at, name)),
            _ => None,
        });
        if let Some((at, name)) = asked {
            found.push(
                Match::new(at, format!("asks for the address of {name}"))
                    .fact()
                    .with([indicators::of(model::IndicatorKind::Domain, name)]),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_pool_under_a_listed_domain() {
        let mut run = Run::new();
        run.flow(1, "198.51.100.9:3333", Some("pool.supportxmr.com"), "sink", b"x");
        hit(&BEHAVIOUR, run, Weight::Sign, "pool.supportxmr.com, port 3333");
    }

    #[test]
    fn over_tls_on_the_web_port() {
        let mut run = Run::new();
        run.flow(1, "198.51.100.9:443", Some("xmr-eu1.nanopool.org"), "tls", b"x");
        hit(&BEHAVIOUR, run, Weight::Sign, "port 443");
    }

    #[test]
    fn statistics_of_a_pool_are_a_fact() {
        let mut run = Run::new();
        run.http(1, "GET", "https://supportxmr.com/api/pool/stats", "json");
        run.dns(1, "supportxmr.com", "A", &["198.51.100.9"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_name_that_only_ends_alike_is_none() {
        let mut run = Run::new();
        run.flow(1, "198.51.100.9:3333", Some("notsupportxmr.com"), "sink", b"x");
        miss(&BEHAVIOUR, run);
    }
}
