//! Finds where a miner would connect to: Stratum URLs, known pools with a port, and `-o host:port` or `"url": "host:port"`.

use std::sync::LazyLock;

use model::{Indicator, IndicatorKind};
use regex::Regex;

use crate::{intel, shell::Host};

/// Most endpoints returned for one text.
const ENDPOINTS_MAX: usize = 64;

static ENDPOINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?P<scheme>\b(?:stratums?[12]?|ethstratum|ethproxy|nicehash|daemon|zec|cn|rx|zil)\+(?:tcps?|ssl|tls(?:12)?|udp|wss?)://|\bstratum[s2]?s?://)?(?:[\w.-]+(?::[^@\s/]*)?@)?",
        r"(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::(?P<port>\d{2,5}))?",
    ))
    .expect("the pattern is a constant, and a test runs it")
});
static OPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:(?:^|[\s"',\[])(?:-o|--url|--pool[12]?|-P|-e?pool|--server|--proxy|--stratum|--epool|--zilpool)(?:[\s=]|["'],)\s*["']?|["']?\b(?:url|pool_address|[a-z]*pool[0-9]?(?:_?(?:url|host|addr(?:ess)?|server))?|server|stratum(?:_?(?:url|host))?)["']?\s*[:=]\s*["']?)$"#)
        .expect("the pattern is a constant, and a test runs it")
});

/// Where a miner would connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Where in the text.
    pub(crate) offset: usize,
    /// Host name or address, lower case.
    pub(crate) host: String,
    /// Port, if written.
    pub(crate) port: Option<u16>,
    /// Written as a Stratum URL.
    pub(crate) is_stratum: bool,
    /// Under a listed pool.
    pub(crate) is_known: bool,
}

impl Endpoint {
    /// `host:port`, or the host alone.
    pub(crate) fn written(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// As an indicator.
    pub(crate) fn indicator(&self) -> Indicator {
        Indicator { kind: IndicatorKind::Pool, value: self.written() }
    }
}

/// Different endpoints of `text`, at most 64. A listed pool without a port and scheme is one too: the caller decides
/// what a bare name is worth.
pub(crate) fn endpoints(text: &str) -> Vec<Endpoint> {
    let mut found: Vec<Endpoint> = Vec::new();
    for captures in ENDPOINT.captures_iter(text) {
        let (Some(whole), Some(host)) = (captures.get(0), captures.name("host")) else { continue };
        let is_stratum = captures.name("scheme").is_some();
        let port = captures.name("port").and_then(|port| port.as_str().parse().ok());
        if !is_stratum && port.is_none() && !host.as_str().contains('.') {
            continue;
        }
        let host = host.as_str().to_ascii_lowercase();
        let is_known = host.contains('.') && intel::listed(intel::MINING_POOLS, &host).is_some();
        let after_option = || {
            let before = text.get(..whole.start()).unwrap_or_default();
            let start = before.char_indices().rev().nth(40).map_or(0, |(at, _)| at);
            OPTION.is_match(before.get(start..).unwrap_or_default())
        };
        let is_endpoint =
            is_known || (is_stratum && Host::of(&host) != Host::Placeholder) || (port.is_some() && after_option());
        let endpoint = Endpoint { offset: whole.start(), host, port, is_stratum, is_known };
        if is_endpoint && found.iter().all(|known| known.host != endpoint.host || known.port != endpoint.port) {
            found.push(endpoint);
            if found.len() == ENDPOINTS_MAX {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::endpoints;

    #[test]
    fn endpoints_are_found_in_every_notation() {
        for (text, written) in [
            ("stratum+tcp://pool.invalid.net:3333", "pool.invalid.net:3333"),
            ("./m -o 198.51.100.4:443 -u x", "198.51.100.4:443"),
            ("\"url\": \"xmr.somewhere.net:14433\",", "xmr.somewhere.net:14433"),
            ("POOL=gulf.moneroocean.stream:10128", "gulf.moneroocean.stream:10128"),
            ("[\"--url=mine.somewhere.net:3333\"]", "mine.somewhere.net:3333"),
            ("-epool eu.somewhere.net:4444 -ewal 0x", "eu.somewhere.net:4444"),
            ("pool1 = ssl.somewhere.net:9433", "ssl.somewhere.net:9433"),
            ("stratum2+ssl://wallet.rig@eth.2miners.com:12020", "eth.2miners.com:12020"),
        ] {
            let found = endpoints(text);
            assert_eq!(found.first().map(|found| found.written()).as_deref(), Some(written), "{text}");
        }
    }

    #[test]
    fn other_hosts_are_none() {
        assert_eq!(endpoints("see https://docs.somewhere.net:8443/a and stratum+tcp://example.com:3333"), []);
    }
}
