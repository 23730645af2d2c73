//! What detectors of scripts share: which text is code and which only talks about code, what kind of host a name is,
//! what a command fetches and runs, and which commands hand a shell to the network.

pub(crate) mod clues;
pub(crate) mod code;
pub(crate) mod fetch;
pub(crate) mod host;
pub(crate) mod reverse;
pub(crate) mod sending;
pub(crate) mod startup;
pub(crate) mod text;

pub(crate) use host::Host;
