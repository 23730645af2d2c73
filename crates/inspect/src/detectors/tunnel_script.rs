//! Recognises scripts that are themselves a proxy or a tunnel: SOCKS servers that change their upstream, IP inside DNS.
//!
//! - Sees: scripts that answer the SOCKS 5 handshake or `CONNECT` and join both connections; scripts that open a TUN device
//!   and carry its packets in DNS names.
//! - Misses: other transports, byte code.
//! - False alarms: SOCKS clients greet and do not answer; development proxies that are a script of their own are what they are.
//! - Source: RFC 1928; iodine's protocol description; ATT&CK T1090, T1572.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Most bytes of a file that are read: libraries are longer.
const SCRIPT_BYTES_MAX: usize = 64 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "tunnel-script",
        title: "Script that is a proxy or a tunnel",
        category: Category::ProxyAvoidance,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1090", "T1572"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &["/dev/net/tun", "topdomain", "socks5", "[5, 0]", "[5,0]", "\\x05\\x00", "upstreams"],
    },
    inspect,
};

/// IP in DNS: a TUN device, a resolver, names made of encoded data.
static IN_DNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"(?i)/dev/net/tun",
        r#"(?i)(?:peerport\s*=>\s*|,\s*|port["']?\s*[:=]\s*)53\b|pack\(\s*["'](?:n6|!?H{6}|>H{6})|dns\.(?:message|resolver)|dnslib|Net::DNS"#,
        r"(?i)base(?:32|64|36|128)|\.hex\(|encode_hex",
        r#"(?i)top_?domain|join\s*\(?\s*["']\.["']|["']\.["']\s*\.join"#,
        r"(?i)sys(?:read|write)\s*\(?\s*\$?tun|os\.(?:read|write)\(\s*tun|tun\.(?:read|write)|ioctl\(\s*\$?tun",
    ])
});
/// A SOCKS or `CONNECT` server: it listens, reads the handshake, answers it, connects and joins.
static SERVES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"(?i)createServer\(|start_server\(|ThreadingTCPServer|\.listen\(\s*\d|net\.Listen\(",
        r"(?:\[0\]|\bver(?:sion)?\b)\s*={2,3}\s*(?:0x0?)?5\b",
        r"\[\s*(?:0x0?)?5\s*,\s*(?:0x0?)?0\s*\]|\\x05\\x00|pack\(\s*[\x22'][!>]?BB[\x22']\s*,\s*5\s*,\s*0",
        r"\[\s*(?:0x0?)?5\s*,\s*(?:0x0?)?0\s*,\s*(?:0x0?)?0\s*,\s*(?:0x0?)?1|\\x05\\x00\\x00\\x01",
        r"\.pipe\(\w+\)[^\n]{0,80}\.pipe\(|select\.select\(|io\.Copy\(|forward\(|relay\(",
        r"(?i)\^?CONNECT\s",
        r"(?i)upstreams?\b[^\n]{0,60}(?:%|random|choice|next|shift)",
    ])
});

fn all(patterns: &[&str]) -> Vec<Regex> {
    patterns
        .iter()
        .map(|pattern| {
            RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant, and a test runs it")
        })
        .collect()
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.first() else { return Vec::new() };
    if sample.bytes.len() > SCRIPT_BYTES_MAX
        || text::is_program(sample)
        || !text::stands_in_text(sample, first.offset)
        || sample.hits.iter().all(|hit| text::is_document(sample, hit.offset))
    {
        return Vec::new();
    }
    let count = |patterns: &[Regex]| patterns.iter().filter(|pattern| pattern.is_match(sample.bytes)).count();
    if IN_DNS.first().is_some_and(|device| device.is_match(sample.bytes)) && count(&IN_DNS) >= 4 {
        return vec![Match::new("carries the packets of a TUN device in DNS names", first.offset)];
    }
    if SERVES.iter().take(2).all(|pattern| pattern.is_match(sample.bytes)) && count(&SERVES) >= 5 {
        return vec![Match::new("answers the SOCKS handshake and joins both connections", first.offset)];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn a_socks_server_is_told_and_a_client_is_not() {
        let server = "const net = require('net');\nnet.createServer(c => c.once('data', h => {\n\
            if (h[0] === 5) { c.write(Buffer.from([5, 0])); c.write(Buffer.from([5, 0, 0, 1, 0, 0]));\n\
            out.pipe(c); c.pipe(out); }\n})).listen(1080);\n";
        check(&DETECTOR, "a.js", server.as_bytes(), &["answers the SOCKS handshake and joins both connections"]);
        let client = "const s = net.connect(1080, 'socks5');\ns.write(Buffer.from([5, 1, 0]));\n\
            s.once('data', d => { if (d[0] === 5) s.write(Buffer.from([5, 0, 0, 1])); a.pipe(s); s.pipe(a); });\n";
        check(&DETECTOR, "b.js", client.as_bytes(), &[]);
    }

    #[test]
    fn ip_in_dns_is_told_and_a_vpn_script_is_not() {
        let tunnel = "use IO::Socket::INET;\nmy $d = IO::Socket::INET->new(PeerAddr => $s, PeerPort => 53);\n\
            open(my $tun, '+<', '/dev/net/tun'); my $n = join '.', encode_base32($data), $topdomain;\n\
            while (sysread($tun, my $f, 1500)) { ask($f); }\n";
        check(&DETECTOR, "a.pl", tunnel.as_bytes(), &["carries the packets of a TUN device in DNS names"]);
        check(&DETECTOR, "b.sh", b"#!/bin/sh\nmknod /dev/net/tun c 10 200\nexec openvpn --port 53\n", &[]);
    }
}
