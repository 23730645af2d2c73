//! Says whether an image may be run: one engine that answers from memory, and the doors it stands behind.
//!
//! | module | what it does |
//! |---|---|
//! | [`clock`] | what servers need of time |
//! | [`decision`] | the words of question and answer |
//! | [`policy`] | what an organisation makes of a listed digest |
//! | [`inputs`] | what names images: compose, Kubernetes, Dockerfiles, bills of materials, archives |
//! | [`report`] | decisions as people and programs read them |
//! | [`inventory`] | what is present and running, and was, and what of it is listed |
//! | [`image_verifier`] | what containerd asks before a pull |
//! | [`engine`] | decides; holds the feed in memory and takes a new one while it runs |
//! | [`resolve`] | from a name to all digests of what it means |
//! | [`webhook`] | Kubernetes, Gatekeeper and Kyverno ask |
//! | [`serve`] | listens: connections, TLS, and what changes meanwhile |
//! | [`metrics`] | what the doors did |
//! | [`door`] | what every door is handed, and how its server runs |
//! | [`proxy`] | a pull-through registry |
//! | [`docker`] | Docker's authorization plugin |
//! | [`probe`], [`canary`] | whether the gate can be walked around from this host |

pub mod canary;
pub mod clock;
pub mod decision;
pub mod docker;
pub mod door;
pub mod engine;
mod head;
pub mod image_verifier;
mod index;
pub mod inputs;
pub mod inventory;
pub mod metrics;
pub mod policy;
pub mod probe;
pub mod proxy;
pub mod report;
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
