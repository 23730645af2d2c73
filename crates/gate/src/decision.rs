//! What is asked, and what is answered: the same words at every door.

use feed::{Role, shard::Listed};
use model::Digest;
use serde::Serialize;

/// One image to decide on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// As somebody wrote it. Hostile text. Exemptions may name it; it never decides by itself.
    pub reference: Option<String>,
    /// All digests that are known of it, with what each is where that is known.
    pub digests: Vec<(Digest, Option<Role>)>,
    /// Why the reference could not be followed to its digests, if it could not.
    pub unresolved: Option<String>,
}

model::words! {
    /// What a door does.
    Effect {
        /// Lets it through.
        Allow = "allow",
        /// Lets it through and says why one should look.
        Warn = "warn",
        /// Stops it.
        Deny = "deny",
    }
}

/// One listed digest of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What is listed.
    pub digest: Digest,
    /// The entry's part that decides.
    pub listed: Listed,
    /// What the policy makes of it.
    pub effect: Effect,
    /// The exemption that lets it through: its name, owner and end, in one line.
    pub exempted: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The gravest of its hits, or what the policy says of a stale feed or an unresolved name.
    pub effect: Effect,
    /// One line for people, with the entry's id; no line end, no control characters, at most 300 bytes.
    pub message: String,
    /// Every listed digest, gravest first.
    pub hits: Vec<Hit>,
    /// Set if it could not be decided by evidence (stale feed, unresolved name): exit code 3 where nothing else denies.
    pub undecided: Option<String>,
    /// Sequence number of the feed it was decided on: part of every cache key.
    pub sequence: u64,
}

/// What JSON, audit annotations and logs show of a [`Decision`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown<'a> {
    /// As asked.
    pub reference: Option<&'a str>,
    /// What the door does.
    pub effect: Effect,
    /// The line for people.
    pub message: &'a str,
    /// Ids of the entries.
    pub entries: Vec<String>,
    /// Sequence number of the feed.
    pub sequence: u64,
}
