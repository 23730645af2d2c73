//! TUF metadata: what the writer signs and the client believes.
//!
//! Source: the TUF specification 1.0.31, section 4. Keys are named by the SHA-256 of their canonical JSON when we write; when we read,
//! a name is only a name, as the specification says.

use std::collections::{BTreeMap, BTreeSet};

use model::Digest;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Value, json};

use super::{
    canonical::canonical,
    key::{PublicKey, SigningKey},
};
use crate::date::rfc3339;

/// What every file says it follows.
pub(crate) const SPEC_VERSION: &str = "1.0.31";
/// Most keys and signatures looked at in one file.
const KEYS_MAX: usize = 64;

/// The four top roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// Says whose the other keys are.
    Root,
    /// Says what the feed's files are.
    Targets,
    /// Says which targets file is current.
    Snapshot,
    /// Says which snapshot is current, and for how short a time.
    Timestamp,
}

impl RoleName {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// As written in metadata.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

/// Metadata of one role.
pub(crate) trait Signed: DeserializeOwned {
    const ROLE: RoleName;
    fn version(&self) -> u64;
    /// Seconds since 1970.
    fn expires(&self) -> u64;
}

macro_rules! signed {
    ($type:ty, $role:expr) => {
        impl Signed for $type {
            const ROLE: RoleName = $role;
            fn version(&self) -> u64 {
                self.version
            }
            fn expires(&self) -> u64 {
                self.expires.0
            }
        }
    };
}

/// Seconds since 1970; `2026-11-23T13:00:00Z` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        seconds(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no time like 2026-11-23T13:00:00Z")))
    }
}

/// The inverse of [`rfc3339`]. Counts days from 0000-03-01 as that does.
fn seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let seconds = days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second;
    (rfc3339(seconds) == text).then_some(seconds)
}

/// Whose signatures a role needs, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleKeys {
    pub(crate) keyids: BTreeSet<String>,
    pub(crate) threshold: usize,
}

#[derive(Debug, Clone, Deserialize)]
struct KeyFile {
    keytype: String,
    scheme: String,
    keyval: KeyValue,
}

#[derive(Debug, Clone, Deserialize)]
struct KeyValue {
    #[serde(default)]
    public: String,
}

/// Keys that are ours rather than TUF's; the root vouches for them too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnKeys {
    /// Verifier key of the log: also its origin.
    pub log: String,
    /// minisign public key, as `minisign -P` takes it.
    pub minisign: String,
}

/// `root.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Root {
    version: u64,
    expires: Moment,
    consistent_snapshot: bool,
    #[serde(deserialize_with = "keys")]
    pub(crate) keys: BTreeMap<String, PublicKey>,
    pub(crate) roles: BTreeMap<String, RoleKeys>,
    #[serde(rename = "x-lazaret")]
    pub(crate) own: OwnKeys,
}
signed!(Root, RoleName::Root);

/// Keys of a kind unknown here are left out: they cannot sign for us.
fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, PublicKey>, D::Error> {
    let files = BTreeMap::<String, KeyFile>::deserialize(from)?;
    let known = files.into_iter().take(KEYS_MAX).filter(|(_, key)| key.keytype == "ed25519" && key.scheme == "ed25519");
    Ok(known
        .filter_map(|(id, key)| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(&key.keyval.public, &mut bytes).ok().map(|()| (id, PublicKey(bytes)))
        })
        .collect())
}

/// A metadata file as another one names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct MetaFile {
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) length: Option<u64>,
    #[serde(default)]
    pub(crate) hashes: Option<Hashes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Hashes {
    #[serde(deserialize_with = "bare_digest")]
    pub(crate) sha256: Digest,
}

fn bare_digest<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    format!("sha256:{}", String::deserialize(from)?).parse().map_err(D::Error::custom)
}

/// `timestamp.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Timestamp {
    version: u64,
    expires: Moment,
    meta: BTreeMap<String, MetaFile>,
}
signed!(Timestamp, RoleName::Timestamp);

impl Timestamp {
    pub(crate) fn snapshot(&self) -> Option<&MetaFile> {
        self.meta.get("snapshot.json")
    }
}

/// `snapshot.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Snapshot {
    version: u64,
    expires: Moment,
    pub(crate) meta: BTreeMap<String, MetaFile>,
}
signed!(Snapshot, RoleName::Snapshot);

impl Snapshot {
    pub(crate) fn targets(&self) -> Option<&MetaFile> {
        self.meta.get("targets.json")
    }
}

/// A file of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Target {
    pub(crate) length: u64,
    pub(crate) hashes: Hashes,
}

/// `targets.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Targets {
    version: u64,
    expires: Moment,
    pub(crate) targets: BTreeMap<String, Target>,
}
signed!(Targets, RoleName::Targets);

/// How many of those who may have signed did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) valid: usize,
    pub(crate) threshold: usize,
}

impl Votes {
    pub(crate) fn suffice(self) -> bool {
        self.threshold > 0 && self.valid >= self.threshold
    }
}

/// A metadata file: what is said, and who signed it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Envelope {
    signed: Value,
    signatures: Vec<SignatureFile>,
}

#[derive(Debug, Clone, Deserialize)]
struct SignatureFile {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Nothing is believed yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Counts keys, not signatures: one key under two names is one.
    pub(crate) fn votes(&self, root: &Root, role: RoleName) -> Votes {
        let Some(keys) = root.roles.get(role.name()) else { return Votes { valid: 0, threshold: 0 } };
        let message = canonical(&self.signed).unwrap_or_default();
        let mut valid = BTreeSet::new();
        for signature in self.signatures.iter().take(KEYS_MAX) {
            if keys.keyids.contains(&signature.keyid)
                && let Some(key) = root.keys.get(&signature.keyid)
                && hex::decode(&signature.sig).is_ok_and(|bytes| key.verifies(&message, &bytes))
            {
                valid.insert(*key);
            }
        }
        Votes { valid: valid.len(), threshold: keys.threshold }
    }

    /// What is said, if it is said in `T`'s role.
    pub(crate) fn open<T: Signed>(&self) -> Result<T, String> {
        let text = |field: &str| self.signed.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("_type") != T::ROLE.name() {
            return Err(format!("it is of the role {:?}", text("_type")));
        }
        if !text("spec_version").starts_with("1.") {
            return Err(format!("it follows TUF {:?}", text("spec_version")));
        }
        T::deserialize(&self.signed).map_err(|error| error.to_string())
    }
}

impl Root {
    /// Reads a root and checks that it can be one.
    pub(crate) fn open(envelope: &Envelope) -> Result<Self, String> {
        let root: Self = envelope.open()?;
        if !root.consistent_snapshot {
            return Err("it has no consistent snapshots".to_owned());
        }
        match RoleName::ALL.iter().find(|role| root.roles.get(role.name()).is_none_or(|keys| keys.threshold == 0)) {
            Some(role) => Err(format!("it names no keys for {}", role.name())),
            None => Ok(root),
        }
    }
}

/// Signs `signed` and writes the file. It is canonical as a whole, so equal content gives equal bytes.
pub(crate) fn sign<'a>(signed: &Value, keys: impl IntoIterator<Item = &'a SigningKey>) -> Vec<u8> {
    let message = canonical(signed).unwrap_or_default();
    let signatures: Vec<_> = keys
        .into_iter()
        .map(|key| json!({ "keyid": key.public().id(), "sig": hex::encode(key.sign(&message)) }))
        .collect();
    let mut bytes = canonical(&json!({ "signatures": signatures, "signed": signed })).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What every role says of itself.
pub(crate) fn head(role: RoleName, version: u64, expires: u64) -> Value {
    json!({ "_type": role.name(), "spec_version": SPEC_VERSION, "version": version, "expires": rfc3339(expires) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for at in [0, 951_782_400, 1_764_000_000, 4_102_444_799] {
            assert_eq!(seconds(&rfc3339(at)), Some(at));
        }
        for wrong in
            ["", "2026-02-30T00:00:00Z", "2026-11-23T13:00:00+01:00", "2026-11-23 13:00:00Z", "1969-01-01T00:00:00Z"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
