//! The roles, one file each.

pub mod completions;
pub mod explain;
pub mod feed;
pub mod hunt;
pub mod known;
pub mod man;
pub mod rules;
pub mod scan;
