//! What the feed says of a digest, and how that changes.

use std::{collections::BTreeSet, fmt, str::FromStr};

use model::{Category, Confidence, Digest, Platform, Severity};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::candidate::Omitted;

/// Name and version of the JSON of an entry.
pub const SCHEMA: &str = "lazaret.feed/2";

model::words! {
    /// What a listed digest is.
    Role {
        /// An image index with a bad child; the children name which.
        Index = "index",
        /// An image.
        Manifest = "manifest",
        /// An image's config: Docker's image id.
        Config = "config",
        /// A layer that carries the evidence itself.
        Layer = "layer",
        /// A file that is proof.
        File = "file",
    }
}

model::words! {
    /// What a consumer should do with it.
    List {
        /// Nobody should run it.
        Block = "block",
        /// A person should know: risky or suspicious.
        Advise = "advise",
    }
}

model::words! {
    /// How settled an entry is.
    Channel {
        /// New: one kind of evidence, and nobody has looked.
        Candidate = "candidate",
        /// Two independent kinds of evidence, or a person's approval.
        Stable = "stable",
    }
}

model::words! {
    /// Whether a digest is still listed. Entries are never deleted.
    Status {
        /// It is.
        Active = "active",
        /// It was wrong, or is no longer true: `reason` says why.
        Withdrawn = "withdrawn",
        /// Another entry (`superseded_by`) says it better.
        Superseded = "superseded",
    }
}

model::words! {
    /// Kinds of evidence that do not share their errors.
    EvidenceKind {
        /// Found at rest.
        Static = "static",
        /// Seen while it ran.
        Runtime = "runtime",
        /// Others list one of its files or hosts.
        Intelligence = "intelligence",
        /// A person looked.
        Person = "person",
    }
}

/// `LZ-2026-17`: year it was first listed, and its number in that year. Decimal, unbounded, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// From 2000 to 2255.
    pub year: u16,
    /// From 1.
    pub number: u32,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LZ-{}-{}", self.year, self.number)
    }
}

impl FromStr for EntryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no entry id: LZ-YEAR-NUMBER");
        let (year, number) = text.strip_prefix("LZ-").and_then(|rest| rest.split_once('-')).ok_or_else(wrong)?;
        let digits = |text: &str| !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let year = Some(year).filter(|year| digits(year)).and_then(|year| year.parse().ok());
        let number = Some(number).filter(|number| digits(number)).and_then(|number| number.parse().ok());
        match (year, number) {
            (Some(year @ 2000..=2255), Some(number)) => Ok(Self { year, number }),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// What the feed says of one digest. Key: digest and role. Fields are only ever added within one [`SCHEMA`].
/// Each list has at most [`LISTED_MAX`](crate::LISTED_MAX) values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// What people and policies name it by.
    pub id: EntryId,
    /// What is listed.
    pub digest: Digest,
    /// As what.
    pub role: Role,
    /// Of an index's child or an image, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// To block, or to advise on.
    pub list: List,
    /// How settled it is.
    pub channel: Channel,
    /// Whether it still holds.
    pub status: Status,
    /// Why it was withdrawn or superseded. Written by a person of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The entry that says it better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<EntryId>,
    /// What it is.
    pub categories: BTreeSet<Category>,
    /// The worst among the stable findings.
    pub severity: Severity,
    /// The best among the stable findings.
    pub confidence: Confidence,
    /// What the evidence is, in one line of ours; what is quoted of the sample is escaped.
    pub summary: String,
    /// Kinds of evidence it rests on.
    pub kinds: BTreeSet<EvidenceKind>,
    /// Ids of the findings it rests on; the weightiest where there are too many.
    pub evidence: BTreeSet<String>,
    /// Names in registries it was seen under: context, never a key. Hostile text.
    pub references: BTreeSet<String>,
    /// When one of the images it belongs to was first seen: RFC 3339, UTC.
    pub first_seen: String,
    /// When it was first listed: RFC 3339, UTC.
    pub listed_at: String,
    /// When this entry last changed: RFC 3339, UTC.
    pub changed_at: String,
    /// What it is listed as a part of.
    pub parents: BTreeSet<Digest>,
    /// For an index its bad manifests, for a manifest its config and listed layers, for a layer its listed files.
    pub children: BTreeSet<Digest>,
    /// Whom blocking it would hit.
    pub blast: Blast,
    /// How many values the lists leave out.
    pub omitted: Omitted,
}

/// Blast radius: whom an entry hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blast {
    /// Pulls of the repositories it was seen in, where a registry says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulls: Option<u64>,
    /// Images in our catalog that hold it.
    pub images: u64,
}

model::words! {
    /// What happened to an entry.
    ChangeKind {
        /// It is new.
        Listed = "listed",
        /// More, or other, evidence.
        Updated = "updated",
        /// From `candidate` to `stable`.
        Promoted = "promoted",
        /// A person approved it.
        Approved = "approved",
        /// It no longer holds.
        Withdrawn = "withdrawn",
        /// Another entry replaces it.
        Superseded = "superseded",
    }
}

/// One line of the ledger, and one leaf of the transparency log: its JSON on one line, without the line end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// From 0, without a gap: the leaf's index in the log.
    pub sequence: u64,
    /// RFC 3339, UTC.
    pub at: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The whole entry after it.
    pub entry: Entry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for text in ["LZ-2026-1", "LZ-2026-100000", "LZ-2255-4294967295"] {
            assert_eq!(text.parse::<EntryId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "LZ-2026",
            "LZ-2026-0",
            "LZ-2026-01",
            "LZ-1999-1",
            "LZ-2026--1",
            "LZ-2026-+1",
            "lz-2026-1",
            "LZ-2026-4294967296",
        ] {
            assert!(text.parse::<EntryId>().is_err(), "{text}");
        }
    }
}
