//! One service a file. Each keeps what it was told, bounded, and is no more of its kind than a sample needs to go on.

pub(super) mod content;
pub(super) mod dns;
pub(super) mod docker;
pub(super) mod doh;
pub(super) mod ftp;
pub(super) mod http;
pub(super) mod irc;
pub(super) mod kubernetes;
pub(super) mod metadata;
pub(super) mod mysql;
pub(super) mod ntp;
pub(super) mod packages;
pub(super) mod poke;
pub(super) mod postgres;
pub(super) mod redis;
pub(super) mod sink;
pub(super) mod smtp;
pub(super) mod ssh;
pub(super) mod stratum;
pub(super) mod telnet;

/// For services that are told by their port alone.
pub(super) fn never(_first: &[u8]) -> bool {
    false
}
