//! Recognises scripts that sell the host's bandwidth: they register at a market and carry strangers' requests.
//!
//! `proxyware` knows services by their hosts and options. A script of one's own speaks the same dialogue with another host:
//! it says who is to be paid and what it offers, then opens whatever connection it is told to.
//!
//! - Sees: scripts that speak the dialogue of the "browser extension" networks without a browser; scripts that offer a
//!   residential address or bandwidth to an account, report traffic, and connect where the other side says.
//! - Misses: clients in byte code; exit nodes that say nothing of what they offer.
//! - False alarms: programs that buy such proxies connect to one and offer nothing; SOCKS servers and tunnels are paid by nobody.
//! - Source: public clients of Grass, Nodepay and their kin (`browser_id`, `origin_action`); ATT&CK T1496.002, T1090.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Most bytes of a file that are read: such a script is no longer.
const SCRIPT_BYTES_MAX: usize = 256 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "proxyware-script",
        title: "Script that sells the host's bandwidth",
        category: Category::Proxyware,
        weight: model::Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496.002"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &["origin_action", "browser_id", "residential", "exit_node", "exitnode"],
    },
    inspect,
};

/// The dialogue of networks whose client poses as a browser's extension.
static EXTENSION: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r#"["']origin_action["']"#,
        r#"["']browser_id["']"#,
        r#"["']action["']\s*(?::|=|\]\s*==)\s*["'](?:PING|PONG|AUTH|HTTP_REQUEST)["']"#,
        r#"["']device_type["']\s*:\s*["'](?:extension|desktop)"#,
        r"chrome-extension://[a-p]{32}",
        r"\bwss?://|websockets?\.connect|new WebSocket",
    ])
});

/// Who offers what, one row a tell: what is offered, to whose account, what is told and paid.
static OFFERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r#"(?i)["']?\b(?:type|kind|ip_type|network|node_type)["']?\s*[:=]+>?\s*["'](?:residential|mobile|exit[_-]?node|peer)["']"#,
        r#"(?i)["']?\b(?:sharing|share|offer|sell|resource)["']?\s*[:=]+>?\s*["'](?:bandwidth|traffic)["']|bandwidth[_ -]?shar|shar(?:e|ed|ing)[_ -]?(?:bandwidth|traffic)"#,
        r#"(?i)\b(?:payout|pay_?to|earnings?|earned|rewards?)["']?\s*[:=]|\bUSDT|TRC-?20"#,
        r#"(?i)["']?(?:op|cmd|type|action|event)["']?\s*[:=]+>?\s*["'](?:register|hello|auth|login)["']"#,
        r#"(?i)["']?\b(?:account|user_?id|token|api_?key|wallet|cid|email)["']?\s*[:=]+>?\s*["'][^"'\s]{5,}["']"#,
        r#"(?i)["']?\b(?:traffic|bytes_?(?:shared|relayed|used)|bandwidth|max_gb)["']?\s*[:=]+>?\s*[a-z0-9_]"#,
    ])
});
/// A connection to wherever a message says.
static RELAYS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)net\.(?:connect|createConnection|dial)\(\s*(?:\{\s*)?(?:host:\s*|port:\s*)?\w+(?:\.\w+)?(?:\.|\[["'])(?:port|host|addr|target|dst)|(?:open_connection|create_connection)\(\s*\(?\s*\w+(?:\[["']|\.get\(["']|\.)(?:host|addr|target|dst)|PeerAddr\s*=>\s*\$\w+->\{["']?(?:host|addr)|(?:fetch|requests\.(?:get|request)|axios)\(\s*\w+(?:\.data)?(?:\.|\[["'])(?:url|data["']?\]\[["']url)"#,
    )
});

fn all(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|pattern| regex(pattern)).collect()
}

/// ASCII only: fast over whole scripts.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant, and a test runs it")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.first() else { return Vec::new() };
    if sample.bytes.len() > SCRIPT_BYTES_MAX || text::is_program(sample) || !text::stands_in_text(sample, first.offset)
    {
        return Vec::new();
    }
    if sample.hits.iter().all(|hit| text::is_document(sample, hit.offset)) {
        return Vec::new();
    }
    let count = |patterns: &[Regex]| patterns.iter().filter(|pattern| pattern.is_match(sample.bytes)).count();
    // The first two literals are the first two parts of that dialogue.
    let extension = if sample.hits.iter().any(|hit| hit.literal < 2) { count(&EXTENSION) } else { 0 };
    if extension >= 4 {
        let summary = format!("poses as a bandwidth network's browser extension: {extension} parts of its dialogue");
        return vec![Match::new(summary, first.offset)];
    }
    let offers = OFFERS.iter().take(2).any(|own| own.is_match(sample.bytes));
    if !offers || !RELAYS.is_match(sample.bytes) {
        return Vec::new();
    }
    let tells = count(&OFFERS);
    if tells < 4 {
        return Vec::new();
    }
    vec![Match::new(
        format!("offers this address to an account and connects where it is told: {tells} tells"),
        first.offset,
    )]
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    const RELAY: &str = "const net = require('net');\nc.write(JSON.stringify({ op: 'register', account: 'f00dfeed01', type: 'residential' }));\n\
        c.on('data', m => { if (m.op === 'open') { const s = net.connect(m.port, m.host); s.pipe(c); } });\n\
        setInterval(() => c.write(JSON.stringify({ op: 'heartbeat', traffic: shared, payout: 'x' })), 30000);\n";

    #[test]
    fn an_exit_node_that_is_paid_is_told() {
        check(
            &DETECTOR,
            "a.js",
            RELAY.as_bytes(),
            &["offers this address to an account and connects where it is told: 5 tells"],
        );
        // Without the offer it is a relay, without the relay a shop.
        check(&DETECTOR, "a.js", RELAY.replace("'residential'", "'tcp'").as_bytes(), &[]);
        check(&DETECTOR, "a.js", RELAY.replace("net.connect(m.port, m.host)", "lookup(m)").as_bytes(), &[]);
    }

    #[test]
    fn a_client_that_poses_as_an_extension_is_told() {
        let client = "import websockets\nws = websockets.connect(URI)\nsend({'id': i, 'action': 'PING'})\n\
            send({'origin_action': 'AUTH', 'result': {'browser_id': d, 'device_type': 'extension'}})\n";
        check(
            &DETECTOR,
            "a.py",
            client.as_bytes(),
            &["poses as a bandwidth network's browser extension: 5 parts of its dialogue"],
        );
        check(&DETECTOR, "a.py", b"track({'browser_id': b, 'action': 'PING', 'url': 'wss://x'})\n", &[]);
    }
}
