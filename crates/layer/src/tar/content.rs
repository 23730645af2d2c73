//! The content of one entry as its visitor reads it.

use std::io::{self, Read};

use super::{input::Input, sparse::Map};

/// Bytes of a hole that are given where holes are not unrolled.
const COLLAPSED_BYTES: u64 = 4_096;

/// A reader over one entry. It never fails; that the stream ended early is told in [`is_cut`](Self::is_cut).
pub(crate) struct Content<'a, 'b> {
    input: &'a mut Input<'b>,
    stored: u64,
    cut: bool,
    holes: Option<Holes<'a>>,
}

struct Holes<'a> {
    regions: std::slice::Iter<'a, (u64, u64)>,
    /// Bytes of the current hole, then of the current region, still to give.
    hole: u64,
    data: u64,
    /// Where the current region ends in the file.
    end: u64,
    size: u64,
    unroll: bool,
}

impl<'a, 'b> Content<'a, 'b> {
    /// Content of `stored` bytes, unrolled along `map` if there is one; holes are shortened unless `unroll`.
    pub(crate) fn new(input: &'a mut Input<'b>, stored: u64, map: Option<&'a Map>, unroll: bool) -> Self {
        let holes =
            map.map(|map| Holes { regions: map.regions.iter(), hole: 0, data: 0, end: 0, size: map.size, unroll });
        Self { input, stored, cut: false, holes }
    }

    /// Skips what was not read. Gives how many bytes the stream lacks.
    pub(crate) fn finish(self) -> u64 {
        if self.cut { self.stored } else { self.stored - self.input.skip(self.stored) }
    }

    fn take(&mut self, out: &mut [u8]) -> usize {
        let bytes = usize::try_from(self.stored).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..bytes).filter(|out| !out.is_empty()) else { return 0 };
        let read = self.input.take(out);
        self.cut |= read == 0;
        self.stored -= read as u64;
        read
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.cut {
            return Ok(0);
        }
        let Some(holes) = &mut self.holes else { return Ok(self.take(out)) };
        while holes.hole == 0 && holes.data == 0 {
            let (offset, length) = match holes.regions.next() {
                Some(region) => *region,
                None if holes.end < holes.size => (holes.size, 0),
                None => return Ok(0),
            };
            let hole = offset.saturating_sub(holes.end);
            holes.hole = if holes.unroll { hole } else { hole.min(COLLAPSED_BYTES) };
            holes.data = length;
            holes.end = offset.saturating_add(length);
        }
        if holes.hole > 0 {
            let bytes = usize::try_from(holes.hole).unwrap_or(usize::MAX).min(out.len());
            out.iter_mut().take(bytes).for_each(|byte| *byte = 0);
            holes.hole -= bytes as u64;
            return Ok(bytes);
        }
        let bytes = usize::try_from(holes.data).unwrap_or(usize::MAX).min(out.len());
        let read = out.get_mut(..bytes).map_or(0, |out| self.take(out));
        if let Some(holes) = &mut self.holes {
            holes.data -= read as u64;
        }
        Ok(read)
    }
}
