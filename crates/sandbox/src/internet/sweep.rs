//! Folds the trying of many addresses, or of many ports of one, into [`What::Sweep`].
//!
//! Only addresses that no name led to are counted: who asks for names first is no scanner.

use std::{collections::HashMap, net::SocketAddr};

use model::What;

use super::distinct::Distinct;

/// So many addresses on one port are a sweep.
const TARGETS_MIN: u64 = 20;
/// So many ports of one address are a sweep.
const PORTS_MIN: usize = 20;
/// Ports that are told apart, and that are told.
const PORTS_MAX: usize = 256;
const TOLD_PORTS_MAX: usize = 32;
/// A sweep without a new target for so long is told of.
const OVER_MS: u64 = 3_000;

/// The targets of one transport protocol.
#[derive(Debug)]
pub(super) struct Sweep {
    protocol: &'static str,
    by_port: HashMap<u16, Distinct>,
    all: Distinct,
    dials: Distinct,
    first_ms: u64,
    last_ms: u64,
    /// How many dials the last event told of.
    told: u64,
}

impl Sweep {
    pub(super) fn new(protocol: &'static str) -> Self {
        Self {
            protocol,
            by_port: HashMap::new(),
            all: Distinct::default(),
            dials: Distinct::default(),
            first_ms: 0,
            last_ms: 0,
            told: 0,
        }
    }

    /// Counts one dial.
    pub(super) fn dial(&mut self, target: SocketAddr, now_ms: u64) {
        let before = self.dials.count();
        self.dials.add(target);
        if before == 0 {
            self.first_ms = now_ms;
        }
        if self.dials.count() > before {
            self.last_ms = now_ms;
        }
        self.all.add(target.ip());
        if self.by_port.len() < PORTS_MAX || self.by_port.contains_key(&target.port()) {
            self.by_port.entry(target.port()).or_default().add(target.ip());
        }
    }

    /// Whether it is a sweep by now: its dials need no event each.
    pub(super) fn is_one(&self) -> bool {
        self.by_port.len() >= PORTS_MIN || self.by_port.values().any(|targets| targets.count() >= TARGETS_MIN)
    }

    /// The sweep, if it is one, it paused, and more of it was seen than was told of.
    pub(super) fn over(&mut self, now_ms: u64, all: bool) -> Option<What> {
        let grown = self.dials.count() > self.told + self.told / 2;
        let paused = now_ms.saturating_sub(self.last_ms) >= OVER_MS;
        if !self.is_one() || !grown || !(paused || all) {
            return None;
        }
        self.told = self.dials.count();
        let wide = self.by_port.values().any(|targets| targets.count() >= TARGETS_MIN);
        let mut ports: Vec<(u64, u16)> = self
            .by_port
            .iter()
            .map(|(port, targets)| (targets.count(), *port))
            .filter(|(targets, _)| !wide || *targets >= TARGETS_MIN)
            .collect();
        ports.sort_by_key(|(targets, port)| (u64::MAX - targets, *port));
        Some(What::Sweep {
            protocol: self.protocol.to_owned(),
            ports: ports.into_iter().take(TOLD_PORTS_MAX).map(|(_, port)| port).collect(),
            targets: self.all.count(),
            over_ms: self.last_ms - self.first_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, host], port))
    }

    #[test]
    fn many_addresses_are_one_sweep() {
        let mut sweep = Sweep::new("tcp");
        for host in 0..=255 {
            sweep.dial(target(host, 23), u64::from(host));
            sweep.dial(target(host, 2323), u64::from(host));
        }
        assert_eq!(sweep.over(1_000, false), None, "not paused");
        let told = sweep.over(5_000, false);
        let Some(What::Sweep { ports, targets, over_ms: 255, .. }) = told else { panic!("{told:?}") };
        assert_eq!(ports, [23, 2323]);
        assert!(targets.abs_diff(256) < 8, "{targets}");
        assert_eq!(sweep.over(9_000, true), None, "told once");
    }

    #[test]
    fn many_ports_of_one_address_are_a_sweep_and_a_few_dials_are_not() {
        let mut sweep = Sweep::new("tcp");
        (1..19).for_each(|port| sweep.dial(target(1, port), 0));
        assert_eq!(sweep.over(0, true), None);
        (19..100).for_each(|port| sweep.dial(target(1, port), 0));
        let told = sweep.over(0, true);
        assert!(matches!(&told, Some(What::Sweep { ports, targets: 1, .. }) if ports.len() == 32), "{told:?}");
    }
}
