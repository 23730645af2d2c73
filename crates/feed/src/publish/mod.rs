//! Publishing: what the catalog says, beside what the ledger remembers, becomes changes; the ledger becomes a folder of files.

mod person;
mod plan;

pub use person::{Named, PersonError, approve, withdraw};
pub use plan::{Plan, WITHDRAWN_MAX, plan};
