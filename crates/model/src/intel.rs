//! Threat intelligence as it is imported and kept: what somebody says of a domain, URL, address or file.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Category, Confidence, Digest};

/// One import: who says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelSource {
    /// What its user calls it. An import of the same name replaces it.
    pub name: String,
    /// The format it was read as, for example `urlhaus`.
    pub format: String,
    /// When it was imported, seconds since 1970.
    pub imported_at: u64,
    /// How many entries it has.
    pub entries: u64,
    /// How many lines or objects were refused.
    pub refused: u64,
    /// The first of these with their places, and what else should be known. One line each; hostile text.
    pub notes: Vec<String>,
    /// Over the entries: the same content has the same digest.
    pub digest: Digest,
    /// Whether what an entry means depends on the day: it expires, or is the date a domain was registered on.
    pub is_dated: bool,
}

/// One thing a source says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelEntry {
    /// Of what.
    pub value: IntelValue,
    /// What.
    pub standing: Standing,
    /// The threat's name as the source has it; may be empty. Hostile text.
    pub label: String,
    /// When the source first saw it, seconds since 1970.
    pub first_seen: Option<u64>,
    /// When it stops to hold, seconds since 1970.
    pub until: Option<u64>,
    /// How sure the source is.
    pub confidence: Confidence,
}

/// What an entry is about, in the one form that values are compared in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IntelValue {
    /// A domain and everything below it: lower case, no final dot.
    Domain(String),
    /// A URL without scheme, user, default port and fragment: `host[:port][/path[?query]]`.
    Url(String),
    /// The same, and everything whose path goes on behind it.
    UrlPrefix(String),
    /// An address, and a port of it or all of them.
    Address(IpAddr, Option<u16>),
    /// All addresses with the same first bits.
    Network(IpAddr, u8),
    /// A file by its content.
    File(Digest),
    /// Exactly this host or URL and nothing below it; only in allow lists.
    Exactly(String),
    /// Whatever holds this text; only in allow lists.
    Holding(String),
}

/// What an entry says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is bad, in this way.
    Listed(Category),
    /// It is known and fine: listings of it by others do not count.
    Allowed,
    /// The domain was registered then, seconds since 1970.
    Registered(u64),
}
