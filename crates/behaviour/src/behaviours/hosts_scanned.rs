//! Sees many hosts tried, as scanners do.
//!
//! - Sees: one sweep over many addresses; connections to many addresses nobody asked a name for, on few ports.
//! - Misses: slow and distributed scans.
//! - False alarms: clients of peer-to-peer networks, crawlers with an address list, monitoring of a whole network: a scan alone makes
//!   a tool (`hacking-tool`), no more. What is done to the hosts found is judged by others.
//! - Source: ATT&CK T1046, T1595.001.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{
    About, Behaviour, Judge, Match,
    story::{Story, host_of},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "hosts-scanned",
        title: "Scans many hosts",
        category: Category::HackingTool,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1046", "T1595.001"],
    },
    judge: Judge::Run(judge),
};

/// Fewest addresses of a scan.
const TARGETS_MIN: u64 = 20;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let told = |fan: Fan| {
        let ports: Vec<_> = fan.ports.iter().take(8).map(u16::to_string).collect();
        Match::new(fan.at, format!("{} addresses tried on port {}", fan.targets, ports.join(", ")))
    };
    fans(story).into_iter().map(told).collect()
}

/// A fan-out of the run.
pub(super) struct Fan {
    pub(super) at: usize,
    pub(super) targets: u64,
    pub(super) ports: BTreeSet<u16>,
}

/// Fan-outs to so many addresses that they are a scan.
pub(super) fn fans(story: &Story<'_>) -> Vec<Fan> {
    let mut fans = Vec::new();
    for (at, event) in story.events() {
        if let What::Sweep { ports, targets, .. } = &event.what
            && *targets >= TARGETS_MIN
        {
            fans.push(Fan { at, targets: *targets, ports: ports.iter().copied().collect() });
        }
    }
    if fans.is_empty() {
        // Below what is folded into a sweep. Web ports are also a crawler's or a mesh's.
        let mut by_port: BTreeMap<u16, (usize, BTreeSet<&str>)> = BTreeMap::new();
        for flow in story.flows().filter(|flow| !flow.inbound && flow.name.is_none() && flow.protocol == "tcp") {
            let (at, hosts) = by_port.entry(flow.port()).or_default();
            *at = flow.start;
            hosts.insert(host_of(flow.remote));
        }
        for (port, (at, hosts)) in by_port {
            let targets = hosts.len() as u64;
            if targets >= TARGETS_MIN && !matches!(port, 53 | 443) {
                fans.push(Fan { at, targets, ports: BTreeSet::from([port]) });
            }
        }
    }
    fans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_sweep_is_a_scan() {
        let mut run = Run::new();
        run.push(0, What::Sweep { protocol: "tcp".to_owned(), ports: vec![23, 2323], targets: 4_000, over_ms: 9_000 });
        hit(&BEHAVIOUR, run, Weight::Sign, "4000 addresses tried on port 23, 2323");
    }

    #[test]
    fn many_single_connections_are_too() {
        let mut run = Run::new();
        for host in 1..40 {
            run.flow(1, &format!("203.0.113.{host}:6379"), None, "closed", b"");
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "39 addresses tried on port 6379");
    }

    #[test]
    fn a_client_of_many_named_services_is_none() {
        let mut run = Run::new();
        for host in 1..60 {
            run.http(1, "GET", &format!("http://{}.example/", "a".repeat(host)), "html");
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_cluster_of_a_few_nodes_is_none() {
        let mut run = Run::new();
        for host in 1..9 {
            run.flow(1, &format!("10.0.0.{host}:7946"), None, "closed", b"");
        }
        miss(&BEHAVIOUR, run);
    }
}
