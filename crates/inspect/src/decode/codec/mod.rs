//! The encodings themselves: pure functions that decoders share.

pub(super) mod base64;
pub(super) mod escapes;
pub(super) mod hex;
pub(super) mod others;
