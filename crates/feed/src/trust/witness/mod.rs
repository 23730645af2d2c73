//! Witnesses: others who sign that they were shown one log, and always the same one.
//!
//! Source: C2SP tlog-witness, with Ed25519 cosignatures.

mod client;
mod server;
#[cfg(test)]
mod tests;

pub use client::{WitnessAddress, WitnessError, cosign};
pub use server::{Answer, Witness, WitnessFault, serve};

/// Longest request: 63 hashes and a checkpoint.
const REQUEST_BYTES_MAX: usize = super::note::NOTE_BYTES_MAX + 4096;
/// Content type of the size a witness has.
const SIZE_TYPE: &str = "text/x.tlog.size";
