//! What kind of host a name or address is, judged offline.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::intel;

/// Kinds of host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// This machine.
    Loopback,
    /// An address or name that only means something at home.
    Private,
    /// A variable or a name that stands for another: `$HOST`, `attacker.example`, `1.2.3.4`.
    Placeholder,
    /// A bare public address. The documentation networks of RFC 5737 count as public: inert samples use them.
    Address,
    /// A Tor hidden service.
    Onion,
    /// A paste site, link shortener, tunnel or dynamic name.
    Throwaway,
    /// Any other name.
    Named,
}

impl Host {
    /// Whether honest software is hardly ever fetched from there.
    pub(crate) fn is_odd(self) -> bool {
        matches!(self, Self::Address | Self::Onion | Self::Throwaway)
    }

    /// Whether it is somewhere else: neither here, at home nor a stand-in.
    pub(crate) fn is_outside(self) -> bool {
        self.is_odd() || self == Self::Named
    }

    /// Judges a host as it is written in a URL or after an option, without port.
    pub(crate) fn of(written: &str) -> Self {
        let name = written.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = name.parse() {
            return Self::of_address(address);
        }
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let last = name.rsplit('.').next().unwrap_or_default();
        if name.is_empty() || !is_name || matches!(last, "example" | "test" | "invalid") || is_stand_in(&name) {
            Self::Placeholder
        } else if name == "localhost" || last == "localhost" {
            Self::Loopback
        } else if last == "onion" {
            Self::Onion
        } else if !name.contains('.') || matches!(last, "local" | "internal" | "lan" | "localdomain" | "corp" | "home")
        {
            Self::Private
        } else if !last.bytes().all(|b| b.is_ascii_alphabetic()) && !last.starts_with("xn--") {
            Self::Placeholder
        } else if intel::is_throwaway(&name) {
            Self::Throwaway
        } else {
            Self::Named
        }
    }

    fn of_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                if v4.is_loopback() || v4.is_unspecified() {
                    Self::Loopback
                } else if v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b)) {
                    Self::Private
                } else if [[1, 2, 3, 4], [1, 1, 1, 1], [2, 2, 2, 2], [4, 3, 2, 1], [5, 6, 7, 8], [12, 34, 56, 78]]
                    .contains(&[a, b, c, d])
                    || v4 == Ipv4Addr::BROADCAST
                    || v4.is_multicast()
                {
                    Self::Placeholder
                } else {
                    Self::Address
                }
            }
            IpAddr::V6(v6) if v6 == Ipv6Addr::LOCALHOST || v6.is_unspecified() => Self::Loopback,
            IpAddr::V6(v6) if matches!(v6.segments()[0] & 0xffc0, 0xfe80) || v6.segments()[0] & 0xfe00 == 0xfc00 => {
                Self::Private
            }
            IpAddr::V6(_) => Self::Address,
        }
    }
}

fn is_stand_in(name: &str) -> bool {
    let words = ["attacker", "evil", "example", "your", "hacker", "c2server", "lhost", "rhost", "victim", "malicious"];
    let labels = name.split(['.', '-', '_']);
    labels.into_iter().any(|label| words.contains(&label))
        || matches!(
            name,
            "host" | "hostname" | "ip" | "server" | "foo.com" | "bar.com" | "foo.bar" | "domain.com" | "site.com"
        )
}

#[cfg(test)]
mod tests {
    use super::Host;

    #[test]
    fn hosts_are_judged_offline() {
        for (written, expected) in [
            ("127.0.0.1", Host::Loopback),
            ("localhost", Host::Loopback),
            ("[::1]", Host::Loopback),
            ("10.9.8.7", Host::Private),
            ("169.254.169.254", Host::Private),
            ("db", Host::Private),
            ("$HOST", Host::Placeholder),
            ("attacker.com", Host::Placeholder),
            ("www.example.com", Host::Placeholder),
            ("198.51.100.7", Host::Address),
            ("abcdefghijklmnop.onion", Host::Onion),
            ("x.duckdns.org", Host::Throwaway),
            ("deb.debian.org", Host::Named),
        ] {
            assert_eq!(Host::of(written), expected, "{written}");
        }
    }
}
