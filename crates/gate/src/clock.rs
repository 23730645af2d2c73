//! What servers need of time; tests pass their own.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Two clocks, passed down from `main`.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Seconds since 1970: how old a feed is, and whether an exemption has ended.
    pub unix_seconds: fn() -> u64,
    /// Only goes forward: how long something is remembered.
    pub now: fn() -> Instant,
}

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "handed out here for `main` to pass down")]
        let unix_seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        #[expect(clippy::disallowed_methods, reason = "handed out here for `main` to pass down")]
        let now = Instant::now;
        Self { unix_seconds, now }
    }
}
