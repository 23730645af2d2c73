//! One request over a connection of its own, said exactly as a test wants it.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    /// The connection ended before `Content-Length` bytes.
    pub(crate) is_cut: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) fn get(host: &str, target: &str) -> Answer {
    ask(host, "GET", target, "")
}

/// `extra` are header lines, each ended by CR LF.
pub(crate) fn ask(host: &str, method: &str, target: &str, extra: &str) -> Answer {
    #[expect(clippy::disallowed_methods, reason = "a test speaks to its own server on loopback")]
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{extra}\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "the tests' own bytes")]
    let ended: io::Result<usize> = stream.read_to_end(&mut bytes);
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut answer = Answer { status, head, body: bytes[split + 4..].to_vec(), is_cut: ended.is_err() };
    let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    answer.is_cut |= method != "HEAD" && length.is_some_and(|length| answer.body.len() < length);
    answer
}
