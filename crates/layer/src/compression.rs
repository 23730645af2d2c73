//! Inflates a blob chunk by chunk: gzip (several members, eStargz too), zstd (several frames), or plain.
//!
//! What a blob is, its first bytes say and never its media type. Deflate runs raw and gzip's CRC-32 is not computed:
//! the blob's own digest covers every byte (about 10 % faster). Its length field is compared.
//!
//! Sources: RFC 1952 (gzip), RFC 8878 (zstd); containerd `archive/compression` for the magic bytes.

#![expect(
    clippy::disallowed_types,
    reason = "the one place that inflates layers: bytes, ratio and time are bounded here"
)]

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};
use model::{Problem, ProblemKind};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::{
    Limits,
    limits::{Problems, problem},
};

/// Compressed bytes read at once. A blob that ends within them is not worth a second thread.
const INPUT_BYTES: usize = 256 << 10;
/// Largest zstd window, as a power of two: 128 MiB, what `zstd --ultra` makes at most without `--long`.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Longest gzip file name or comment that Go's reader takes.
const GZIP_TEXT_BYTES_MAX: u64 = 512;

enum State {
    Plain,
    GzipHeader,
    Deflate { inflate: Box<Decompress>, member_bytes: u64 },
    Zstd { decoder: Box<Decoder<'static>>, in_frame: bool },
    Ended,
}

/// A blob being inflated.
pub(crate) struct Inflater<'a, R> {
    reader: R,
    input: Vec<u8>,
    start: usize,
    end: usize,
    input_ended: bool,
    state: State,
    compression: &'static str,
    limits: &'a Limits,
    seconds: &'a (dyn Fn() -> f64 + Sync),
    started: f64,
    packed_bytes: u64,
    unpacked_bytes: u64,
    complete: bool,
    stopped: Option<Problem>,
    notes: Problems,
    read_error: Option<io::Error>,
}

/// How a blob ended.
pub(crate) struct Ending {
    /// Compressed bytes read.
    pub(crate) packed_bytes: u64,
    /// Compressed bytes that were read but not inflated.
    pub(crate) unseen_bytes: u64,
    /// Uncompressed bytes given.
    pub(crate) unpacked_bytes: u64,
    /// Everything there is was inflated.
    pub(crate) complete: bool,
    /// Why it stopped early, and what is odd.
    pub(crate) problems: Vec<Problem>,
    /// The reader's own error.
    pub(crate) read_error: Option<io::Error>,
}

impl<'a, R: Read> Inflater<'a, R> {
    /// Reads the first bytes of `reader` and finds out what they are.
    pub(crate) fn open(reader: R, limits: &'a Limits, seconds: &'a (dyn Fn() -> f64 + Sync)) -> Self {
        let mut this = Self {
            reader,
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            input_ended: false,
            state: State::Plain,
            compression: "tar",
            limits,
            seconds,
            started: seconds(),
            packed_bytes: 0,
            unpacked_bytes: 0,
            complete: false,
            stopped: None,
            notes: Problems::default(),
            read_error: None,
        };
        while this.end < INPUT_BYTES && this.refill() {}
        let head = this.buffered();
        let unsupported = [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip")]
            .into_iter()
            .find(|(magic, _)| head.starts_with(magic) && head.get(257..262) != Some(b"ustar"));
        if let Some((_, name)) = unsupported {
            this.stop(ProblemKind::Unsupported, format!("the blob is {name}, layers are gzip, zstd or plain tar"));
        } else if head.starts_with(b"\x1f\x8b\x08") {
            this.compression = "gzip";
            this.state = State::GzipHeader;
        } else if starts_zstd_frame(head) {
            this.compression = "zstd";
            this.state = match zstd_decoder() {
                Ok(decoder) => State::Zstd { decoder: Box::new(decoder), in_frame: false },
                Err(error) => {
                    this.stop(ProblemKind::Unsupported, format!("zstd cannot be started: {error}"));
                    State::Ended
                }
            };
        }
        this
    }

    /// `gzip`, `zstd` or `tar`.
    pub(crate) const fn compression(&self) -> &'static str {
        self.compression
    }

    /// Whether the whole blob is in the first read.
    pub(crate) const fn is_small(&self) -> bool {
        self.input_ended
    }

    /// Fills `out` as far as there is something; 0 is the end.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> usize {
        let room = (self.limits.unpacked_bytes_max - self.unpacked_bytes).saturating_add(1);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(out.len());
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..room)
            && !rest.is_empty()
            && !matches!(self.state, State::Ended)
        {
            filled += self.step(rest);
        }
        self.unpacked_bytes += filled as u64;
        let over = self.unpacked_bytes.saturating_sub(self.limits.unpacked_bytes_max);
        if over > 0 {
            self.unpacked_bytes -= over;
            filled = filled.saturating_sub(usize::try_from(over).unwrap_or(usize::MAX));
            let max = self.limits.unpacked_bytes_max;
            self.stop(ProblemKind::BytesLimit, format!("unpacks to more than {max} bytes"));
        }
        let consumed = self.packed_bytes - self.buffered().len() as u64;
        if self.unpacked_bytes > self.limits.ratio_grace_bytes
            && self.unpacked_bytes / self.limits.ratio_max.max(1) > consumed
            && !matches!(self.state, State::Ended)
        {
            let (max, unpacked) = (self.limits.ratio_max, self.unpacked_bytes);
            self.stop(
                ProblemKind::RatioLimit,
                format!("{consumed} bytes unpack to {unpacked} and more, over {max} times as much"),
            );
        }
        self.check_time();
        filled
    }

    /// Reads the blob to its end without inflating, and tells how it went.
    pub(crate) fn finish(mut self) -> Ending {
        let mut unseen_bytes = if self.complete { 0 } else { self.buffered().len() as u64 };
        self.start = self.end;
        while !self.input_ended {
            if self.refill() && !self.complete {
                unseen_bytes += self.buffered().len() as u64;
            }
            self.start = self.end;
        }
        let cut_by_reader = self.read_error.is_some();
        if let Some(stopped) = self.stopped.filter(|why| !cut_by_reader || why.kind != ProblemKind::Truncated) {
            self.notes.ended(stopped.kind, &stopped.place, stopped.detail, unseen_bytes);
        }
        Ending {
            packed_bytes: self.packed_bytes,
            unseen_bytes,
            unpacked_bytes: self.unpacked_bytes,
            complete: self.complete && self.read_error.is_none(),
            problems: self.notes.finish(),
            read_error: self.read_error,
        }
    }

    fn buffered(&self) -> &[u8] {
        self.input.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more behind what is buffered. False at the end, or if there is no room.
    fn refill(&mut self) -> bool {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let Some(room) = self.input.get_mut(self.end..).filter(|room| !room.is_empty() && !self.input_ended) else {
            return false;
        };
        let read = read_some(&mut self.reader, room).unwrap_or_else(|error| {
            self.read_error = Some(error);
            0
        });
        self.end += read;
        self.packed_bytes += read as u64;
        self.input_ended = read == 0;
        if !matches!(self.state, State::Ended) {
            self.check_time();
        }
        read > 0
    }

    /// Makes sure that `bytes` are buffered; false if the blob ends before.
    fn have(&mut self, bytes: usize) -> bool {
        while self.end - self.start < bytes {
            if !self.refill() {
                return false;
            }
        }
        true
    }

    fn check_time(&mut self) {
        let max = self.limits.seconds_max;
        #[expect(clippy::cast_precision_loss, reason = "a ceiling in seconds")]
        if (self.seconds)() - self.started > max as f64 && !matches!(self.state, State::Ended) {
            self.stop(ProblemKind::TimeLimit, format!("takes longer than {max} seconds"));
        }
    }

    fn stop(&mut self, kind: ProblemKind, detail: String) {
        self.state = State::Ended;
        self.complete = false;
        self.stopped.get_or_insert_with(|| problem(kind, "", detail, 0));
    }

    fn truncated(&mut self) {
        let name = self.compression;
        self.stop(ProblemKind::Truncated, format!("the {name} stream ends early"));
    }

    fn step(&mut self, out: &mut [u8]) -> usize {
        match &self.state {
            State::Plain => self.plain(out),
            State::GzipHeader => {
                self.gzip_header();
                0
            }
            State::Deflate { .. } => self.deflate(out),
            State::Zstd { .. } => self.zstd(out),
            State::Ended => 0,
        }
    }

    fn plain(&mut self, out: &mut [u8]) -> usize {
        let buffered = self.buffered();
        if !buffered.is_empty() {
            let bytes = buffered.len().min(out.len());
            if let (Some(to), Some(from)) = (out.get_mut(..bytes), buffered.get(..bytes)) {
                to.copy_from_slice(from);
            }
            self.start += bytes;
            return bytes;
        }
        let read = if self.input_ended { Ok(0) } else { read_some(&mut self.reader, out) };
        let read = read.unwrap_or_else(|error| {
            self.read_error = Some(error);
            0
        });
        self.packed_bytes += read as u64;
        if read == 0 {
            self.input_ended = true;
            self.complete = true;
            self.state = State::Ended;
        }
        self.check_time();
        read
    }

    /// Steps over a member's header (RFC 1952, section 2.3), or finds the end of the last member.
    fn gzip_header(&mut self) {
        if !self.have(10) {
            if self.buffered().is_empty() && self.unpacked_bytes > 0 {
                self.complete = true;
                self.state = State::Ended;
            } else {
                self.truncated();
            }
            return;
        }
        let flags = self.buffered().get(3).copied().unwrap_or_default();
        self.start += 10;
        let mut whole = true;
        if flags & 4 != 0 {
            whole = self.have(2);
            let length = self.buffered().first_chunk().map_or(0, |length| u16::from_le_bytes(*length));
            whole = whole && self.have(2 + usize::from(length));
            self.start += if whole { 2 + usize::from(length) } else { 0 };
        }
        for flag in [8, 16] {
            whole = whole && (flags & flag == 0 || self.skip_text());
        }
        if flags & 2 != 0 {
            whole = whole && self.have(2);
            self.start += if whole { 2 } else { 0 };
        }
        if whole {
            self.state = State::Deflate { inflate: Box::new(Decompress::new(false)), member_bytes: 0 };
        } else {
            self.truncated();
        }
    }

    /// Steps over text that ends with a NUL.
    fn skip_text(&mut self) -> bool {
        let mut skipped = 0_u64;
        loop {
            let buffered = self.buffered();
            let end = memchr(buffered);
            let bytes = end.map_or(buffered.len(), |end| end + 1);
            skipped += bytes as u64;
            self.start += bytes;
            if end.is_some() {
                break;
            }
            if !self.refill() {
                return false;
            }
        }
        if skipped > GZIP_TEXT_BYTES_MAX {
            self.notes.note(ProblemKind::Ambiguous, "", || {
                format!("a gzip header holds {skipped} bytes of name or comment: Go refuses it, others read on")
            });
        }
        true
    }

    fn deflate(&mut self, out: &mut [u8]) -> usize {
        if self.buffered().is_empty() && !self.refill() {
            self.truncated();
            return 0;
        }
        let State::Deflate { inflate, member_bytes } = &mut self.state else { return 0 };
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let input = self.input.get(self.start..self.end).unwrap_or_default();
        let status = inflate.decompress(input, out, FlushDecompress::None);
        let consumed = inflate.total_in() - before_in;
        let produced = inflate.total_out() - before_out;
        *member_bytes += produced;
        let member_bytes = *member_bytes;
        let stuck = consumed == 0 && produced == 0 && !input.is_empty();
        self.start += usize::try_from(consumed).unwrap_or(usize::MAX).min(input.len());
        match status {
            Ok(Status::StreamEnd) => self.gzip_trailer(member_bytes),
            Ok(_) if !stuck => {}
            Ok(_) => self.stop(ProblemKind::Corrupt, "the gzip stream is damaged".to_owned()),
            Err(error) => self.stop(ProblemKind::Corrupt, format!("the gzip stream is damaged: {error}")),
        }
        usize::try_from(produced).unwrap_or(usize::MAX).min(out.len())
    }

    fn gzip_trailer(&mut self, member_bytes: u64) {
        if !self.have(8) {
            self.truncated();
            return;
        }
        let claim = self.buffered().get(4..8).and_then(|bytes| bytes.first_chunk()).copied().map(u32::from_le_bytes);
        self.start += 8;
        if claim.map(u64::from) != Some(member_bytes & 0xffff_ffff) {
            self.notes.note(ProblemKind::Corrupt, "", || {
                format!(
                    "a gzip member says it unpacks to {} bytes, it does to {member_bytes}",
                    claim.unwrap_or_default()
                )
            });
        }
        if self.have(3) && self.buffered().starts_with(b"\x1f\x8b\x08") {
            // The decoder is kept for the next member: a blob may consist of millions of tiny ones.
            if let State::Deflate { inflate, .. } = std::mem::replace(&mut self.state, State::GzipHeader) {
                self.gzip_header();
                if let State::Deflate { inflate: fresh, .. } = &mut self.state {
                    *fresh = inflate;
                    fresh.reset(false);
                }
            }
        } else {
            self.end_of_members();
        }
    }

    /// Reads what follows the last member: nobody decodes it.
    fn end_of_members(&mut self) {
        self.state = State::Ended;
        self.complete = true;
        let mut bytes = 0;
        loop {
            bytes += self.buffered().len() as u64;
            self.start = self.end;
            if !self.refill() {
                break;
            }
        }
        if bytes > 0 {
            let name = self.compression;
            self.notes.note(ProblemKind::Ambiguous, "", || {
                format!(
                    "{bytes} bytes follow the end of the {name} stream: some readers refuse them, most never see them"
                )
            });
        }
    }

    fn zstd(&mut self, out: &mut [u8]) -> usize {
        let State::Zstd { in_frame, .. } = &self.state else { return 0 };
        if !in_frame {
            let more = self.have(1);
            if more && self.have(4) && starts_zstd_frame(self.buffered()) {
                if let State::Zstd { decoder, in_frame } = &mut self.state {
                    *in_frame = decoder.reinit().is_ok();
                }
            } else {
                self.end_of_members();
                return 0;
            }
        } else if self.buffered().is_empty() && !self.refill() {
            // The decoder may still hold output of what it has taken.
        }
        let State::Zstd { decoder, in_frame } = &mut self.state else { return 0 };
        let input = self.input.get(self.start..self.end).unwrap_or_default();
        match decoder.run_on_buffers(input, out) {
            Ok(status) => {
                self.start += status.bytes_read.min(input.len());
                *in_frame = status.remaining != 0;
                if status.bytes_read == 0 && status.bytes_written == 0 && *in_frame {
                    if input.is_empty() {
                        self.truncated();
                    } else {
                        self.stop(ProblemKind::Corrupt, "the zstd stream is damaged".to_owned());
                    }
                }
                status.bytes_written
            }
            Err(error) => {
                let text = error.to_string();
                let (kind, detail) = if text.contains("too much memory") {
                    let window = 1_u64 << ZSTD_WINDOW_LOG_MAX;
                    (ProblemKind::Unsupported, format!("the zstd stream needs a window of more than {window} bytes"))
                } else {
                    (ProblemKind::Corrupt, format!("the zstd stream is damaged: {text}"))
                };
                self.stop(kind, detail);
                0
            }
        }
    }
}

fn zstd_decoder() -> io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

/// A zstd frame, or one to be skipped (`zstd:chunked` keeps its table of contents there).
fn starts_zstd_frame(head: &[u8]) -> bool {
    match head.first_chunk::<4>().copied().map(u32::from_le_bytes) {
        Some(magic) => magic == 0xfd2f_b528 || magic & 0xffff_fff0 == 0x184d_2a50,
        None => false,
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == 0)
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A reader that claims more than it was given room for is broken; do not believe it.
            result => return result.map(|read| read.min(buffer.len())),
        }
    }
}
