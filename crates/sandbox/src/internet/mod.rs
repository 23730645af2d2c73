//! The simulated internet.
