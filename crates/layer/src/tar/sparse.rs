//! Maps of sparse files: GNU's old header type `S`, and pax formats 0.0, 0.1 and 1.0.
//!
//! Source: GNU tar manual, "Sparse Formats"; checks as in Go's `validateSparseEntries`.

use super::{
    header::number,
    input::{BLOCK, Block, Input},
    pax::{Sparse, decimal},
};

/// Most regions of one file: 1 MiB of map.
const REGIONS_MAX: usize = 1 << 16;

/// Where the stored bytes of a sparse file belong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Map {
    /// Offset and length, ascending, not overlapping.
    pub(crate) regions: Vec<(u64, u64)>,
    /// Size of the whole file.
    pub(crate) size: u64,
}

impl Map {
    fn checked(regions: Vec<(u64, u64)>, size: u64) -> Result<Self, &'static str> {
        let mut end = 0_u64;
        for &(offset, length) in &regions {
            let region_end = offset.checked_add(length).filter(|&to| to <= size);
            let Some(region_end) = region_end.filter(|_| offset >= end) else {
                return Err("the map of a sparse file overlaps or leaves the file");
            };
            end = region_end;
        }
        Ok(Self { regions, size })
    }

    /// Bytes of holes.
    pub(crate) fn holes(&self) -> u64 {
        self.size.saturating_sub(self.stored())
    }

    /// Bytes that are stored.
    pub(crate) fn stored(&self) -> u64 {
        self.regions.iter().map(|&(_, length)| length).fold(0, u64::saturating_add)
    }
}

/// The map in a GNU header and the blocks that continue it.
pub(crate) fn old_gnu(header: &Block, input: &mut Input<'_>) -> Result<Map, &'static str> {
    const MALFORMED: &str = "the map of a sparse file is malformed";
    let size = number(&header[483..495]).and_then(|size| u64::try_from(size).ok()).ok_or(MALFORMED)?;
    let mut regions = Vec::new();
    let mut push_all = |entries: &[u8]| -> Result<(), &'static str> {
        for entry in entries.chunks_exact(24) {
            let (offset, length) = entry.split_at(12);
            if offset.first() == Some(&0) {
                break;
            }
            let value = |field| number(field).and_then(|value| u64::try_from(value).ok()).ok_or(MALFORMED);
            if regions.len() >= REGIONS_MAX {
                return Err("the map of a sparse file has too many regions");
            }
            regions.push((value(offset)?, value(length)?));
        }
        Ok(())
    };
    // All continuing blocks are taken even if one is malformed, so that the next header is found.
    let mut result = push_all(&header[386..482]);
    let mut more = header[482] != 0;
    while more {
        let Ok(Some(block)) = input.block() else { return Err("the map of a sparse file ends early") };
        result = result.and_then(|()| push_all(&block[..504]));
        more = block[504] != 0;
    }
    result.and_then(|()| Map::checked(regions, size))
}

/// Which pax format the records are, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaxFormat {
    /// 0.0 and 0.1: the map is in the records.
    InRecords,
    /// 1.0: the map is in front of the content.
    InContent,
}

impl PaxFormat {
    pub(crate) fn of(sparse: &Sparse) -> Option<Self> {
        match (sparse.major.as_deref(), sparse.minor.as_deref()) {
            (Some(b"0"), Some(b"0" | b"1")) => Some(Self::InRecords),
            (Some(b"1"), Some(b"0")) => Some(Self::InContent),
            (None, None) if sparse.map.is_some() => Some(Self::InRecords),
            _ => None,
        }
    }
}

/// The size that the records give, or `stored` if they give none.
pub(crate) fn pax_size(sparse: &Sparse, stored: u64) -> Result<u64, &'static str> {
    match sparse.size.as_ref().or(sparse.real_size.as_ref()) {
        Some(size) => decimal(size).ok_or("the size of a sparse file is malformed"),
        None => Ok(stored),
    }
}

/// The map that is in the records.
pub(crate) fn in_records(sparse: &Sparse, size: u64) -> Result<Map, &'static str> {
    const MALFORMED: &str = "the map of a sparse file is malformed";
    let blocks = sparse.blocks.as_deref().and_then(decimal).ok_or(MALFORMED)?;
    let text = sparse.map.as_deref().unwrap_or_default();
    let numbers: Vec<&[u8]> = if text.is_empty() { Vec::new() } else { text.split(|&byte| byte == b',').collect() };
    if numbers.len() as u64 != blocks.saturating_mul(2) || numbers.len() > 2 * REGIONS_MAX {
        return Err(MALFORMED);
    }
    let pairs = numbers.chunks_exact(2).map(|pair| match pair {
        [offset, length] => decimal(offset).zip(decimal(length)),
        _ => None,
    });
    Map::checked(pairs.collect::<Option<_>>().ok_or(MALFORMED)?, size)
}

/// The map in front of the content: decimal lines, padded to whole blocks. `stored` counts down what is taken.
pub(crate) fn in_content(input: &mut Input<'_>, stored: &mut u64, size: u64) -> Result<Map, &'static str> {
    const MALFORMED: &str = "the map of a sparse file is malformed";
    let mut lines = Lines { input, stored, block: [0; BLOCK], at: BLOCK };
    let count = lines.number().ok_or(MALFORMED)?;
    let count = usize::try_from(count).ok().filter(|&count| count <= REGIONS_MAX).ok_or(MALFORMED)?;
    let mut regions = Vec::new();
    for _ in 0..count {
        regions.push(lines.number().zip(lines.number()).ok_or(MALFORMED)?);
    }
    Map::checked(regions, size)
}

struct Lines<'a, 'b> {
    input: &'a mut Input<'b>,
    stored: &'a mut u64,
    block: Block,
    at: usize,
}

impl Lines<'_, '_> {
    fn number(&mut self) -> Option<u64> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return decimal(&digits),
                _ if digits.len() >= 20 => return None,
                byte => digits.push(byte),
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        if self.at == BLOCK {
            *self.stored = self.stored.checked_sub(BLOCK as u64)?;
            self.block = self.input.block().ok()??;
            self.at = 0;
        }
        let byte = self.block.get(self.at).copied();
        self.at += 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_that_overlap_or_leave_the_file_are_refused() {
        assert!(Map::checked(vec![(0, 2), (5, 5)], 10).is_ok_and(|map| map.holes() == 3));
        assert!(Map::checked(vec![(0, 6), (5, 5)], 10).is_err());
        assert!(Map::checked(vec![(5, 5), (0, 2)], 10).is_err());
        assert!(Map::checked(vec![(5, 6)], 10).is_err());
        assert!(Map::checked(vec![(u64::MAX, 2)], u64::MAX).is_err());
    }

    #[test]
    fn lines_in_front_of_the_content_are_read_in_whole_blocks() {
        let mut content = b"2\n0\n3\n1000\n4\n".to_vec();
        content.resize(BLOCK, 0);
        content.extend_from_slice(b"abcdefg");
        let mut source = &content[..];
        let mut input = Input::new(&mut source);
        let mut stored = content.len() as u64;
        let map = in_content(&mut input, &mut stored, 2_000).unwrap();
        assert_eq!(map, Map { regions: vec![(0, 3), (1_000, 4)], size: 2_000 });
        assert_eq!((stored, input.offset()), (7, 512));
    }
}
