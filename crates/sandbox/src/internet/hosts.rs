//! Who is there, and on which ports: what was asked for by name, what is dialled by address, and hardly anything of what is scanned.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
};

use super::world::draw;

/// Addresses that may be dialled directly before dialling counts as scanning: a list of servers in a bot has a few.
const LITERALS_MAX: usize = 12;
/// Ports of one such address that are open whatever they are.
const LITERAL_PORTS_MAX: usize = 6;
/// One of so many scanned addresses is up: about what scans of the internet find on common ports.
const SCANNED_ONE_OF: u64 = 24;
/// What a host found by a scan may have open.
const PLAUSIBLE_PORTS: [u16; 20] =
    [21, 22, 23, 25, 80, 443, 445, 2222, 2323, 2375, 3306, 5432, 5555, 6379, 8080, 8443, 9200, 10250, 11211, 27017];
/// Remembered addresses.
const REMEMBERED_MAX: usize = 4_096;

/// What comes of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Somebody listens.
    Open,
    /// The host is up and says no.
    Refused,
    /// Nobody is there.
    Silent,
}

/// Every host of the simulated internet.
#[derive(Debug)]
pub(super) struct Hosts {
    seed: u64,
    literals: HashMap<IpAddr, HashSet<u16>>,
}

impl Hosts {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, literals: HashMap::new() }
    }

    /// Whether a dial of `target` is answered; `named` if a name led there.
    pub(super) fn dial(&mut self, target: SocketAddr, named: bool) -> Answer {
        let (address, port) = (target.ip(), target.port());
        if named || metadata(address) {
            return Answer::Open;
        }
        if port == 53 {
            // Whoever is asked for names answers.
            return Answer::Open;
        }
        if neighbour(address) {
            return self.neighbour(address, port);
        }
        if self.literals.len() < LITERALS_MAX || self.literals.contains_key(&address) {
            let ports = self.literals.entry(address).or_default();
            let few = ports.len() < LITERAL_PORTS_MAX || ports.contains(&port);
            if few {
                ports.insert(port);
            }
            return if few { Answer::Open } else { self.scanned(address, port) };
        }
        if !self.up(address) { Answer::Silent } else { self.scanned(address, port) }
    }

    /// Whether it answers an echo request.
    pub(super) fn echoes(&self, address: IpAddr, named: bool) -> bool {
        named
            || self.literals.contains_key(&address)
            || matches!(address, IpAddr::V4(v4) if v4.octets() == [172, 17, 0, 1])
            || !neighbour(address) && (self.literals.len() < LITERALS_MAX || self.up(address))
    }

    /// Remembers that it was spoken to directly, over a protocol without ports or handshakes.
    pub(super) fn spoken_to(&mut self, target: SocketAddr) {
        if self.literals.len() < LITERALS_MAX.min(REMEMBERED_MAX) {
            self.literals.entry(target.ip()).or_default().insert(target.port());
        }
    }

    /// Hops that are left in the packets of a host: those of the other end of the world have come far.
    pub(super) fn hops(&self, address: IpAddr) -> u8 {
        if neighbour(address) { 64 } else { 44 + (draw(self.seed, "hops", &address.to_string()) % 14) as u8 }
    }

    fn up(&self, address: IpAddr) -> bool {
        draw(self.seed, "up", &address.to_string()).is_multiple_of(SCANNED_ONE_OF)
    }

    /// A host that is up has one to three of the plausible ports.
    fn scanned(&self, address: IpAddr, port: u16) -> Answer {
        let count = PLAUSIBLE_PORTS.len() as u64;
        let open = (0..3).any(|number| {
            let which = draw(self.seed, "port", &format!("{address} {number}")) % count;
            PLAUSIBLE_PORTS.get(which as usize) == Some(&port)
        });
        // Whoever scans one port found hosts that have it: the first of the list they look for.
        let asked = PLAUSIBLE_PORTS.contains(&port) && draw(self.seed, "asked", &address.to_string()).is_multiple_of(2);
        if open || asked { Answer::Open } else { Answer::Refused }
    }

    /// The container's own network: the gateway, and a few other containers.
    fn neighbour(&self, address: IpAddr, port: u16) -> Answer {
        let IpAddr::V4(v4) = address else { return Answer::Silent };
        match (v4.octets(), port) {
            ([172, 17, 0, 1], 22) | ([172, 17, 0, 3], 6379) | ([172, 17, 0, 4], 80 | 8080) => Answer::Open,
            ([172, 17, 0, 1 | 3 | 4], _) => Answer::Refused,
            _ => Answer::Silent,
        }
    }
}

/// The addresses where clouds keep their metadata: link-local, Alibaba's, Amazon's over IPv6.
pub(super) fn metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200]),
        IpAddr::V6(v6) => v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    }
}

fn neighbour(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [172, 17, ..]) || v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] == 0xfd00 || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_does_not_find_the_world_open() {
        let mut hosts = Hosts::new(1);
        let answers: Vec<Answer> = (0..5_000_u32)
            .map(|n| hosts.dial(SocketAddr::new(IpAddr::from((0xcb00_0000 + n).to_be_bytes()), 23), false))
            .collect();
        let open = answers.iter().filter(|answer| **answer == Answer::Open).count();
        assert!((50..500).contains(&open), "{open}");
        assert!(answers[..LITERALS_MAX].iter().all(|answer| *answer == Answer::Open), "a few servers by address");
        assert!(answers.contains(&Answer::Silent) && answers.contains(&Answer::Refused));
        let again = hosts.dial("203.0.0.3:23".parse().expect("an address"), false);
        assert_eq!(again, Answer::Open, "who was there stays");
    }

    #[test]
    fn ports_of_one_host_are_not_all_open() {
        let mut hosts = Hosts::new(1);
        let open = (1..2_000)
            .filter(|port| hosts.dial(SocketAddr::from(([198, 51, 100, 9], *port)), false) == Answer::Open)
            .count();
        assert!(open < 40, "{open}");
    }

    #[test]
    fn what_was_asked_for_by_name_is_there() {
        let mut hosts = Hosts::new(1);
        for port in 1..1_000 {
            let target = SocketAddr::from(([198, 18, 3, 4], port));
            assert_eq!(hosts.dial(target, true), Answer::Open);
        }
        let metadata = "169.254.169.254:80".parse().expect("an address");
        assert_eq!(hosts.dial(metadata, false), Answer::Open);
        assert_eq!(hosts.dial("172.17.0.77:80".parse().expect("an address"), false), Answer::Silent);
    }
}
