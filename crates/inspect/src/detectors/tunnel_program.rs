//! Recognises programs that lead traffic around a filter: VPN, Tor, tunnels, relays.
//!
//! In an image that does not say so they hide where traffic comes from and open a way in past the firewall. Each is known
//! by words of its protocol and its settings, of which several must be there: a renamed or edited build keeps the rest.
//!
//! - Sees: the programs of the table below, under any name, in clear text.
//! - Misses: packed programs, rebuilt ones without settings, plain proxies and SSH (too ordinary).
//! - False alarms: dissectors know a protocol too, but few of its settings; libraries that can use Tor or SOCKS know none.
//! - Source: manuals and binaries of the programs as Debian 12 ships them, public protocol descriptions; ATT&CK T1090, T1572.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "tunnel-program",
        title: "VPN, Tor, tunnel or relay program",
        category: Category::ProxyAvoidance,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1090", "T1572"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::MachO],
        // The first two texts of each row; a test holds them equal.
        literals: &[
            "HiddenServiceDir",
            "UseEntryGuards",
            "tor_circmgr",
            "tor_guardmgr",
            "TOR_PT_MANAGED_TRANSPORT_VER",
            "meek_lite",
            "snowflake-broker",
            "snowflake.torproject",
            "PUSH_REQUEST",
            "OpenVPN Static key V1",
            "WireGuard v1 zx2c4",
            "persistent_keepalive_interval",
            "latest-handshakes",
            "WG_HIDE_KEYS",
            "ss-subkey",
            "xchacha20-ietf-poly1305",
            "vmess",
            "dokodemo",
            "reuse_session",
            "tunnel established",
            "datashard",
            "parityshard",
            "Autoprobing",
            "topdomain",
            "driver_dns",
            "dnscat",
            "NewWorkConn",
            "privilege_key",
            "ngrok-agent",
            "ERR_NGROK_",
            "jpillora/chisel",
            "chisel-v",
            "argotunnel",
            "trycloudflare.com",
            "go-gost/",
            "ginuerzh/gost/",
            "Noise_NK_25519_ChaChaPoly_BLAKE2s",
            "rathole",
            "bore.pub",
            "bore_cli",
            "PropagationChannelId",
            "psiphon",
            "getlantern/",
            "lantern-",
            "am_lighthouse",
            "unsafe_routes",
            "controlplane.tailscale.com",
            "magicsock: ",
            "X-CSTP-",
            "openconnect_vpninfo_new",
            "Incoming tunnel request",
            "Enjoy your tunnel",
            "handle_tunnel_input",
            "tunnel_write_data",
            "redudp",
            "dnstc",
            "localtunnel",
            "loca.lt",
            "StrictSubnets",
            "TunnelServer",
        ],
    },
    inspect,
};

/// A program: what it is, texts of its protocol and settings, and how many of them must be there.
struct Program {
    name: &'static str,
    texts: &'static [&'static str],
    enough: usize,
}

const fn program(name: &'static str, enough: usize, texts: &'static [&'static str]) -> Program {
    Program { name, texts, enough }
}

const PROGRAMS: &[Program] = &[
    program(
        "Tor",
        5,
        &[
            "HiddenServiceDir",
            "UseEntryGuards",
            "HSLayer2Nodes",
            "ExcludeExitNodes",
            "ntor-curve25519-sha256-1",
            "recommended-relay-protocols",
            "ClientTransportPlugin",
            "Bootstrapped %d%%",
            "ExitPolicy",
            "introduce1",
        ],
    ),
    program(
        "Tor (Arti)",
        3,
        &["tor_circmgr", "tor_guardmgr", "tor_hsclient", "tor_netdir", "ntor-curve25519-sha256-1"],
    ),
    program(
        "pluggable transport of Tor",
        3,
        &["TOR_PT_MANAGED_TRANSPORT_VER", "meek_lite", "iat-mode", "scramblesuit", "ntor-curve25519-sha256-1", "obfs4"],
    ),
    program(
        "Snowflake",
        2,
        &[
            "snowflake-broker",
            "snowflake.torproject",
            "snowflake/v2/common",
            "torproject.net",
            "TOR_PT_MANAGED_TRANSPORT_VER",
        ],
    ),
    program(
        "OpenVPN",
        5,
        &[
            "PUSH_REQUEST",
            "OpenVPN Static key V1",
            "PUSH_REPLY",
            "tls-crypt-v2",
            "Initialization Sequence Completed",
            "Peer Connection Initiated",
            "redirect-gateway",
            "remote-cert-tls",
        ],
    ),
    program(
        "WireGuard",
        3,
        &[
            "WireGuard v1 zx2c4",
            "persistent_keepalive_interval",
            "preshared_key",
            "mac1----",
            "Noise_IKpsk2",
            "cookie--",
            "boringtun",
        ],
    ),
    program("WireGuard (wg)", 3, &["latest-handshakes", "WG_HIDE_KEYS", "PersistentKeepalive", "preshared-key"]),
    program(
        "Shadowsocks",
        3,
        &[
            "ss-subkey",
            "xchacha20-ietf-poly1305",
            "SS_REMOTE_HOST",
            "SS_LOCAL_PORT",
            "SS_PLUGIN_OPTIONS",
            "rc4-md5",
            "bf-cfb",
            "2022-blake3-aes-256-gcm",
            "plugin_opts",
            "plugin-opts",
        ],
    ),
    program(
        "V2Ray or its kin",
        4,
        &[
            "vmess",
            "dokodemo",
            "vless",
            "VMess Header AEAD Key",
            "xtls-rprx-vision",
            "shadowtls",
            "hysteria2",
            "geoip.dat",
            "geosite.dat",
            "v2ray.core",
            "freedom",
        ],
    ),
    program("Trojan", 4, &["reuse_session", "tunnel established", "remote_addr", "target_addr", "run_type"]),
    program("kcptun", 4, &["datashard", "parityshard", "smuxver", "sndwnd", "kcp-go"]),
    program(
        "iodine (DNS tunnel)",
        3,
        &["Autoprobing", "topdomain", "Base64u", "downstream fragment", "raw UDP", "tunnel_ip", "DNS tunneling"],
    ),
    program(
        "dnscat (DNS tunnel)",
        3,
        &["driver_dns", "dnscat", "tunnel_driver", "Session established!", "--secret", "tcpcat"],
    ),
    program(
        "frp",
        3,
        &[
            "NewWorkConn",
            "privilege_key",
            "NewProxyResp",
            "NatHoleVisitor",
            "StartWorkConn",
            "xtcp",
            "sudp",
            "frp/pkg/msg",
        ],
    ),
    program("ngrok", 3, &["ngrok-agent", "ERR_NGROK_", "ngrok.com", "authtoken", "tunnel session"]),
    program("chisel", 2, &["jpillora/chisel", "chisel-v", "R:socks", "--socks5"]),
    program("cloudflared", 2, &["argotunnel", "trycloudflare.com", "cfd_tunnel", "Cloudflare Tunnel", "cloudflared"]),
    program("gost", 2, &["go-gost/", "ginuerzh/gost/", "forward+ssh", "relay+", "mwss", "ohttp"]),
    program(
        "rathole",
        3,
        &["Noise_NK_25519_ChaChaPoly_BLAKE2s", "rathole", "default_token", "heartbeat_timeout", "control channel"],
    ),
    program("bore", 2, &["bore.pub", "bore_cli", "BORE_SECRET", "BORE_SERVER"]),
    program("Psiphon", 3, &["PropagationChannelId", "psiphon", "SponsorId", "EgressRegion", "RemoteServerList"]),
    program("Lantern", 2, &["getlantern/", "lantern-", "flashlight/", "domainfront"]),
    program("Nebula", 4, &["am_lighthouse", "unsafe_routes", "lighthouse", "punchy", "hostmap", "slackhq/nebula"]),
    program("Tailscale", 3, &["controlplane.tailscale.com", "magicsock: ", "wgengine", "DERPMap", "derpmap"]),
    program("OpenConnect", 3, &["X-CSTP-", "openconnect_vpninfo_new", "AnyConnect", "globalprotect", "X-DTLS-"]),
    program(
        "ptunnel (ICMP tunnel)",
        3,
        &["Incoming tunnel request", "Enjoy your tunnel", "forwarding mode", "proxy mode", "<dest_addr>"],
    ),
    program(
        "httptunnel",
        3,
        &[
            "handle_tunnel_input",
            "tunnel_write_data",
            "couldn't create tunnel",
            "couldn't open tunnel",
            "tunnel_accept",
        ],
    ),
    program("redsocks", 3, &["redudp", "dnstc", "http-relay", "http-connect", "redsocks"]),
    program("localtunnel", 2, &["localtunnel", "loca.lt", "max_conn_count", "your url is"]),
    program("tinc", 4, &["StrictSubnets", "TunnelServer", "ConnectTo", "LocalDiscovery", "ProcessPriority"]),
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.first() else { return Vec::new() };
    if !text::is_program(sample) {
        return Vec::new();
    }
    let asked = |program: &&Program| {
        let anchors = program.texts.get(..2).unwrap_or_default();
        sample.hits.iter().any(|hit| anchors.contains(&literal(hit.literal)))
    };
    let asked: Vec<_> = PROGRAMS.iter().filter(asked).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let known = asked.into_iter().find_map(|program| {
        let held: Vec<_> = program
            .texts
            .iter()
            .filter(|text| memmem::find(sample.bytes, text.as_bytes()).is_some())
            .copied()
            .collect();
        (held.len() >= program.enough).then_some((program, held))
    });
    let Some((program, held)) = known else { return Vec::new() };
    let some = held.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    vec![Match::new(format!("{}: {} of its texts ({some})", program.name, held.len()), first.offset)]
}

fn literal(index: usize) -> &'static str {
    match &DETECTOR.scope {
        Scope::Content { literals, .. } => literals.get(index).copied().unwrap_or_default(),
        Scope::Place(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{DETECTOR, PROGRAMS, Scope};
    use crate::detectors::testing::{check, run};

    fn elf(strings: &[&str]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes.extend(strings.join("\0").as_bytes());
        bytes
    }

    #[test]
    fn the_literals_are_the_first_texts_of_every_program() {
        let Scope::Content { literals, .. } = &DETECTOR.scope else { panic!("a content detector") };
        let firsts: Vec<_> = PROGRAMS.iter().flat_map(|program| &program.texts[..2]).copied().collect();
        assert_eq!(firsts, *literals);
    }

    #[test]
    fn every_program_is_known_by_its_texts_and_by_no_fewer() {
        for program in PROGRAMS {
            let found = run(&DETECTOR, "usr/bin/x", 0o755, &elf(&program.texts[..program.enough]));
            assert_eq!(found.len(), 1, "{}", program.name);
            check(&DETECTOR, "usr/bin/x", &elf(&program.texts[..program.enough - 1]), &[]);
        }
    }

    #[test]
    fn a_manual_is_no_program() {
        let manual = PROGRAMS.iter().flat_map(|program| program.texts).copied().collect::<Vec<_>>().join("\n");
        check(&DETECTOR, "manual.txt", manual.as_bytes(), &[]);
    }
}
