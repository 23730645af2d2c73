//! The ledger, folded: what every entry is now.

use std::collections::{BTreeMap, HashMap};

use model::Digest;

use crate::entry::{Change, ChangeKind, Entry, EntryId, Role, Status};

/// What an entry is found by.
pub type Key = (Digest, Role);

/// Every entry as the changes so far left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    entries: BTreeMap<Key, Entry>,
    ids: HashMap<EntryId, Key>,
    /// The last number of each year.
    numbers: BTreeMap<u16, u32>,
    sequence: u64,
    /// When the newest change was made.
    changed_at: String,
}

impl State {
    /// How many changes there were: the next one's number.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the newest change was made (RFC 3339, UTC); empty before the first.
    #[must_use]
    pub fn changed_at(&self) -> &str {
        &self.changed_at
    }

    /// All entries, by digest and role.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    /// All entries, sorted by digest and role.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries.into_values().collect()
    }

    /// The entry of a digest in one role.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The entry of this name.
    #[must_use]
    pub fn named(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(self.ids.get(&id)?)
    }

    /// The entries of a digest, in whatever role.
    pub fn of(&self, digest: &Digest) -> impl Iterator<Item = &Entry> {
        Role::ALL.iter().filter_map(|role| self.entries.get(&(*digest, *role)))
    }

    /// The last number given out in a year; 0 before the first.
    #[must_use]
    pub fn last_number(&self, year: u16) -> u32 {
        self.numbers.get(&year).copied().unwrap_or(0)
    }

    /// Takes in the next change.
    ///
    /// # Errors
    ///
    /// What is wrong with it: a gap, a name used twice or changed, a first change that lists nothing.
    pub fn apply(&mut self, change: Change) -> Result<(), String> {
        let Change { sequence, at, kind, entry } = change;
        if sequence != self.sequence {
            return Err(format!("change {sequence} stands where {} is due", self.sequence));
        }
        if at < self.changed_at {
            return Err(format!("it is of {at}, before the one before it ({})", self.changed_at));
        }
        let key = (entry.digest, entry.role);
        match (self.entries.get(&key), self.ids.get(&entry.id)) {
            (Some(known), _) if known.id != entry.id => {
                return Err(format!("{} of {} is called {} before", entry.role, entry.digest, known.id));
            }
            (None, Some((digest, role))) => {
                return Err(format!("{} is the name of {role} {digest} already", entry.id));
            }
            (None, None) if !matches!(kind, ChangeKind::Listed | ChangeKind::Approved) => {
                return Err(format!("{} is {kind} and was never listed", entry.id));
            }
            _ => {}
        }
        if matches!(kind, ChangeKind::Withdrawn | ChangeKind::Superseded) == (entry.status == Status::Active) {
            return Err(format!("{} is {kind}, but its status is {}", entry.id, entry.status));
        }
        let number = self.numbers.entry(entry.id.year).or_default();
        *number = (*number).max(entry.id.number);
        self.ids.insert(entry.id, key);
        self.entries.insert(key, entry);
        (self.sequence, self.changed_at) = (sequence + 1, at);
        Ok(())
    }
}
