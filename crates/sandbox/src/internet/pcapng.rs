//! Writes the packets of a run as a `pcapng` file: one interface, raw IP, nanoseconds, bounded.
//!
//! Source: draft-ietf-opsawg-pcapng; LINKTYPE_RAW is 101.

use std::{
    fmt,
    io::{self, Write},
};

/// Bytes of the whole file; packets after that are counted and not kept.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A capture being written.
pub(super) struct Capture {
    to: Option<Box<dyn Write + Send>>,
    written: u64,
}

impl fmt::Debug for Capture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Capture").field("written", &self.written).finish_non_exhaustive()
    }
}

/// Which way a packet went, as `epb_flags` says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    /// To the sample.
    In = 1,
    /// From the sample.
    Out = 2,
}

impl Capture {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub(super) fn new(mut to: Box<dyn Write + Send>) -> io::Result<Self> {
        let mut head = Vec::new();
        block(&mut head, 0x0a0d_0d0a, &{
            let mut section = Vec::new();
            section.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
            section.extend_from_slice(&[1, 0, 0, 0]);
            section.extend_from_slice(&(-1_i64).to_le_bytes());
            section
        });
        // Link type, no limit of length; `if_tsresol` 9: nanoseconds; end of options.
        block(&mut head, 1, &[101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        to.write_all(&head)?;
        Ok(Self { to: Some(to), written: head.len() as u64 })
    }

    /// Adds a packet, `at_ns` nanoseconds since 1970. A file that is full, or cannot be written any more, stays as it is.
    pub(super) fn packet(&mut self, direction: Direction, at_ns: u64, bytes: &[u8]) {
        let Some(to) = &mut self.to else { return };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut body = Vec::with_capacity(bytes.len() + 40);
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&((at_ns >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(at_ns as u32).to_le_bytes());
        body.extend_from_slice(&length);
        body.extend_from_slice(&length);
        body.extend_from_slice(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(&[2, 0, 4, 0, direction as u8, 0, 0, 0, 0, 0, 0, 0]);
        let mut framed = Vec::with_capacity(body.len() + 12);
        block(&mut framed, 6, &body);
        self.written += framed.len() as u64;
        if self.written > FILE_BYTES_MAX || to.write_all(&framed).is_err() {
            self.finish();
        }
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) {
        if let Some(mut to) = self.to.take() {
            // Nobody can be told more than that the file ends early.
            let _flushed = to.flush();
        }
    }
}

/// A block: type, length, body of whole words, length again.
fn block(to: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    to.extend_from_slice(&kind.to_le_bytes());
    to.extend_from_slice(&length);
    to.extend_from_slice(body);
    to.extend_from_slice(&length);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blocks_are_whole_and_the_file_is_bounded() {
        let shared = Shared::default();
        let mut capture = Capture::new(Box::new(shared.clone())).expect("writes");
        for _ in 0..60_000 {
            capture.packet(Direction::Out, 1_700_000_000_000_000_000, &[0x45; 1_499]);
        }
        capture.finish();
        let bytes = shared.0.lock().expect("no panic").clone();
        assert!((FILE_BYTES_MAX - 2_000..=FILE_BYTES_MAX).contains(&(bytes.len() as u64)), "{}", bytes.len());
        let mut rest = &bytes[..];
        let mut blocks = 0;
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[4..8].try_into().expect("four")) as usize;
            assert_eq!(rest[4..8], rest[length - 4..length]);
            assert_eq!(length % 4, 0);
            rest = &rest[length..];
            blocks += 1;
        }
        assert!(blocks > 40_000);
    }
}
