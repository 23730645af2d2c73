//! Rules for secrets in the schema that gitleaks made common: ours (`rules/secrets/*.toml`) and the user's.
//!
//! ```text
//! text ─► schema (a block at a time: a bad rule costs itself) ─► rule: pattern (Go's syntax) + literals + allowlists
//! bytes ─► places near a literal ─► rule.search ─► entropy, allowlists, checks ─► found
//! ```
//!
//! Source: gitleaks' configuration as its readme and its loader describe it (8.30).

mod allowlist;
mod checks;
mod literals;
pub(crate) mod own;
mod pattern;
mod rule;
mod schema;
pub(crate) mod user;

pub(crate) use rule::{Found, Rule};
