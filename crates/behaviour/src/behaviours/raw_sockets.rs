//! Sees sockets made that write their own packet headers or listen to all packets.
//!
//! - Sees: raw sockets over IP where the program writes the header, and packet sockets.
//! - Misses: raw sockets inherited.
//! - False alarms: `ping`, DHCP clients, packet captures, VRRP: ordinary tools of a network (a fact); unknown programs that write IP headers are a sign of a
//!   draft.
//! - Source: raw(7), packet(7); ATT&CK T1040, T1095.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "raw-sockets",
        title: "Writes its own packet headers",
        category: Category::HackingTool,
        weight: Weight::Sign,
        severity: Severity::Low,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1095", "T1040"],
    },
    judge: Judge::Run(judge),
};

const TOOLS: &[&str] = &[
    "ping",
    "ping6",
    "fping",
    "traceroute",
    "mtr",
    "mtr-packet",
    "tcpdump",
    "dumpcap",
    "tshark",
    "dhclient",
    "dhcpcd",
    "udhcpc",
    "dnsmasq",
    "keepalived",
    "arping",
    "ndisc6",
    "radvd",
    "bird",
    "frr",
    "zebra",
    "ospfd",
    "suricata",
    "snort",
    "zeek",
    "softflowd",
    "conntrackd",
    "iptables",
    "ip6tables",
    "xtables-nft-multi",
    "xtables-legacy-multi",
    "arpwatch",
    "speaker",
    "smokeping",
    "blackbox_exporter",
    "telegraf",
    "prometheus",
    "charon",
    "strongswan",
    "openvpn",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    const HEADERS: i32 = 255;
    let mut first: Option<(usize, bool, &str)> = None;
    for (at, event) in story.events() {
        let What::Socket { family, kind, protocol, result: 0.. } = &event.what else { continue };
        let writes = kind == "raw" && *protocol == HEADERS && family.starts_with("inet");
        if !writes && family != "packet" && kind != "raw" {
            continue;
        }
        if family == "netlink" {
            continue;
        }
        let tool = story.program(at);
        let known = tool.is_some_and(|program| program.is(TOOLS) && !program.written);
        let counts = writes && !known;
        if first.is_none_or(|(_, before, _)| counts && !before) {
            first = Some((at, counts, tool.map_or("a program", |program| program.tool())));
        }
    }
    let Some((at, counts, who)) = first else { return Vec::new() };
    let told = Match::new(
        at,
        format!("{who} makes a raw socket{}", if counts { " and writes the headers itself" } else { "" }),
    );
    vec![if counts { told } else { told.fact() }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    fn socket(run: &mut Run, family: &str, kind: &str, protocol: i32) {
        run.push(1, What::Socket { family: family.into(), kind: kind.into(), protocol, result: 3 });
    }

    #[test]
    fn headers_of_its_own() {
        let mut run = Run::of("/opt/x", &["x"]);
        socket(&mut run, "inet", "raw", 255);
        hit(&BEHAVIOUR, run, Weight::Sign, "x makes a raw socket and writes");
    }

    #[test]
    fn a_written_program_called_ping() {
        let mut run = Run::new();
        let ping = run.spawn_written(1, "/tmp/ping", &["ping"]);
        run.push(ping, What::Socket { family: "inet".into(), kind: "raw".into(), protocol: 255, result: 3 });
        hit(&BEHAVIOUR, run, Weight::Sign, "ping makes a raw socket");
    }

    #[test]
    fn pings_and_captures_are_none() {
        let mut run = Run::of("/bin/ping", &["ping", "host"]);
        socket(&mut run, "inet", "raw", 1);
        socket(&mut run, "packet", "raw", 768);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn sockets_of_the_kernel_are_none() {
        let mut run = Run::of("/usr/bin/agent", &["agent"]);
        socket(&mut run, "netlink", "raw", 0);
        socket(&mut run, "inet", "stream", 6);
        miss(&BEHAVIOUR, run);
    }
}
