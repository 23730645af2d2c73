//! What a service is, and which there are. One is one file in `services/` and a line in [`ALL`].

use model::{Digest, What, text::shortened};

use super::{flows::Flow, services, world::World};

/// Characters of a line, a user or a password that are recorded.
const LINE_CHARS_MAX: usize = 512;
const CREDENTIAL_CHARS_MAX: usize = 64;

/// A kind of service: when it answers a connection.
pub(super) struct Kind {
    /// As in [`What::FlowEnd`].
    pub(super) name: &'static str,
    /// Ports it answers on where the first bytes say nothing.
    pub(super) ports: &'static [u16],
    /// Whether the server speaks first.
    pub(super) greets: bool,
    /// Whether what it knows is all that its protocol begins with, and no answer to another server's greeting.
    pub(super) insists: bool,
    /// Whether the client's first bytes can be of nothing else, whatever the port.
    pub(super) knows: fn(&[u8]) -> bool,
    /// Begins it on a new connection.
    pub(super) open: fn() -> Box<dyn Service>,
}

/// All of them; the first that knows the bytes answers, then the first that has the port.
pub(super) const ALL: &[Kind] = &[
    services::dns::KIND,
    services::http::KIND,
    services::stratum::KIND,
    services::ssh::KIND,
    services::telnet::KIND,
    services::redis::KIND,
    services::irc::KIND,
    services::smtp::KIND,
    services::ftp::KIND,
    services::ftp::DATA,
    services::mysql::KIND,
    services::postgres::KIND,
];

/// One connection's side of a service. Whatever it is fed, it keeps a bounded amount of it.
pub(super) trait Service: Send {
    /// The connection is open, and the server speaks first.
    fn begin(&mut self, _talk: &mut Talk<'_>) {}

    /// More bytes are there: what is used is taken out of `input`, the rest is shown again with more behind it.
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>);

    /// Nothing came for another second or so.
    fn quiet(&mut self, _talk: &mut Talk<'_>) {}
}

/// What a service can do while it is called.
pub(super) struct Talk<'a> {
    pub(super) world: &'a mut World,
    pub(super) flow: &'a mut Flow,
    /// Inside TLS.
    pub(super) secure: bool,
    /// Goes to the sample.
    pub(super) out: &'a mut Vec<u8>,
    /// The connection ends when everything is sent.
    pub(super) close: &'a mut bool,
}

impl Talk<'_> {
    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.extend_from_slice(bytes.as_ref());
    }

    /// Records a line of a text protocol.
    pub(super) fn message(&self, service: &str, text: &str) {
        let text = shortened(text.trim_end(), LINE_CHARS_MAX).into_owned();
        self.world.event(What::Message { flow: self.flow.id, service: service.to_owned(), text });
    }

    /// Records credentials that were tried.
    pub(super) fn login(&self, service: &str, user: &str, password: &str, accepted: bool) {
        self.world.event(What::Login {
            flow: self.flow.id,
            service: service.to_owned(),
            user: shortened(user, CREDENTIAL_CHARS_MAX).into_owned(),
            password: shortened(password, CREDENTIAL_CHARS_MAX).into_owned(),
            accepted,
        });
    }

    /// Remembers what is served.
    pub(super) fn served(&mut self, bytes: &[u8]) -> Digest {
        self.world.served(bytes)
    }
}

/// Takes the next line out of `input`, without its end; a line without end is one when it is longer than `bytes_max`.
pub(super) fn line(input: &mut Vec<u8>, bytes_max: usize) -> Option<String> {
    let length = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => at + 1,
        None if input.len() > bytes_max => bytes_max,
        None => return None,
    };
    let bytes: Vec<u8> = input.drain(..length).collect();
    Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
}
