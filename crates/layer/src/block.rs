//! One block of an executable packer: the NRV codes of the UCL library and headerless LZMA, as UPX writes them.
//!
//! NRV mixes single bits with whole bytes: bits come from little-endian words of 32, highest first; literals and the low
//! byte of a distance are bytes in between. A match is a distance and a length, each in a gamma-like code; the distance of
//! all ones ends the block. The three codes differ in how they write distance and length.

use std::io::Read;

/// How a block is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockCode {
    /// NRV2B.
    Nrv2b,
    /// NRV2D.
    Nrv2d,
    /// NRV2E.
    Nrv2e,
    /// LZMA behind two bytes that say its parameters.
    Lzma,
}

/// Largest block that is unpacked.
pub(crate) const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Longest dictionary of LZMA.
const DICTIONARY_BYTES_MAX: u32 = 64 << 20;

/// Unpacks a block of exactly `size` bytes; none if it is damaged or has another size. Takes time and memory linear in
/// `size`.
#[must_use]
pub fn unpack_block(code: BlockCode, packed: &[u8], size: usize) -> Option<Vec<u8>> {
    if size > BLOCK_BYTES_MAX {
        return None;
    }
    let bytes = match code {
        BlockCode::Lzma => lzma(packed, size)?,
        code => nrv(code, packed, size)?,
    };
    (bytes.len() == size).then_some(bytes)
}

#[expect(clippy::disallowed_types, reason = "this crate is the one that inflates")]
fn lzma(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    use liblzma::stream::{Filters, LzmaOptions, Stream};
    let (&[first, second], packed) = packed.split_first_chunk::<2>()?;
    let (position, literal_position, literal_context) = (first & 7, second >> 4, second & 15);
    if literal_context + literal_position > 4 || position > 4 {
        return None;
    }
    let mut options = LzmaOptions::new_preset(6).ok()?;
    let dictionary = u32::try_from(size).unwrap_or(u32::MAX).clamp(4096, DICTIONARY_BYTES_MAX);
    options
        .dict_size(dictionary)
        .literal_context_bits(literal_context.into())
        .literal_position_bits(literal_position.into())
        .position_bits(position.into());
    let mut filters = Filters::new();
    filters.lzma1(&options);
    let stream = Stream::new_raw_decoder(&filters).ok()?;
    let mut bytes = Vec::new();
    // The stream has no end mark: what stands behind it is an error that comes after the last byte.
    #[expect(clippy::disallowed_methods, reason = "bounded by take()")]
    let _ = liblzma::read::XzDecoder::new_stream(packed, stream).take(size as u64).read_to_end(&mut bytes);
    Some(bytes)
}

/// Where an NRV block is read.
struct Bits<'p> {
    packed: &'p [u8],
    word: u32,
    left: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let (word, rest) = self.packed.split_first_chunk::<4>()?;
            (self.word, self.left, self.packed) = (u32::from_le_bytes(*word), 32, rest);
        }
        self.left -= 1;
        Some(self.word >> self.left & 1)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.packed.split_first()?;
        self.packed = rest;
        Some(*byte)
    }

    /// `value` with bits appended, each followed by one that says whether it was the last.
    fn gamma(&mut self, mut value: u32) -> Option<u32> {
        loop {
            value = value.checked_mul(2)? | self.bit()?;
            if self.bit()? == 1 {
                return Some(value);
            }
        }
    }
}

fn nrv(code: BlockCode, packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { packed, word: 0, left: 0 };
    let mut bytes: Vec<u8> = Vec::with_capacity(size.min(1 << 20));
    let mut last_distance = 1_u32;
    loop {
        while bits.bit()? == 1 {
            if bytes.len() >= size {
                return None;
            }
            bytes.push(bits.byte()?);
        }
        let coded = match code {
            BlockCode::Nrv2b => bits.gamma(1)?,
            _ => distance_2d(&mut bits)?,
        };
        // In the newer codes the lowest bit of the distance is the first of the length.
        let mut length = 0;
        if coded == 2 {
            if code != BlockCode::Nrv2b {
                length = bits.bit()?;
            }
        } else {
            let distance = coded.checked_sub(3)?.checked_mul(256)? | u32::from(bits.byte()?);
            if distance == u32::MAX {
                return Some(bytes);
            }
            if code == BlockCode::Nrv2b {
                last_distance = distance.checked_add(1)?;
            } else {
                length = !distance & 1;
                last_distance = (distance >> 1) + 1;
            }
        }
        let length = match code {
            BlockCode::Nrv2b => match bits.bit()? * 2 + bits.bit()? {
                0 => bits.gamma(1)?.checked_add(2)?,
                length => length,
            },
            BlockCode::Nrv2d => match length * 2 + bits.bit()? {
                0 => bits.gamma(1)?.checked_add(2)?,
                length => length,
            },
            _ if length == 1 => 1 + bits.bit()?,
            _ if bits.bit()? == 1 => 3 + bits.bit()?,
            _ => bits.gamma(1)?.checked_add(3)?,
        };
        let far = if code == BlockCode::Nrv2b { 0xd00 } else { 0x500 };
        let length = length as usize + usize::from(last_distance > far) + 1;
        let from = bytes.len().checked_sub(last_distance as usize)?;
        if bytes.len() + length > size {
            return None;
        }
        for at in from..from + length {
            bytes.push(*bytes.get(at)?);
        }
    }
}

/// The upper part of a distance as NRV2D and NRV2E write it.
fn distance_2d(bits: &mut Bits<'_>) -> Option<u32> {
    let mut value = 2 + bits.bit()?;
    while bits.bit()? == 0 {
        value = (value - 1).checked_mul(2)? | bits.bit()?;
        value = value.checked_mul(2)? | bits.bit()?;
    }
    Some(value)
}
