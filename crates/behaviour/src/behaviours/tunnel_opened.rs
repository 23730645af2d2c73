//! Sees a way round the network's rules opened: Tor, a VPN, a tunnel to a public name.
//!
//! - Sees: known clients started, a tunnel device opened, tunnel services and Tor gateways contacted, names of hidden services asked for.
//! - Misses: clients under other names that use the web's port only.
//! - False alarms: none that matter: a VPN image is one (`risky`).
//! - Source: `rules/intel/tunnels.txt`, `rules/intel/tor_gateways.txt`; ATT&CK T1090.003, T1572.

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, lists, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "tunnel-opened",
        title: "Opens a tunnel out of the network",
        category: Category::ProxyAvoidance,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1090.003", "T1572"],
    },
    judge: Judge::Run(judge),
};

const CLIENTS: &[&str] = &[
    "tor",
    "obfs4proxy",
    "snowflake-client",
    "lyrebird",
    "openvpn",
    "wg",
    "wg-quick",
    "wireguard-go",
    "boringtun",
    "openconnect",
    "vpnc",
    "strongswan",
    "charon",
    "ngrok",
    "cloudflared",
    "frpc",
    "chisel",
    "rathole",
    "bore",
    "gost",
    "inlets",
    "pagekite",
    "localtunnel",
    "lt",
    "tailscaled",
    "zerotier-one",
    "nebula",
    "sshuttle",
    "ss-local",
    "sslocal",
    "v2ray",
    "xray",
    "trojan",
    "trojan-go",
    "hysteria",
    "naive",
    "sing-box",
    "clash",
    "mihomo",
    "iodine",
    "ptunnel",
    "ptunnel-ng",
    "httptunnel",
    "htc",
    "stunnel",
    "i2pd",
    "i2prouter",
    "brook",
    "gsocket",
    "gs-netcat",
    "ligolo-agent",
    "revsocks",
    "rsocx",
    "earthworm",
    "ew",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let mut add = |what: String, seen: Match| {
        if told.len() < 16 && !told.contains(&what) {
            told.push(what);
            found.push(seen);
        }
    };
    for (at, event) in story.events() {
        match &event.what {
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                if program.is(CLIENTS)
                    && !program.has(&["--version", "-v", "--help", "-h", "genkey", "pubkey", "--hash-password"])
                {
                    add(
                        program.tool().to_owned(),
                        Match::new(at, format!("starts {}", model::text::shortened(&program.line(), 100))),
                    );
                } else if remote_forward(&program) {
                    add(
                        "ssh".to_owned(),
                        Match::new(
                            at,
                            format!("forwards a port back: {}", model::text::shortened(&program.line(), 100)),
                        ),
                    );
                }
            }
            What::Open { path, .. } if path == "/dev/net/tun" => {
                add("tun".to_owned(), Match::new(at, "opens a tunnel device"))
            }
            What::Dns { name, .. } => {
                if name.ends_with(".onion") || name.ends_with(".i2p") {
                    add(
                        name.clone(),
                        Match::new(at, format!("asks for the hidden service {name}"))
                            .with([indicators::of(IndicatorKind::Domain, name)]),
                    );
                } else if lists::TUNNELS.hold(name) || lists::TOR_GATEWAYS.hold(name) {
                    add(
                        name.clone(),
                        Match::new(at, format!("contacts {name}")).with([indicators::of(IndicatorKind::Domain, name)]),
                    );
                }
            }
            _ => {}
        }
    }
    for flow in story.flows().filter(|flow| !flow.inbound) {
        let host = flow.host();
        if lists::TUNNELS.hold(host) || lists::TOR_GATEWAYS.hold(host) {
            add(host.to_owned(), Match::new(flow.start, format!("contacts {host}")).with([indicators::host(flow)]));
        }
    }
    found
}

/// `ssh -R`, or a SOCKS door with `-D`.
fn remote_forward(program: &Program<'_>) -> bool {
    program.is(&["ssh", "autossh", "dbclient", "plink"])
        && program.arguments.iter().skip(1).any(|option| {
            option.starts_with('-')
                && !option.starts_with("--")
                && (option.contains('R') || option.contains('D'))
                && option.len() < 24
                && !option.starts_with("-o")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn clients_and_devices() {
        let mut run = Run::of("/usr/bin/tor", &["tor", "-f", "/etc/tor/torrc"]);
        run.open(1, "/dev/net/tun", -2);
        hit(&BEHAVIOUR, run, Weight::Sign, "starts tor");
    }

    #[test]
    fn a_tunnel_service_and_a_port_forwarded_back() {
        let mut run = Run::new();
        run.dns(1, "abc.ngrok.io", "A", &["203.0.113.1"]);
        run.spawn(1, "/usr/bin/ssh", &["ssh", "-NR", "8080:localhost:80", "a@b"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "abc.ngrok.io");
    }

    #[test]
    fn ssh_and_git_are_none() {
        let mut run = Run::new();
        run.spawn(1, "/usr/bin/ssh", &["ssh", "-o", "StrictHostKeyChecking=no", "git@host", "git-upload-pack"]);
        run.spawn(1, "/usr/bin/openvpn", &["openvpn", "--version"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_web_client_is_none() {
        let mut run = Run::new();
        run.http(1, "GET", "https://torproject.example/", "html");
        miss(&BEHAVIOUR, run);
    }
}
