//! Calls on the sample's own ports from outside: what a visitor, a scanner or the owner of a back door would say.
//!
//! Nothing that is sent changes anything: requests for pages, an empty connection, `id`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use model::What;

use super::super::{
    Protocol,
    service::{Service, Talk},
    world::World,
};

/// What a caller does.
struct Script {
    /// For the record.
    what: &'static str,
    /// Said at once, then after each second of silence the next.
    lines: &'static [&'static str],
}

const TCP: [Script; 4] = [
    Script {
        what: "request of its front page",
        lines: &[
            "GET / HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        ],
    },
    Script { what: "connection that says nothing, then `id`", lines: &["", "", "id\n", "uname -a\n"] },
    Script {
        what: "command as a web shell takes it",
        lines: &[
            "GET /shell.php?cmd=id&c=id&command=id HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: curl/7.88.1\r\nConnection: close\r\n\r\n",
        ],
    },
    Script { what: "login as at a terminal", lines: &["\r\n", "root\r\n", "root\r\n", "id\r\n"] },
];
const UDP: [&[u8]; 3] = [b"\r\n", b"id\n", b"ping"];
const PIECES_MAX: u32 = 64;

/// How many callers a port gets.
pub(in super::super) fn probes(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => TCP.len(),
        Protocol::Udp => UDP.len(),
    }
}

/// Where the `number`th call comes from: somewhere on the internet.
pub(in super::super) fn caller(world: &World, number: u16) -> SocketAddr {
    let drawn = world.draw("caller", "address");
    let address = Ipv4Addr::new(203, 0, 113, (drawn % 200) as u8 + 20);
    SocketAddr::new(IpAddr::V4(address), 40_000 + number % 20_000)
}

/// The event that says what we do.
pub(in super::super) fn told(port: u16, protocol: Protocol, number: usize) -> What {
    let what = match protocol {
        Protocol::Tcp => TCP.get(number).map_or("", |script| script.what),
        Protocol::Udp => "datagram",
    };
    let protocol = if protocol == Protocol::Tcp { "tcp" } else { "udp" };
    What::Poke { what: format!("{protocol} port {port}: {what}") }
}

/// The caller's side of a connection.
pub(in super::super) fn probe(number: usize) -> Box<dyn Service> {
    Box::new(Caller { lines: TCP.get(number).map_or(&[], |script| script.lines), said: 0, heard: 0 })
}

/// What a datagram holds.
pub(in super::super) fn datagram(number: usize) -> &'static [u8] {
    UDP.get(number).copied().unwrap_or_default()
}

struct Caller {
    lines: &'static [&'static str],
    said: usize,
    heard: u32,
}

impl Service for Caller {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        talk.flow.service = "poke";
        self.quiet(talk);
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.heard += 1;
        if self.heard <= PIECES_MAX {
            talk.message("poke", &String::from_utf8_lossy(input));
        }
        input.clear();
    }

    fn quiet(&mut self, talk: &mut Talk<'_>) {
        if let Some(line) = self.lines.get(self.said) {
            self.said += 1;
            talk.say(line);
        } else {
            *talk.close = true;
        }
    }
}
