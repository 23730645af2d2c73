//! Recognises clients that sell the host's bandwidth.
//!
//! They turn whoever runs the image into an exit node for strangers' traffic and are paid to somebody's account. A client
//! has to reach its service's hosts and be told an account, so both are looked for, and not the client's name.
//!
//! - Sees: programs that hold a service's hosts beside words of a bandwidth seller or of a proxy; commands and settings that
//!   log in to a service with an account, a token or a device.
//! - Misses: packed clients; services that are not in the table.
//! - False alarms: block lists and pages that list services (more than three, or a document) are facts; a proxy library
//!   names no service.
//! - Source: public install pages and container recipes of the services; Sysdig and Cisco Talos on proxyware; ATT&CK T1496.002.

use std::sync::LazyLock;

use model::{Category, Confidence, Indicator, IndicatorKind, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::{shell::text, words::Words};

/// More services than one image sells to: a list.
const SERVICES_MAX: usize = 5;
/// Clients are small. A larger program holds every common word, so it must say what only sellers say.
const CLIENT_BYTES_MAX: usize = 24 << 20;
/// How far a host and an account may be apart in a text.
const WINDOW_BYTES: usize = 1500;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "proxyware",
        title: "Sells the host's bandwidth",
        category: Category::Proxyware,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496.002"],
    },
    scope: Scope::Content { kinds: &[], literals: LITERALS },
    inspect,
};

/// Hosts and names of services, and what their clients are told. Rows of [`SERVICES`] begin with the same words.
const LITERALS: &[&str] = &[
    "honeygain",
    "earnapp",
    "luminatinet",
    "peer2profit",
    "p2pr.me",
    "iproyal",
    "pawns.app",
    "pawns-cli",
    "packetstream",
    "traffmonetizer",
    "repocket",
    "bitping",
    "proxyrack",
    "earnfm",
    "earn.fm",
    "packetshare",
    "mysterium",
    "nodepay.",
    "getgrass",
    "wynd.network",
    "speedshare",
    "gaganode",
    "proxylite",
    "proxybase",
    "wipter",
    "urnetwork",
    "bringyour.com",
    "antgain",
    "castarsdk",
    "blockmesh",
    "dawninternet",
    "teneo.pro",
    "gradient.network",
    "wizardgain",
    "adnade.net",
    "passiveapp.com",
    "-accept-tos",
    "-tou-accept",
    "start accept",
    "\"start\",\"accept\"",
    "\"start\", \"accept\"",
    "infatica",
    "massivegrid-peer",
    "joinmassive",
    "spider.pro/sdk",
    "grass.io",
];

/// A service: its name and what its clients hold, lower case.
const SERVICES: &[(&str, &[&str])] = &[
    ("Honeygain", &["honeygain"]),
    ("EarnApp", &["earnapp", "luminatinet", "client.earnapp.com"]),
    ("Peer2Profit", &["peer2profit", "p2pr.me"]),
    ("IPRoyal Pawns", &["iproyal", "pawns.app", "pawns-cli"]),
    ("PacketStream", &["packetstream"]),
    ("TraffMonetizer", &["traffmonetizer"]),
    ("Repocket", &["repocket"]),
    ("Bitping", &["bitping"]),
    ("ProxyRack", &["proxyrack"]),
    ("EarnFM", &["earnfm", "earn.fm"]),
    ("PacketShare", &["packetshare"]),
    ("Mysterium", &["mysterium"]),
    ("Nodepay", &["nodepay."]),
    ("Grass", &["getgrass", "wynd.network", "grass.io"]),
    ("SpeedShare", &["speedshare"]),
    ("Gaganode", &["gaganode"]),
    ("ProxyLite", &["proxylite"]),
    ("ProxyBase", &["proxybase"]),
    ("Wipter", &["wipter"]),
    ("URnetwork", &["urnetwork", "bringyour.com"]),
    ("AntGain", &["antgain"]),
    ("CastarSDK", &["castarsdk"]),
    ("BlockMesh", &["blockmesh"]),
    ("Dawn", &["dawninternet"]),
    ("Teneo", &["teneo.pro"]),
    ("Gradient", &["gradient.network"]),
    ("WizardGain", &["wizardgain"]),
    ("Adnade", &["adnade.net"]),
    ("Passive", &["passiveapp.com"]),
    ("Infatica", &["infatica"]),
    ("Massive", &["joinmassive"]),
];

/// Words of a seller, in three groups: what is earned, who is logged in, how strangers' traffic goes through.
const EARNED: &[&str] = &[
    "bandwidth",
    "traffic shared",
    "share traffic",
    "shared_traffic",
    "credits",
    "earning",
    "balance",
    "payout",
    "residential",
    "passive income",
    "referral",
    "gathered",
];
/// What only sellers say; the words above are also billing's and networking's.
const SOLD: &[&str] = &[
    "traffic shared",
    "share traffic",
    "shared_traffic",
    "shared traffic",
    "bandwidth shared",
    "shared bandwidth",
    "sharing bandwidth",
    "share your bandwidth",
    "share your internet",
    "bandwidth sharing",
    "passive income",
    "residential proxy",
    "exit node",
    "exit_node",
    "earned today",
    "gathered bytes",
];
/// Hosts of the same services for those who buy: a scraper is no seller.
const BOUGHT: &[&str] = &["geo.iproyal.", "proxy.packetstream.", "brd.superproxy.", "premium.residential."];
const ACCOUNT: &[&str] = &[
    "-accept-tos",
    "tou-accept",
    "accept-tos",
    "device-name",
    "device_name",
    "deviceid",
    "device_id",
    "device-id",
    "access_token",
    "api_key",
    "apikey",
    "account",
    "e-mail",
    "email",
    "browser_id",
    "user_id",
    "uuid",
];
const PROXIED: &[&str] = &[
    "proxy-connection",
    "connect %s",
    "connect ",
    "tunnel",
    "socks5",
    "relay",
    "peer",
    "open_tunnel",
    "http_request",
    "exit node",
    "exit_node",
    "websocket",
    "wss://",
    "upstream",
];

/// Commands and settings that log in. The names of options and variables are the services' own.
static COMMANDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?i)(?:-tou-accept["',\s]+.{0,120}-(?:email|pass)\b"#,
        r#"|-accept-tos["',\s]+.{0,160}-(?:email|password|device)\b|-(?:email|password)\b.{0,200}-accept-tos\b"#,
        r#"|\bstart["',\s]+accept\b.{0,60}--?token\b"#,
        r#"|\b(?:P2P_EMAIL|RP_EMAIL|RP_API_KEY|BITPING_EMAIL|EARNFM_TOKEN|PROXYLITE_USER_ID|EARNAPP_UUID|IPROYALPAWNS_EMAIL|PROXYRACK_(?:API_KEY|UUID)|TRAFFMONETIZER_TOKEN|HONEYGAIN_(?:EMAIL|PASSWORD)|PACKETSTREAM_CID|GRASS_(?:USER(?:NAME)?|PASS(?:WORD)?|TOKEN)|NODEPAY_TOKEN|NP_TOKEN|WIPTER_EMAIL|REPOCKET_(?:EMAIL|API_KEY)|SPEEDSHARE_(?:CODE|PAIR))["']?\s*[:=]\s*["']?[^\s"'$]"#,
        r#"|\bpeer2profit["',\s]+.{0,60}(?:-e\b|@)|\bearnapp\s+(?:start|register|showid)\b|\bsdk-node-[0-9a-f]{32}\b"#,
        r#"|--agreed-terms-and-conditions\b"#,
        r#"|\bpacketstream[^\n]{0,200}\bCID=|\bCID=[A-Za-z0-9]{3,6}\b[^\n]{0,200}(?:packetstream|psclient))"#
    ))
    .expect("the pattern is a constant, and a test runs it")
});
/// An account beside a service's host.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:["']?\b(?:email|e_mail|password|token|np_token|user_?id|api_?key|access_token|browser_id|device(?:_?(?:id|name))?|cid|uuid|authorization)["']?\s*[:=]\s*["']?|(?:--?(?:email|password|token|device(?:-name)?|uuid|user)\b)["']?[\s=,]+["']?)[^\s"'$<{]"#)
        .expect("the pattern is a constant, and a test runs it")
});
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,12}").expect("the pattern is a constant, and a test runs it")
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let named = |hit: &&super::Hit| {
        let literal = LITERALS.get(hit.literal).copied().unwrap_or_default();
        SERVICES.iter().find(|(_, texts)| texts.contains(&literal)).map(|(name, _)| *name)
    };
    let mut services: Vec<&str> = Vec::new();
    for hit in sample.hits {
        // `spawns.append` holds a service's host too.
        let (_, before) = sample.around(hit.offset, 1, 0);
        if before.first().is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        if let Some(name) = named(&hit)
            && !services.contains(&name)
        {
            services.push(name);
        }
    }
    let is_list = services.len() > SERVICES_MAX;
    if text::is_program(sample) {
        return if is_list { Vec::new() } else { program(sample, &services) };
    }
    let mut best: Option<Match> = None;
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(256) {
        if hit.offset < looked_until || !text::stands_in_text(sample, hit.offset) {
            continue;
        }
        looked_until = hit.offset + WINDOW_BYTES / 2;
        let (start, near) = sample.around(hit.offset, WINDOW_BYTES, WINDOW_BYTES);
        let near = String::from_utf8_lossy(near);
        let command = COMMANDS.find(&near).map(|found| start.saturating_add(found.start()));
        let hosts = hosts(&near, &services);
        let logs_in = !hosts.is_empty() && LOGIN.is_match(&near);
        let for_people = is_list || text::is_document(sample, hit.offset);
        let service = services.first().copied().unwrap_or("a service of that kind");
        let mut found = match (command, logs_in) {
            (Some(at), _) => Match::new(format!("a client of {service} logs in"), at),
            (None, true) => Match::new(format!("talks to {service} with an account"), hit.offset),
            (None, false) => continue,
        };
        found.indicators = hosts;
        if for_people {
            found.weight = Some(Weight::Fact);
            found.severity = Some(Severity::Info);
        } else if command.is_none() {
            found.weight = Some(Weight::Sign);
            found.severity = Some(Severity::Medium);
        }
        let weight = |found: &Match| found.weight.unwrap_or(DETECTOR.about.weight);
        if best.as_ref().is_none_or(|best| weight(&found) > weight(best)) {
            best = Some(found);
        }
    }
    best.into_iter().collect()
}

/// How a client is told that its user agrees.
const TERMS: &[&str] = &["accept-tos", "tou-accept"];

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::new(&[EARNED, ACCOUNT, PROXIED, SOLD, TERMS]));

/// A compiled client: a service's host or name beside words of all three groups.
fn program(sample: &Sample<'_>, services: &[&str]) -> Vec<Match> {
    let present = WORDS.held(sample.bytes);
    let count = |words: &[&str]| words.iter().filter(|word| present.contains(**word)).count();
    let has_terms = count(TERMS) > 0;
    let (earned, account, proxied) = (count(EARNED), count(ACCOUNT), count(PROXIED));
    let sold = count(SOLD);
    let mut hosts = Vec::new();
    for hit in sample.hits.iter().take(64) {
        let (_, near) = sample.around(hit.offset, 64, 64);
        for host in self::hosts(&String::from_utf8_lossy(near), services) {
            let is_buyers = BOUGHT.iter().any(|bought| host.value.starts_with(bought));
            if !hosts.contains(&host) && hosts.len() < 8 && !is_buyers {
                hosts.push(host);
            }
        }
    }
    // A name alone says nothing: network cards and games are called like services.
    let weight = match (hosts.len(), sold, earned, account, proxied) {
        (_, 1.., 2.., 3.., 2..) if has_terms => None,
        (1.., _, 1.., 2.., 2..) if sold > 0 || sample.bytes.len() <= CLIENT_BYTES_MAX => None,
        (1.., _, 1.., 1.., 1..) if sold > 0 || sample.bytes.len() <= CLIENT_BYTES_MAX => Some(Weight::Sign),
        _ => return Vec::new(),
    };
    let service = services.first().copied().unwrap_or("a service that asks for consent to its terms");
    let summary =
        format!("client of {service}: {earned} words of earning, {account} of an account, {proxied} of a proxy");
    let mut found = Match::new(summary, sample.hits.first().map(|hit| hit.offset));
    found.indicators = hosts;
    if weight.is_some() {
        found.weight = weight;
        found.severity = Some(Severity::Medium);
    }
    vec![found]
}

/// Host names that hold one of the services' words, as indicators.
fn hosts(near: &str, services: &[&str]) -> Vec<Indicator> {
    let words: Vec<_> =
        SERVICES.iter().filter(|(name, _)| services.contains(name)).flat_map(|(_, texts)| texts.iter()).collect();
    let mut found: Vec<Indicator> = Vec::new();
    for host in HOST.find_iter(near) {
        let host = host.as_str().to_ascii_lowercase();
        let is_file = [".py", ".js", ".sh", ".go", ".md", ".json", ".log", ".conf", ".service"]
            .iter()
            .any(|end| host.ends_with(end));
        if !is_file && words.iter().any(|word| host.contains(word.trim_end_matches('.'))) && found.len() < 8 {
            let indicator = Indicator { kind: IndicatorKind::Domain, value: host };
            if !found.contains(&indicator) {
                found.push(indicator);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::{DETECTOR, LITERALS, SERVICES};
    use crate::detectors::testing::{check, run};

    fn weight(bytes: &[u8]) -> Option<Weight> {
        run(&DETECTOR, "x", 0o755, bytes).first().map(|found| found.weight.unwrap_or(Weight::Proof))
    }

    fn elf(strings: &[&str]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes.extend(strings.join("\0").as_bytes());
        bytes
    }

    #[test]
    fn every_service_is_looked_for() {
        for (name, texts) in SERVICES {
            assert!(texts.iter().any(|text| LITERALS.contains(text)), "{name}");
        }
    }

    #[test]
    fn commands_that_log_in_are_proof() {
        for command in [
            "/app/agent -tou-accept -email a@mail.invalid -pass x -device d1\n",
            "exec /opt/cache -email=a@mail.invalid -password=x -device-name=d -accept-tos\n",
            "[\"/usr/bin/x\", \"start\", \"accept\", \"--token\", \"abc\"] # traffmonetizer",
            "CID=4Nk1 /opt/packetstream/psclient\n",
            "RP_EMAIL=a@mail.invalid RP_API_KEY=x repocket\n",
        ] {
            assert_eq!(weight(command.as_bytes()), Some(Weight::Proof), "{command}");
        }
    }

    #[test]
    fn a_client_is_known_without_its_command() {
        let client = elf(&["https://api.honeygain.com/v1/", "bandwidth", "device_id", "email", "CONNECT %s", "tunnel"]);
        assert_eq!(weight(&client), Some(Weight::Proof));
        let script =
            "requests.post('https://api.nodepay.org/api/auth/session', headers={'Authorization': 'Bearer x'})\n";
        assert_eq!(weight(script.as_bytes()), Some(Weight::Sign));
    }

    #[test]
    fn part_of_a_word_is_no_service() {
        let other = elf(&["spawns.append(x)", "bandwidth", "credits", "email", "device_id", "tunnel", "CONNECT "]);
        check(&DETECTOR, "x", &other, &[]);
    }

    #[test]
    fn lists_and_libraries_are_nothing_or_facts() {
        let list: String =
            SERVICES.iter().map(|(_, texts)| format!("0.0.0.0 api.{}.com token=1\n", texts[0])).collect();
        assert!(weight(list.as_bytes()).is_none_or(|weight| weight == Weight::Fact));
        check(&DETECTOR, "x", &elf(&["mysterium", "bandwidth"]), &[]);
        check(&DETECTOR, "x", b"Honeygain pays for bandwidth.\n", &[]);
    }
}
