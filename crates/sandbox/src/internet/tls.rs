//! TLS around any service: our certificate for whatever name is asked for, and the client's hello as a fingerprint.
//!
//! JA3: version, cipher suites, extensions, groups and point formats of the hello, without the values of RFC 8701, as decimal numbers, then MD5.
//! Source: salesforce/ja3, README; RFC 8446 section 4.1.2.

use std::io::{Read as _, Write as _};

use md5::{Digest as _, Md5};
use model::{What, text::shortened};
use rustls::ServerConnection;

use super::{
    conversation::{Around, Conversation},
    world::World,
};

/// A longer hello is none.
const HELLO_BYTES_MAX: usize = 16 << 10;
/// Plain bytes taken at once.
const PIECE_BYTES: usize = 16 << 10;

/// One TLS session.
pub(super) struct Session {
    connection: Option<ServerConnection>,
    /// The client's bytes until its hello could be read.
    start: Vec<u8>,
    hello: Option<Hello>,
    told: bool,
    out: Vec<u8>,
}

/// The client does not want to go on, or cannot.
pub(super) struct Refused;

impl Session {
    pub(super) fn new(world: &World) -> Self {
        let connection = ServerConnection::new(world.authority.server()).ok();
        Self { connection, start: Vec::new(), hello: None, told: false, out: Vec::new() }
    }

    /// Takes what came over the wire, gives what is inside to `inner`, and what that answers to the wire.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        inner: &mut Conversation,
        around: &mut Around<'_>,
    ) -> Result<(), Refused> {
        if self.hello.is_none() && self.start.len() < HELLO_BYTES_MAX {
            self.start.extend_from_slice(bytes);
            self.hello = hello(&self.start);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let connection = self.connection.as_mut().ok_or(Refused)?;
            let result = match connection.read_tls(&mut rest) {
                Ok(0) | Err(_) => return Err(self.refused(around)),
                Ok(_) => connection.process_new_packets(),
            };
            let _written = connection.write_tls(around.out);
            if result.is_err() {
                return Err(self.refused(around));
            }
            self.plain(inner, around);
        }
        self.flush(around);
        Ok(())
    }

    fn plain(&mut self, inner: &mut Conversation, around: &mut Around<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.is_handshaking() && !self.told {
            self.told = true;
            tell(self.hello.as_ref(), true, around);
        }
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = connection.reader().read(&mut piece) {
            let plain = piece.get(..length).unwrap_or_default();
            let mut inside = Around {
                world: &mut *around.world,
                flow: &mut *around.flow,
                secure: true,
                out: &mut self.out,
                close: &mut *around.close,
            };
            inner.receive(plain, &mut inside);
        }
    }

    pub(super) fn tick(&mut self, inner: &mut Conversation, around: &mut Around<'_>) {
        if self.told {
            let mut inside = Around {
                world: &mut *around.world,
                flow: &mut *around.flow,
                secure: true,
                out: &mut self.out,
                close: &mut *around.close,
            };
            inner.tick(&mut inside);
            self.flush(around);
        }
    }

    /// The connection ended: a client that left in the middle of the handshake did not take our certificate.
    pub(super) fn end(&mut self, around: &mut Around<'_>) {
        if !self.told {
            let _ = self.refused(around);
        }
    }

    fn flush(&mut self, around: &mut Around<'_>) {
        let Some(connection) = &mut self.connection else { return };
        while !self.out.is_empty() {
            // Its own buffer is bounded: a piece at a time.
            match connection.writer().write(&self.out) {
                Ok(taken @ 1..) => self.out.drain(..taken),
                _ => break,
            };
            let _written = connection.write_tls(around.out);
        }
        if *around.close && self.out.is_empty() {
            connection.send_close_notify();
        }
        while connection.wants_write() && connection.write_tls(around.out).is_ok() {}
    }

    fn refused(&mut self, around: &mut Around<'_>) -> Refused {
        if !self.told {
            self.told = true;
            tell(self.hello.as_ref(), false, around);
        }
        self.connection = None;
        Refused
    }
}

fn tell(hello: Option<&Hello>, accepted: bool, around: &Around<'_>) {
    let (server, ja3) = hello.map(|hello| (hello.server.clone(), hello.ja3())).unwrap_or_default();
    let server = shortened(&server, 253).into_owned();
    around.world.event(What::Tls { flow: around.flow.id, server, ja3, accepted });
}

/// What a client says first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hello {
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    groups: Vec<u16>,
    formats: Vec<u8>,
    server: String,
}

impl Hello {
    fn text(&self) -> String {
        let formats: Vec<u16> = self.formats.iter().map(|format| u16::from(*format)).collect();
        let lists = [&self.ciphers, &self.extensions, &self.groups, &formats].map(|list| {
            let numbers: Vec<String> = list.iter().filter(|number| !reserved(**number)).map(u16::to_string).collect();
            numbers.join("-")
        });
        format!("{},{}", self.version, lists.join(","))
    }

    fn ja3(&self) -> String {
        hex::encode(Md5::digest(self.text()))
    }
}

/// Values that clients throw in to keep servers tolerant: `0x0a0a`, `0x1a1a`, … (RFC 8701).
fn reserved(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// Reads a hello out of the records that carry it; none while it is not whole, or is none.
fn hello(records: &[u8]) -> Option<Hello> {
    let mut message = Vec::new();
    let mut rest = records;
    while let [0x16, 3, _, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        message.extend_from_slice(behind.get(..length).unwrap_or(behind));
        rest = behind.get(length..).unwrap_or_default();
    }
    let mut message = Reader(&message);
    if message.byte()? != 1 {
        return None;
    }
    let length = usize::from(message.byte()?) << 16 | usize::from(message.pair()?);
    let mut body = Reader(message.take(length)?);
    let mut hello = Hello { version: body.pair()?, ..Hello::default() };
    body.take(32)?;
    let session = usize::from(body.byte()?);
    body.take(session)?;
    let ciphers = usize::from(body.pair()?);
    hello.ciphers = pairs(body.take(ciphers)?);
    let methods = usize::from(body.byte()?);
    body.take(methods)?;
    let extensions = usize::from(body.pair().unwrap_or(0));
    let mut extensions = Reader(body.take(extensions)?);
    while let Some(kind) = extensions.pair() {
        let length = usize::from(extensions.pair()?);
        let mut content = Reader(extensions.take(length)?);
        hello.extensions.push(kind);
        match kind {
            // The list's length, one entry's type, the name.
            0 => {
                content.take(3);
                let length = usize::from(content.pair().unwrap_or(0));
                hello.server = String::from_utf8_lossy(content.take(length).unwrap_or_default()).into_owned();
            }
            10 => {
                content.take(2);
                hello.groups = pairs(content.0);
            }
            11 => hello.formats = content.0.get(1..).unwrap_or_default().to_vec(),
            _ => {}
        }
    }
    Some(hello)
}

fn pairs(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk().copied()).map(u16::from_be_bytes).collect()
}

/// The rest of bytes that are read from their front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn pair(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string and the sum are those of the README of JA3.
    #[test]
    fn the_fingerprint_is_the_published_one() {
        let hello = Hello {
            version: 769,
            ciphers: vec![47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            formats: vec![0],
            server: String::new(),
        };
        assert_eq!(hello.text(), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(hello.ja3(), "ada70206e40642a3e4461f35503241d5");
    }

    #[test]
    fn a_damaged_hello_is_none() {
        assert_eq!(hello(b""), None);
        assert_eq!(hello(&[0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]), None);
        for length in 0..80 {
            hello(&vec![0x16; length]);
            let mut bytes = vec![0x16, 3, 1, 0, 75, 1, 0, 0, 71, 3, 3];
            bytes.resize(11 + length, 1);
            hello(&bytes);
        }
    }
}
