//! Conversations: what each was, how much it carried, and whether a canary was in it.

use std::net::SocketAddr;

use base64::prelude::*;
use model::{What, trace::PAYLOAD_BYTES_MAX};

use super::{marks::Watch, world::World};

/// One conversation, from its first packet on.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: u64,
    pub(super) protocol: &'static str,
    pub(super) local_port: u16,
    pub(super) remote: SocketAddr,
    /// The name that led to the remote address.
    pub(super) name: Option<String>,
    /// The service that answers, or the last of several.
    pub(super) service: &'static str,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) packets_out: u64,
    /// Whether it made requests that are tallied one by one.
    pub(super) requested: bool,
    head: Vec<u8>,
    watch: Watch,
}

impl Flow {
    /// Begins one and records it.
    pub(super) fn start(
        world: &mut World,
        protocol: &'static str,
        local_port: u16,
        remote: SocketAddr,
        accepted: bool,
        inbound: bool,
    ) -> Self {
        world.flows += 1;
        let name = world.names.name_of(remote.ip());
        let flow = Self {
            id: world.flows,
            protocol,
            local_port,
            remote,
            name: name.clone(),
            service: "none",
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            requested: false,
            head: Vec::new(),
            watch: Watch::default(),
        };
        world.event(What::FlowStart {
            flow: flow.id,
            protocol: protocol.to_owned(),
            local_port,
            remote: remote.to_string(),
            name,
            accepted,
            inbound,
        });
        flow
    }

    /// The sample sent this, outside any TLS.
    pub(super) fn sent(&mut self, world: &World, bytes: &[u8]) {
        let room = PAYLOAD_BYTES_MAX.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        self.watch.sent(bytes, &world.canaries);
    }

    /// A part of what it sent, freed from its framing.
    pub(super) fn examine(&mut self, world: &World, bytes: &[u8]) {
        self.watch.examine(bytes, &world.canaries);
    }

    /// Records its end.
    pub(super) fn end(mut self, world: &mut World) {
        let canaries = self.watch.seen(&world.canaries);
        world.event(What::FlowEnd {
            flow: self.id,
            service: self.service.to_owned(),
            bytes_out: self.bytes_out,
            bytes_in: self.bytes_in,
            packets_out: self.packets_out,
            head: BASE64_STANDARD.encode(&self.head),
            canaries,
        });
    }
}
