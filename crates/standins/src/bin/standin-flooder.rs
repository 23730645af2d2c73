//! Imitates a denial-of-service tool: its method names, a list of targets built in, and a short burst of packets.
//!
//! `standin-flooder --target 127.0.0.1:PORT [--method udp|http] [--packets N]`
//!
//! Never: it sends nothing but to loopback, at most 1,000 packets or requests in one run, about one each millisecond, and
//! forges no addresses. The targets in its list end in `.example` and `.invalid`, which RFC 2606 reserves, and are never
//! resolved. It ends by itself.

use std::{
    hint::black_box,
    io::Write,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process::ExitCode,
    thread,
    time::Duration,
};

use standins::{Arguments, begin, connect};

/// What strings(1) finds in a flooder. Kept in the binary by [`main`].
const WORDS: [&str; 18] = [
    "udpflood",
    "synflood",
    "ackflood",
    "httpflood",
    "slowloris",
    "dns-amplification",
    "ntp-amplification",
    "memcached-amplification",
    "ssdp-amplification",
    "goldeneye",
    "vse",
    "greip",
    "std",
    "xmas",
    "spoofed source",
    "attack duration",
    "packets per second",
    "threads per target",
];
/// Its built-in targets. Reserved names, never resolved.
const TARGETS: [&str; 6] = [
    "bank.example:443",
    "game-server.example:27015",
    "ministry.example:80",
    "news.invalid:80",
    "dns.invalid:53",
    "shop.example:443",
];
const PACKETS_DEFAULT: u64 = 100;
const PACKETS_MAX: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    black_box((WORDS, TARGETS));
    begin(flood)
}

fn flood(arguments: &Arguments) -> Result<String, String> {
    let target = arguments.loopback("target")?;
    let packets = arguments.number("packets", PACKETS_DEFAULT, PACKETS_MAX)?;
    let sent = match arguments.get("method").unwrap_or("udp") {
        "udp" => udp(target, packets)?,
        "http" => http(target, packets),
        other => return Err(format!("the method {other:?} is only a name here; udp and http send something")),
    };
    Ok(format!("{sent} sent"))
}

fn udp(target: SocketAddr, packets: u64) -> Result<u64, String> {
    let own = if target.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    #[expect(clippy::disallowed_methods, reason = "bound to loopback, and sends to loopback only")]
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).map_err(|error| error.to_string())?;
    Ok(counted(packets, || socket.send_to(b"standin-flooder", target).is_ok()))
}

fn http(target: SocketAddr, packets: u64) -> u64 {
    let request = format!("GET /?standin-flooder HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    counted(packets, || connect(target).is_ok_and(|mut stream| stream.write_all(request.as_bytes()).is_ok()))
}

/// Stops at the first that cannot be sent.
fn counted(packets: u64, mut send: impl FnMut() -> bool) -> u64 {
    (0..packets)
        .take_while(|_| {
            thread::sleep(PAUSE);
            send()
        })
        .count() as u64
}
