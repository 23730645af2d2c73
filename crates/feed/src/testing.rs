//! Entries for tests.

use std::collections::BTreeSet;

use model::{Category, Confidence, Digest, Severity};

use crate::{
    candidate::{Candidate, Omitted},
    date::rfc3339,
    entry::{Blast, Change, ChangeKind, Channel, Entry, EntryId, EvidenceKind, List, Role, SCHEMA, Status},
};

/// When tests play: 2026-11-23T12:00:00Z.
pub(crate) const NOW: u64 = 1_795_435_200;

/// An active entry for the layer `name`.
pub(crate) fn entry(number: u32, name: &str) -> Entry {
    Entry {
        schema: SCHEMA.to_owned(),
        id: EntryId { year: 2026, number },
        digest: Digest::of(name.as_bytes()),
        role: Role::Layer,
        platform: None,
        list: List::Block,
        channel: Channel::Candidate,
        status: Status::Active,
        reason: None,
        superseded_by: None,
        categories: BTreeSet::from([Category::Cryptominer]),
        severity: Severity::High,
        confidence: Confidence::Certain,
        summary: "Miner".to_owned(),
        kinds: BTreeSet::from([EvidenceKind::Static]),
        evidence: BTreeSet::from(["E-0123456789abcdef".to_owned()]),
        references: BTreeSet::from([format!("registry.test/{name}:latest")]),
        first_seen: rfc3339(NOW - 86_400),
        listed_at: rfc3339(NOW),
        changed_at: rfc3339(NOW),
        parents: BTreeSet::new(),
        children: BTreeSet::new(),
        blast: Blast { pulls: None, images: 1 },
        omitted: Omitted::default(),
    }
}

/// What the catalog would say of [`entry`].
pub(crate) fn candidate(name: &str) -> Candidate {
    let entry = entry(1, name);
    Candidate {
        digest: entry.digest,
        role: entry.role,
        platform: None,
        list: entry.list,
        categories: entry.categories,
        severity: entry.severity,
        confidence: entry.confidence,
        summary: entry.summary,
        kinds: entry.kinds,
        first_seen: entry.first_seen,
        references: entry.references,
        evidence: entry.evidence,
        parents: entry.parents,
        children: entry.children,
        images: 1,
        omitted: entry.omitted,
    }
}

/// The changes that list layers of these names, from the first change on.
pub(crate) fn listed(names: &[&str]) -> Vec<Change> {
    let change = |(index, name): (usize, &&str)| Change {
        sequence: index as u64,
        at: rfc3339(NOW),
        kind: ChangeKind::Listed,
        entry: entry(u32::try_from(index).expect("few") + 1, name),
    };
    names.iter().enumerate().map(change).collect()
}
