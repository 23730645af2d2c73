//! What was seen, and where exactly.

use serde::{Deserialize, Serialize};

use crate::{Category, Confidence, Digest, Maturity, Severity, Weight};

/// A value other images can share: the thread a campaign hangs on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Indicator {
    /// What it is.
    pub kind: IndicatorKind,
    /// The value in its usual written form; hostile text. A secret is never here, only its fingerprint.
    pub value: String,
}

/// Kinds of [`Indicator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndicatorKind {
    /// An absolute URL.
    Url,
    /// A DNS name.
    Domain,
    /// An IPv4 or IPv6 address, with or without a port.
    Address,
    /// A mining pool: `host:port`.
    Pool,
    /// A wallet whose checksum holds, as `COIN:address`.
    Wallet,
    /// OpenSSH public key fingerprint, `SHA256:…`.
    SshKey,
    /// `KIND:sha256-prefix` of a secret.
    SecretFingerprint,
    /// SHA-256 of a file.
    FileHash,
}

/// What one detector saw in one place, before the place is known. `Finding` adds the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Detector id, for example `miner-binary`; user YARA rules are `yara:NAMESPACE.RULE`.
    pub detector: String,
    /// The detector's title: what was found, in a few words.
    pub title: String,
    /// What the image is if this holds.
    pub category: Category,
    /// What it counts for.
    pub weight: Weight,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// How far the detector is trusted.
    pub maturity: Maturity,
    /// MITRE ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// One line for people: what exactly, secrets redacted. Hostile text.
    pub summary: String,
    /// Byte offset in the (innermost) file, where that makes sense.
    pub offset: Option<u64>,
    /// Values worth linking on.
    pub indicators: Vec<Indicator>,
    /// Set when it was seen inside a nested archive, or in what was decoded.
    pub inside: Option<Inside>,
}

/// Where in a nested archive, or in what was encoded in a file, something was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Path within the archive; deeper levels joined by `!`. What was decoded is called `HOW@OFFSET`: `base64@12!content` is a file
    /// in what is encoded from byte 12 of the outer file on. Hostile text.
    pub path: String,
    /// SHA-256 of the innermost file.
    pub sha256: Digest,
}

impl Inside {
    /// The levels of the path, outermost first.
    pub fn levels(&self) -> impl Iterator<Item = InsideLevel<'_>> {
        self.path.split('!').map(|level| match level.rsplit_once('@') {
            Some((how, offset)) if offset.bytes().all(|byte| byte.is_ascii_digit()) && !how.contains(['/', '.']) => {
                offset.parse().map_or(InsideLevel::Member(level), |offset| InsideLevel::Decoded { how, offset })
            }
            _ => InsideLevel::Member(level),
        })
    }
}

/// One level of [`Inside`]. A judgement by the name: a member of an archive can be called like a decoded piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsideLevel<'a> {
    /// A member of an archive, by its path in it. Hostile text.
    Member(&'a str),
    /// What was decoded from `offset` of the level above on.
    Decoded {
        /// How: `base64`, `reverse+base64+zlib`. Hostile text.
        how: &'a str,
        /// In bytes.
        offset: u64,
    },
}

/// Where a finding is. A tool can go there without us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Location {
    /// A file in a layer.
    File {
        /// Digest of the layer blob.
        layer: Digest,
        /// Path in the image, without a leading `/`. Hostile text.
        path: String,
        /// SHA-256 of the file's content, if it has any.
        sha256: Option<Digest>,
        /// Set if a later layer deletes or replaces it: invisible in a running container, still in the image.
        hidden: bool,
    },
    /// A field of the image config, for example `config.Env[3]`.
    Config {
        /// JSON path of the field.
        field: String,
    },
    /// A line of the image's history, counted from 0.
    History {
        /// Index into `history`.
        line: usize,
    },
    /// A layer as a whole.
    Layer {
        /// Digest of the layer blob.
        layer: Digest,
    },
    /// The image as a whole: judgement over several places.
    Image,
    /// A file that it wrote or ran when it ran, by content.
    Captured {
        /// [`TraceHead::run`](crate::TraceHead::run).
        run: String,
        /// Absolute path in the sandbox, or `memfd:NAME`. Hostile text.
        path: String,
        /// SHA-256 of the content.
        sha256: Digest,
    },
    /// What happened when it ran.
    Event {
        /// [`TraceHead::run`](crate::TraceHead::run).
        run: String,
        /// [`Event::sequence`](crate::Event::sequence) of the event that decided.
        sequence: u64,
    },
}

/// An observation with its place: the unit of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `E-` and 16 hex digits over detector, place and summary: stable over runs.
    pub id: String,
    /// What was seen.
    #[serde(flatten)]
    pub observation: Observation,
    /// Where.
    pub location: Location,
    /// Set if the image runs it: its entry point, command, health check or start-up files reach it.
    pub runs: bool,
    /// How it came to be there, for what is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// How a file came into the image and how it is started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// What the history says made its layer, shortened: the author's claim, and hostile text. None where the history
    /// has another number of lines than the image has layers.
    pub created_by: Option<String>,
    /// Digest of the layer that deletes or replaces it, if one does.
    pub hidden_by: Option<Digest>,
    /// From what the image starts to this file: `ENTRYPOINT`, then the paths on the way, this file's last. Hostile text;
    /// empty where it is not run.
    pub run_by: Vec<String>,
}

impl Finding {
    /// Joins an observation and its place, and computes the id.
    #[must_use]
    pub fn new(observation: Observation, location: Location, runs: bool) -> Self {
        let inside = observation.inside.as_ref().map_or("", |inside| &inside.path);
        let key =
            serde_json::to_vec(&(&observation.detector, inside, observation.offset, &observation.summary, &location))
                .expect("strings, numbers and digests always serialise");
        let id = format!("E-{}", &Digest::of(&key).hex()[..16]);
        Self { id, observation, location, runs, origin: None }
    }
}
