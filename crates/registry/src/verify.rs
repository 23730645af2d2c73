//! A reader that does not end well unless digest and size hold.

use std::io::{self, Read};

use model::{Digest, Hasher};

use crate::RegistryError;

/// Passes `reader` on and checks it: the read that would go past `size`, or that meets the end with another size
/// or digest, gives an [`io::Error`] around [`RegistryError::WrongSize`] or [`RegistryError::WrongDigest`].
pub(crate) fn verified<'a>(
    reader: impl Read + Send + 'a,
    what: String,
    digest: Digest,
    size: u64,
) -> Box<dyn Read + Send + 'a> {
    Box::new(Verified { reader, what, digest, size, hasher: Some(Hasher::new()), seen: 0 })
}

struct Verified<R> {
    reader: R,
    what: String,
    digest: Digest,
    size: u64,
    /// Taken at the end.
    hasher: Option<Hasher>,
    seen: u64,
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.reader.read(buffer)?;
        self.seen += count as u64;
        if self.seen > self.size || (count == 0 && self.seen != self.size) {
            let (expected, found) = (self.size, self.seen);
            return Err(io::Error::other(RegistryError::WrongSize { what: self.what.clone(), expected, found }));
        }
        if count > 0 {
            if let (Some(hasher), Some(bytes)) = (&mut self.hasher, buffer.get(..count)) {
                hasher.update(bytes);
            }
            return Ok(count);
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.digest => Err(io::Error::other(RegistryError::WrongDigest {
                what: self.what.clone(),
                expected: self.digest,
                found,
            })),
            _ => Ok(0),
        }
    }
}
