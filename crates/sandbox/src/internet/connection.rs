//! One TCP connection: its socket, what is said over it, and when it is over.

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp::{Socket, State},
};

use super::{
    conversation::{Around, Conversation},
    flood::Shape,
    flows::Flow,
    world::World,
};

/// Without a byte either way.
const IDLE_MS: u64 = 180_000;
/// A handshake that does not come to its end.
const HANDSHAKE_MS: u64 = 8_000;
/// Bytes that wait for a sample that does not read.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// One connection, in a socket set of its own.
pub(super) struct Connection {
    pub(super) sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) flow: Flow,
    pub(super) conversation: Conversation,
    waiting: Vec<u8>,
    close: bool,
    established: bool,
    ended: bool,
    changed_ms: u64,
    pub(super) due_ms: u64,
}

impl Connection {
    pub(super) fn new(socket: Socket<'static>, flow: Flow, conversation: Conversation, now_ms: u64) -> Self {
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self {
            sockets,
            handle,
            flow,
            conversation,
            waiting: Vec::new(),
            close: false,
            established: false,
            ended: false,
            changed_ms: now_ms,
            due_ms: now_ms,
        }
    }

    /// Lets the two ends talk; says whether it is over.
    pub(super) fn serve(&mut self, world: &mut World) -> bool {
        let now_ms = world.now_ms();
        let socket = self.sockets.get_mut::<Socket<'static>>(self.handle);
        let state = socket.state();
        let mut around =
            Around { world, flow: &mut self.flow, secure: false, out: &mut self.waiting, close: &mut self.close };
        if !self.established && matches!(state, State::Established | State::CloseWait) {
            self.established = true;
            self.changed_ms = now_ms;
            around.flow.answered(around.world);
            let remote = around.flow.remote;
            around.world.floods.answered(Shape::Syn, remote);
            self.conversation.begin(&mut around);
        }
        // Who does not read what we say is not listened to either.
        while socket.can_recv() && around.out.len() < WAITING_BYTES_MAX / 4 && !*around.close {
            let Ok(bytes) = socket.recv(|bytes| (bytes.len(), bytes.to_vec())) else { break };
            self.changed_ms = now_ms;
            around.flow.bytes_out += bytes.len() as u64;
            self.conversation.receive(&bytes, &mut around);
        }
        if self.established && !self.ended && !*around.close {
            self.conversation.tick(&mut around);
        }
        if socket.can_send() && !around.out.is_empty() {
            let sent = socket.send_slice(around.out).unwrap_or(0);
            around.flow.bytes_in += sent as u64;
            around.out.drain(..sent);
            if sent > 0 {
                self.changed_ms = now_ms;
            }
        }
        let hung_up = self.established && !socket.may_recv();
        if (*around.close || hung_up) && around.out.is_empty() && !self.ended {
            self.ended = true;
            socket.close();
        }
        let limit_ms = if self.established { IDLE_MS } else { HANDSHAKE_MS };
        let stale = now_ms.saturating_sub(self.changed_ms) > limit_ms || around.out.len() > WAITING_BYTES_MAX;
        if stale {
            socket.abort();
        }
        let back = self.changed_ms < now_ms && socket.state() == State::Listen;
        stale || back || matches!(socket.state(), State::Closed | State::TimeWait)
    }

    pub(super) fn end(mut self, world: &mut World) {
        let mut around =
            Around { world, flow: &mut self.flow, secure: false, out: &mut self.waiting, close: &mut self.close };
        self.conversation.end(&mut around);
        if self.established && !self.flow.requested {
            let now_ms = world.now_ms();
            world.floods.request(Shape::Connect, self.flow.remote, self.flow.bytes_out as usize, "", now_ms);
        }
        self.flow.end(world);
    }
}
