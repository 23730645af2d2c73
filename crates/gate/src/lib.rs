//! Says whether an image may be run: one engine that answers from memory, and the doors it stands behind.
//!
//! | module | what it does |
//! |---|---|
//! | [`decision`] | the words of question and answer |
//! | [`policy`] | what an organisation makes of a listed digest |
//! | [`inputs`] | what names images: compose, Kubernetes, Dockerfiles, bills of materials, archives |
//! | [`engine`] | decides; holds the feed in memory and takes a new one while it runs |
//! | [`resolve`] | from a name to all digests of what it means |

pub mod decision;
pub mod engine;
mod head;
mod index;
pub mod inputs;
pub mod policy;
pub mod resolve;
#[cfg(test)]
mod testing;

pub use decision::{Decision, Effect, Hit, Subject};
pub use engine::{Engine, EngineError};
pub use policy::{Policy, PolicyError};
pub use resolve::Resolver;
