//! Feeds for the tests of all forms: invented entries, some of them hostile.

use std::{collections::BTreeMap, io};

use model::{Category, Confidence, Digest, Platform, Severity};

use super::{Sink, State, write_all};
use crate::{
    candidate::Omitted,
    date::rfc3339,
    entry::{Blast, Change, ChangeKind, Channel, Entry, EntryId, EvidenceKind, List, Role, SCHEMA, Status},
};

/// What somebody who can name an image might write, and worse: no reference can hold some of these today.
pub(crate) const HOSTILE: &[&str] = &[
    "=HYPERLINK(\"http://x.invalid\",\"a\")",
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2",
    "\t=1",
    "evil/miner:1\nsha256:0000000000000000000000000000000000000000000000000000000000000000",
    "<script>alert(1)</script>&amp;]]>",
    "a\": \"b\\",
    "'; DROP TABLE x; --",
    "{{ request.object }}",
    "%x ${HOME} $(id)",
    "\u{202e}gnp.exe",
    "\u{1b}[31mred\u{7}",
    "a\u{0}b\u{ffff}",
    "# comment: yes\r\n- list: x",
    "evil/miner@sha256:00",
    "[[registry]]\nblocked = false",
    "\u{2028}\u{85}next",
    "ünï/cöde:ß",
];

/// A feed.
pub(crate) struct World {
    pub(crate) entries: Vec<Entry>,
    pub(crate) changes: Vec<Change>,
    pub(crate) never: Vec<Digest>,
    pub(crate) sequence: u64,
    pub(crate) now: u64,
    pub(crate) name: String,
    pub(crate) base_url: String,
}

/// Monday, 23 November 2026, noon.
pub(crate) const NOW: u64 = 1_795_435_200;

impl World {
    /// `count` entries of all roles, categories, lists, channels and statuses.
    pub(crate) fn of(count: usize) -> Self {
        let mut world = Self {
            entries: (0..count).map(entry).collect(),
            changes: Vec::new(),
            never: vec![Digest::of(b"alpine"), Digest::of(b"")],
            sequence: count as u64,
            now: NOW,
            name: "Feed of the tests".to_owned(),
            base_url: "https://feed.example.org".to_owned(),
        };
        world.sort();
        world
    }

    /// With hostile references, reasons and summaries.
    pub(crate) fn hostile() -> Self {
        let mut world = Self::of(400);
        for (at, entry) in world.entries.iter_mut().enumerate() {
            let text = HOSTILE[at % HOSTILE.len()];
            entry.references.insert(text.to_owned());
            entry.references.insert(format!("evil/miner-{at}:latest"));
            if at.is_multiple_of(3) {
                entry.summary = text.to_owned();
            }
            if entry.status != Status::Active {
                entry.reason = Some(text.to_owned());
            }
        }
        world.change_all();
        world
    }

    /// Every entry was listed, one a second.
    pub(crate) fn change_all(&mut self) {
        let changed = |(sequence, entry): (usize, &Entry)| Change {
            sequence: sequence as u64,
            at: entry.changed_at.clone(),
            kind: if entry.status == Status::Active { ChangeKind::Listed } else { ChangeKind::Withdrawn },
            entry: entry.clone(),
        };
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|entry| (entry.changed_at.clone(), entry.id));
        self.changes = entries.into_iter().enumerate().map(changed).collect();
        self.sequence = self.changes.len() as u64;
    }

    pub(crate) fn sort(&mut self) {
        self.entries.sort_by_key(|entry| (entry.digest, entry.role));
        self.never.sort_unstable();
    }

    pub(crate) fn state(&self) -> State<'_> {
        State {
            entries: &self.entries,
            changes: &self.changes,
            never: &self.never,
            sequence: self.sequence,
            now: self.now,
            name: &self.name,
            base_url: &self.base_url,
        }
    }

    pub(crate) fn write(&self) -> Memory {
        let mut out = Memory::default();
        write_all(&self.state(), &mut out).expect("memory takes all");
        out
    }
}

fn entry(at: usize) -> Entry {
    let role = Role::ALL[at % Role::ALL.len()];
    let list = if at % 7 == 6 { List::Advise } else { List::Block };
    let status = if at % 11 == 10 { Status::Withdrawn } else { Status::Active };
    let listed = NOW - 1_000_000 + at as u64;
    let changed = if status == Status::Active { listed } else { listed + 500_000 };
    let categories = [Category::ALL[at % 9], Category::ALL[(at * 5) % Category::ALL.len()]].into();
    Entry {
        schema: SCHEMA.to_owned(),
        id: EntryId { year: 2026, number: u32::try_from(at + 1).expect("few") },
        digest: Digest::of(format!("image {at}").as_bytes()),
        role,
        platform: (role == Role::Manifest).then(|| Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
        }),
        list,
        channel: if at.is_multiple_of(2) { Channel::Stable } else { Channel::Candidate },
        status,
        reason: (status != Status::Active).then(|| "a false alarm".to_owned()),
        superseded_by: None,
        categories,
        severity: Severity::ALL[at % Severity::ALL.len()],
        confidence: Confidence::ALL[at % Confidence::ALL.len()],
        summary: format!("an invented miner, number {at}"),
        kinds: [EvidenceKind::Static, EvidenceKind::Runtime].into(),
        evidence: [format!("finding-{at}")].into(),
        references: [format!("evil/image-{at}:1"), format!("ghcr.io/evil/image-{at}:v2")].into(),
        first_seen: rfc3339(listed - 86_400),
        listed_at: rfc3339(listed),
        changed_at: rfc3339(changed),
        parents: [Digest::of(b"parent")].into(),
        children: [Digest::of(b"child")].into(),
        blast: Blast { pulls: Some(1_000), images: 3 },
        omitted: Omitted::default(),
    }
}

/// Files in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Paths that came more than once.
    pub(crate) twice: Vec<String>,
}

impl Memory {
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        let bytes = self.files.get(path).unwrap_or_else(|| panic!("{path} is missing"));
        String::from_utf8(bytes.clone()).expect("text")
    }
}

impl Sink for Memory {
    fn file(&mut self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        if self.files.insert(path.to_owned(), bytes).is_some() {
            self.twice.push(path.to_owned());
        }
        Ok(())
    }
}
