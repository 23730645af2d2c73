//! Why a feed is not believed.

use crate::{
    date::rfc3339,
    trust::{FileError, note::NoteError, tiles::NoTile},
};

/// Why the feed was refused; what was believed before still is.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// It cannot be reached; later it may.
    #[error("{file}: {why}")]
    Unreachable {
        /// What was asked for.
        file: String,
        /// Why not.
        why: String,
    },
    /// A file that must be there is not.
    #[error("{file} is not there; is this a feed, and is all of it there?")]
    Missing {
        /// Which.
        file: String,
    },
    /// Nothing says whom to believe.
    #[error(
        "this folder has not seen the feed yet: give its root (--root FILE) or the root's SHA-256, from another source than the feed"
    )]
    NoTrust,
    /// The root offered is another one than expected.
    #[error("the feed's first root has the digest {offered}, not {expected}: it is another feed, or someone else's")]
    OtherRoot {
        /// Of the feed.
        offered: String,
        /// Given.
        expected: String,
    },
    /// Older than what was seen before.
    #[error("{file}: version {offered} is offered, {known} was seen before: someone offers an old state")]
    Rollback {
        /// Which file.
        file: String,
        /// Seen before.
        known: u64,
        /// Offered now.
        offered: u64,
    },
    /// The timestamp ran out: nothing new was signed, or news is kept from us.
    #[error("the feed's timestamp ran out at {}: nothing new was signed since, or someone keeps it from you", rfc3339(*.at))]
    Freeze {
        /// Seconds since 1970.
        at: u64,
    },
    /// Metadata ran out.
    #[error("{file} ran out at {}: its keepers must sign it again", rfc3339(*.at))]
    Expired {
        /// Which file.
        file: String,
        /// Seconds since 1970.
        at: u64,
    },
    /// Each signed, but not signed to be used together.
    #[error("{file}: {what}: parts of different states were put together")]
    MixAndMatch {
        /// Which file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// Nobody signed who may.
    #[error("{file}: none of the keys that may sign it has")]
    WrongKey {
        /// Which file.
        file: String,
    },
    /// Too few signed.
    #[error("{file}: {valid} of the keys that may sign it have; {needed} must")]
    Threshold {
        /// Which file.
        file: String,
        /// Valid signatures of different keys.
        valid: usize,
        /// Needed.
        needed: usize,
    },
    /// It ends early.
    #[error("{file}: it ends after {bytes} bytes: it is cut short")]
    Truncated {
        /// Which file.
        file: String,
        /// Bytes that came.
        bytes: u64,
    },
    /// It does not end.
    #[error("{file}: it goes on after the {bytes_max} bytes it may have: reading was stopped")]
    EndlessData {
        /// Which file.
        file: String,
        /// Most it may have.
        bytes_max: u64,
    },
    /// Right length, other content.
    #[error("{file}: its content is not what was signed")]
    Altered {
        /// Which file.
        file: String,
    },
    /// Signed, but not what it should be.
    #[error("{file}: {what}")]
    Malformed {
        /// Which file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The log's state is not signed by whom it must.
    #[error("the log's checkpoint: {0}")]
    Checkpoint(#[source] NoteError),
    /// Too few witnesses.
    #[error("{found} trusted witnesses have seen this state of the log; {needed} must have")]
    Unwitnessed {
        /// How many have.
        found: usize,
        /// How many must.
        needed: usize,
    },
    /// The log is not the one seen before: a change was removed or altered, or others are shown another log.
    #[error(
        "the log of {offered} changes does not begin with the {known} changes seen before: it was forked or rewritten; keep both checkpoints, they prove it"
    )]
    Fork {
        /// Changes seen before.
        known: u64,
        /// Changes of the log offered.
        offered: u64,
    },
    /// A change is not what its hash in the log says.
    #[error("change {index} of the log is not the one that was logged")]
    AlteredChange {
        /// Which.
        index: u64,
    },
    /// A change of the log is not there.
    #[error("change {index} of the log is missing")]
    RemovedChange {
        /// The first one.
        index: u64,
    },
    /// The feed does not say what its log says.
    #[error("{file}: {what}: the feed and its log contradict each other")]
    Contradiction {
        /// Which file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// Another synchronisation of this folder is under way.
    #[error("another synchronisation of this folder is under way")]
    Busy,
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl SyncError {
    /// A word for logs, metrics and tests.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Missing { .. } => "missing",
            Self::NoTrust => "no-trust",
            Self::OtherRoot { .. } => "other-root",
            Self::Rollback { .. } => "rollback",
            Self::Freeze { .. } => "freeze",
            Self::Expired { .. } => "expired",
            Self::MixAndMatch { .. } => "mix-and-match",
            Self::WrongKey { .. } => "wrong-key",
            Self::Threshold { .. } => "threshold",
            Self::Truncated { .. } => "truncated",
            Self::EndlessData { .. } => "endless-data",
            Self::Altered { .. } => "altered",
            Self::Malformed { .. } => "malformed",
            Self::Checkpoint(_) => "checkpoint",
            Self::Unwitnessed { .. } => "unwitnessed",
            Self::Fork { .. } => "fork",
            Self::AlteredChange { .. } => "altered-change",
            Self::RemovedChange { .. } => "removed-change",
            Self::Contradiction { .. } => "contradiction",
            Self::Busy => "busy",
            Self::File(_) => "file",
        }
    }

    /// Whether trying again later may help, without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy)
    }
}

impl From<NoTile> for SyncError {
    fn from(tile: NoTile) -> Self {
        Self::Malformed { what: format!("it is no tile of {} hashes", tile.width), file: format!("log/{}", tile.path) }
    }
}
