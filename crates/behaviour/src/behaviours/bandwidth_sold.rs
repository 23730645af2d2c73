//! Sees the host's bandwidth sold.
//!
//! - Sees: a client of a known service that buys bandwidth at its hosts; a dialogue that offers bandwidth for an account, with a device and a relay.
//! - Misses: new services with a dialogue of their own.
//! - False alarms: those who buy proxies from the same services (their own host names are left out); pages of the services read with a downloader.
//! - Source: the services' public install pages, as for the static detector `proxyware`; ATT&CK T1496.002.

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "bandwidth-sold",
        title: "Sells the host's bandwidth",
        category: Category::Proxyware,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496.002"],
    },
    judge: Judge::Run(judge),
};

/// What the hosts of such services are called.
const SERVICES: &[&str] = &[
    "honeygain",
    "earnapp",
    "luminatinet",
    "peer2profit",
    "p2pr.me",
    "iproyal",
    "pawns.app",
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
    "grass.io",
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
    "infatica",
    "joinmassive",
];
const BOUGHT: &[&str] = &["geo.iproyal.", "proxy.packetstream.", "brd.superproxy.", "premium.residential."];
/// Words of a dialogue, in three groups: what is sold, by whom, how it goes through.
const SOLD: &[&str] = &[
    "bandwidth",
    "residential",
    "exit_node",
    "exit-node",
    "exit node",
    "traffic_shared",
    "shared_traffic",
    "earning",
    "credits",
    "payout",
];
const ACCOUNT: &[&str] = &[
    "device_id",
    "device-id",
    "deviceid",
    "device_name",
    "device=",
    "\"device\"",
    "email",
    "api_key",
    "access_token",
    "\"token\"",
    "token=",
    "uuid",
    "node_id",
    "nodeid",
    "peer_id",
    "account",
];
const RELAYED: &[&str] = &["proxy", "relay", "tunnel", "socks", "peer", "connect ", "forward", "upstream"];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for flow in story.flows().filter(|flow| !flow.inbound && flow.protocol == "tcp") {
        let Some(name) = flow.name else { continue };
        if !is_service(name) || told.contains(&name) {
            continue;
        }
        told.push(name);
        let reads = flow
            .life
            .and_then(|life| story.last_program(life))
            .is_some_and(|program| program.is_downloader() || program.installs());
        let who = flow.life.and_then(|life| story.last_program(life)).map_or("a program", |program| program.tool());
        let seen = Match::new(flow.start, format!("{who} works for {name}")).with([indicators::host(flow)]);
        found.push(if reads { seen.sign().draft() } else { seen });
    }
    for (at, event) in story.events() {
        match &event.what {
            What::Dns { name, .. } if is_service(name) && !told.contains(&name.as_str()) => {
                told.push(name);
                found.push(
                    Match::new(at, format!("asks for the address of {name}"))
                        .sign()
                        .with([indicators::of(IndicatorKind::Domain, name)]),
                );
            }
            What::FlowEnd { flow, head, service, .. } if !head.is_empty() && service != "dns" => {
                let Some(flow) = story.flow(*flow).filter(|flow| !flow.inbound && !told.contains(&flow.remote)) else {
                    continue;
                };
                if offers(&payload::text(head)) {
                    told.push(flow.remote);
                    found.push(
                        Match::new(at, format!("offers bandwidth to {}", flow.host()))
                            .sign()
                            .with([indicators::host(flow)]),
                    );
                }
            }
            What::Http { flow, body_head, url, .. } => {
                let Some(flow) = story.flow(*flow).filter(|flow| !told.contains(&flow.remote)) else { continue };
                if offers(&format!("{url}\n{}", payload::text(body_head))) {
                    told.push(flow.remote);
                    found.push(
                        Match::new(at, format!("offers bandwidth to {}", flow.host()))
                            .sign()
                            .with([indicators::host(flow), indicators::url(url)]),
                    );
                }
            }
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                let line = program.line().to_ascii_lowercase();
                let accepts = line.contains("-tou-accept")
                    || line.contains("-accept-tos")
                    || line.contains("start accept")
                    || line.contains("--agreed-terms-and-conditions");
                let account = ["-email", "-token", "--token", "-device", "-pass", "-api-key"]
                    .iter()
                    .any(|option| line.contains(option));
                if accepts && account && found.len() < 8 {
                    found.push(Match::new(at, format!("starts {}", model::text::shortened(&line, 120))).sign());
                }
            }
            _ => {}
        }
    }
    found
}

fn is_service(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SERVICES.iter().any(|service| name.contains(service.trim_end_matches('.')))
        && !BOUGHT.iter().any(|bought| name.starts_with(bought))
}

/// A word of each group, and bandwidth or an exit by its name.
fn offers(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    has(SOLD)
        && has(ACCOUNT)
        && has(RELAYED)
        && (text.contains("bandwidth") || text.contains("exit") || text.contains("residential"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_client_at_its_service() {
        let mut run = Run::of("/app/worker", &["worker"]);
        run.flow(1, "198.51.100.3:443", Some("api.honeygain.com"), "tls", b"x");
        hit(&BEHAVIOUR, run, Weight::Proof, "worker works for api.honeygain.com");
    }

    #[test]
    fn a_dialogue_of_another_service() {
        let mut run = Run::of("/app/worker", &["worker"]);
        run.flow(
            1,
            "198.51.100.3:7000",
            None,
            "sink",
            br#"{"type":"register","device_id":"a1","token":"t","bandwidth":100,"proxy":"socks5"}"#,
        );
        hit(&BEHAVIOUR, run, Weight::Sign, "offers bandwidth to 198.51.100.3");
    }

    #[test]
    fn a_scraper_that_buys_is_none() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/app/scrape.py"]);
        run.flow(1, "198.51.100.3:12321", Some("geo.iproyal.com"), "sink", b"CONNECT shop.example:443 HTTP/1.1\r\n");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn metrics_of_a_router_are_none() {
        let mut run = Run::of("/usr/bin/telegraf", &["telegraf"]);
        run.http_with(
            1,
            "POST",
            "https://metrics.example/write",
            "empty",
            br#"{"interface":"eth0","bandwidth":100,"device_id":"r1"}"#,
            None,
        );
        miss(&BEHAVIOUR, run);
    }
}
