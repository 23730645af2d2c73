//! From a blob to its entries: inflating, hashing and walking, each on a thread of its own where that pays.

use std::{
    io::{self, BufRead, Read},
    panic,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use model::{Digest, Hasher, Problem, ProblemKind};

use crate::{
    Entry, Limits, Outcome,
    compression::{Ending, Inflater},
    limits::Problems,
    tar::{End, Input, Walked, walk},
};

/// Uncompressed bytes handed from thread to thread at once: fits a second-level cache.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait for a thread: with both queues full, 5 MiB.
const CHUNKS_WAITING_MAX: usize = 8;

/// Streams one layer and hands every entry to `visit`, in archive order, with a reader over its content.
///
/// What `visit` does not read of the content is skipped. The blob is always read to its end, so that a verifying
/// reader can check digest and size. `seconds` is a monotonic clock.
///
/// The content of a sparse file is the whole file, zeros included, unless its holes go over a ceiling: then only
/// the stored bytes are given, and a problem says so. A content that ends before `Entry::size` without such a
/// problem belongs to a stream that ended early.
pub fn stream_layer(
    blob: impl Read + Send,
    limits: &Limits,
    seconds: &(dyn Fn() -> f64 + Sync),
    mut visit: impl FnMut(&Entry, &mut dyn Read),
) -> Outcome {
    let inflater = Inflater::open(blob, limits, seconds);
    let compression = inflater.compression();
    let mut problems = Problems::default();
    let mut visit = |entry: &Entry, _: u64, content: &mut dyn Read| {
        visit(entry, content);
        Ok(())
    };
    let (walked, ending, digest) = if inflater.is_small() {
        let mut inline = Inline::new(inflater, Some(Hasher::new()));
        let walked = walk(&mut Input::new(&mut inline), limits, &mut problems, &mut visit);
        let digest = inline.hasher.take().map(Hasher::finish);
        (walked, inline.inflater.finish(), digest)
    } else {
        let mut walking = |input: &mut Input<'_>| walk(input, limits, &mut problems, &mut visit);
        on_threads(inflater, &mut walking)
    };
    let walked = walked.expect("the visitor above never fails");
    let entries = walked.entries;
    note_end(walked, &ending, &mut problems);
    let mut all = problems.finish();
    all.extend(ending.problems);
    Outcome {
        compression,
        diff_id: digest.filter(|_| ending.complete),
        packed_bytes: ending.packed_bytes,
        unpacked_bytes: ending.unpacked_bytes,
        entries,
        problems: all,
        read_error: ending.read_error.map(|error| error.to_string()),
    }
}

/// A tar archive read member by member from a stream, for image archives (`docker save`): gzip, zstd or plain.
///
/// `visit` gets each member's path, kind, link target, the offset of its content in the *uncompressed* stream, and a reader.
/// The content of a sparse member, which no image archive has, does not stand at its offset as a whole.
/// Returns whether the stream was plain tar (so that offsets can be sought to) and the problems.
///
/// # Errors
///
/// The first error that `visit` or the reader gives.
pub fn for_each_member(
    archive: impl Read,
    limits: &Limits,
    mut visit: impl FnMut(&Entry, u64, &mut dyn Read) -> io::Result<()>,
) -> io::Result<(bool, Vec<Problem>)> {
    let inflater = Inflater::open(archive, limits, &|| 0.0);
    let is_plain = inflater.compression() == "tar";
    let mut problems = Problems::default();
    let mut inline = Inline::new(inflater, None);
    let walked = walk(&mut Input::new(&mut inline), limits, &mut problems, &mut visit)?;
    let ending = inline.inflater.finish();
    note_end(walked, &ending, &mut problems);
    let mut all = problems.finish();
    all.extend(ending.problems);
    match ending.read_error {
        Some(error) => Err(error),
        None => Ok((is_plain, all)),
    }
}

/// Turns the end of a walk into a problem, unless the blob's own end already explains it.
fn note_end(walked: Walked, ending: &Ending, problems: &mut Problems) {
    match walked.end {
        End::Whole => {}
        End::Unmarked(at) if ending.complete => {
            let detail = format!("the archive has no end marker at {at}: it may have been cut there");
            problems.ended(ProblemKind::Ambiguous, "", detail, 0);
        }
        End::Short(place) if ending.complete => {
            problems.ended(ProblemKind::Truncated, "", format!("the tar archive ends inside {place}"), 0);
        }
        End::Short(_) | End::Unmarked(_) => {}
        End::Stopped(kind, detail, unseen_bytes) => problems.ended(kind, "", detail, unseen_bytes),
        End::Entries(detail) => {
            problems.ended(ProblemKind::EntriesLimit, "", detail, ending.unseen_bytes);
        }
    }
}

/// Everything on the caller's thread.
struct Inline<'a, R> {
    inflater: Inflater<'a, R>,
    hasher: Option<Hasher>,
    chunk: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a, R: Read> Inline<'a, R> {
    fn new(inflater: Inflater<'a, R>, hasher: Option<Hasher>) -> Self {
        Self { inflater, hasher, chunk: vec![0; CHUNK_BYTES], start: 0, end: 0 }
    }
}

impl<R: Read> BufRead for Inline<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = self.inflater.fill(&mut self.chunk);
            if let (Some(hasher), Some(chunk)) = (&mut self.hasher, self.chunk.get(..self.end)) {
                hasher.update(chunk);
            }
        }
        Ok(self.chunk.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl<R: Read> Read for Inline<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}

fn read_buffered(source: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
    let buffered = source.fill_buf()?;
    let bytes = buffered.len().min(out.len());
    if let (Some(to), Some(from)) = (out.get_mut(..bytes), buffered.get(..bytes)) {
        to.copy_from_slice(from);
    }
    source.consume(bytes);
    Ok(bytes)
}

/// Some of the uncompressed stream; the buffer is longer than what is in it.
struct Chunk {
    buffer: Vec<u8>,
    bytes: usize,
}

/// The chunks as the walking thread gets them.
struct Received {
    chunks: Receiver<Arc<Chunk>>,
    recycle: Sender<Vec<u8>>,
    current: Option<Arc<Chunk>>,
    start: usize,
}

impl BufRead for Received {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|chunk| self.start >= chunk.bytes) {
            if let Some(used) = self.current.take() {
                give_back(used, &self.recycle);
            }
            self.start = 0;
            self.current = self.chunks.recv().ok();
        }
        Ok(self.current.as_ref().and_then(|chunk| chunk.buffer.get(self.start..chunk.bytes)).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }
}

impl Read for Received {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}

/// Whoever is the last to hold a chunk gives its buffer back.
fn give_back(chunk: Arc<Chunk>, recycle: &Sender<Vec<u8>>) {
    if let Some(chunk) = Arc::into_inner(chunk) {
        let _ = recycle.send(chunk.buffer);
    }
}

/// Inflates and hashes on two more threads. Memory is bounded by the two queues; buffers go round.
fn on_threads(
    inflater: Inflater<'_, impl Read + Send>,
    walk: &mut dyn FnMut(&mut Input<'_>) -> io::Result<Walked>,
) -> (io::Result<Walked>, Ending, Option<Digest>) {
    let (to_walk, chunks) = sync_channel(CHUNKS_WAITING_MAX);
    let (to_hash, hashed) = sync_channel::<Arc<Chunk>>(CHUNKS_WAITING_MAX);
    let (recycle, used) = channel();
    let recycle_hashed = recycle.clone();
    thread::scope(|scope| {
        let inflating = scope.spawn(move || inflate(inflater, &used, to_walk, to_hash));
        let hashing = scope.spawn(move || {
            let mut hasher = Hasher::new();
            for chunk in hashed {
                hasher.update(chunk.buffer.get(..chunk.bytes).unwrap_or_default());
                give_back(chunk, &recycle_hashed);
            }
            hasher.finish()
        });
        let mut received = Received { chunks, recycle, current: None, start: 0 };
        let walked = walk(&mut Input::new(&mut received));
        drop(received); // Where the walk stopped early this ends the inflating.
        let ending = inflating.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        let digest = hashing.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        (walked, ending, Some(digest))
    })
}

fn inflate(
    mut inflater: Inflater<'_, impl Read>,
    used: &Receiver<Vec<u8>>,
    to_walk: SyncSender<Arc<Chunk>>,
    to_hash: SyncSender<Arc<Chunk>>,
) -> Ending {
    loop {
        let mut buffer = used.try_recv().unwrap_or_else(|_| vec![0; CHUNK_BYTES]);
        let bytes = inflater.fill(&mut buffer);
        if bytes == 0 {
            break;
        }
        let chunk = Arc::new(Chunk { buffer, bytes });
        if to_hash.send(Arc::clone(&chunk)).is_err() || to_walk.send(chunk).is_err() {
            break;
        }
    }
    drop(to_walk);
    drop(to_hash);
    inflater.finish()
}
