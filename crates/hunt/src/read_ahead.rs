//! Reads a blob on a thread of its own, so that fetching and verifying it go on while the last bytes are inflated.

use std::{
    io::{self, Read},
    thread::Scope,
};

use crossbeam_channel::{Receiver, bounded};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait: 2 MiB.
const CHUNKS_MAX: usize = 8;

/// Gives what another thread reads; an error of the blob comes in its place, then nothing more.
pub(crate) struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    position: usize,
}

impl ReadAhead {
    /// Starts reading. The thread ends with the blob, or once nobody reads any more.
    pub(crate) fn start<'scope>(scope: &'scope Scope<'scope, '_>, mut blob: impl Read + Send + 'scope) -> Self {
        let (sender, chunks) = bounded(CHUNKS_MAX);
        scope.spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = blob.read(&mut chunk).map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                let is_last = !read.as_ref().is_ok_and(|chunk| !chunk.is_empty());
                let interrupted = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
                if !interrupted && (sender.send(read).is_err() || is_last) {
                    break;
                }
            }
        });
        Self { chunks, chunk: Vec::new(), position: 0 }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.chunk.len() {
            let Ok(next) = self.chunks.recv() else { return Ok(0) };
            (self.chunk, self.position) = (next?, 0);
        }
        let rest = self.chunk.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{CHUNK_BYTES, ReadAhead};

    fn read(blob: impl Read + Send) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "a test of our own bytes")]
        let result = std::thread::scope(|scope| ReadAhead::start(scope, blob).read_to_end(&mut bytes));
        (bytes, result.err().map(|error| error.to_string()))
    }

    #[test]
    fn every_byte_comes_in_order() {
        let blob: Vec<u8> = (0..3 * CHUNK_BYTES + 7).map(|number| (number % 251) as u8).collect();
        assert_eq!(read(&blob[..]), (blob.clone(), None));
        assert_eq!(read(&b""[..]), (Vec::new(), None));
    }

    #[test]
    fn an_error_comes_behind_what_was_read() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the digest is wrong"))
            }
        }
        assert_eq!(read((&b"abc"[..]).chain(Fails)), (b"abc".to_vec(), Some("the digest is wrong".to_owned())));
    }

    #[test]
    fn nobody_reading_ends_the_thread() {
        std::thread::scope(|scope| drop(ReadAhead::start(scope, io::repeat(1))));
    }
}
