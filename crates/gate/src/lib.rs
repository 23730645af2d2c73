//! Says whether an image may be run: one engine that answers from memory, and the doors it stands behind.
//!
//! | module | what it does |
//! |---|---|
//! | [`clock`] | what servers need of time |
//! | [`decision`] | the words of question and answer |
//! | [`policy`] | what an organisation makes of a listed digest |
//! | [`engine`] | decides; holds the feed in memory and takes a new one while it runs |
//! | [`resolve`] | from a name to all digests of what it means |
//! | [`webhook`] | Kubernetes, Gatekeeper and Kyverno ask |
//! | [`serve`] | listens: connections, TLS, and what changes meanwhile |
//! | [`metrics`] | what the doors did |

pub mod clock;
pub mod decision;
pub mod engine;
mod head;
mod index;
pub mod metrics;
pub mod policy;
pub mod resolve;
pub mod serve;
#[cfg(test)]
mod testing;
pub mod webhook;

pub use clock::Clock;
pub use decision::{Decision, Effect, Hit, Subject};
pub use engine::{Engine, EngineError};
pub use policy::{Policy, PolicyError};
pub use resolve::Resolver;
