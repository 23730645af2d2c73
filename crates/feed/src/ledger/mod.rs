//! The feed's memory: `ledger.jsonl`, a [`Change`] a line, only ever appended to. Everything published follows from it.
//!
//! A writer that dies leaves whole lines and at most one torn last one, which the next writer cuts off: what is on a whole line
//! happened. Who holds a [`Ledger`] is alone: the file is locked.

mod state;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

pub use state::{Key, State};

use crate::entry::{Change, Entry};

/// Longest line: what an entry bundle of the log can hold (C2SP tlog-tiles, "Log Entries").
const LINE_BYTES_MAX: u64 = u16::MAX as u64;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Reading or writing failed; nothing was half-written.
    #[error("ledger {path}: cannot {verb} it")]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("ledger {path}: another `lazaret feed` is writing it; try again when that has ended")]
    Busy {
        /// Which.
        path: PathBuf,
    },
    /// A line is none, or does not follow from those before.
    #[error("ledger {path}, line {line}: {what}; restore a copy, nothing is published from a damaged ledger")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// The opened ledger and what it says.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// Where each line begins.
    offsets: Vec<u64>,
    state: State,
}

impl Ledger {
    /// Opens and locks a ledger to append to it; makes an empty one where there is none. A torn last line is cut off.
    ///
    /// # Errors
    ///
    /// Each [`LedgerError`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let io = |verb| move |source| LedgerError::Io { path: path.to_owned(), verb, source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LedgerError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let ledger = Self::read_from(path, file)?;
        let longer = ledger.file.metadata().map_err(io("look at"))?.len() > ledger.length;
        if longer {
            ledger.file.set_len(ledger.length).map_err(io("cut a torn line off"))?;
            ledger.file.sync_data().map_err(io("write"))?;
        }
        Ok(ledger)
    }

    /// Reads a ledger without locking or changing it; a torn last line is passed over.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Io`] and [`LedgerError::Damaged`].
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), verb: "open", source };
        Self::read_from(path, File::open(path).map_err(io)?)
    }

    fn read_from(path: &Path, file: File) -> Result<Self, LedgerError> {
        let mut ledger = Self { path: path.to_owned(), file, length: 0, offsets: Vec::new(), state: State::default() };
        let mut lines = BufReader::with_capacity(1 << 20, &ledger.file);
        let (mut line, mut length, mut offsets) = (Vec::new(), 0, Vec::new());
        let mut state = State::default();
        loop {
            line.clear();
            let io = |source| LedgerError::Io { path: path.to_owned(), verb: "read", source };
            (&mut lines).take(LINE_BYTES_MAX + 2).read_until(b'\n', &mut line).map_err(io)?;
            let damaged = |what| LedgerError::Damaged { path: path.to_owned(), line: offsets.len() as u64 + 1, what };
            let Some(whole) = line.strip_suffix(b"\n") else {
                if line.len() as u64 > LINE_BYTES_MAX {
                    return Err(damaged(format!("it is longer than {LINE_BYTES_MAX} bytes")));
                }
                // The end, or a torn last line.
                break;
            };
            let change: Change = serde_json::from_slice(whole).map_err(|error| damaged(error.to_string()))?;
            state.apply(change).map_err(damaged)?;
            offsets.push(length);
            length += line.len() as u64;
        }
        drop(lines);
        (ledger.length, ledger.offsets, ledger.state) = (length, offsets, state);
        Ok(ledger)
    }

    /// What the entries are now.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Takes all entries out, by digest and role, for who asks for nothing else any more; the lock stays.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.state).into_entries()
    }

    /// Appends changes, in order and numbered on from [`State::sequence`]; they are on disk when this returns. After an error the
    /// file is as it was, and what was read of it is given up.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Io`]; [`LedgerError::Damaged`] if one does not follow from those before.
    pub fn append(mut self, changes: &[Change]) -> Result<Self, LedgerError> {
        let (mut bytes, before) = (Vec::new(), self.length);
        for change in changes {
            let damaged = |what| LedgerError::Damaged { path: self.path.clone(), line: change.sequence + 1, what };
            self.offsets.push(before + bytes.len() as u64);
            let line = serde_json::to_vec(change).map_err(|error| damaged(error.to_string()))?;
            if line.len() as u64 > LINE_BYTES_MAX {
                return Err(damaged(format!("it would be longer than {LINE_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
            self.state.apply(change.clone()).map_err(damaged)?;
        }
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is left of it, should this fail too, are whole changes and a torn line: the next one to open it copes.
            let _ = self.file.set_len(before);
            return Err(LedgerError::Io { path: self.path, verb: "write", source });
        }
        self.length += bytes.len() as u64;
        Ok(self)
    }

    /// The lines from change number `sequence` on, as they stand, each with its line end.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Io`].
    pub fn bytes_from(&self, sequence: u64) -> Result<Vec<u8>, LedgerError> {
        let io = |source| LedgerError::Io { path: self.path.clone(), verb: "read", source };
        let first = usize::try_from(sequence).unwrap_or(usize::MAX);
        let Some(&offset) = self.offsets.get(first) else { return Ok(Vec::new()) };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by `take`, and it is our own")]
        file.take(self.length - offset).read_to_end(&mut bytes).map_err(io)?;
        Ok(bytes)
    }

    /// The changes from number `sequence` on.
    ///
    /// # Errors
    ///
    /// As [`Ledger::bytes_from`].
    pub fn changes_from(&self, sequence: u64) -> Result<Vec<Change>, LedgerError> {
        let bytes = self.bytes_from(sequence)?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let parsed = lines.zip(sequence..).map(|(line, number)| {
            let damaged = |what| LedgerError::Damaged { path: self.path.clone(), line: number + 1, what };
            serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))
        });
        parsed.collect()
    }

    /// What the entries were before change number `sequence`.
    ///
    /// # Errors
    ///
    /// As [`Ledger::bytes_from`].
    pub fn state_at(&self, sequence: u64) -> Result<State, LedgerError> {
        let mut state = State::default();
        for change in self.changes_from(0)?.into_iter().take(usize::try_from(sequence).unwrap_or(usize::MAX)) {
            let line = change.sequence + 1;
            state.apply(change).map_err(|what| LedgerError::Damaged { path: self.path.clone(), line, what })?;
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::Digest;

    use super::*;
    use crate::{entry::Role, testing};

    fn ledger_of(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.jsonl");
        Ledger::open(&path).expect("opens").append(&testing::listed(names)).expect("appends");
        (folder, path)
    }

    #[test]
    fn what_is_appended_comes_back() {
        let (_folder, path) = ledger_of(&["a", "b"]);
        let ledger = Ledger::open(&path).expect("opens");
        assert_eq!(ledger.state().sequence(), 2);
        assert_eq!(ledger.changes_from(0).expect("reads"), testing::listed(&["a", "b"]));
        assert_eq!(ledger.changes_from(1).expect("reads").len(), 1);
        assert_eq!(ledger.changes_from(2).expect("reads"), []);
        assert!(ledger.state().get(&(Digest::of(b"b"), Role::Layer)).is_some());
        assert_eq!(ledger.state_at(1).expect("reads").entries().len(), 1);
    }

    #[test]
    fn a_second_writer_is_told_to_wait_and_a_reader_is_not() {
        let (_folder, path) = ledger_of(&["a"]);
        let first = Ledger::open(&path).expect("opens");
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Busy { .. })));
        assert_eq!(Ledger::read(&path).expect("reads").state().sequence(), 1);
        drop(first);
        Ledger::open(&path).expect("opens");
    }

    /// Power lost at every single byte of the last line.
    #[test]
    fn a_torn_last_line_is_dropped_and_written_over() {
        let (_folder, path) = ledger_of(&["a", "b"]);
        let whole = fs::read(&path).expect("reads");
        let first = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        for cut in first..whole.len() {
            fs::write(&path, &whole[..cut]).expect("writes");
            assert_eq!(Ledger::read(&path).expect("reads").state().sequence(), 1, "{cut}");
            let ledger = Ledger::open(&path).expect("opens");
            assert_eq!(ledger.state().sequence(), 1, "{cut}");
            ledger.append(&testing::listed(&["a", "b"])[1..]).expect("appends");
            assert_eq!(fs::read(&path).expect("reads"), whole, "{cut}");
        }
    }

    #[test]
    fn damage_names_the_line() {
        let (_folder, path) = ledger_of(&["a", "b", "c"]);
        let text = fs::read_to_string(&path).expect("reads");
        let check = |changed: String, line: u64, part: &str| {
            fs::write(&path, changed).expect("writes");
            match Ledger::open(&path).expect_err("is damaged") {
                LedgerError::Damaged { line: found, what, .. } => {
                    assert!(found == line && what.contains(part), "line {found}: {what}");
                }
                other => panic!("{other:?}"),
            }
        };
        let lines: Vec<&str> = text.lines().collect();
        check(format!("{}\n{}\n", lines[0], lines[2]), 2, "change 2");
        check(format!("{}\nnonsense\n{}\n", lines[0], lines[2]), 2, "expected");
        check(text.replacen("\"id\":\"LZ-2026-2\"", "\"id\":\"LZ-2026-1\"", 1), 2, "LZ-2026-1");
        check("x".repeat(70_000), 1, "longer");
    }

    #[test]
    fn a_change_that_does_not_follow_is_not_written() {
        let (_folder, path) = ledger_of(&["a"]);
        let before = fs::read(&path).expect("reads");
        assert!(Ledger::open(&path).expect("opens").append(&testing::listed(&["a"])).is_err());
        assert_eq!(fs::read(&path).expect("reads"), before);
    }
}
