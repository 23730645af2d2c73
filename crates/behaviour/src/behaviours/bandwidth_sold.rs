//! Sees the host's bandwidth sold.
//!
//! - Sees: a client of a known service that buys bandwidth at its hosts; a dialogue that offers bandwidth for an account, with a device and a relay.
//! - Misses: new services with a dialogue of their own.
//! - False alarms: those who buy proxies from the same services (their own host names are left out); pages of the services read with a downloader.
//! - Source: the services' public install pages, as for the static detector `proxyware`; ATT&CK T1496.002.

use std::{collections::HashSet, sync::LazyLock};

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{
    About, Behaviour, Judge, Match, indicators, payload,
    story::{Flow, Story},
};

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

/// Labels and domains of such services' hosts.
static SERVICES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let labels = "honeygain earnapp luminatinet peer2profit iproyal packetstream traffmonetizer repocket bitping proxyrack earnfm packetshare \
        mysterium nodepay getgrass speedshare gaganode proxylite proxybase wipter urnetwork antgain castarsdk blockmesh dawninternet wizardgain \
        infatica joinmassive peer2profit-official iproyalpawns honeygain-cdn proxyrackapi";
    let domains = "p2pr.me pawns.app earn.fm wynd.network grass.io bringyour.com teneo.pro gradient.network adnade.net passiveapp.com \
        mysterium.network repocket.co";
    labels.split_whitespace().chain(domains.split_whitespace()).collect()
});
const BOUGHT: &[&str] = &["geo.iproyal.", "proxy.packetstream.", "brd.superproxy.", "premium.residential."];
/// Words of a dialogue, in three groups: what it earns, by whom, how it goes through.
const EARNED: &[&str] =
    &["earn", "credit", "payout", "per_gb", "price", "balance", "sell", "reward", "share_bandwidth", "sharing"];
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
    let mut budget = payload::Budget::new();
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
                if budget.spend()
                    && let Some(seen) = offered(at, flow, &payload::text(head))
                {
                    told.push(flow.remote);
                    found.push(seen);
                }
            }
            What::Http { flow, body_head, url, .. } => {
                let Some(flow) = story.flow(*flow).filter(|flow| !told.contains(&flow.remote)) else { continue };
                if budget.spend()
                    && let Some(seen) = offered(at, flow, &format!("{url}\n{}", payload::text(body_head)))
                {
                    told.push(flow.remote);
                    found.push(seen.with([indicators::url(url)]));
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
    let name = name.trim_end_matches('.');
    let known = |text: &str| SERVICES.contains(text);
    let ends = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
    (name.split('.').any(known) || known(name) || ends.into_iter().any(known))
        && !BOUGHT.iter().any(|bought| name.starts_with(bought))
}

/// A word of each group, and bandwidth or an exit by its name; with what it earns, the offer is plain.
fn offered(at: usize, flow: &Flow<'_>, text: &str) -> Option<Match> {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let names_it = has(&["bandwidth", "exit_node", "exit-node", "exit node", "residential"]);
    if !names_it || !has(ACCOUNT) || !has(RELAYED) {
        return None;
    }
    let told = Match::new(at, format!("offers bandwidth to {}", flow.host())).with([indicators::host(flow)]);
    Some(if has(EARNED) { told } else { told.sign() })
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
