//! Says whether an image may be run: one engine that answers from memory, and the doors it stands behind.

pub mod decision;
pub mod inputs;

pub use decision::{Decision, Effect, Hit, Subject};
