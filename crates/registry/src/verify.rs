//! Hands bytes on only as far as they can still be what their digest and size say.

use std::io::{self, ErrorKind, Read};

use model::{Digest, digest::Hasher};

use crate::RegistryError;

/// Checks `reader` against `digest` and `size` while it is read; `what` names it in errors.
///
/// The last bytes are handed out only once the whole is known to be right, so whoever has read `size` bytes has read
/// verified ones. Whoever stops earlier has not.
///
/// Reading fails with an [`io::Error`] that holds [`RegistryError::WrongSize`] as soon as `size` is exceeded or at an
/// early end, and [`RegistryError::WrongDigest`] at the end. Once failed, it keeps failing.
pub(crate) fn verified<'a>(
    reader: impl Read + Send + 'a,
    what: String,
    digest: Digest,
    size: u64,
) -> Box<dyn Read + Send + 'a> {
    Box::new(Verified { reader, what, digest, size, seen: 0, state: State::Reading(Hasher::new()) })
}

struct Verified<R> {
    reader: R,
    what: String,
    digest: Digest,
    size: u64,
    seen: u64,
    state: State,
}

enum State {
    Reading(Hasher),
    Right,
    WrongSize,
    WrongDigest(Digest),
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let State::Reading(hasher) = &mut self.state else { return self.outcome() };
        let count = self.reader.read(buffer)?;
        hasher.update(buffer.get(..count).unwrap_or_default());
        self.seen = self.seen.saturating_add(count as u64);
        if count > 0 && self.seen < self.size {
            return Ok(count);
        }
        if count > 0 && self.seen == self.size {
            self.seen += past_the_end(&mut self.reader)?;
        }
        self.state = match std::mem::replace(&mut self.state, State::WrongSize) {
            State::Reading(hasher) if self.seen == self.size => match hasher.finish() {
                found if found == self.digest => State::Right,
                found => State::WrongDigest(found),
            },
            _ => State::WrongSize,
        };
        self.outcome().map(|_| count)
    }
}

impl<R> Verified<R> {
    fn outcome(&self) -> io::Result<usize> {
        let what = || self.what.clone();
        match self.state {
            State::Reading(_) | State::Right => Ok(0),
            State::WrongSize => {
                Err(io::Error::other(RegistryError::WrongSize { what: what(), expected: self.size, found: self.seen }))
            }
            State::WrongDigest(found) => {
                Err(io::Error::other(RegistryError::WrongDigest { what: what(), expected: self.digest, found }))
            }
        }
    }
}

/// 1 if there is another byte, else 0.
fn past_the_end(reader: &mut impl Read) -> io::Result<u64> {
    loop {
        match reader.read(&mut [0]) {
            Ok(count) => return Ok(count as u64),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `content` as if it were `said`; returns what came out and the error, if any.
    fn check(content: &[u8], said: &[u8]) -> (Vec<u8>, Option<RegistryError>) {
        let mut reader = verified(content, "blob x".to_owned(), Digest::of(said), said.len() as u64);
        let (mut seen, mut buffer) = (Vec::new(), [0; 4]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (seen, None),
                Ok(count) => seen.extend_from_slice(&buffer[..count]),
                Err(e) => {
                    assert!(reader.read(&mut buffer).is_err(), "it must keep failing");
                    return (seen, e.into_inner().and_then(|inner| inner.downcast().ok()).map(|inner| *inner));
                }
            }
        }
    }

    #[test]
    fn right_bytes_pass() {
        assert!(matches!(check(b"quarantine", b"quarantine"), (seen, None) if seen == b"quarantine"));
        assert!(matches!(check(b"", b""), (seen, None) if seen.is_empty()));
    }

    #[test]
    fn the_end_of_wrong_bytes_is_withheld() {
        let (seen, error) = check(b"quarantinE", b"quarantine");
        assert_eq!(seen, b"quaranti");
        assert!(matches!(error, Some(RegistryError::WrongDigest { found, .. }) if found == Digest::of(b"quarantinE")));
    }

    #[test]
    fn longer_and_shorter_fail_with_both_sizes() {
        let sizes = |content: &[u8], said: &[u8]| match check(content, said).1 {
            Some(RegistryError::WrongSize { expected, found, .. }) => (expected, found),
            other => panic!("{other:?}"),
        };
        assert_eq!(sizes(b"12345", b"1234"), (4, 5));
        assert_eq!(sizes(b"123", b"1234"), (4, 3));
        assert_eq!(sizes(b"", b"1234"), (4, 0));
        assert_eq!(sizes(b"1", b""), (0, 1));
    }
}
