//! Values worth linking on, in the written form the static side uses.

use std::net::IpAddr;

use model::{Indicator, IndicatorKind, What};

use crate::{
    story::{Flow, Story, host_of},
    wallet,
};

pub(crate) fn of(kind: IndicatorKind, value: impl Into<String>) -> Indicator {
    Indicator { kind, value: value.into() }
}

pub(crate) fn url(url: &str) -> Indicator {
    of(IndicatorKind::Url, url)
}

/// A name, or `address:port` where none was asked for.
pub(crate) fn host(flow: &Flow<'_>) -> Indicator {
    match flow.name {
        Some(name) if name.parse::<IpAddr>().is_err() => of(IndicatorKind::Domain, name.trim_end_matches('.')),
        _ => of(IndicatorKind::Address, flow.remote),
    }
}

/// A target of a flood, or any `address`, `address:port`, with the name if one was asked for.
pub(crate) fn target(target: &str, name: Option<&str>) -> Indicator {
    name.map_or_else(|| of(IndicatorKind::Address, target), |name| of(IndicatorKind::Domain, name))
}

/// A pool, `host:port`, and the wallet if `login` holds one.
pub(crate) fn pool(flow: &Flow<'_>, login: &str) -> Vec<Indicator> {
    let mut all = vec![of(IndicatorKind::Pool, format!("{}:{}", flow.host(), flow.port()))];
    all.push(host(flow));
    all.extend(wallet::find(login));
    all
}

/// What one life talked to: URLs first, else hosts.
pub(crate) fn of_life(story: &Story<'_>, life: usize) -> Vec<Indicator> {
    let mut all = Vec::new();
    let Some(life) = story.life(life) else { return all };
    for &at in life.requests.iter().take(8) {
        if let Some(What::Http { url, .. }) = story.what(at) {
            all.push(self::url(url));
        }
    }
    for flow in life.flows.iter().filter_map(|flow| story.flow(*flow)).filter(|flow| flow.service != "dns").take(8) {
        all.push(host(flow));
    }
    all.dedup();
    all
}

/// The host of a URL, without port and user.
pub(crate) fn url_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host_of(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// Whether an address is one of the open internet. Ranges for documentation count as such: the simulated internet may use them.
pub(crate) fn is_public(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || shared)
        }
        Ok(IpAddr::V6(address)) => {
            let head = address.segments()[0];
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || head & 0xfe00 == 0xfc00
                || head & 0xffc0 == 0xfe80)
        }
        Err(_) => {
            host.contains('.') && !host.ends_with(".local") && !host.ends_with(".internal") && !host.ends_with(".svc")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public() {
        for public in ["203.0.113.7", "8.8.8.8", "2606:4700::1", "pool.example"] {
            assert!(is_public(public), "{public}");
        }
        for private in ["10.1.2.3", "172.17.0.1", "127.0.0.1", "169.254.169.254", "fd00::1", "redis", "db.local"] {
            assert!(!is_public(private), "{private}");
        }
    }

    #[test]
    fn the_host_of_a_url() {
        assert_eq!(url_host("https://u:p@files.example:8443/a?b"), "files.example");
        assert_eq!(url_host("http://192.0.2.1/x"), "192.0.2.1");
    }
}
