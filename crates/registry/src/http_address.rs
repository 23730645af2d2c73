//! Which addresses a registry may send us to.
//!
//! A hostile registry can name any address in a redirect or as its login service. It must not make us ask what only
//! we can reach: so it may only lead to addresses at least as public as its own.
//! Source of the ranges: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use ureq::{
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};
use url::Host;

/// How near to us an address is: the larger, the nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    Public,
    Private,
    Loopback,
    /// Link-local (cloud metadata services are there), multicast, unspecified, reserved.
    Special,
}

impl Nearness {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// None if `host` is a name that must be looked up.
    pub(crate) fn of_host(host: &Host<&str>) -> Option<Self> {
        match host {
            Host::Ipv4(address) => Some(Self::of_v4(*address)),
            Host::Ipv6(address) => Some(Self::of_v6(*address)),
            Host::Domain("localhost") => Some(Self::Loopback),
            Host::Domain(_) => None,
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Self::Private,
            [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [224..=255, ..] => Self::Special,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let [a, b, .., g, h] = address.segments();
        let embedded = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // IPv4-mapped, IPv4-compatible, NAT64, 6to4.
            [0, 0, 0, 0, 0, 0xffff | 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => embedded(g, h),
            [0x2002, _, c, ..] => embedded(b, c),
            _ if a & 0xfe00 == 0xfc00 => Self::Private,
            _ if a & 0xe000 == 0x2000 => Self::Public,
            _ => Self::Special,
        }
    }
}

/// The farthest address a registry's name was ever resolved to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Limit(Arc<AtomicU8>);

const UNKNOWN: u8 = 0;

impl Limit {
    fn saw(&self, nearness: Nearness) {
        let level = nearness as u8 + 1;
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            (seen == UNKNOWN || level < seen).then_some(level)
        });
    }

    /// For a registry given as an address.
    pub(crate) fn saw_host(&self, host: &Host<&str>) {
        if let Some(nearness) = Nearness::of_host(host) {
            self.saw(nearness);
        }
    }

    /// Before anything is known, only public addresses are.
    pub(crate) fn allows(&self, nearness: Nearness) -> bool {
        nearness == Nearness::Public || (nearness as u8) < self.0.load(Ordering::Relaxed)
    }
}

/// Looks names up; refuses, or remembers, how near they are.
pub(crate) struct Bounded {
    pub(crate) limit: Limit,
    pub(crate) duty: Duty,
    pub(crate) inner: DefaultResolver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// For the registry itself.
    Remember,
    /// For where it sends us.
    Refuse,
    /// Behind a proxy.
    Nothing,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("duty", &self.duty).finish_non_exhaustive()
    }
}

impl Resolver for Bounded {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        for address in addresses.iter() {
            let nearness = Nearness::of(address.ip());
            match self.duty {
                Duty::Remember => self.limit.saw(nearness),
                Duty::Nothing => {}
                Duty::Refuse if self.limit.allows(nearness) => {}
                Duty::Refuse => return Err(ureq::Error::Other(Box::new(TooNear))),
            }
        }
        Ok(addresses)
    }
}

/// The registry led to an address it has no business with.
#[derive(Debug, thiserror::Error)]
#[error("the registry leads to a local or private address")]
pub(crate) struct TooNear;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Nearness) {
        assert_eq!(Nearness::of(address.parse().expect("an address")), expected, "{address}");
    }

    #[test]
    fn addresses_are_told_apart_in_every_spelling() {
        check("8.8.8.8", Nearness::Public);
        check("2606:4700::1", Nearness::Public);
        check("10.1.2.3", Nearness::Private);
        check("172.31.0.1", Nearness::Private);
        check("172.32.0.1", Nearness::Public);
        check("fd00::1", Nearness::Private);
        check("127.8.8.8", Nearness::Loopback);
        check("::1", Nearness::Loopback);
        check("::ffff:127.0.0.1", Nearness::Loopback);
        check("64:ff9b::a00:1", Nearness::Private);
        check("2002:7f00:1::", Nearness::Loopback);
        check("169.254.169.254", Nearness::Special);
        check("fe80::1", Nearness::Special);
        check("0.0.0.0", Nearness::Special);
        check("::", Nearness::Special);
    }

    #[test]
    fn a_name_that_was_ever_public_only_leads_to_public() {
        let limit = Limit::default();
        assert!(!limit.allows(Nearness::Private), "nothing is known yet");
        limit.saw(Nearness::Loopback);
        assert!(limit.allows(Nearness::Loopback) && !limit.allows(Nearness::Special));
        limit.saw(Nearness::Public);
        limit.saw(Nearness::Loopback);
        assert!(limit.allows(Nearness::Public) && !limit.allows(Nearness::Private));
    }
}
