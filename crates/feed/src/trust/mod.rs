//! What makes a feed worth believing: keys, TUF metadata, a transparency log, witnesses, minisign.
//!
//! | layer | what it stops | who checks it |
//! |---|---|---|
//! | TUF (`metadata/`, `targets/`) | rollback, freeze, mix-and-match, a stolen online key for long | [`crate::client`], python-tuf, go-tuf |
//! | log (`log/`, C2SP tlog-tiles) | an entry that comes or goes without a trace | [`crate::client`], any tlog client |
//! | witnesses (cosignatures on the checkpoint) | one log shown to some, another to others | whoever knows a witness's key |
//! | minisign (`*.minisig`) | a file altered on the way | `curl` and `minisign` |
//!
//! The root keys sign nothing but the list of the other keys. They belong on another machine, or with several people: nothing
//! here asks for them but [`Keys::create`] and [`rotate`].
//!
//! Sources: the TUF specification 1.0.31; C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof, tlog-cosignature, tlog-witness;
//! RFC 6962, section 2.1; RFC 9162, section 2.1; the minisign page.

pub(crate) mod canonical;
pub(crate) mod files;
pub mod key;
mod keys;
pub mod merkle;
pub mod metadata;
mod minisign;
pub mod note;
pub mod proof;
#[cfg(test)]
mod real_clients;
mod sealed;
mod secret;
pub mod tiles;
pub(crate) mod tuf;
mod tuf_previous;
pub mod witness;

pub use files::FileError;
pub use keys::{KeyError, Keys, Lifetimes, Plan, rotate};
pub use minisign::{minisign, minisign_verify};
pub use note::Checkpoint;
pub use sealed::Cost;
pub use secret::{Random, Secret, system_random};
pub use tiles::{LogError, write_log};
pub use tuf::{TargetFile, TufError, write_tuf};
