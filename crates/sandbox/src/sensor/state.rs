//! What must be remembered between events: processes that are the sample's, writes that are folded, addresses that were taken.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use model::What;

use super::translate::FileSeen;
use crate::Recorder;

/// Writes that are folded at a time.
const FOLDS_MAX: usize = 4_096;
/// A fold is told at the latest this long after its first write.
const FOLD_NS_MAX: u64 = 500_000_000;
/// First bytes of what is written.
pub(super) const HEAD_BYTES_MAX: usize = 256;
/// Paths and sockets that are remembered.
const REMEMBERED_MAX: usize = 65_536;

/// See the module.
#[derive(Default)]
pub(super) struct State {
    /// Processes that began a program in the sandbox, and their children; as the host counts. What ours do before that is not the sample's.
    known: HashSet<u32>,
    folds: HashMap<(u32, u64), Fold>,
    /// By hash.
    written: HashSet<u64>,
    bound: HashMap<u64, String>,
    oldest: u64,
}

struct Fold {
    at: u64,
    path: String,
    bytes: u64,
    calls: u64,
    head: Vec<u8>,
}

impl State {
    pub(super) fn knows(&self, host: u32) -> bool {
        self.known.contains(&host)
    }

    pub(super) fn meet(&mut self, host: u32) {
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert(host);
        }
    }

    pub(super) fn forget(&mut self, host: u32) {
        self.known.remove(&host);
    }

    /// Adds a write to what its process wrote into that file.
    pub(super) fn write(&mut self, at: u64, process: u32, file: FileSeen, bytes: u64, head: &[u8], to: &Recorder) {
        let key = (process, file.id);
        // A file's number is used again after its close: the path tells.
        if self.folds.get(&key).is_some_and(|fold| fold.path != file.path) || self.folds.len() >= FOLDS_MAX {
            self.flush(to, |(_, id), _| *id == file.id);
            if self.folds.len() >= FOLDS_MAX {
                self.flush(to, |_, _| true);
            }
        }
        self.remember_written(&file.path);
        if self.folds.is_empty() {
            self.oldest = at;
        }
        let fold =
            self.folds.entry(key).or_insert_with(|| Fold { at, path: file.path, bytes: 0, calls: 0, head: Vec::new() });
        fold.bytes = fold.bytes.saturating_add(bytes);
        fold.calls += 1;
        let room = HEAD_BYTES_MAX.saturating_sub(fold.head.len());
        fold.head.extend_from_slice(&head[..head.len().min(room)]);
    }

    /// Tells the folds that are old enough at `now`.
    pub(super) fn tell_old(&mut self, now: u64, to: &Recorder) {
        if !self.folds.is_empty() && now.saturating_sub(self.oldest) > FOLD_NS_MAX {
            self.flush(to, |_, _| true);
        }
    }

    /// Tells all folds: before something is run, so that what was written is known by then.
    pub(super) fn tell_all(&mut self, to: &Recorder) {
        self.flush(to, |_, _| true);
    }

    /// Tells the folds of one process.
    pub(super) fn tell_of(&mut self, process: u32, to: &Recorder) {
        self.flush(to, |(of, _), _| *of == process);
    }

    fn flush(&mut self, to: &Recorder, which: impl Fn(&(u32, u64), &Fold) -> bool) {
        for ((process, _), fold) in self.folds.extract_if(|key, fold| which(key, fold)) {
            let head = BASE64_STANDARD.encode(&fold.head);
            to.at(fold.at, process, What::Write { path: fold.path, bytes: fold.bytes, calls: fold.calls, head });
        }
    }

    /// Whether the sample wrote, made or renamed a file of this path.
    pub(super) fn was_written(&self, path: &str) -> bool {
        self.written.contains(&hash(path))
    }

    /// Remembers what an event says of files and sockets, and fills in what it could not know.
    pub(super) fn learn(&mut self, what: &mut What, file: Option<&FileSeen>) {
        match what {
            What::Open { path, create: true, result: 0.., .. }
            | What::Open { path, truncate: true, result: 0.., .. }
            | What::Rename { to: path, result: 0.., .. }
            | What::Link { path, result: 0.., .. } => self.remember_written(path),
            What::Bind { to, result: 0 } => {
                if let Some(file) = file.filter(|_| self.bound.len() < REMEMBERED_MAX) {
                    self.bound.insert(file.id, to.clone());
                }
            }
            _ => {}
        }
    }

    /// Where a socket was bound, if that was seen.
    pub(super) fn bound(&self, socket: u64) -> String {
        self.bound.get(&socket).cloned().unwrap_or_default()
    }

    /// Remembers that the sample wrote a file of this path.
    pub(super) fn remember_written(&mut self, path: &str) {
        if self.written.len() < REMEMBERED_MAX {
            self.written.insert(hash(path));
        }
    }
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u64, path: &str) -> FileSeen {
        FileSeen { id, path: path.to_owned(), ..FileSeen::default() }
    }

    #[test]
    fn writes_to_one_file_are_one_event_with_the_first_bytes() {
        let (mut state, recorder) = (State::default(), Recorder::new(None));
        state.write(1_000, 7, file(1, "/tmp/x"), 2, b"#!", &recorder);
        state.write(2_000, 7, file(1, "/tmp/x"), 7, b"/bin/sh", &recorder);
        state.write(3_000, 7, file(2, "/tmp/y"), 1, b"y", &recorder);
        assert!(recorder.so_far().is_empty() && state.was_written("/tmp/x"));
        state.tell_of(7, &recorder);
        let events = recorder.take();
        assert_eq!(events.len(), 2);
        let head = BASE64_STANDARD.encode("#!/bin/sh");
        assert_eq!(events[0].what, What::Write { path: "/tmp/x".to_owned(), bytes: 9, calls: 2, head });
    }

    #[test]
    fn a_number_used_again_for_another_file_starts_again() {
        let (mut state, recorder) = (State::default(), Recorder::new(None));
        state.write(1, 7, file(1, "/tmp/x"), 2, b"", &recorder);
        state.write(2, 7, file(1, "/tmp/y"), 2, b"", &recorder);
        state.tell_old(3 + FOLD_NS_MAX, &recorder);
        assert_eq!(recorder.take().len(), 2);
    }
}
