//! The roles, one file each.

pub mod completions;
pub mod detectors;
pub mod detonate;
pub mod doctor;
pub mod explain;
pub mod feed;
pub mod gate;
pub mod hunt;
pub mod intel;
pub mod inventory;
pub mod known;
pub mod man;
pub mod scan;
