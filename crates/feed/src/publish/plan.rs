//! What changes: the ledger beside what the catalog says now. Pure, so that the same two give the same changes.

use std::collections::{BTreeMap, BTreeSet};

use store::StoreError;

use crate::{
    candidate::{Candidate, Omitted},
    date,
    entry::{Blast, Change, ChangeKind, Channel, Entry, EntryId, EvidenceKind, SCHEMA, Status},
    guard::{Refusal, Refused},
    ledger::{Key, State},
    listing::Found,
};

/// Without being told to, one publication withdraws at most this many entries, or [`WITHDRAWN_SHARE`] of them: a rule pack that has
/// gone blind must not open every gate.
pub const WITHDRAWN_MAX: usize = 20;
/// One in so many.
const WITHDRAWN_SHARE: usize = 10;

/// What a publication would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order they go into the ledger.
    pub changes: Vec<Change>,
    /// What has the evidence and is not listed.
    pub refused: BTreeSet<Refused>,
    /// Withdrawals held back because they are too many at once.
    pub held_back: usize,
}

/// Numbers changes and entries on from a state.
pub(crate) struct Scribe<'a> {
    state: &'a State,
    at: String,
    year: u16,
    number: u32,
    pub(crate) changes: Vec<Change>,
}

impl<'a> Scribe<'a> {
    /// At `now` (seconds since 1970), or at the newest change's time where the clock went back.
    pub(crate) fn new(state: &'a State, now: u64) -> Self {
        let at = date::rfc3339(now).max(state.changed_at().to_owned());
        let year = at.split('-').next().and_then(|year| year.parse().ok()).unwrap_or(2000).clamp(2000, 2255);
        Self { state, at, year, number: state.last_number(year), changes: Vec::new() }
    }

    pub(crate) fn next_id(&mut self) -> EntryId {
        self.number += 1;
        EntryId { year: self.year, number: self.number }
    }

    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    pub(crate) fn write(&mut self, kind: ChangeKind, mut entry: Entry) {
        entry.changed_at.clone_from(&self.at);
        let sequence = self.state.sequence() + self.changes.len() as u64;
        self.changes.push(Change { sequence, at: self.at.clone(), kind, entry });
    }
}

/// Compares. `elsewhere` says why an active entry is no candidate any more, where the catalog knows what it was listed for; none where
/// it does not, for example because another catalog listed it: such an entry stays. `mass_withdrawal` lifts [`WITHDRAWN_MAX`].
///
/// # Errors
///
/// Those of `elsewhere`.
pub fn plan(
    state: &State,
    found: &Found,
    elsewhere: &mut dyn FnMut(&Entry) -> Result<Option<String>, StoreError>,
    now: u64,
    mass_withdrawal: bool,
) -> Result<Plan, StoreError> {
    let mut scribe = Scribe::new(state, now);
    let mut refused = found.refused.clone();
    let mut candidates = BTreeSet::new();
    for candidate in &found.candidates {
        let key = (candidate.digest, candidate.role);
        candidates.insert(key);
        match state.get(&key) {
            None => {
                let id = scribe.next_id();
                let entry = entry(candidate, id, scribe.at(), None);
                scribe.write(ChangeKind::Listed, entry);
            }
            Some(known) => match reconsider(known, candidate) {
                Ok(Some((kind, entry))) => scribe.write(kind, entry),
                Ok(None) => {}
                Err(refusal) => drop(refused.insert(Refused { digest: key.0, role: key.1, refusal })),
            },
        }
    }

    let (forced, doubted) = withdrawals(state, found, &candidates, elsewhere)?;
    let active = state.entries().filter(|entry| entry.status == Status::Active).count();
    let many = doubted.len() > WITHDRAWN_MAX.max(active / WITHDRAWN_SHARE) && !mass_withdrawal;
    let held_back = if many { doubted.len() } else { 0 };
    for (entry, reason) in forced.into_iter().chain(doubted.into_iter().filter(|_| !many)) {
        scribe.write(ChangeKind::Withdrawn, withdrawn(entry, &reason));
    }
    Ok(Plan { changes: scribe.changes, refused, held_back })
}

/// What no longer holds, by guard rails and by the catalog, with why.
type Withdrawals<'a> = (Vec<(&'a Entry, String)>, Vec<(&'a Entry, String)>);

fn withdrawals<'a>(
    state: &'a State,
    found: &Found,
    candidates: &BTreeSet<Key>,
    elsewhere: &mut dyn FnMut(&Entry) -> Result<Option<String>, StoreError>,
) -> Result<Withdrawals<'a>, StoreError> {
    let refusals: BTreeMap<Key, &Refusal> =
        found.refused.iter().map(|refused| ((refused.digest, refused.role), &refused.refusal)).collect();
    let (mut forced, mut doubted) = (Vec::new(), Vec::new());
    for entry in state.entries().filter(|entry| entry.status == Status::Active) {
        let key = (entry.digest, entry.role);
        if candidates.contains(&key) {
            continue;
        }
        if let Some(refusal) = found.forbidden.get(&entry.digest) {
            forced.push((entry, refusal.to_string()));
        } else if entry.kinds.contains(&EvidenceKind::Person) {
            // What a person decided, a person takes back.
        } else if let Some(refusal) = refusals.get(&key) {
            doubted.push((entry, refusal.to_string()));
        } else if let Some(reason) = elsewhere(entry)? {
            doubted.push((entry, reason));
        }
    }
    Ok((forced, doubted))
}

/// What becomes of a known entry whose digest could be listed now.
fn reconsider(known: &Entry, candidate: &Candidate) -> Result<Option<(ChangeKind, Entry)>, Refusal> {
    let by_person = known.kinds.contains(&EvidenceKind::Person);
    let fresh = || entry(candidate, known.id, &known.changed_at, Some(known));
    match known.status {
        Status::Superseded => Ok(None),
        Status::Withdrawn if by_person => {
            Err(Refusal::Withdrawn { at: known.changed_at.clone(), reason: known.reason.clone().unwrap_or_default() })
        }
        Status::Withdrawn => Ok(Some((ChangeKind::Listed, fresh()))),
        Status::Active => {
            let fresh = fresh();
            let promoted = known.channel == Channel::Candidate && fresh.channel == Channel::Stable;
            let kind = if promoted { ChangeKind::Promoted } else { ChangeKind::Updated };
            Ok(differs(known, &fresh).then_some((kind, fresh)))
        }
    }
}

/// Whether the change is worth a line in everybody's log. How many images hold it, and how much lists leave out, grows with each
/// hunt: that alone counts when it doubles.
fn differs(known: &Entry, fresh: &Entry) -> bool {
    let magnitude = |images: u64| images.checked_ilog2();
    if magnitude(known.blast.images) != magnitude(fresh.blast.images) {
        return true;
    }
    let same = Entry { blast: known.blast, omitted: known.omitted, ..fresh.clone() };
    *known != same
}

/// The entry a candidate makes. Of the one before, if any, its name, dates and a person's word stay.
pub(crate) fn entry(candidate: &Candidate, id: EntryId, at: &str, before: Option<&Entry>) -> Entry {
    let mut kinds = candidate.kinds.clone();
    let person = before.is_some_and(|entry| entry.kinds.contains(&EvidenceKind::Person));
    kinds.extend(person.then_some(EvidenceKind::Person));
    let (references, too_many) = fitting(&candidate.references);
    let first_seen = before.map_or(&candidate.first_seen, |entry| (&entry.first_seen).min(&candidate.first_seen));
    Entry {
        schema: SCHEMA.to_owned(),
        id,
        digest: candidate.digest,
        role: candidate.role,
        platform: candidate.platform.clone(),
        list: candidate.list,
        channel: channel(&kinds),
        status: Status::Active,
        reason: None,
        superseded_by: None,
        categories: candidate.categories.clone(),
        severity: candidate.severity,
        confidence: candidate.confidence,
        summary: candidate.summary.clone(),
        kinds,
        evidence: candidate.evidence.clone(),
        references,
        first_seen: first_seen.clone(),
        listed_at: before.map_or(at, |entry| &entry.listed_at).to_owned(),
        changed_at: at.to_owned(),
        parents: candidate.parents.clone(),
        children: candidate.children.clone(),
        blast: Blast { pulls: before.and_then(|entry| entry.blast.pulls), images: candidate.images },
        omitted: Omitted { references: candidate.omitted.references + too_many, ..candidate.omitted },
    }
}

/// Longest names in one entry, all together: a change must fit into 64 KiB, and whoever pushes an image chooses its names.
const REFERENCES_BYTES_MAX: usize = 16 << 10;

/// The first references that fit, and how many do not.
fn fitting(references: &BTreeSet<String>) -> (BTreeSet<String>, usize) {
    let mut bytes = 0;
    let fits = |reference: &&String| {
        bytes += reference.len();
        bytes <= REFERENCES_BYTES_MAX
    };
    let kept: BTreeSet<String> = references.iter().take_while(fits).cloned().collect();
    let omitted = references.len() - kept.len();
    (kept, omitted)
}

/// Two kinds of evidence that do not share their errors, or a person.
pub(crate) fn channel(kinds: &BTreeSet<EvidenceKind>) -> Channel {
    let settled = kinds.len() >= 2 || kinds.contains(&EvidenceKind::Person);
    if settled { Channel::Stable } else { Channel::Candidate }
}

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

pub(crate) fn withdrawn(entry: &Entry, reason: &str) -> Entry {
    let reason = model::text::visible(reason);
    let reason = model::text::shortened(&reason, REASON_CHARS_MAX).into_owned();
    Entry { status: Status::Withdrawn, reason: Some(reason), superseded_by: None, ..entry.clone() }
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use super::*;
    use crate::{
        entry::Role,
        testing::{self, NOW},
    };

    fn state(changes: Vec<Change>) -> State {
        let mut state = State::default();
        changes.into_iter().for_each(|change| state.apply(change).expect("follows"));
        state
    }

    fn found(names: &[&str]) -> Found {
        Found { candidates: names.iter().map(|name| testing::candidate(name)).collect(), ..Found::default() }
    }

    /// Plans two days later, with a catalog that knows nothing besides.
    fn planned(state: &State, found: &Found) -> Plan {
        plan(state, found, &mut |_| Ok(None), NOW + 172_800, false).expect("no catalog, no error")
    }

    fn kinds(plan: &Plan) -> Vec<(ChangeKind, String)> {
        plan.changes.iter().map(|change| (change.kind, change.entry.id.to_string())).collect()
    }

    #[test]
    fn new_ones_are_numbered_on_and_known_ones_left_alone() {
        let state = state(testing::listed(&["a"]));
        let plan = planned(&state, &found(&["a", "b", "c"]));
        let expected = [(ChangeKind::Listed, "LZ-2026-2".to_owned()), (ChangeKind::Listed, "LZ-2026-3".to_owned())];
        assert_eq!(kinds(&plan), expected);
        assert_eq!(plan.changes[0].sequence, 1);
        assert_eq!(
            (plan.changes[0].at.as_str(), &plan.changes[0].entry.listed_at),
            ("2026-11-25T12:00:00Z", &plan.changes[0].at)
        );
        assert_eq!(planned(&state, &found(&["a"])).changes, []);
    }

    #[test]
    fn a_year_begins_at_one() {
        let plan = plan(&state(testing::listed(&["a"])), &found(&["b"]), &mut |_| Ok(None), NOW + 90 * 86_400, false);
        assert_eq!(kinds(&plan.expect("fine")), [(ChangeKind::Listed, "LZ-2027-1".to_owned())]);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_break_the_ledger() {
        let mut state = state(testing::listed(&["a"]));
        let plan = plan(&state, &found(&["b"]), &mut |_| Ok(None), 1_000_000_000, false).expect("fine");
        plan.changes.into_iter().for_each(|change| state.apply(change).expect("follows"));
        assert_eq!(state.changed_at(), "2026-11-23T12:00:00Z");
    }

    #[test]
    fn two_kinds_of_evidence_make_it_stable() {
        let state = state(testing::listed(&["a"]));
        let mut found = found(&["a"]);
        found.candidates[0].kinds.insert(EvidenceKind::Runtime);
        let plan = planned(&state, &found);
        assert_eq!(
            plan.changes.iter().map(|change| (change.kind, change.entry.channel)).collect::<Vec<_>>(),
            [(ChangeKind::Promoted, Channel::Stable)]
        );
        assert_eq!(plan.changes[0].entry.listed_at, "2026-11-23T12:00:00Z");
        assert_eq!(plan.changes[0].entry.changed_at, "2026-11-25T12:00:00Z");
    }

    #[test]
    fn images_count_when_they_double() {
        let state = state(testing::listed(&["a"]));
        let mut found = found(&["a"]);
        for (images, changes) in [(1, 0), (2, 1), (1_000, 1)] {
            found.candidates[0].images = images;
            assert_eq!(planned(&state, &found).changes.len(), changes, "{images}");
        }
    }

    #[test]
    fn what_the_catalog_does_not_know_stays_and_what_it_judges_otherwise_goes() {
        let state = state(testing::listed(&["a", "b"]));
        assert_eq!(planned(&state, &found(&[])).changes, []);
        let of_b = |entry: &Entry| Ok((entry.digest == Digest::of(b"b")).then(|| "judged again: risky".to_owned()));
        let plan = plan(&state, &found(&[]), &mut { of_b }, NOW, false).expect("fine");
        assert_eq!(kinds(&plan), [(ChangeKind::Withdrawn, "LZ-2026-2".to_owned())]);
        assert_eq!(plan.changes[0].entry.reason.as_deref(), Some("judged again: risky"));
    }

    #[test]
    fn a_guard_rail_withdraws_even_what_a_person_approved() {
        let mut changes = testing::listed(&["a", "b"]);
        for change in &mut changes {
            change.entry.kinds.insert(EvidenceKind::Person);
        }
        let state = state(changes);
        let mut found = found(&[]);
        let refused = |name: &str, refusal| Refused { digest: Digest::of(name.as_bytes()), role: Role::Layer, refusal };
        found.refused.insert(refused("b", Refusal::HeldByClean));
        found.forbidden.insert(Digest::of(b"a"), Refusal::KnownGood { name: "nginx".to_owned() });
        let plan = planned(&state, &found);
        assert_eq!(kinds(&plan), [(ChangeKind::Withdrawn, "LZ-2026-1".to_owned())]);
        assert!(plan.changes[0].entry.reason.as_ref().is_some_and(|reason| reason.contains("nginx")));
    }

    #[test]
    fn what_was_withdrawn_comes_back_by_evidence_unless_a_person_withdrew_it() {
        let mut changes = testing::listed(&["a", "b"]);
        for (sequence, entry) in [(2, testing::entry(1, "a")), (3, testing::entry(2, "b"))] {
            let mut entry = withdrawn(&entry, "wrong");
            entry.kinds.extend((sequence == 3).then_some(EvidenceKind::Person));
            changes.push(Change { sequence, at: changes[0].at.clone(), kind: ChangeKind::Withdrawn, entry });
        }
        let plan = planned(&state(changes), &found(&["a", "b"]));
        assert_eq!(kinds(&plan), [(ChangeKind::Listed, "LZ-2026-1".to_owned())]);
        assert_eq!((plan.changes[0].entry.status, plan.changes[0].entry.reason.as_ref()), (Status::Active, None));
        let refused: Vec<_> = plan.refused.iter().map(|refused| refused.refusal.to_string()).collect();
        assert!(refused.len() == 1 && refused[0].contains("(wrong)") && refused[0].contains("approve"), "{refused:?}");
    }

    #[test]
    fn long_names_do_not_burst_the_log() {
        let mut found = found(&["a"]);
        let long = |number| format!("registry.test/{}:{number}", "x".repeat(240));
        found.candidates[0].references = (0..100).map(long).collect();
        let plan = planned(&State::default(), &found);
        let entry = &plan.changes[0].entry;
        assert_eq!((entry.references.len(), entry.omitted.references), (63, 37));
        assert_eq!(planned(&state(plan.changes.clone()), &found).changes, []);
    }

    /// A rule pack that finds nothing any more.
    #[test]
    fn many_withdrawals_at_once_wait_for_a_person() {
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let state = state(testing::listed(&names));
        let mut clean = |_: &Entry| Ok(Some("judged again: clean".to_owned()));
        let held = plan(&state, &found(&names[WITHDRAWN_MAX + 1..]), &mut clean, NOW, false).expect("fine");
        assert_eq!((held.changes.len(), held.held_back), (0, WITHDRAWN_MAX + 1));
        let few = plan(&state, &found(&names[WITHDRAWN_MAX..]), &mut clean, NOW, false).expect("fine");
        assert_eq!((few.changes.len(), few.held_back), (WITHDRAWN_MAX, 0));
        let told = plan(&state, &found(&[]), &mut clean, NOW, true).expect("fine");
        assert_eq!((told.changes.len(), told.held_back), (100, 0));
    }
}
