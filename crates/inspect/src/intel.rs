//! Lists of public facts (`rules/intel/*.txt`), embedded and split into lines when the crate is compiled, so that the
//! same list can be a detector's literals and what it compares with.

/// Domains of mining pools.
pub(crate) const MINING_POOLS: &[&str] = &lines::<{ count(MINING_POOLS_TEXT) }>(MINING_POOLS_TEXT);

const MINING_POOLS_TEXT: &str = include_str!("../../../rules/intel/mining_pools.txt");

/// Donation and fee addresses of miners' authors, as written.
pub(crate) const DONATION_ADDRESSES: &[&str] = &lines::<{ count(DONATIONS_TEXT) }>(DONATIONS_TEXT);

const DONATIONS_TEXT: &str = include_str!("../../../rules/intel/donation_addresses.txt");

/// Hosts where strangers drop files, shorten links or tunnel to a machine at home.
pub(crate) const THROWAWAY_HOSTS: &[&str] = &lines::<{ count(THROWAWAY_TEXT) }>(THROWAWAY_TEXT);

const THROWAWAY_TEXT: &str = include_str!("../../../rules/intel/throwaway_hosts.txt");

/// The entry of `list` that `host` is or is under, on a label boundary; ASCII case ignored.
pub(crate) fn listed(list: &[&'static str], host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.iter()
        .copied()
        .find(|entry| host.strip_suffix(entry).is_some_and(|left| left.is_empty() || left.ends_with('.')))
}

/// How many lines of `text` are entries: neither empty nor a `#` comment.
const fn count(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut found = 0;
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || bytes[at - 1] == b'\n';
        if begins && bytes[at] != b'\n' && bytes[at] != b'#' {
            found += 1;
        }
        at += 1;
    }
    found
}

/// The entries; `N` is [`count`].
const fn lines<const N: usize>(text: &'static str) -> [&'static str; N] {
    let mut entries = [""; N];
    let mut rest = text;
    let mut next = 0;
    while !rest.is_empty() {
        let bytes = rest.as_bytes();
        let mut end = 0;
        while end < bytes.len() && bytes[end] != b'\n' {
            end += 1;
        }
        let (line, tail) = rest.split_at(end);
        if !line.is_empty() && bytes[0] != b'#' {
            entries[next] = line;
            next += 1;
        }
        rest = if tail.is_empty() { tail } else { tail.split_at(1).1 };
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_lower_case_domains_and_unique() {
        for list in [MINING_POOLS, THROWAWAY_HOSTS] {
            let mut seen = std::collections::BTreeSet::new();
            for entry in list {
                assert!(entry.contains('.') && !entry.starts_with('.'), "{entry}");
                assert!(entry.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')), "{entry}");
                assert!(seen.insert(entry), "{entry} is listed twice");
            }
        }
        assert!(MINING_POOLS.len() >= 60);
    }

    #[test]
    fn a_host_matches_on_label_boundaries_only() {
        assert_eq!(listed(MINING_POOLS, "Pool.SupportXMR.com"), Some("supportxmr.com"));
        assert_eq!(listed(MINING_POOLS, "notsupportxmr.com"), None);
        assert_eq!(listed(MINING_POOLS, "supportxmr.com.example"), None);
    }
}
