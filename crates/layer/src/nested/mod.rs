//! Archives and compressed files inside one file, opened in memory.
//!
//! A compressed tar is walked as it is inflated and never held as a whole; any other compressed file is inflated into one
//! buffer. Everything inside one outer file shares one budget of bytes and entries.

mod ar;
mod cpio;
mod rpm;
mod zip;

use std::io::{self, BufRead, BufReader, Read};

use model::{EntryKind, Problem, ProblemKind};

use crate::{
    Limits,
    inflate::{Compression, decoder},
    limits::problem,
    stream::for_each_member,
};

/// Ceilings for archives inside one file.
#[derive(Debug, Clone)]
pub struct NestedLimits {
    /// Archives within archives.
    pub depth_max: u32,
    /// Uncompressed bytes of everything inside one outer file.
    pub unpacked_bytes_max: u64,
    /// Entries of everything inside one outer file.
    pub entries_max: u64,
    /// Uncompressed bytes of one inner file: of a longer one only so many are looked at.
    pub file_bytes_max: u64,
    /// Uncompressed per compressed byte over the outer file, once `ratio_grace_bytes` are inflated.
    pub ratio_max: u64,
    /// Uncompressed bytes before `ratio_max` counts.
    pub ratio_grace_bytes: u64,
}

impl Default for NestedLimits {
    fn default() -> Self {
        Self {
            depth_max: 4,
            unpacked_bytes_max: 1 << 30,
            entries_max: 100_000,
            file_bytes_max: 64 << 20,
            ratio_max: 200,
            ratio_grace_bytes: 64 << 20,
        }
    }
}

/// Most problems listed for one outer file.
const PROBLEMS_MAX: usize = 100;

/// What the first bytes say an archive is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Compressed(Compression),
    Zip,
    Tar,
    Deb,
    Rpm,
    /// Known, not opened: said so in a problem.
    Unopened(&'static str),
}

fn format_of(head: &[u8]) -> Option<Format> {
    const MAGICS: [(&[u8], Format); 6] = [
        (b"PK\x03\x04", Format::Zip),
        (b"PK\x05\x06", Format::Zip),
        (b"!<arch>\ndebian", Format::Deb),
        (b"\xed\xab\xee\xdb", Format::Rpm),
        (b"7z\xbc\xaf\x27\x1c", Format::Unopened("7-Zip")),
        (b"Rar!\x1a\x07", Format::Unopened("RAR")),
    ];
    let known = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, format)| *format);
    // Zlib and `.lzma` have too little of a mark to call a file an archive for it.
    let compressed = || {
        Compression::of(head)
            .filter(|compression| !matches!(compression, Compression::Zlib | Compression::Lzma))
            .map(Format::Compressed)
    };
    let known = known.or_else(compressed);
    known.or_else(|| (head.get(257..262) == Some(b"ustar")).then_some(Format::Tar))
}

/// Whether `head` (the first 512 bytes or fewer) starts an archive or compressed file that [`expand`] knows.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    format_of(head).is_some()
}

/// Opens the archive `bytes` and, to `limits.depth_max`, the archives in it; hands every file in it, the inner archives too, to
/// `visit` with its path inside (levels joined by `!`).
///
/// Opens zip (jar, whl), tar, gzip, xz, zstd, bzip2, deb and rpm. What a compressed file that is no tar holds is called
/// `content`. Returns what was not looked at, each `place` being a path inside.
pub fn expand(bytes: &[u8], limits: &NestedLimits, visit: &mut dyn FnMut(&str, &[u8])) -> Vec<Problem> {
    let ratio_bytes = (bytes.len() as u64).saturating_mul(limits.ratio_max).max(limits.ratio_grace_bytes);
    let mut opener = Opener {
        limits,
        bytes_left: limits.unpacked_bytes_max.min(ratio_bytes),
        is_ratio: ratio_bytes < limits.unpacked_bytes_max,
        entries_left: limits.entries_max,
        stopped: false,
        problems: Vec::new(),
        visit,
    };
    opener.open("", bytes, 0);
    opener.problems
}

struct Opener<'a> {
    limits: &'a NestedLimits,
    bytes_left: u64,
    /// Which of the two ceilings `bytes_left` was taken from.
    is_ratio: bool,
    entries_left: u64,
    /// A ceiling over everything was reached and named.
    stopped: bool,
    problems: Vec<Problem>,
    visit: &'a mut dyn FnMut(&str, &[u8]),
}

impl Opener<'_> {
    fn open(&mut self, path: &str, bytes: &[u8], depth: u32) {
        let Some(format) = format_of(bytes) else { return };
        if depth >= self.limits.depth_max {
            let detail = format!("archives within archives are opened to depth {}", self.limits.depth_max);
            self.note(ProblemKind::DepthLimit, path, detail, bytes.len());
            return;
        }
        match format {
            Format::Compressed(compression) => self.compressed(path, compression, bytes, depth),
            Format::Tar => self.tar(path, bytes, depth),
            Format::Zip => zip::open(self, path, bytes, depth),
            Format::Deb => ar::open(self, path, bytes, depth),
            Format::Rpm => rpm::open(self, path, bytes, depth),
            Format::Unopened(name) => {
                self.note(ProblemKind::Unsupported, path, format!("{name} archives are not opened"), bytes.len());
            }
        }
    }

    /// A compressed file: a tar in it is walked as it comes, anything else is one inner file.
    fn compressed(&mut self, path: &str, format: Compression, bytes: &[u8], depth: u32) {
        let decoder = match decoder(format, bytes) {
            Ok(decoder) => decoder,
            Err(error) => return self.note(ProblemKind::Corrupt, path, error.to_string(), bytes.len()),
        };
        let mut reader = BufReader::with_capacity(64 << 10, decoder);
        let is_tar = reader.fill_buf().is_ok_and(|head| head.get(257..262) == Some(b"ustar"));
        if is_tar {
            self.tar(path, reader, depth);
        } else {
            self.member(path, "content", &mut reader, bytes.len(), depth);
        }
    }

    fn tar(&mut self, path: &str, archive: impl Read, depth: u32) {
        let limits = Limits {
            unpacked_bytes_max: self.bytes_left,
            entries_max: self.entries_left,
            ratio_max: u64::MAX,
            ..Limits::default()
        };
        let walked = for_each_member(archive, &limits, |entry, _, content| {
            if entry.kind == EntryKind::File {
                let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
                self.member(path, &entry.path, content, size, depth);
            } else {
                self.entries_left = self.entries_left.saturating_sub(1);
            }
            Ok(())
        });
        match walked {
            Ok((_, problems)) => {
                for problem in problems {
                    // A ceiling given to the walk is one over everything.
                    self.stopped |= matches!(problem.kind, ProblemKind::BytesLimit | ProblemKind::EntriesLimit);
                    let place = joined(path, &problem.place);
                    let unseen = usize::try_from(problem.unseen_bytes).unwrap_or(usize::MAX);
                    self.note(problem.kind, &place, problem.detail, unseen);
                }
            }
            Err(error) => self.note(ProblemKind::Corrupt, path, error.to_string(), 0),
        }
    }

    /// One inner file: read up to the ceilings, handed to the visitor, opened if it is an archive. `packed` is how many
    /// bytes it takes in the archive, for the report where it cannot be read.
    fn member(&mut self, archive: &str, name: &str, content: &mut dyn Read, packed: usize, depth: u32) {
        if !self.may_go_on(archive, packed) {
            return;
        }
        let path = joined(archive, name);
        let bytes_max = self.limits.file_bytes_max.min(self.bytes_left);
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take()")]
        let read = content.take(bytes_max).read_to_end(&mut bytes);
        self.bytes_left -= bytes.len() as u64;
        if let Err(error) = read {
            let kind = match error.kind() {
                io::ErrorKind::UnexpectedEof => ProblemKind::Truncated,
                _ => ProblemKind::Corrupt,
            };
            // What was decoded before the damage is looked at; behind it nobody can decode anything.
            let unseen = if bytes.is_empty() { packed } else { 0 };
            self.note(kind, &path, error.to_string(), unseen);
        } else if bytes.len() as u64 == bytes_max && has_more(content) {
            if self.bytes_left == 0 {
                self.may_go_on(&path, packed);
            } else {
                let detail = format!("only the first {bytes_max} bytes of it are looked at");
                self.note(ProblemKind::BytesLimit, &path, detail, packed);
            }
        }
        (self.visit)(&path, &bytes);
        self.open(&path, &bytes, depth + 1);
    }

    /// Takes one entry off the budget; names the ceiling the first time it is reached.
    fn may_go_on(&mut self, path: &str, packed: usize) -> bool {
        if self.bytes_left > 0 && self.entries_left > 0 {
            self.entries_left -= 1;
            return true;
        }
        if !self.stopped {
            self.stopped = true;
            let (kind, detail) = if self.entries_left == 0 {
                (ProblemKind::EntriesLimit, format!("more than {} entries in one file", self.limits.entries_max))
            } else if self.is_ratio {
                (ProblemKind::RatioLimit, format!("more than {} bytes out of one byte", self.limits.ratio_max))
            } else {
                let bytes_max = self.limits.unpacked_bytes_max;
                (ProblemKind::BytesLimit, format!("more than {bytes_max} bytes inside one file"))
            };
            self.note(kind, path, detail, packed);
        }
        false
    }

    fn note(&mut self, kind: ProblemKind, path: &str, detail: String, unseen_bytes: usize) {
        let problem = problem(kind, path, detail, unseen_bytes as u64);
        match self.problems.len() {
            0..PROBLEMS_MAX => self.problems.push(problem),
            PROBLEMS_MAX => {
                let detail = format!("more than {PROBLEMS_MAX} problems inside one file");
                self.problems.push(Problem { kind: ProblemKind::FindingsLimit, detail, ..problem });
            }
            _ => {
                // The last line stands for the rest; what was not seen still adds up.
                if let Some(last) = self.problems.last_mut() {
                    last.unseen_bytes = last.unseen_bytes.saturating_add(problem.unseen_bytes);
                }
            }
        }
    }
}

fn joined(archive: &str, name: &str) -> String {
    if archive.is_empty() || name.is_empty() { format!("{archive}{name}") } else { format!("{archive}!{name}") }
}

fn has_more(content: &mut dyn Read) -> bool {
    content.read(&mut [0]).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests;
