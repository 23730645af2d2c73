//! A strict tar reader: sees what Go's `archive/tar` sees, and says where another reader could see something else.
//!
//! Source: Go `archive/tar` (`Reader.next`), on which containerd, Docker and CRI-O stand; POSIX.1-2001 pax; GNU tar
//! manual, "Tar Internals". Differences to GNU tar and to Python's `tarfile` are listed where they are noted.

mod content;
mod header;
mod input;
mod member;
mod pax;
mod sparse;

use std::io::{self, Read};

use model::ProblemKind;

use crate::{
    Entry, Limits,
    limits::{ENTRY_BYTES_MIN, Problems},
    tar::{
        header::{Header, NoHeader},
        input::{BLOCK, Block},
        pax::Pax,
    },
};

pub(crate) use input::Input;

/// What gets each entry: the entry, the offset of its stored content in the stream, and a reader over its content.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Entry, u64, &mut dyn Read) -> io::Result<()>;

/// Why a walk ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The archive came to its end.
    Whole,
    /// The stream ended between two entries, at this offset, without an end marker.
    Unmarked(u64),
    /// The stream ended inside an entry or header; the path or what it was.
    Short(String),
    /// It cannot be read on: what, and how many bytes were left behind.
    Stopped(ProblemKind, String, u64),
    /// More headers than allowed, and which ceiling says so: nothing was read behind them.
    Entries(String),
}

/// What a walk gave.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Headers seen.
    pub(crate) headers: u64,
    /// Entries visited.
    pub(crate) entries: u64,
    /// Why it ended.
    pub(crate) end: End,
}

/// Headers that describe the next one.
#[derive(Default)]
struct Pending {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Pending {
    const fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

/// Reads the archive in `input` to its end; what follows its end marker is read too, so that the stream is whole.
///
/// # Errors
///
/// The first error of `visit`.
pub(crate) fn walk(
    input: &mut Input<'_>,
    limits: &Limits,
    problems: &mut Problems,
    visit: Visit<'_>,
) -> io::Result<Walked> {
    let mut members = member::Members::new(limits);
    let mut pending = Pending::default();
    let mut walked = Walked { headers: 0, entries: 0, end: End::Whole };
    loop {
        let at = input.offset();
        let (block, header) = match next_header(input, problems) {
            Next::Header(block, header) => (block, header),
            Next::End(end) => {
                if !pending.is_empty() && matches!(end, End::Whole | End::Unmarked(_)) {
                    problems.note(ProblemKind::Ambiguous, "", || {
                        "the last header describes a next one, which is missing".into()
                    });
                }
                walked.end = end;
                break;
            }
        };
        walked.headers += 1;
        if let Some(detail) = too_many(walked.headers, input.offset(), limits) {
            walked.end = End::Entries(detail);
            break;
        }
        if !matches!(header.flag, b'x' | b'g' | b'L' | b'K') {
            walked.entries += 1;
            let pending = std::mem::take(&mut pending);
            if let Some(end) = members.visit(input, &block, header, pending, problems, visit)? {
                walked.end = end;
                break;
            }
            continue;
        }
        match extension(input, &header, limits) {
            Ok(bytes) => note_extension(&header, &bytes, at, &mut pending, problems),
            Err(end) => {
                walked.end = end;
                break;
            }
        }
    }
    if let End::Stopped(_, _, unseen) = &mut walked.end {
        *unseen = input.rest().0;
    }
    Ok(walked)
}

/// Why so many headers in so many bytes end the walk.
fn too_many(headers: u64, bytes: u64, limits: &Limits) -> Option<String> {
    let Limits { entries_max, empty_entries_max, .. } = limits;
    if headers > *entries_max {
        return Some(format!("more than {entries_max} entries and headers"));
    }
    let is_flood = headers > *empty_entries_max && bytes / headers < ENTRY_BYTES_MIN;
    is_flood.then(|| format!("more than {empty_entries_max} entries and headers that hold next to nothing"))
}

enum Next {
    Header(Box<Block>, Header),
    End(End),
}

fn next_header(input: &mut Input<'_>, problems: &mut Problems) -> Next {
    let short = |bytes: usize| Next::End(End::Short(format!("a header of which there are {bytes} of 512 bytes")));
    let mut zeros = 0_u32;
    loop {
        let at = input.offset();
        let block = match input.block() {
            Ok(Some(block)) => block,
            Ok(None) => return Next::End(End::Unmarked(at)),
            Err(bytes) => return short(bytes),
        };
        if block == [0; BLOCK] {
            zeros += 1;
            if zeros == 2 {
                let (bytes, first) = input.rest();
                if let Some(first) = first {
                    problems.note(ProblemKind::Ambiguous, "", || {
                        format!("{bytes} bytes follow the end of the archive, not only zeros from {first} on: runtimes never see them")
                    });
                }
                return Next::End(End::Whole);
            }
            continue;
        }
        if zeros > 0 {
            problems.note(ProblemKind::Ambiguous, "", || {
                format!("a lone block of zeros before {at}: Go refuses the archive, GNU tar and Python end there")
            });
        }
        return match Header::parse(&block) {
            Ok(header) => Next::Header(Box::new(block), header),
            Err(why) => {
                let what = match why {
                    NoHeader::Checksum => "is no tar header: its checksum is wrong",
                    NoHeader::Size => "is a tar header with an impossible size",
                };
                Next::End(End::Stopped(ProblemKind::Corrupt, format!("the block at {at} {what}"), 0))
            }
        };
    }
}

/// Reads the content of an extension header.
fn extension(input: &mut Input<'_>, header: &Header, limits: &Limits) -> Result<Vec<u8>, End> {
    let max = limits.name_bytes_max;
    let length = usize::try_from(header.size).ok().filter(|_| header.size <= max);
    let Some(length) = length else {
        let detail =
            format!("a header of type {} holds {} bytes, at most {max} are read", char::from(header.flag), header.size);
        return Err(End::Stopped(ProblemKind::NameLimit, detail, 0));
    };
    let bytes = input.bytes(length).ok_or_else(|| End::Short("an extension header".to_owned()))?;
    input.skip(padding(header.size));
    Ok(bytes)
}

fn note_extension(header: &Header, bytes: &[u8], at: u64, pending: &mut Pending, problems: &mut Problems) {
    let mut odd = |detail: &str| {
        problems.note(ProblemKind::Ambiguous, "", || format!("at {at}: {detail}"));
    };
    if let Some(detail) = header.odd {
        odd(detail);
    }
    if pending.pax.as_ref().is_some_and(|pax| pax.size.is_some()) {
        // tar-rs and its forks gave the size to this header (GHSA-3cv2-h65g-fgmm, CVE-2025-62518).
        odd("a pax size is followed by another extension header: readers differ on whose it is");
    }
    let long = || Some(header::text(bytes).to_vec()).filter(|name| !name.is_empty());
    match header.flag {
        b'L' => {
            if pending.long_name.is_some() {
                odd("two long names for one entry");
            }
            pending.long_name = long();
        }
        b'K' => {
            if pending.long_link.is_some() {
                odd("two long link targets for one entry");
            }
            pending.long_link = long();
        }
        flag => {
            let pax = Pax::parse(bytes);
            if let Some(detail) = pax.odd {
                odd(detail);
            }
            if flag == b'g' {
                if pax.changes_entries() {
                    odd("a global pax header renames or resizes entries: GNU tar and Python obey it, Go does not");
                }
                if !pending.is_empty() {
                    odd(
                        "a global pax header parts an entry from its extension headers: Go forgets them, others do not",
                    );
                }
                *pending = Pending::default();
            } else if pending.pax.is_some() {
                odd("two pax headers for one entry: Go obeys the last, others both");
            }
            if pax.broken {
                problems.note(ProblemKind::Corrupt, "", || {
                    format!("at {at}: malformed pax records, Go refuses the archive")
                });
            }
            if flag != b'g' {
                pending.pax = Some(pax);
            }
        }
    }
}

/// Bytes to the next whole block.
const fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}
