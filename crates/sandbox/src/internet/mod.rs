//! The simulated internet.

pub mod device;
