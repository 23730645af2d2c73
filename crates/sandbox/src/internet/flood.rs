//! Folds packets that come in masses into one [`What::Flood`] a target: they are counted, not answered.
//!
//! A target's tally counts what is no part of a conversation. From [`WINDOW_PACKETS`] in [`WINDOW_MS`] on it is a flood, unless each went to
//! another port: that is a scan. Requests of HTTP and whole connections are tallied too, for floods that finish their handshakes.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use model::What;

use super::distinct::Distinct;

/// Packets within a window that make a flood: 100 a second.
const WINDOW_PACKETS: u64 = 500;
const WINDOW_MS: u64 = 5_000;
/// Forged source addresses need no mass to be strange.
const FORGED_PACKETS: u64 = 50;
/// From here on a mass over many ports is no scan.
const ANY_PORTS_PACKETS: u64 = 20_000;
/// Requests or connections within a window that make a flood.
const WINDOW_REQUESTS: u64 = 200;
/// A flood without a packet for so long is over.
const OVER_MS: u64 = 2_000;
/// A flood that goes on is told of so often.
const TELL_MS: u64 = 30_000;
/// Targets that are tallied; a flood of more is folded into one without an address.
const TARGETS_MAX: usize = 2_048;

/// What the packets of one tally have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Udp,
    Syn,
    /// TCP that belongs to no connection.
    Ack,
    Icmp,
    /// Another transport protocol, or fragments.
    Raw,
    /// Whole connections.
    Connect,
    /// Requests, whatever the connections.
    Http,
}

impl Shape {
    const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Syn => "syn",
            Self::Ack => "ack",
            Self::Icmp => "icmp",
            Self::Raw => "raw",
            Self::Connect => "connect",
            Self::Http => "http",
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    first_ms: u64,
    last_ms: u64,
    window_start_ms: u64,
    window: u64,
    ports: Distinct,
    port: u16,
    things: Distinct,
    forged: Distinct,
    flooding: bool,
}

/// Tallies of all targets.
#[derive(Debug, Default)]
pub(super) struct Floods {
    tallies: HashMap<(Shape, Option<IpAddr>), Tally>,
}

impl Floods {
    /// Counts a packet to `target`, `forged` its source where that is not the sample's own; says whether it is one of a flood, and not to be
    /// treated one by one.
    pub(super) fn packet(
        &mut self,
        shape: Shape,
        target: SocketAddr,
        bytes: usize,
        forged: Option<IpAddr>,
        now_ms: u64,
    ) -> bool {
        let tally = self.tally(shape, target, now_ms);
        if let Some(source) = forged {
            tally.forged.add(source);
        }
        tally.count(target.port(), bytes, now_ms);
        let scan = tally.packets < 8 * tally.ports.count() && tally.packets < ANY_PORTS_PACKETS;
        tally.flooding |=
            !scan && tally.window >= WINDOW_PACKETS || tally.forged.count() > 0 && tally.packets >= FORGED_PACKETS;
        tally.flooding
    }

    /// A packet that was counted began a conversation after all.
    pub(super) fn answered(&mut self, shape: Shape, target: SocketAddr) {
        if let Some(tally) = self.tallies.get_mut(&(shape, Some(target.ip()))) {
            tally.packets = tally.packets.saturating_sub(1);
            tally.window = tally.window.saturating_sub(1);
        }
    }

    /// Counts a connection that was made, or a request for `thing` (a path without its query).
    pub(super) fn request(&mut self, shape: Shape, target: SocketAddr, bytes: usize, thing: &str, now_ms: u64) -> bool {
        let tally = self.tally(shape, target, now_ms);
        tally.things.add(thing);
        tally.count(target.port(), bytes, now_ms);
        // Who downloads much asks for much that is different.
        tally.flooding |= tally.window >= WINDOW_REQUESTS && tally.things.count() * 5 <= tally.packets;
        tally.flooding
    }

    fn tally(&mut self, shape: Shape, target: SocketAddr, now_ms: u64) -> &mut Tally {
        let full = self.tallies.len() >= TARGETS_MAX;
        let mut key = (shape, Some(target.ip()));
        if full && !self.tallies.contains_key(&key) {
            key = (shape, None);
        }
        self.tallies.entry(key).or_insert_with(|| Tally {
            first_ms: now_ms,
            window_start_ms: now_ms,
            port: target.port(),
            ..Tally::default()
        })
    }

    /// The floods that are over, or have gone on for long; all with `all`. Tallies that are no flood and are old are forgotten.
    pub(super) fn over(&mut self, now_ms: u64, all: bool, name: impl Fn(IpAddr) -> Option<String>) -> Vec<What> {
        let mut told = Vec::new();
        self.tallies.retain(|(shape, target), tally| {
            let quiet = now_ms.saturating_sub(tally.last_ms) >= OVER_MS;
            let long = now_ms.saturating_sub(tally.first_ms) >= TELL_MS;
            if tally.flooding && (all || quiet || long) {
                told.push(tally.told(*shape, *target, &name));
                return false;
            }
            !(all || quiet && now_ms.saturating_sub(tally.window_start_ms) >= WINDOW_MS)
        });
        told
    }
}

impl Tally {
    fn count(&mut self, port: u16, bytes: usize, now_ms: u64) {
        if now_ms.saturating_sub(self.window_start_ms) > WINDOW_MS {
            self.window_start_ms = now_ms;
            self.window = 0;
        }
        self.window += 1;
        self.packets += 1;
        self.bytes += bytes as u64;
        self.last_ms = now_ms;
        self.ports.add(port);
    }

    fn told(&self, shape: Shape, target: Option<IpAddr>, name: impl Fn(IpAddr) -> Option<String>) -> What {
        What::Flood {
            shape: shape.name().to_owned(),
            target: match target {
                None => "many".to_owned(),
                Some(address) if self.ports.count() == 1 && self.port != 0 => {
                    SocketAddr::new(address, self.port).to_string()
                }
                Some(address) => address.to_string(),
            },
            name: target.and_then(name),
            packets: self.packets,
            bytes: self.bytes,
            over_ms: self.last_ms - self.first_ms,
            forged_sources: self.forged.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::from([198, 51, 100, 7]), port)
    }

    #[test]
    fn a_mass_to_one_port_is_one_flood() {
        let mut floods = Floods::default();
        let folded = (0..10_000).filter(|n| floods.packet(Shape::Udp, target(80), 100, None, n / 100)).count();
        assert!(folded > 9_000);
        assert_eq!(floods.over(500, false, |_| None), [], "not over yet");
        let told = floods.over(5_000, false, |_| Some("x.example".to_owned()));
        let expected = What::Flood {
            shape: "udp".to_owned(),
            target: "198.51.100.7:80".to_owned(),
            name: Some("x.example".to_owned()),
            packets: 10_000,
            bytes: 1_000_000,
            over_ms: 99,
            forged_sources: 0,
        };
        assert_eq!(told, [expected]);
        assert_eq!(floods.over(9_000, true, |_| None), []);
    }

    #[test]
    fn a_scan_of_ports_and_a_slow_talk_are_none() {
        let mut floods = Floods::default();
        assert!(!(1..5_000).any(|port| floods.packet(Shape::Syn, target(port), 40, None, 10)));
        let mut floods = Floods::default();
        assert!(!(0..5_000).any(|n| floods.packet(Shape::Udp, target(8125), 40, None, n * 50)));
        let mut floods = Floods::default();
        assert!(!(0..5_000).any(|n| floods.request(Shape::Http, target(80), 40, &format!("/package/{n}"), n)));
        let mut floods = Floods::default();
        assert!((0..5_000).any(|n| floods.request(Shape::Http, target(80), 40, "/", n)));
    }

    #[test]
    fn forged_sources_are_counted() {
        let mut floods = Floods::default();
        for n in 0..1_000_u32 {
            floods.packet(Shape::Syn, target(80), 40, Some(IpAddr::from(n.to_be_bytes())), 5);
        }
        let told = floods.over(0, true, |_| None);
        assert!(matches!(told[..], [What::Flood { forged_sources: 960..=1040, packets: 1_000, .. }]), "{told:?}");
    }
}
