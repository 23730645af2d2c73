//! What TUF metadata is believed: the rules of a client, without any I/O.
//!
//! Source: the TUF specification 1.0.31, section 5. The order of checks is the specification's; each function names its step.

use std::collections::BTreeMap;

use model::Digest;

use super::SyncError;
use crate::trust::{
    metadata::{Envelope, MetaFile, RoleName, Root, Signed, Snapshot, Target, Targets, Timestamp, Votes},
    tuf::{TARGETS_MAX, is_target_name},
};

/// Metadata that was believed, as it came.
pub(super) struct Kept<T> {
    pub(super) said: T,
    pub(super) bytes: Vec<u8>,
}

/// What is believed so far.
pub(super) struct Trusted {
    pub(super) root: Kept<Root>,
    pub(super) timestamp: Option<Kept<Timestamp>>,
    pub(super) snapshot: Option<Kept<Snapshot>>,
    pub(super) targets: Option<Kept<Targets>>,
}

/// Takes a file apart; nothing is believed yet.
fn parse(file: &str, bytes: &[u8]) -> Result<Envelope, SyncError> {
    Envelope::parse(bytes).map_err(|what| {
        let ended = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err_and(|error| error.is_eof());
        if ended {
            SyncError::Truncated { file: file.to_owned(), bytes: bytes.len() as u64 }
        } else {
            SyncError::Malformed { file: file.to_owned(), what }
        }
    })
}

fn counted(file: &str, votes: Votes) -> Result<(), SyncError> {
    let file = file.to_owned();
    match votes {
        votes if votes.suffice() => Ok(()),
        Votes { valid: 0, .. } => Err(SyncError::WrongKey { file }),
        Votes { valid, threshold } => Err(SyncError::Threshold { file, valid, needed: threshold }),
    }
}

fn malformed(file: &str) -> impl FnOnce(String) -> SyncError {
    move |what| SyncError::Malformed { file: file.to_owned(), what }
}

fn is_newer(file: &str, known: u64, offered: u64) -> Result<(), SyncError> {
    match offered < known {
        true => Err(SyncError::Rollback { file: file.to_owned(), known, offered }),
        false => Ok(()),
    }
}

/// Whether a metadata file is the one another names, by its digest.
fn is_file(file: &str, bytes: &[u8], named: &MetaFile) -> Result<(), SyncError> {
    match &named.hashes {
        Some(hashes) if hashes.sha256 != Digest::of(bytes) => {
            parse(file, bytes)?;
            Err(SyncError::MixAndMatch { file: file.to_owned(), what: "it is not the file that is named".to_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether it is the version another names.
fn is_version(file: &str, version: u64, named: &MetaFile) -> Result<(), SyncError> {
    if version == named.version {
        return Ok(());
    }
    let what = format!("version {version} was put in the place of {}", named.version);
    Err(SyncError::MixAndMatch { file: file.to_owned(), what })
}

fn lives<T: Signed>(file: &str, said: &T, now: u64) -> Result<(), SyncError> {
    if now < said.expires() {
        return Ok(());
    }
    let at = said.expires();
    Err(match T::ROLE {
        RoleName::Timestamp => SyncError::Freeze { at },
        _ => SyncError::Expired { file: file.to_owned(), at },
    })
}

impl Trusted {
    /// From a root that is believed already: it must at least be signed by those it names (5.2).
    pub(super) fn from_root(bytes: Vec<u8>) -> Result<Self, SyncError> {
        let envelope = parse("root.json", &bytes)?;
        let said = Root::open(&envelope).map_err(malformed("root.json"))?;
        counted("root.json", envelope.votes(&said, RoleName::Root))?;
        Ok(Self { root: Kept { said, bytes }, timestamp: None, snapshot: None, targets: None })
    }

    /// The next root (5.3): signed by the one before and by itself, its version one more.
    pub(super) fn next_root(&mut self, bytes: Vec<u8>) -> Result<(), SyncError> {
        let expected = self.root.said.version() + 1;
        let file = format!("{expected}.root.json");
        let envelope = parse(&file, &bytes)?;
        counted(&file, envelope.votes(&self.root.said, RoleName::Root))?;
        let said = Root::open(&envelope).map_err(malformed(&file))?;
        counted(&file, envelope.votes(&said, RoleName::Root))?;
        if said.version() != expected {
            return Err(match said.version() < expected {
                true => SyncError::Rollback { file, known: expected - 1, offered: said.version() },
                false => SyncError::MixAndMatch { file, what: format!("it is version {}", said.version()) },
            });
        }
        // A key that was exchanged may have signed any version: what it signed is forgotten (5.3.11).
        let keys =
            |root: &Root, role: RoleName| root.roles.get(role.name()).map(|keys| (keys.keyids.clone(), keys.threshold));
        let same = |role: RoleName| keys(&said, role) == keys(&self.root.said, role);
        if !same(RoleName::Timestamp) || !same(RoleName::Snapshot) {
            (self.timestamp, self.snapshot) = (None, None);
        }
        self.root = Kept { said, bytes };
        Ok(())
    }

    /// After the last root (5.3.10).
    pub(super) fn root_lives(&self, now: u64) -> Result<(), SyncError> {
        lives(&format!("{}.root.json", self.root.said.version()), &self.root.said, now)
    }

    fn signed<T: Signed>(&self, file: &str, bytes: &[u8]) -> Result<T, SyncError> {
        let envelope = parse(file, bytes)?;
        counted(file, envelope.votes(&self.root.said, T::ROLE))?;
        envelope.open().map_err(malformed(file))
    }

    /// What was believed the last time, for comparison; what today's root does not vouch for is forgotten.
    pub(super) fn recall(&mut self, timestamp: Option<Vec<u8>>, snapshot: Option<Vec<u8>>, targets: Option<Vec<u8>>) {
        self.timestamp =
            timestamp.and_then(|bytes| Some(Kept { said: self.signed("timestamp.json", &bytes).ok()?, bytes }));
        self.snapshot =
            snapshot.and_then(|bytes| Some(Kept { said: self.signed("snapshot.json", &bytes).ok()?, bytes }));
        self.targets = targets.and_then(|bytes| Some(Kept { said: self.signed("targets.json", &bytes).ok()?, bytes }));
    }

    /// 5.4. Of the version that is known already, the known one stays.
    pub(super) fn next_timestamp(&mut self, bytes: Vec<u8>, now: u64) -> Result<(), SyncError> {
        let file = "timestamp.json";
        let said: Timestamp = self.signed(file, &bytes)?;
        let named = said.snapshot().ok_or_else(|| malformed(file)("it names no snapshot".to_owned()))?;
        if let Some(known) = &self.timestamp {
            is_newer(file, known.said.version(), said.version())?;
            is_newer("snapshot.json", known.said.snapshot().map_or(0, |meta| meta.version), named.version)?;
            if said.version() == known.said.version() {
                return lives(file, &known.said, now);
            }
        }
        lives(file, &said, now)?;
        self.timestamp = Some(Kept { said, bytes });
        Ok(())
    }

    /// The snapshot that the timestamp names.
    pub(super) fn named_snapshot(&self) -> Option<&MetaFile> {
        self.timestamp.as_ref()?.said.snapshot()
    }

    /// 5.5.
    pub(super) fn next_snapshot(&mut self, bytes: Vec<u8>, now: u64) -> Result<(), SyncError> {
        let file = "snapshot.json";
        let named = self.named_snapshot().ok_or_else(|| SyncError::Missing { file: file.to_owned() })?;
        is_file(file, &bytes, named)?;
        let said: Snapshot = self.signed(file, &bytes)?;
        is_version(file, said.version(), named)?;
        for (name, known) in self.snapshot.iter().flat_map(|known| &known.said.meta) {
            let offered = said.meta.get(name).map_or(0, |meta| meta.version);
            is_newer(name, known.version, offered)?;
        }
        lives(file, &said, now)?;
        self.snapshot = Some(Kept { said, bytes });
        Ok(())
    }

    /// The targets that the snapshot names.
    pub(super) fn named_targets(&self) -> Option<&MetaFile> {
        self.snapshot.as_ref()?.said.targets()
    }

    /// 5.6.
    pub(super) fn next_targets(&mut self, bytes: Vec<u8>, now: u64) -> Result<(), SyncError> {
        let file = "targets.json";
        let named = self.named_targets().ok_or_else(|| SyncError::Missing { file: file.to_owned() })?;
        is_file(file, &bytes, named)?;
        let said: Targets = self.signed(file, &bytes)?;
        is_version(file, said.version(), named)?;
        if said.targets.len() > TARGETS_MAX {
            return Err(malformed(file)(format!("it names {} files", said.targets.len())));
        }
        if let Some(name) = said.targets.keys().find(|name| !is_target_name(name)) {
            return Err(malformed(file)(format!("{name:?} is no name for a file of the feed")));
        }
        lives(file, &said, now)?;
        self.targets = Some(Kept { said, bytes });
        Ok(())
    }

    /// When the first of it runs out.
    pub(super) fn expires_at(&self) -> u64 {
        let others = [
            self.timestamp.as_ref().map(|kept| kept.said.expires()),
            self.snapshot.as_ref().map(|kept| kept.said.expires()),
            self.targets.as_ref().map(|kept| kept.said.expires()),
        ];
        others.into_iter().flatten().fold(self.root.said.expires(), u64::min)
    }

    /// The feed's files.
    pub(super) fn files(&self) -> Option<&BTreeMap<String, Target>> {
        Some(&self.targets.as_ref()?.said.targets)
    }
}
