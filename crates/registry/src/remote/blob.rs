//! A blob's bytes, over as many connections as it takes.

use std::{
    io::{self, ErrorKind, Read},
    sync::Arc,
};

use model::Descriptor;
use tracing::debug;
use ureq::BodyReader;

use super::{Image, session::Ask};
use crate::{
    RegistryError,
    http::{Answer, Length, explain_io},
    http_retry::pause,
};

/// A connection that brought this much counts as a success: the tries begin anew.
const PROGRESS_BYTES: u64 = 8 << 20;

/// Reads one blob; after a dropped connection continues where it stopped. Verifies nothing.
pub(super) struct Blob<'a> {
    image: &'a Image,
    path: String,
    what: String,
    size: u64,
    body: BodyReader<'static>,
    /// Handed out so far.
    delivered: u64,
    /// Still to be thrown away: the server began anew.
    skip: u64,
    drops: u32,
    delivered_at_drop: u64,
}

impl<'a> Blob<'a> {
    pub(super) fn open(image: &'a Image, descriptor: &Descriptor, what: String) -> Result<Self, RegistryError> {
        let path = format!("/v2/{}/blobs/{}", image.reference.repository, descriptor.digest);
        let body = ask(image, &path, &what, None)?.body.into_reader();
        let size = descriptor.size;
        Ok(Self { image, path, what, size, body, delivered: 0, skip: 0, drops: 0, delivered_at_drop: 0 })
    }

    /// Continues at `delivered`, or begins anew and skips that much.
    fn resume(&mut self, detail: &str) -> Result<(), RegistryError> {
        let session = Arc::clone(&self.image.session);
        if self.delivered - self.delivered_at_drop >= PROGRESS_BYTES {
            self.drops = 0;
        }
        self.drops += 1;
        self.delivered_at_drop = self.delivered;
        if self.drops >= session.options.attempts_max {
            let (what, tries) = (self.what.clone(), self.drops);
            return Err(RegistryError::Unreachable { what, detail: format!("{detail} ({tries} tries)") });
        }
        debug!(delivered_bytes = self.delivered, "{} was cut off, continuing", self.what);
        (session.options.clock.sleep)(pause(session.options.retry_pause, self.drops, &self.what));
        if self.delivered > 0 {
            let answer = ask(self.image, &self.path, &self.what, Some(self.delivered))?;
            if answer.status == 206 && continues(answer.header("content-range"), self.delivered, self.size) {
                self.skip = 0;
                self.body = answer.body.into_reader();
                return Ok(());
            }
            self.skip = self.delivered;
            if answer.status == 200 {
                self.body = answer.body.into_reader();
                return Ok(());
            }
        }
        self.body = ask(self.image, &self.path, &self.what, None)?.body.into_reader();
        Ok(())
    }
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let room = buffer.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            let window = if room > 0 { buffer.get_mut(..room).unwrap_or_default() } else { &mut *buffer };
            let detail = match self.body.read(window) {
                // Too short is then for who verifies to say; too long as well.
                Ok(0) if self.delivered >= self.size => return Ok(0),
                Ok(0) => "it ended early".to_owned(),
                Ok(count) if self.skip > 0 => {
                    self.skip = self.skip.saturating_sub(count as u64);
                    continue;
                }
                Ok(count) => {
                    self.delivered = self.delivered.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => return Err(e),
                Err(_) if self.delivered >= self.size => return Ok(0),
                Err(e) => explain_io(&e).detail,
            };
            self.resume(&detail).map_err(io::Error::other)?;
        }
    }
}

fn ask(image: &Image, path: &str, what: &str, from: Option<u64>) -> Result<Answer, RegistryError> {
    let ask = Ask {
        url: image.session.place.url(path)?,
        what,
        scope: &image.scope(),
        accept: "*/*",
        from,
        length: Length::Any,
        not_found_hint: "the registry lost it; push the image again",
    };
    image.session.get(&ask, Ok)
}

/// Whether `Content-Range` is exactly the rest of the blob: `bytes FROM-LAST/SIZE`, or `*` for the size.
fn continues(content_range: Option<&str>, from: u64, size: u64) -> bool {
    let Some((range, whole)) = content_range.and_then(|r| r.strip_prefix("bytes ")).and_then(|r| r.split_once('/'))
    else {
        return false;
    };
    let last = size.saturating_sub(1);
    range == format!("{from}-{last}") && (whole == "*" || whole == size.to_string())
}

#[cfg(test)]
mod tests {
    use super::continues;

    #[test]
    fn only_the_exact_rest_continues() {
        assert!(continues(Some("bytes 3-9/10"), 3, 10));
        assert!(continues(Some("bytes 3-9/*"), 3, 10));
        for wrong in ["bytes 2-9/10", "bytes 3-8/10", "bytes 3-9/11", "bytes */10", "3-9/10", ""] {
            assert!(!continues(Some(wrong), 3, 10), "{wrong}");
        }
        assert!(!continues(None, 3, 10));
    }
}
