//! The roles, one file each.

pub mod completions;
pub mod detectors;
pub mod explain;
pub mod feed;
pub mod hunt;
pub mod man;
pub mod scan;
