//! What appeared and what went: a file of JSON lines that is only appended to, so that a crash costs at most the look under way.
//!
//! | `event` | says |
//! |---|---|
//! | `appeared` | an image is now in a place, with all that is known of it |
//! | `gone` | the place of an earlier `appeared` (by its `id`) no longer has it |
//! | `looked` | a source was looked at and answered: what did not go was there still |
//! | `listed`, `cleared` | an entry of the feed newly concerns something here, or no longer does |
//!
//! One process at a time writes it (a lock on the file). A torn last line is dropped. What went longer ago than is to be kept is left out when
//! the file is written anew, which happens once enough has gathered.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use feed::EntryId;
use model::Digest;
use serde::{Deserialize, Serialize};

use super::Seen;

/// Longest history read.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// From how many events that no longer count the file is written anew.
const STALE_EVENTS_MAX: usize = 50_000;
/// How long another process is waited for.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Most places known at once.
const SPANS_MAX: usize = 2_000_000;

/// An image in a place, for a time. Times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What, where.
    pub seen: Seen,
    /// First seen by us.
    pub first: u64,
    /// Last seen by us.
    pub last: u64,
    /// When we found it gone.
    pub gone: Option<u64>,
}

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be opened, read or written.
    #[error("the history {path} cannot be used: {cause}")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong.
        cause: io::Error,
    },
    /// Another process is writing it.
    #[error("the history {path} is in use by another process: try again, or name another with --history")]
    InUse {
        /// The file.
        path: String,
    },
    /// A line is not one of ours.
    #[error("the history {path}, line {line}, is damaged: {cause}; move the file away to begin anew")]
    Damaged {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Appeared { at: u64, id: u64, seen: Seen },
    Gone { at: u64, id: u64 },
    Looked { at: u64, source: String, host: String },
    Listed { at: u64, entry: EntryId, digest: Digest },
    Cleared { at: u64, entry: EntryId, digest: Digest },
}

/// The history, open for writing.
pub struct History {
    path: PathBuf,
    file: Option<File>,
    spans: BTreeMap<u64, Span>,
    next_id: u64,
    looked: BTreeMap<(String, String), u64>,
    hits: BTreeMap<(EntryId, Digest), u64>,
    ever: BTreeSet<(EntryId, Digest)>,
    stale_events: usize,
}

/// What one look changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delta {
    /// Places that have an image now and had not before.
    pub appeared: usize,
    /// The other way round.
    pub gone: usize,
}

impl History {
    /// Opens the file, or begins it. Places that went before `keep_from` (seconds since 1970) are forgotten.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn open(path: &Path, keep_from: u64) -> Result<Self, HistoryError> {
        let mut history = Self::empty(path);
        let unusable = |cause| HistoryError::Unusable { path: path.display().to_string(), cause };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unusable)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unusable)?;
        lock(&file, path)?;
        let mut text = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        (&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unusable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(unusable(io::Error::other("it is too long")));
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for (number, line) in
            text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            let event = serde_json::from_slice(line).map_err(|error| HistoryError::Damaged {
                path: path.display().to_string(),
                line: number + 1,
                cause: error.to_string(),
            })?;
            history.take(event);
        }
        if whole < text.len() {
            tracing::warn!("{}: its last line was cut off and is dropped", path.display());
            file.set_len(whole as u64).map_err(unusable)?;
            file.seek(io::SeekFrom::End(0)).map_err(unusable)?;
        }
        history.file = Some(file);
        let before = history.spans.len();
        history.spans.retain(|_, span| span.gone.is_none_or(|gone| gone >= keep_from));
        history.stale_events += 2 * (before - history.spans.len());
        if history.stale_events > STALE_EVENTS_MAX {
            history.write_anew().map_err(unusable)?;
        }
        Ok(history)
    }

    /// One that is never written.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::empty(Path::new(""))
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            spans: BTreeMap::new(),
            next_id: 0,
            looked: BTreeMap::new(),
            hits: BTreeMap::new(),
            ever: BTreeSet::new(),
            stale_events: 0,
        }
    }

    /// Every place that has or had an image, oldest first.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.values()
    }

    /// When each source and host was last looked at.
    #[must_use]
    pub const fn looked(&self) -> &BTreeMap<(String, String), u64> {
        &self.looked
    }

    /// Every digest that `entry` ever named here, also if it is withdrawn by now.
    pub fn digests_of(&self, entry: EntryId) -> impl Iterator<Item = Digest> + '_ {
        self.ever.iter().filter(move |(known, _)| *known == entry).map(|(_, digest)| *digest)
    }

    /// Keeps what `source` on the `hosts` has at `now`: all of it, so that what is not in `seen` has gone.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Unusable`], for example on a full disk: what was kept before stays.
    pub fn record(
        &mut self,
        now: u64,
        source: &str,
        hosts: &BTreeSet<String>,
        seen: &[Seen],
    ) -> Result<Delta, HistoryError> {
        let mut now_here: BTreeMap<Seen, Seen> =
            seen.iter().take(SPANS_MAX).map(|seen| (key(seen), seen.clone())).collect();
        let mut events = Vec::new();
        let mut delta = Delta::default();
        for (id, span) in &self.spans {
            // Whole clusters are looked at by one name, their nodes by names below it.
            let is_ours = |host: &String| span.seen.host == *host || span.seen.host.starts_with(&format!("{host}/"));
            if span.gone.is_some() || span.seen.source != source || !hosts.iter().any(is_ours) {
                continue;
            }
            if now_here.remove(&key(&span.seen)).is_none() {
                events.push(Event::Gone { at: now, id: *id });
                delta.gone += 1;
            }
        }
        for (number, seen) in now_here.into_values().enumerate() {
            events.push(Event::Appeared { at: now, id: self.next_id + number as u64, seen });
            delta.appeared += 1;
        }
        events.extend(hosts.iter().map(|host| Event::Looked {
            at: now,
            source: source.to_owned(),
            host: host.clone(),
        }));
        self.append(events)?;
        Ok(delta)
    }

    /// Keeps which entries concern what is or was here. Returns those that newly do, and those that no longer do.
    ///
    /// # Errors
    ///
    /// As [`History::record`].
    #[expect(clippy::type_complexity, reason = "two sets of the same")]
    pub fn judge(
        &mut self,
        now: u64,
        hits: &BTreeSet<(EntryId, Digest)>,
    ) -> Result<(BTreeSet<(EntryId, Digest)>, BTreeSet<(EntryId, Digest)>), HistoryError> {
        let known: BTreeSet<_> = self.hits.keys().copied().collect();
        let new: BTreeSet<_> = hits.difference(&known).copied().collect();
        let cleared: BTreeSet<_> = known.difference(hits).copied().collect();
        let listed = new.iter().map(|(entry, digest)| Event::Listed { at: now, entry: *entry, digest: *digest });
        let unlisted = cleared.iter().map(|(entry, digest)| Event::Cleared { at: now, entry: *entry, digest: *digest });
        self.append(listed.chain(unlisted).collect())?;
        Ok((new, cleared))
    }

    /// When an entry was first found to concern something here. Seconds since 1970.
    #[must_use]
    pub fn listed_at(&self, entry: EntryId, digest: Digest) -> Option<u64> {
        self.hits.get(&(entry, digest)).copied()
    }

    /// Writes, then takes: what cannot be kept is not believed.
    fn append(&mut self, events: Vec<Event>) -> Result<(), HistoryError> {
        let unusable = |cause| HistoryError::Unusable { path: self.path.display().to_string(), cause };
        if let Some(file) = &mut self.file {
            let before = file.metadata().map_err(unusable)?.len();
            let written = lines(events.iter()).and_then(|bytes| file.write_all(&bytes)).and_then(|()| file.sync_data());
            if let Err(cause) = written {
                // Half a look is none.
                let _ = file.set_len(before);
                return Err(unusable(cause));
            }
        }
        events.into_iter().for_each(|event| self.take(event));
        Ok(())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Appeared { at, id, seen } => {
                self.next_id = self.next_id.max(id + 1);
                self.spans.insert(id, Span { seen, first: at, last: at, gone: None });
            }
            Event::Gone { at, id } => {
                if let Some(span) = self.spans.get_mut(&id) {
                    span.gone = Some(at);
                }
            }
            Event::Looked { at, source, host } => {
                let below = format!("{host}/");
                let is_there = |span: &&mut Span| {
                    span.gone.is_none()
                        && span.seen.source == source
                        && (span.seen.host == host || span.seen.host.starts_with(&below))
                };
                self.spans.values_mut().filter(is_there).for_each(|span| span.last = at);
                self.stale_events += usize::from(self.looked.insert((source, host), at).is_some());
            }
            Event::Listed { at, entry, digest } => {
                self.ever.insert((entry, digest));
                self.hits.insert((entry, digest), at);
            }
            Event::Cleared { entry, digest, .. } => {
                self.hits.remove(&(entry, digest));
            }
        }
    }

    /// Only what still counts, to a file of its own that then takes the other's place.
    fn write_anew(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        for (id, span) in &self.spans {
            events.push((span.first, 0, Event::Appeared { at: span.first, id: *id, seen: span.seen.clone() }));
            events.extend(span.gone.map(|at| (at, 1, Event::Gone { at, id: *id })));
        }
        for ((source, host), at) in &self.looked {
            events.push((*at, 2, Event::Looked { at: *at, source: source.clone(), host: host.clone() }));
        }
        for (entry, digest) in &self.ever {
            let at = self.hits.get(&(*entry, *digest)).copied();
            let (listed, entry, digest) = (at.unwrap_or_default(), *entry, *digest);
            events.push((listed, 3, Event::Listed { at: listed, entry, digest }));
            if at.is_none() {
                events.push((listed, 4, Event::Cleared { at: listed, entry, digest }));
            }
        }
        // A place that went is last seen at the last look before; that look is folded away, so its own end stands for it.
        events.sort_by_key(|(at, rank, _)| (*at, *rank));
        let path = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.write_all(&lines(events.iter().map(|(_, _, event)| event))?)?;
        file.sync_all()?;
        file.try_lock().map_err(|_| io::Error::other("its new file is in use"))?;
        fs::rename(&path, &self.path)?;
        self.file = Some(file);
        self.stale_events = 0;
        Ok(())
    }
}

/// Another look is short, so it is waited for a little.
fn lock(file: &File, path: &Path) -> Result<(), HistoryError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(cause)) => {
                return Err(HistoryError::Unusable { path: path.display().to_string(), cause });
            }
        }
    }
    Err(HistoryError::InUse { path: path.display().to_string() })
}

fn lines<'a>(events: impl Iterator<Item = &'a Event>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for event in events {
        serde_json::to_writer(&mut bytes, event)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// What makes two sights one: all but when the engine says it began, which restarts change.
fn key(seen: &Seen) -> Seen {
    Seen { since: 0, ..seen.clone() }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::seen, *};

    fn hosts() -> BTreeSet<String> {
        ["h".to_owned()].into()
    }

    fn entry(number: u32) -> (EntryId, Digest) {
        (EntryId { year: 2026, number }, Digest::of(b"x"))
    }

    #[test]
    fn what_went_is_remembered_with_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/history.jsonl");
        let (web, db) = (seen("web:1", "container web", true), seen("db:1", "", false));
        let mut history = History::open(&path, 0).expect("opens");
        assert_eq!(
            history.record(10, "docker", &hosts(), &[web.clone(), db.clone()]).ok(),
            Some(Delta { appeared: 2, gone: 0 })
        );
        assert_eq!(
            history.record(20, "docker", &hosts(), &[Seen { since: 5, ..web.clone() }, db.clone()]).ok(),
            Some(Delta::default())
        );
        assert_eq!(history.record(30, "docker", &hosts(), &[db.clone()]).ok(), Some(Delta { appeared: 0, gone: 1 }));
        // Another source says nothing of this one.
        assert_eq!(history.record(40, "podman", &hosts(), &[]).ok(), Some(Delta::default()));
        drop(history);

        let history = History::open(&path, 0).expect("opens again");
        let spans: Vec<_> =
            history.spans().map(|span| (span.seen.reference.as_str(), span.first, span.last, span.gone)).collect();
        assert_eq!(spans, [("db:1", 10, 30, None), ("web:1", 10, 20, Some(30))]);
        drop(history);
        assert_eq!(History::open(&path, 31).expect("opens").spans().count(), 1, "older than is to be kept");
    }

    #[test]
    fn an_entry_is_new_once_and_cleared_once() {
        let mut history = History::in_memory();
        let both: BTreeSet<_> = [entry(1), entry(2)].into();
        assert_eq!(history.judge(1, &both).expect("fine"), (both.clone(), BTreeSet::new()));
        assert_eq!(history.judge(2, &both).expect("fine"), (BTreeSet::new(), BTreeSet::new()));
        let one: BTreeSet<_> = [entry(1)].into();
        assert_eq!(history.judge(3, &one).expect("fine"), (BTreeSet::new(), [entry(2)].into()));
        assert_eq!(history.listed_at(entry(1).0, entry(1).1), Some(1));
        assert_eq!(history.digests_of(entry(2).0).collect::<Vec<_>>(), [entry(2).1], "a withdrawn entry still answers");
    }

    #[test]
    fn a_torn_line_is_dropped_and_a_damaged_one_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        let mut history = History::open(&path, 0).expect("opens");
        history.record(10, "docker", &hosts(), &[seen("a:1", "", false)]).expect("kept");
        assert!(matches!(History::open(&path, 0), Err(HistoryError::InUse { .. })), "one process at a time");
        drop(history);
        let whole = fs::read(&path).expect("reads");
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            let mut history = History::open(&path, 0).expect("a torn history opens");
            history.record(20, "docker", &hosts(), &[seen("b:1", "", false)]).expect("kept");
            drop(history);
            assert!(History::open(&path, 0).expect("opens").spans().any(|span| span.seen.reference == "b:1"));
        }
        fs::write(&path, "{}\n").expect("written");
        assert!(matches!(History::open(&path, 0), Err(HistoryError::Damaged { line: 1, .. })));
    }

    #[test]
    fn it_is_written_anew_once_enough_has_gathered() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        let mut history = History::open(&path, 0).expect("opens");
        history.record(1, "docker", &hosts(), &[seen("old:1", "", false)]).expect("kept");
        history.record(2, "docker", &hosts(), &[seen("new:1", "", false)]).expect("kept");
        history.judge(3, &[entry(1)].into()).expect("kept");
        history.judge(4, &BTreeSet::new()).expect("kept");
        history.stale_events = STALE_EVENTS_MAX + 1;
        history.write_anew().expect("written");
        history.record(5, "docker", &hosts(), &[seen("new:1", "", false), seen("newer:1", "", false)]).expect("kept");
        drop(history);
        let history = History::open(&path, 0).expect("opens");
        let spans: Vec<_> = history.spans().map(|span| (span.seen.reference.as_str(), span.first, span.gone)).collect();
        assert_eq!(spans, [("old:1", 1, Some(2)), ("new:1", 2, None), ("newer:1", 5, None)]);
        assert_eq!(history.digests_of(entry(1).0).count(), 1);
        assert_eq!(history.hits.len(), 0);
    }
}
