//! One service a file. Each keeps what it was told, bounded, and is no more of its kind than a sample needs to go on.

pub(super) mod content;
pub(super) mod dns;
pub(super) mod http;
pub(super) mod ntp;
pub(super) mod poke;
pub(super) mod sink;
pub(super) mod stratum;

/// For services that are told by their port alone.
pub(super) fn never(_first: &[u8]) -> bool {
    false
}
