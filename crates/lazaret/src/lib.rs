//! What the binary is made of, so that its tests can call each part. Not an interface for other programs: use
//! `lazaret --format json`, whose shape is promised.

pub mod arguments;
pub mod chamber;
pub mod commands;
pub mod dates;
pub mod exit;
pub mod limits;
pub mod live;
pub mod logging;
pub mod output;
pub mod progress;
pub mod settings;
pub mod station;
pub mod surroundings;
pub mod words;
