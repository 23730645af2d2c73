//! The uncompressed stream under the tar reader, with its offset.

use std::io::BufRead;

pub(crate) const BLOCK: usize = 512;

/// One block of a tar archive.
pub(crate) type Block = [u8; BLOCK];

/// The stream. It never fails: why it ended, the one who inflates knows.
pub(crate) struct Input<'a> {
    source: &'a mut dyn BufRead,
    offset: u64,
}

impl<'a> Input<'a> {
    pub(crate) fn new(source: &'a mut dyn BufRead) -> Self {
        Self { source, offset: 0 }
    }

    /// Bytes taken so far.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block; none at the end, `Err` with what there is of a block that the end cuts.
    pub(crate) fn block(&mut self) -> Result<Option<Block>, usize> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.take(rest) {
                0 if filled == 0 => return Ok(None),
                0 => return Err(filled),
                bytes => filled += bytes,
            }
        }
        Ok(Some(block))
    }

    /// Copies what is at hand; 0 is the end.
    pub(crate) fn take(&mut self, out: &mut [u8]) -> usize {
        let bytes = self.source.read(out).unwrap_or(0).min(out.len());
        self.offset = self.offset.saturating_add(bytes as u64);
        bytes
    }

    /// Exactly `bytes` bytes, or none if the stream ends before. The caller has bounded `bytes`.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = [0; 4_096];
        while all.len() < bytes {
            let want = (bytes - all.len()).min(piece.len());
            let read = piece.get_mut(..want).map_or(0, |piece| self.take(piece));
            all.extend_from_slice(piece.get(..read).filter(|piece| !piece.is_empty())?);
        }
        Some(all)
    }

    /// Skips `bytes`; gives how many there were.
    pub(crate) fn skip(&mut self, bytes: u64) -> u64 {
        let mut left = bytes;
        while left > 0 {
            let at_hand = self.source.fill_buf().map_or(0, <[u8]>::len);
            if at_hand == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(at_hand);
            self.source.consume(step);
            self.offset = self.offset.saturating_add(step as u64);
            left -= step as u64;
        }
        bytes - left
    }

    /// Reads to the end; gives how many bytes there were, and the offset of the first that is not zero.
    pub(crate) fn rest(&mut self) -> (u64, Option<u64>) {
        let (mut bytes, mut first) = (0, None);
        loop {
            let at_hand = self.source.fill_buf().unwrap_or_default();
            let step = at_hand.len();
            if step == 0 {
                return (bytes, first);
            }
            if first.is_none() && at_hand.iter().any(|&byte| byte != 0) {
                let at = at_hand.iter().position(|&byte| byte != 0).unwrap_or(0);
                first = Some(self.offset + at as u64);
            }
            self.source.consume(step);
            self.offset = self.offset.saturating_add(step as u64);
            bytes += step as u64;
        }
    }
}
