//! A tar archive whose members are pulled one after the other, where `layer` pushes them.
//!
//! `layer::for_each_member` runs on a thread of its own and hands members over in pieces, a few at a time: memory
//! stays bounded, and inflating overlaps with what the reader does.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use layer::{Entry, Limits, for_each_member};
use model::{EntryKind, Problem};

use super::names::MEMBERS_MAX;

const PIECE_BYTES: usize = 128 << 10;
const PIECES_MAX: usize = 8;

/// Ceilings of an image archive: those of its members are kept where members are kept.
pub(super) fn limits() -> Limits {
    Limits { unpacked_bytes_max: 1 << 40, entries_max: 4 * MEMBERS_MAX as u64, ..Limits::default() }
}

/// What passes from the reading thread to the pulling one.
pub(super) enum Event {
    Member(Entry),
    Piece(Vec<u8>),
    End(io::Result<Vec<Problem>>),
}

/// The pulling end.
pub(super) struct Pipe {
    events: Receiver<Event>,
    piece: io::Cursor<Vec<u8>>,
    /// What came after the current member's last piece.
    next: Option<Event>,
}

impl Pipe {
    pub(super) fn new() -> (SyncSender<Event>, Self) {
        let (sender, events) = sync_channel(PIECES_MAX);
        (sender, Self { events, piece: io::Cursor::default(), next: None })
    }

    /// Skips what is left of the current member and gives the next; at the end of the archive, its problems.
    pub(super) fn next_member(&mut self) -> io::Result<Result<Entry, Vec<Problem>>> {
        self.piece = io::Cursor::default();
        loop {
            match self.next.take().or_else(|| self.events.recv().ok()) {
                Some(Event::Member(entry)) => return Ok(Ok(entry)),
                Some(Event::Piece(_)) => {}
                Some(Event::End(end)) => return end.map(Err),
                None => return Err(io::Error::other("the reading thread ended early")),
            }
        }
    }
}

/// Reads the current member.
impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.next.take().or_else(|| self.events.recv().ok()) {
                Some(Event::Piece(piece)) => self.piece = io::Cursor::new(piece),
                Some(Event::End(Err(error))) => return Err(error),
                next => {
                    self.next = next;
                    return Ok(0);
                }
            }
        }
    }
}

/// The pushing end: hands over every member, or only the file whose content starts at `only`. Ends early and quietly
/// when the pulling end is gone.
pub(super) fn send_members(archive: impl Read, only: Option<u64>, events: &SyncSender<Event>) {
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let end = for_each_member(archive, &limits(), |entry, offset, content| {
        if only.is_some_and(|only| entry.kind != EntryKind::File || only != offset) {
            return Ok(());
        }
        events.send(Event::Member(entry.clone())).map_err(|_| gone())?;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            #[expect(clippy::disallowed_methods, reason = "bounded by take")]
            let read = content.take(PIECE_BYTES as u64).read_to_end(&mut piece);
            if read? == 0 {
                return Ok(());
            }
            events.send(Event::Piece(piece)).map_err(|_| gone())?;
        }
    });
    // Fails only if nobody listens any more.
    let _ = events.send(Event::End(end.map(|(_, problems)| problems)));
}
