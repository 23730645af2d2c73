//! Services over UDP: a datagram in, at most one out.

use super::{
    flows::Flow,
    services::{dns, ntp},
    world::World,
};

/// Whether anybody answers on the port.
pub(super) fn answers(port: u16) -> bool {
    matches!(port, 53 | 123)
}

/// What comes back, if anything.
pub(super) fn answer(payload: &[u8], flow: &mut Flow, world: &mut World) -> Option<Vec<u8>> {
    match flow.remote.port() {
        53 => {
            flow.service = "dns";
            dns::answer(payload, flow, world)
        }
        123 => {
            flow.service = "ntp";
            flow.sent(world, payload);
            ntp::answer(payload, world.date_ns())
        }
        _ => {
            flow.service = "sink";
            flow.sent(world, payload);
            None
        }
    }
}
