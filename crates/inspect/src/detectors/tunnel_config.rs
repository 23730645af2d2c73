//! Recognises settings and commands that lead traffic around a filter: VPN, Tor, proxies of the Shadowsocks kind, tunnels.
//!
//! The program may come from a package or be fetched when the image starts; what it is told is in the image: a server, a
//! key, which ports are led where.
//!
//! - Sees: torrc, OpenVPN and WireGuard profiles with their keys, Shadowsocks, V2Ray, Trojan, Hysteria, sing-box and Clash
//!   settings and share links, frp, rathole, ngrok and cloudflared settings, commands of tunnels.
//! - Misses: settings that are encrypted or put together at run time; plain `ssh -L` and `-D` (too ordinary).
//! - False alarms: examples shipped with the programs (they are there for the program); documents and comments are none.
//! - Source: manuals of the programs named; SIP002; ATT&CK T1090, T1572.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// How far the parts of one setting may be apart.
const WINDOW_BYTES: usize = 3000;
/// Most windows looked at in one file.
const WINDOWS_MAX: usize = 16;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "tunnel-config",
        title: "Settings of a VPN, Tor, tunnel or relay",
        category: Category::ProxyAvoidance,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1090", "T1572"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "SocksPort",
            "HiddenServiceDir",
            "HiddenServicePort",
            "UseBridges",
            "OpenVPN Static key V1",
            "dev tun",
            "<tls-crypt>",
            "PrivateKey",
            "AllowedIPs",
            "vmess",
            "vless",
            "trojan://",
            "\"server_port\"",
            "\"remote_addr\"",
            "hysteria",
            "tuic://",
            "type: ss",
            "type: trojan",
            "\"shadowsocks\"",
            "server_addr",
            "serverAddr",
            "[client.services",
            "ngrok ",
            "authtoken",
            "cloudflared ",
            "serveo.net",
            "localhost.run",
            "R:socks",
            "chisel ",
            "bore local",
            "gost -",
            "iodine ",
            "dnscat",
            "shadowsocks",
            "ss-local ",
            "ss-server ",
            "localtunnel",
        ],
    },
    inspect,
};

/// A kind of setting: all of `all` must be near each other.
struct Setting {
    name: &'static str,
    all: Vec<Regex>,
}

static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    const HOST: &str = r#"["']?\s*[:=]\s*["']?[A-Za-z0-9\[][A-Za-z0-9.:-]{2,}"#;
    let one = |name, patterns: &[&str]| Setting {
        name,
        all: patterns
            .iter()
            .map(|pattern| {
                let pattern = pattern.replace("<HOST>", HOST);
                Regex::new(&format!("(?m){pattern}")).expect("the pattern is a constant, and a test runs it")
            })
            .collect(),
    };
    vec![
        one(
            "Tor",
            &[
                r"(?i)^\s*(?:SocksPort|HiddenServiceDir|TransPort|DNSPort|ORPort)\s+\S",
                r"(?i)^\s*(?:HiddenServicePort|HiddenServiceVersion|UseBridges|Bridge|ClientTransportPlugin|ControlPort|DataDirectory|ExitRelay|ExitPolicy|AutomapHostsOnResolve|VirtualAddrNetwork\w*|ExitNodes|CookieAuthentication|SocksPolicy|ContactInfo|Nickname|RunAsDaemon|Log)\s+\S",
            ],
        ),
        one(
            "OpenVPN",
            &[
                r"^\s*remote\s+[A-Za-z0-9.:-]+(?:\s+\d+)?",
                r"^\s*dev\s+tun",
                r"^\s*(?:<(?:ca|cert|key|tls-auth|tls-crypt|auth-user-pass)>|auth-user-pass\b|(?:ca|cert|key|pkcs12|secret)\s+\S)",
            ],
        ),
        one(
            "WireGuard",
            &[
                r"(?i)^\s*\[Interface\]",
                r"(?i)PrivateKey\s*=\s*[A-Za-z0-9+/]{42}[A-Za-z0-9+/=]{2}",
                r"(?i)^\s*\[Peer\]",
                r"(?i)AllowedIPs\s*=",
            ],
        ),
        one(
            "proxy share link",
            &[
                r"\b(?:vmess://[A-Za-z0-9+/=_-]{40}|(?:vless|trojan|hysteria2?|hy2|tuic)://[^\s@/]{6,}@[A-Za-z0-9.\[-][A-Za-z0-9.:\]-]{2,}:\d{2,5})",
            ],
        ),
        one(
            "Shadowsocks",
            &[
                r#""server"<HOST>"#,
                r#""server_port"\s*:\s*\d+|"port_password""#,
                r#""method"\s*:\s*"(?:[a-z0-9-]*(?:gcm|poly1305|cfb|ctr)|rc4-md5|plain|none)""#,
                r#""password"\s*:"#,
            ],
        ),
        one(
            "V2Ray or its kin",
            &[
                r#""(?:inbounds?|outbounds?|inboundDetour)"\s*:"#,
                r#""(?:protocol|type)"\s*:\s*"(?:vmess|vless|trojan|shadowsocks|hysteria2?|tuic|shadowtls|dokodemo-door|wireguard)""#,
                r#""(?:id|users?|clients?|uuid|password|vnext|servers?|settings)"\s*:"#,
            ],
        ),
        one(
            "Clash",
            &[
                r"^proxies:",
                r"type:\s*(?:ssr?|vmess|vless|trojan|hysteria2?|tuic|snell|socks5)\b",
                r"server:\s*\S",
                r"port:\s*\d+",
            ],
        ),
        one(
            "Trojan",
            &[r#""run_type"\s*:\s*"(?:client|server|forward|nat)""#, r#""remote_addr"<HOST>"#, r#""password"\s*:"#],
        ),
        one(
            "Hysteria",
            &[
                r#"(?i)^\s*server:\s*["']?[A-Za-z0-9.\[-]+[:\]]"#,
                r"(?m)^\s*auth:\s*\S",
                r"(?m)^\s*(?:bandwidth|socks5|http|quic|obfs|tls):",
            ],
        ),
        one(
            "frp",
            &[
                r"^\s*(?:server_?[aA]ddr)\s*=\s*\S",
                r"^\s*(?:local_?[pP]ort|remote_?[pP]ort)\s*=\s*\S",
                r"^\s*\[{1,2}[\w.-]+\]{1,2}",
            ],
        ),
        one(
            "rathole",
            &[r"^\s*\[(?:client|server)\.services", r"^\s*(?:remote_addr|bind_addr|local_addr)\s*=", r"token\s*="],
        ),
        one(
            "ngrok",
            &[
                r"^\s*authtoken:\s*[A-Za-z0-9_]{20,}|\bngrok\s+(?:config\s+add-)?authtoken\s+[A-Za-z0-9_$\{]{4,}|\bngrok\s+(?:tcp|http|tls|start)\s+\S",
            ],
        ),
        one(
            "cloudflared",
            &[
                r"\bcloudflared\s+(?:access|tunnel)\s+(?:--\S+\s+)*(?:run|--url|--hello-world|tcp)|\bcloudflared\s+tunnel\b[^\n]*--(?:token|url)",
            ],
        ),
        one("reverse tunnel over SSH", &[r"\bssh\b[^\n]*\s-R\s*\S+[^\n]*\b(?:serveo\.net|localhost\.run|pinggy\.io)"]),
        one(
            "chisel",
            &[
                r"\bR:(?:socks|\d|[a-z0-9.]+:\d)[^\n]*|\bchisel\s+server\b[^\n]*--(?:reverse|socks5)",
                r"\b(?:client|server)\b",
            ],
        ),
        one("bore", &[r"\bbore\s+local\s+\d+\s+(?:--to|-t)\s"]),
        one("gost", &[r"\bgost\s+-[LF][= ]?\S"]),
        one("iodine (DNS tunnel)", &[r"(?m)^\s*(?:exec\s+|sudo\s+|/\S*/)*iodined?\s+(?:-\w+\s*)+\S"]),
        one("dnscat (DNS tunnel)", &[r"\bdnscat2?\s+(?:--\S+|-\w)"]),
        one("Shadowsocks", &[r"\bss-(?:local|server|redir|tunnel)\s+(?:-\w\s+\S+\s+)*-[spmk]\s"]),
        one("localtunnel", &[r"\b(?:npx\s+localtunnel|lt)\s+(?:-p|--port)[ =]\d"]),
    ]
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    if text::is_program(sample) {
        return Vec::new();
    }
    let mut found: Vec<Match> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let (mut looked_until, mut windows) = (0, 0);
    for hit in sample.hits {
        if hit.offset < looked_until || windows == WINDOWS_MAX {
            continue;
        }
        windows += 1;
        looked_until = hit.offset + WINDOW_BYTES / 2;
        if !text::stands_in_text(sample, hit.offset) || text::is_document(sample, hit.offset) {
            continue;
        }
        let (_, near) = sample.around(hit.offset, WINDOW_BYTES, WINDOW_BYTES);
        let near: String = String::from_utf8_lossy(near)
            .split_inclusive('\n')
            .filter(|line| !line.trim_start().starts_with(['#', ';']) || line.starts_with("#!"))
            .collect();
        for setting in SETTINGS.iter() {
            if !names.contains(&setting.name) && setting.all.iter().all(|pattern| pattern.is_match(&near)) {
                names.push(setting.name);
                found.push(Match::new(format!("settings of {}", setting.name), hit.offset));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn settings_of_every_kind_are_known() {
        let key = "A".repeat(43);
        for (text, expected) in [
            ("SocksPort 9050\nHiddenServiceDir /var/lib/t/\nHiddenServicePort 22 127.0.0.1:22\n", "settings of Tor"),
            ("client\ndev tun\nremote 198.51.100.4 1194\n<ca>\nx\n</ca>\n", "settings of OpenVPN"),
            (
                &format!("[Interface]\nPrivateKey = {key}=\n[Peer]\nPublicKey = {key}=\nAllowedIPs = 0.0.0.0/0\n"),
                "settings of WireGuard",
            ),
            ("LINK=vless://6ba7b810-9dad-11d1-80b4-00c04fd430c8@198.51.100.4:443?x\n", "settings of proxy share link"),
            (
                "{\"server\":\"198.51.100.4\",\"server_port\":8388,\"password\":\"x\",\"method\":\"aes-256-gcm\"}",
                "settings of Shadowsocks",
            ),
            (
                "{\"inbounds\":[],\"outbounds\":[{\"protocol\":\"vmess\",\"settings\":{\"vnext\":[]}}]}",
                "settings of V2Ray or its kin",
            ),
            (
                "[common]\nserver_addr = 198.51.100.4\n[ssh]\ntype = tcp\nlocal_port = 22\nremote_port = 6000\n",
                "settings of frp",
            ),
            ("ENTRY chisel client 198.51.100.4:80 R:socks\n", "settings of chisel"),
            ("cloudflared tunnel --no-autoupdate run --token x\n", "settings of cloudflared"),
            ("ssh -o StrictHostKeyChecking=no -R 80:localhost:22 serveo.net\n", "settings of reverse tunnel over SSH"),
        ] {
            check(&DETECTOR, "x", text.as_bytes(), &[expected]);
        }
    }

    #[test]
    fn comments_keys_and_ordinary_settings_are_nothing() {
        check(&DETECTOR, "x", b"#SocksPort 9050\n#HiddenServiceDir /x\n#HiddenServicePort 80 a\n", &[]);
        check(&DETECTOR, "x", b"{\"server\":\"db\",\"server_port\":5432,\"password\":\"x\"}", &[]);
        check(&DETECTOR, "x", b"serverAddr = \"x\"\n", &[]);
        let manual = "# Tunnels\n\n```\nSocksPort 9050\nHiddenServiceDir /x\nHiddenServicePort 80 a\n```\n";
        assert_eq!(run(&DETECTOR, "x", 0o644, manual.as_bytes()), []);
        let lens = "module Test_OpenVPN =\nlet conf = \"\ndev tun\nremote 198.51.100.4 1194\nca ca.crt\n\"\ntest OpenVPN.lns get conf =\n";
        assert_eq!(run(&DETECTOR, "x.aug", 0o644, lens.as_bytes()), []);
    }
}
