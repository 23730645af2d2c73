//! Conversations: what each was, how much it carried, and whether a canary was in it.

use std::net::SocketAddr;

use base64::prelude::*;
use model::{What, trace::PAYLOAD_BYTES_MAX};

use super::{marks::Watch, world::World};

/// Shorter labels are counters, or words.
const CARRIED_LABEL_BYTES: usize = 8;

/// One conversation, from its first packet on.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: u64,
    pub(super) remote: SocketAddr,
    /// The service that answers, or the last of several.
    pub(super) service: &'static str,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) packets_out: u64,
    /// Whether it made requests that are tallied one by one.
    pub(super) requested: bool,
    /// Its beginning, until it is known whether the sample took the call.
    unanswered: Option<What>,
    head: Vec<u8>,
    watch: Watch,
    /// What was carried in names, joined.
    carried: Watch,
    /// The last of those names: each is asked for more than once.
    last_name: Vec<u8>,
}

impl Flow {
    /// Begins one and records it.
    pub(super) fn start(
        world: &mut World,
        protocol: &'static str,
        local_port: u16,
        remote: SocketAddr,
        accepted: bool,
    ) -> Self {
        let (flow, start) = Self::new(world, protocol, local_port, remote, accepted, false);
        world.event(start);
        flow
    }

    /// Begins one that we call for; it is recorded when the sample has answered, or not.
    pub(super) fn call(world: &mut World, protocol: &'static str, local_port: u16, caller: SocketAddr) -> Self {
        let (mut flow, start) = Self::new(world, protocol, local_port, caller, true, true);
        flow.unanswered = Some(start);
        flow
    }

    fn new(
        world: &mut World,
        protocol: &'static str,
        local_port: u16,
        remote: SocketAddr,
        accepted: bool,
        inbound: bool,
    ) -> (Self, What) {
        world.flows += 1;
        let flow = Self {
            id: world.flows,
            remote,
            service: "none",
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            requested: false,
            unanswered: None,
            head: Vec::new(),
            watch: Watch::default(),
            carried: Watch::default(),
            last_name: Vec::new(),
        };
        let start = What::FlowStart {
            flow: flow.id,
            protocol: protocol.to_owned(),
            local_port,
            remote: remote.to_string(),
            name: world.names.name_of(remote.ip()),
            accepted,
            inbound,
        };
        (flow, start)
    }

    /// The sample took our call.
    pub(super) fn answered(&mut self, world: &World) {
        if let Some(start) = self.unanswered.take() {
            world.event(start);
        }
    }

    /// The sample sent this, outside any TLS.
    pub(super) fn sent(&mut self, world: &World, bytes: &[u8]) {
        let room = PAYLOAD_BYTES_MAX.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        self.watch.sent(bytes, &world.marks);
    }

    /// A part of what it sent, freed from its framing.
    pub(super) fn examine(&mut self, world: &World, bytes: &[u8]) {
        self.watch.examine(bytes, &world.marks);
    }

    /// It asked for a name (labels with their lengths, as on the wire): tunnels carry pieces of something in the long labels of many.
    pub(super) fn carried(&mut self, world: &World, encoded: &[u8]) {
        if self.last_name == encoded {
            return;
        }
        self.last_name = encoded.to_vec();
        let mut labels = Vec::new();
        let mut rest = encoded;
        while let Some((length, behind)) = rest.split_first() {
            let (label, behind) = behind.split_at(usize::from(*length).min(behind.len()));
            labels.push(label);
            rest = behind;
        }
        // The root, the top, and what was registered below it carry nothing.
        labels.truncate(labels.len().saturating_sub(3));
        for label in labels.into_iter().filter(|label| label.len() >= CARRIED_LABEL_BYTES) {
            self.carried.sent(label, &world.marks);
        }
    }

    /// Records its end.
    pub(super) fn end(mut self, world: &mut World) {
        if let Some(mut start) = self.unanswered.take() {
            if let What::FlowStart { accepted, .. } = &mut start {
                *accepted = false;
            }
            world.event(start);
        }
        let mut canaries = self.watch.seen(&world.marks);
        canaries.extend(self.carried.seen(&world.marks));
        canaries.sort();
        canaries.dedup();
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
