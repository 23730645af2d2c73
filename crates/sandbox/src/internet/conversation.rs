//! One connection as a dialogue: which service answers, by the first bytes before the port, and TLS around any of them.

use super::{
    flows::Flow,
    service::{ALL, Kind, Service, Talk},
    services::sink::Sink,
    tls::Session,
    world::World,
};

/// A server that speaks first waits so long, as if the line were long, and hears a client that speaks at once.
const GREET_MS: u64 = 60;
/// Where the client should speak first and does not, something else is going on.
const SILENT_CLIENT_MS: u64 = 3_000;
/// On ports without a service.
const SILENT_STRANGER_MS: u64 = 1_200;
/// Between two calls for a quiet connection.
const QUIET_MS: u64 = 1_000;
/// First bytes that are waited for until it is decided by port.
const TELLING_BYTES: usize = 8;
/// The first line of a dialogue in JSON may come in pieces.
const JSON_BYTES: usize = 2_048;
/// Bytes looked at for signs of a shell.
const INPUT_LOOK_BYTES: usize = 2_048;
/// What a service may leave unread.
const INPUT_BYTES_MAX: usize = 1 << 20;

/// What both ends of one connection have said so far.
pub(super) struct Conversation {
    state: State,
    input: Vec<u8>,
    since_ms: u64,
}

enum State {
    /// Nobody has spoken.
    Open,
    Served {
        kind: Option<&'static Kind>,
        service: Box<dyn Service>,
        recognised: bool,
    },
    Secure(Box<Session>, Box<Conversation>),
    /// TLS that failed.
    Broken,
}

/// What a conversation is given each time: everything but itself.
pub(super) struct Around<'a> {
    pub(super) world: &'a mut World,
    pub(super) flow: &'a mut Flow,
    pub(super) secure: bool,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) close: &'a mut bool,
}

impl Around<'_> {
    fn talk(&mut self) -> Talk<'_> {
        Talk { world: self.world, flow: self.flow, secure: self.secure, out: self.out, close: self.close }
    }
}

impl Conversation {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { state: State::Open, input: Vec::new(), since_ms: now_ms }
    }

    /// One whose service is known from the start: ours is the side that called.
    pub(super) fn with(service: Box<dyn Service>, now_ms: u64) -> Self {
        Self { state: State::Served { kind: None, service, recognised: true }, input: Vec::new(), since_ms: now_ms }
    }

    /// How long it can do without [`Self::tick`], in milliseconds.
    pub(super) fn patience_ms(&self) -> u64 {
        if matches!(self.state, State::Open) { GREET_MS / 3 } else { QUIET_MS / 4 }
    }

    /// The connection is open.
    pub(super) fn begin(&mut self, around: &mut Around<'_>) {
        if let State::Served { service, .. } = &mut self.state {
            service.begin(&mut around.talk());
        }
    }

    /// The sample sent this.
    pub(super) fn receive(&mut self, bytes: &[u8], around: &mut Around<'_>) {
        self.since_ms = around.world.now_ms();
        if matches!(self.state, State::Open) && !around.secure && bytes.starts_with(&[0x16, 3]) {
            let inner = Box::new(Self::new(self.since_ms));
            self.state = State::Secure(Box::new(Session::new(around.world)), inner);
            around.flow.service = "tls";
        }
        match &mut self.state {
            State::Secure(session, inner) => {
                if session.receive(bytes, inner, around).is_err() {
                    around.flow.sent(around.world, bytes);
                    self.state = State::Broken;
                    *around.close = true;
                }
                return;
            }
            State::Broken => return,
            State::Open | State::Served { .. } => {}
        }
        around.flow.sent(around.world, bytes);
        self.input.extend_from_slice(bytes);
        self.choose(around, false);
        if let State::Served { service, .. } = &mut self.state {
            service.read(&mut self.input, &mut around.talk());
        }
        if self.input.len() > INPUT_BYTES_MAX {
            self.input.clear();
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, around: &mut Around<'_>) {
        let now_ms = around.world.now_ms();
        let quiet_ms = now_ms.saturating_sub(self.since_ms);
        match &mut self.state {
            State::Open => {
                let kind = by_port(around.flow.remote.port());
                let patience_ms = match kind {
                    Some(kind) if kind.greets && (around.secure || !inside_tls(around.flow.remote.port())) => GREET_MS,
                    Some(_) => SILENT_CLIENT_MS,
                    None => SILENT_STRANGER_MS,
                };
                if quiet_ms >= patience_ms {
                    self.since_ms = now_ms;
                    match kind.filter(|kind| kind.greets) {
                        Some(kind) => self.serve(Some(kind), false, around),
                        None => self.choose(around, true),
                    }
                    if let State::Served { service, .. } = &mut self.state {
                        service.begin(&mut around.talk());
                    }
                }
            }
            State::Served { service, .. } if quiet_ms >= QUIET_MS => {
                self.since_ms = now_ms;
                service.quiet(&mut around.talk());
            }
            State::Secure(session, inner) => session.tick(inner, around),
            State::Served { .. } | State::Broken => {}
        }
    }

    /// The connection ended, by whomever.
    pub(super) fn end(&mut self, around: &mut Around<'_>) {
        if let State::Secure(session, _) = &mut self.state {
            session.end(around);
        }
    }

    /// Decides who answers; `now` even if few bytes came.
    fn choose(&mut self, around: &mut Around<'_>, now: bool) {
        if matches!(&self.state, State::Served { recognised: true, .. }) {
            return;
        }
        let greeted = matches!(&self.state, State::Served { kind: Some(served), .. } if served.greets);
        if let Some(kind) = ALL.iter().find(|kind| (kind.insists || !greeted) && (kind.knows)(&self.input)) {
            let same = matches!(&self.state, State::Served { kind: Some(served), .. } if served.name == kind.name);
            if same {
                if let State::Served { recognised, .. } = &mut self.state {
                    *recognised = true;
                }
            } else {
                self.serve(Some(kind), true, around);
            }
        } else if greeted && shell_complains(&self.input) {
            // It ran our greeting: who called is a shell, whatever the port.
            self.serve(None, true, around);
            if let State::Served { service, .. } = &mut self.state {
                service.begin(&mut around.talk());
            }
        } else if matches!(self.state, State::Open) {
            // Who says nothing where a client should, or something that its protocol does not know, is not what the port says.
            let kind = by_port(around.flow.remote.port()).filter(|kind| !now && (!kind.insists || kind.greets));
            let json = self.input.starts_with(b"{") && self.input.len() < JSON_BYTES;
            let told = self.input.len() >= TELLING_BYTES && !json || !self.input.is_ascii();
            if now || kind.is_some() || told || self.input.ends_with(b"\n") {
                self.serve(kind, false, around);
            }
        }
    }

    fn serve(&mut self, kind: Option<&'static Kind>, recognised: bool, around: &mut Around<'_>) {
        around.flow.service = kind.map_or("sink", |kind| kind.name);
        let service = kind.map_or_else(|| Box::new(Sink::default()) as Box<dyn Service>, |kind| (kind.open)());
        self.state = State::Served { kind, service, recognised };
    }
}

/// Whether this is what a shell says of a command it does not find, or of having no terminal.
fn shell_complains(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input.get(..INPUT_LOOK_BYTES).unwrap_or(input)).into_owned();
    text.contains("sh: ") && ["not found", "no job control", "syntax error"].iter().any(|words| text.contains(words))
}

/// Ports where TLS comes before the server's greeting.
fn inside_tls(port: u16) -> bool {
    matches!(port, 465 | 636 | 853 | 990 | 993 | 995 | 6697 | 8883)
}

fn by_port(port: u16) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.ports.contains(&port))
}
