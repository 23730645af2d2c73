//! Public lists of hosts that the static side loads too.

use std::{collections::HashSet, sync::LazyLock};

pub(crate) static MINING_POOLS: LazyLock<Suffixes> =
    LazyLock::new(|| Suffixes::of(include_str!("../../../rules/intel/mining_pools.txt")));
pub(crate) static TUNNELS: LazyLock<Suffixes> =
    LazyLock::new(|| Suffixes::of(include_str!("../../../rules/intel/tunnels.txt")));
pub(crate) static TOR_GATEWAYS: LazyLock<Suffixes> =
    LazyLock::new(|| Suffixes::of(include_str!("../../../rules/intel/tor_gateways.txt")));

/// Domains, matched on label boundaries.
pub(crate) struct Suffixes(HashSet<&'static str>);

impl Suffixes {
    fn of(text: &'static str) -> Self {
        Self(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
    }

    pub(crate) fn hold(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        let ends = name.match_indices('.').map(|(at, _)| name.get(at + 1..).unwrap_or_default());
        std::iter::once(name).chain(ends).any(|end| self.0.contains(end))
    }
}

/// Whether `name` is `domain` or below it.
pub(crate) fn is_under(name: &str, domain: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_on_label_boundaries() {
        assert!(MINING_POOLS.hold("pool.supportxmr.com"));
        assert!(!MINING_POOLS.hold("notsupportxmr.com"));
        assert!(is_under("a.b.example", "b.example") && !is_under("ab.example", "b.example"));
    }
}
