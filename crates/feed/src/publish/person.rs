//! What a person decides: to approve, withdraw or supersede entries.

use std::{collections::BTreeSet, fmt, str::FromStr};

use model::Digest;

use super::plan::{self, Scribe};
use crate::{
    entry::{Change, ChangeKind, Channel, Entry, EntryId, EvidenceKind, Status},
    ledger::State,
    listing::Found,
};

/// An entry, as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(EntryId),
    /// All entries of a digest.
    Digest(Digest),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = || text.parse().map(Self::Id).ok();
        let digest = || text.parse().map(Self::Digest).ok();
        id().or_else(digest)
            .ok_or_else(|| format!("{text:?} is neither an entry's id (LZ-2026-1) nor a digest (sha256:…)"))
    }
}

/// Why a person's word changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// There is no such entry.
    #[error("{0} is not listed: see `lazaret feed diff 0`")]
    Unknown(Named),
    /// Nothing that could be listed.
    #[error("{named} cannot be listed: {why}")]
    Refused {
        /// What was to be.
        named: Named,
        /// Why not.
        why: String,
    },
}

impl Named {
    fn entries<'a>(&self, state: &'a State) -> Vec<&'a Entry> {
        match self {
            Self::Id(id) => state.named(*id).into_iter().collect(),
            Self::Digest(digest) => state.of(digest).collect(),
        }
    }
}

/// Takes entries off the list, with `tree` also what is listed only as a part of them. `by` names the entry that says it better.
///
/// # Errors
///
/// [`PersonError::Unknown`]: all or none are withdrawn.
pub fn withdraw(
    state: &State,
    named: &[Named],
    tree: bool,
    by: Option<EntryId>,
    reason: &str,
    now: u64,
) -> Result<Vec<Change>, PersonError> {
    let mut wanted = BTreeSet::new();
    for named in named {
        let entries = named.entries(state);
        if entries.is_empty() {
            return Err(PersonError::Unknown(*named));
        }
        wanted.extend(entries.iter().map(|entry| entry.id));
    }
    if let Some(by) = by
        && state.named(by).is_none()
    {
        return Err(PersonError::Unknown(Named::Id(by)));
    }
    if tree {
        grow(state, &mut wanted);
    }
    let mut scribe = Scribe::new(state, now);
    for entry in wanted.iter().filter_map(|id| state.named(*id)) {
        let mut changed = plan::withdrawn(entry, reason);
        changed.kinds.insert(EvidenceKind::Person);
        let kind = if by.is_some() { ChangeKind::Superseded } else { ChangeKind::Withdrawn };
        if by.is_some() {
            (changed.status, changed.superseded_by) = (Status::Superseded, by);
        }
        if changed != *entry {
            scribe.write(kind, changed);
        }
    }
    Ok(scribe.changes)
}

/// Adds entries all of whose parents are among them, until there are no more.
fn grow(state: &State, wanted: &mut BTreeSet<EntryId>) {
    loop {
        let digests: BTreeSet<Digest> =
            wanted.iter().filter_map(|id| state.named(*id)).map(|entry| entry.digest).collect();
        let orphans: Vec<EntryId> = state
            .entries()
            .filter(|entry| entry.status == Status::Active && !wanted.contains(&entry.id))
            .filter(|entry| entry.omitted.parents == 0 && !entry.parents.is_empty())
            .filter(|entry| entry.parents.is_subset(&digests))
            .map(|entry| entry.id)
            .collect();
        if orphans.is_empty() {
            return;
        }
        wanted.extend(orphans);
    }
}

/// Makes entries stable because a person looked: candidates, ones that were withdrawn, and what a guard rail holds for a person.
/// `found` must have been asked with the digests among [`Rules::approved`](crate::guard::Rules::approved).
///
/// # Errors
///
/// [`PersonError`]: all or none are approved.
pub fn approve(state: &State, found: &Found, named: &[Named], now: u64) -> Result<Vec<Change>, PersonError> {
    let mut scribe = Scribe::new(state, now);
    let mut done = BTreeSet::new();
    for &named in named {
        let refused = |why: String| PersonError::Refused { named, why };
        let entries = named.entries(state);
        let digest = match (named, entries.first()) {
            (Named::Digest(digest), _) => digest,
            (Named::Id(_), Some(entry)) => entry.digest,
            (Named::Id(_), None) => return Err(PersonError::Unknown(named)),
        };
        if let Some(refusal) = found.forbidden.get(&digest) {
            return Err(refused(refusal.to_string()));
        }
        let candidates = found.candidates.iter().filter(|candidate| candidate.digest == digest);
        let fresh: Vec<_> = match named {
            Named::Digest(_) => candidates.collect(),
            Named::Id(_) => {
                candidates.filter(|candidate| entries.iter().any(|entry| entry.role == candidate.role)).collect()
            }
        };
        if entries.is_empty() && fresh.is_empty() {
            let why = found.refused.iter().find(|refused| refused.digest == digest).map(|it| it.refusal.to_string());
            let nothing = || "the catalog has no evidence against it: `lazaret scan` it first".to_owned();
            return Err(refused(why.unwrap_or_else(nothing)));
        }
        for entry in &entries {
            let current = fresh.iter().find(|candidate| candidate.role == entry.role);
            let current = current.map(|candidate| plan::entry(candidate, entry.id, scribe.at(), Some(entry)));
            approved(&mut scribe, &mut done, current.unwrap_or_else(|| (*entry).clone()), Some(entry));
        }
        for candidate in fresh.iter().filter(|candidate| entries.iter().all(|entry| entry.role != candidate.role)) {
            let id = scribe.next_id();
            let entry = plan::entry(candidate, id, scribe.at(), None);
            approved(&mut scribe, &mut done, entry, None);
        }
    }
    Ok(scribe.changes)
}

fn approved(scribe: &mut Scribe<'_>, done: &mut BTreeSet<(Digest, crate::Role)>, entry: Entry, before: Option<&Entry>) {
    let mut entry = entry;
    entry.kinds.insert(EvidenceKind::Person);
    entry.channel = Channel::Stable;
    (entry.status, entry.reason, entry.superseded_by) = (Status::Active, None, None);
    let settled = before.is_some_and(|before| {
        before.status == Status::Active
            && before.channel == Channel::Stable
            && before.kinds.contains(&EvidenceKind::Person)
    });
    if done.insert((entry.digest, entry.role)) && !settled {
        scribe.write(ChangeKind::Approved, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        guard::Refusal,
        testing::{self, NOW},
    };

    /// `index` → `manifest` → `layer`; `layer` is part of `other` too, `file` of `layer`.
    fn state() -> State {
        let names = ["index", "manifest", "layer", "other", "file"];
        let mut changes = testing::listed(&names);
        for (child, parents) in [(1, vec!["index"]), (2, vec!["manifest", "other"]), (4, vec!["layer"])] {
            changes[child].entry.parents = parents.iter().map(|name| Digest::of(name.as_bytes())).collect();
        }
        let mut state = State::default();
        changes.into_iter().for_each(|change| state.apply(change).expect("follows"));
        state
    }

    fn named(name: &str) -> Named {
        Named::Digest(Digest::of(name.as_bytes()))
    }

    fn ids(changes: &[Change]) -> Vec<u32> {
        changes.iter().map(|change| change.entry.id.number).collect()
    }

    #[test]
    fn a_tree_takes_what_has_no_other_parent() {
        let state = state();
        let withdraw = |names: &[&str], tree| {
            let named: Vec<_> = names.iter().map(|name| named(name)).collect();
            ids(&withdraw(&state, &named, tree, None, "false alarm", NOW).expect("is listed"))
        };
        assert_eq!(withdraw(&["index"], false), [1]);
        assert_eq!(withdraw(&["index"], true), [1, 2]);
        assert_eq!(withdraw(&["index", "other"], true), [1, 2, 3, 4, 5]);
        assert_eq!(withdraw(&["index", "index"], false), [1]);
    }

    #[test]
    fn a_withdrawal_says_why_and_that_a_person_did_it() {
        let changes = withdraw(&state(), &["LZ-2026-1".parse().expect("an id")], false, None, "false\nalarm", NOW);
        let changes = changes.expect("is listed");
        let entry = &changes[0].entry;
        assert_eq!((entry.status, entry.reason.as_deref()), (Status::Withdrawn, Some("false\\nalarm")));
        assert!(entry.kinds.contains(&EvidenceKind::Person));
        assert_eq!(
            withdraw(&state(), &[named("index"), named("nothing")], false, None, "", NOW),
            Err(PersonError::Unknown(named("nothing")))
        );
    }

    #[test]
    fn an_entry_is_superseded_by_one_that_is_there() {
        let by = EntryId { year: 2026, number: 4 };
        let changes = withdraw(&state(), &[named("layer")], false, Some(by), "merged", NOW).expect("is listed");
        assert_eq!((changes[0].kind, changes[0].entry.status), (ChangeKind::Superseded, Status::Superseded));
        assert_eq!(changes[0].entry.superseded_by, Some(by));
        let nobody = EntryId { year: 2026, number: 99 };
        assert!(withdraw(&state(), &[named("layer")], false, Some(nobody), "", NOW).is_err());
    }

    #[test]
    fn approval_makes_stable_lists_what_is_found_and_says_what_cannot_be() {
        let mut found = Found { candidates: vec![testing::candidate("base")], ..Found::default() };
        found.forbidden.insert(Digest::of(b"layer"), Refusal::Empty);
        let state = state();
        let changes = approve(&state, &found, &[named("index"), named("base"), named("index")], NOW).expect("fine");
        assert_eq!(ids(&changes), [1, 6]);
        for change in &changes {
            assert_eq!((change.kind, change.entry.channel), (ChangeKind::Approved, Channel::Stable));
        }
        let refused = |name| approve(&state, &found, &[named(name)], NOW).expect_err("refused").to_string();
        assert!(refused("layer").contains("empty"));
        assert!(refused("nothing").contains("no evidence"));
    }

    #[test]
    fn what_was_withdrawn_can_be_approved_and_twice_changes_nothing() {
        let mut state = state();
        for change in withdraw(&state, &[named("index")], false, None, "wrong", NOW).expect("is listed") {
            state.apply(change).expect("follows");
        }
        let changes = approve(&state, &Found::default(), &[named("index")], NOW).expect("fine");
        assert_eq!(
            (changes.len(), changes[0].entry.status, changes[0].entry.reason.clone()),
            (1, Status::Active, None)
        );
        changes.into_iter().for_each(|change| state.apply(change).expect("follows"));
        assert_eq!(approve(&state, &Found::default(), &[named("index")], NOW), Ok(vec![]));
    }
}
