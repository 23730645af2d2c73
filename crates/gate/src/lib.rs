//! Says whether an image may be run: one engine that answers from memory, and the doors it stands behind.

pub mod canary;
pub mod decision;
pub mod docker;
pub mod door;
pub mod probe;
pub mod proxy;

pub use decision::{Decision, Effect, Hit, Subject};
