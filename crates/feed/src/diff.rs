//! What differs between two states of the feed.

use std::collections::BTreeMap;

use crate::{
    entry::{Channel, Entry, Status},
    ledger::Key,
};

model::words! {
    /// What became of an entry.
    Became {
        /// It is new, or listed again.
        Listed = "listed",
        /// It went from `candidate` to `stable`.
        Promoted = "promoted",
        /// It says something else.
        Updated = "updated",
        /// It is no longer listed.
        Withdrawn = "withdrawn",
        /// Another entry replaces it.
        Superseded = "superseded",
        /// It is not there any more: an entry is never deleted, so these are not two states of one feed, or somebody altered one.
        Missing = "missing",
    }
}

/// One entry that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What became of it.
    pub became: Became,
    /// As it was; none if it is new.
    pub before: Option<Entry>,
    /// As it is; none if it is missing.
    pub after: Option<Entry>,
}

impl Difference {
    /// The entry as it is, or as it was.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        self.after.as_ref().or(self.before.as_ref()).expect("made of at least one")
    }
}

/// The entries that differ, by digest and role. Neither needs to be sorted.
#[must_use]
pub fn diff(before: Vec<Entry>, after: Vec<Entry>) -> Vec<Difference> {
    let mut both: BTreeMap<Key, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
    for entry in before {
        let key = (entry.digest, entry.role);
        both.entry(key).or_default().0 = Some(entry);
    }
    for entry in after {
        let key = (entry.digest, entry.role);
        both.entry(key).or_default().1 = Some(entry);
    }
    let difference = |(before, after): (Option<Entry>, Option<Entry>)| {
        let became = became(before.as_ref(), after.as_ref())?;
        Some(Difference { became, before, after })
    };
    both.into_values().filter_map(difference).collect()
}

/// None if nothing differs, or if it came and went in between.
fn became(before: Option<&Entry>, after: Option<&Entry>) -> Option<Became> {
    let Some(after) = after else { return Some(Became::Missing) };
    if before == Some(after) {
        return None;
    }
    let listed_before = before.is_some_and(|before| before.status == Status::Active);
    match after.status {
        Status::Active if !listed_before => Some(Became::Listed),
        Status::Active if before.is_some_and(|before| before.channel < after.channel) => {
            debug_assert!(after.channel == Channel::Stable, "the only one above");
            Some(Became::Promoted)
        }
        Status::Active => Some(Became::Updated),
        Status::Withdrawn => before.map(|_| Became::Withdrawn),
        Status::Superseded => before.map(|_| Became::Superseded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn each_kind_has_its_word() {
        let stable = Entry { channel: Channel::Stable, ..testing::entry(1, "a") };
        let gone = Entry { status: Status::Withdrawn, ..stable.clone() };
        let replaced = Entry { status: Status::Superseded, ..stable.clone() };
        let other = Entry { summary: "else".to_owned(), ..stable.clone() };
        let candidate = testing::entry(1, "a");
        for (before, after, expected) in [
            (None, Some(&candidate), Some(Became::Listed)),
            (Some(&gone), Some(&stable), Some(Became::Listed)),
            (Some(&candidate), Some(&stable), Some(Became::Promoted)),
            (Some(&stable), Some(&other), Some(Became::Updated)),
            (Some(&stable), Some(&candidate), Some(Became::Updated)),
            (Some(&stable), Some(&gone), Some(Became::Withdrawn)),
            (Some(&stable), Some(&replaced), Some(Became::Superseded)),
            (Some(&stable), None, Some(Became::Missing)),
            (None, Some(&gone), None),
            (Some(&stable), Some(&stable), None),
        ] {
            let list = |entry: Option<&Entry>| entry.cloned().into_iter().collect();
            let found: Vec<Became> = diff(list(before), list(after)).iter().map(|it| it.became).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{before:?} {after:?}");
        }
    }
}
