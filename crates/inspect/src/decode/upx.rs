//! Programs packed by UPX, also where its marks were overwritten so that `upx -d` refuses them.
//!
//! A packed program holds its own header and segments as blocks, one behind the other: two sizes, the code, a filter, then the
//! packed bytes. The marks around them (`UPX!`, the size of the whole) are for UPX alone; the program unpacks itself without,
//! so attackers wipe them. Here the first block is found by trying: the one that unpacks to the header of a program.
//!
//! - Sees: ELF packed with NRV2B, NRV2D, NRV2E or LZMA, by UPX 3 and 4, with or without marks, up to 64 MiB a block.
//! - Misses: other packers; blocks whose own headers were changed along with the code that reads them. The filter for jumps
//!   is not undone: text and data come out exact, distances of calls do not.
//! - Source: the format as UPX 4.2 writes it, read from packed programs; the UCL library's description of NRV.

use layer::{BlockCode, unpack_block};
use model::FileKind;

use super::{Decoder, Stages};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder { id: "upx", kinds: &[FileKind::Elf], literals: &[], decode };

/// The first block begins in here: behind the program headers, or behind the dynamic section of a library.
const HEAD_BYTES: usize = 8 << 10;
/// Size of a block's header.
const HEADER_BYTES: usize = 12;
/// Shortest and longest first block: an ELF header with its program headers.
const FIRST_BYTES: std::ops::RangeInclusive<usize> = 64 + 56..=4096;
/// Most blocks of one program: UPX makes one of each segment, or of each half megabyte.
const BLOCKS_MAX: usize = 4096;

/// The header of a block.
struct Block {
    size: usize,
    packed: usize,
    /// None: stored.
    code: Option<BlockCode>,
}

impl Block {
    /// At `at` of `bytes`, if what is there can be one.
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let header = bytes.get(at..at + HEADER_BYTES)?;
        let size = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?) as usize);
        let (unpacked, packed) = (size(0)?, size(4)?);
        let &[method, _filter, _parameter, unused] = header.get(8..)?.first_chunk()?;
        let code = match method {
            _ if unpacked == packed => None,
            2 => Some(BlockCode::Nrv2b),
            5 => Some(BlockCode::Nrv2d),
            8 => Some(BlockCode::Nrv2e),
            14 => Some(BlockCode::Lzma),
            _ => return None,
        };
        let fits = packed > 0 && packed <= unpacked && unused == 0 && packed <= bytes.len() - at - HEADER_BYTES;
        fits.then_some(Self { size: unpacked, packed, code })
    }

    fn unpack(&self, bytes: &[u8], at: usize) -> Option<Vec<u8>> {
        let packed = bytes.get(at + HEADER_BYTES..)?.get(..self.packed)?;
        match self.code {
            Some(code) => unpack_block(code, packed, self.size),
            None => Some(packed.to_vec()),
        }
    }
}

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let bytes = sample.bytes;
    let Some(first) = (64..HEAD_BYTES.min(bytes.len())).step_by(4).find(|&at| is_first(bytes, at)) else { return };
    let mut program = Vec::new();
    let mut at = first;
    for _ in 0..BLOCKS_MAX {
        let Some(block) = Block::read(bytes, at) else { break };
        if program.len() + block.size > stages.room() {
            stages.missed((bytes.len() - at) as u64);
            break;
        }
        let Some(unpacked) = block.unpack(bytes, at) else { break };
        program.extend_from_slice(&unpacked);
        at += HEADER_BYTES + block.packed;
    }
    stages.keep("upx", first, program);
}

/// Whether the block at `at` unpacks to the header of a program.
fn is_first(bytes: &[u8], at: usize) -> bool {
    Block::read(bytes, at).is_some_and(|block| {
        block.code.is_some()
            && FIRST_BYTES.contains(&block.size)
            && block.unpack(bytes, at).is_some_and(|header| header.starts_with(b"\x7fELF"))
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;
    use crate::decode::testing::run;

    /// A harmless program of ours that prints those of its words that hold its argument, packed with each code.
    const PACKED: [&str; 4] = [
        include_str!("samples/upx-nrv2b.b64"),
        include_str!("samples/upx-nrv2d.b64"),
        include_str!("samples/upx-nrv2e.b64"),
        include_str!("samples/upx-lzma.b64"),
    ];

    fn packed(sample: &str) -> Vec<u8> {
        STANDARD.decode(sample.replace('\n', "")).expect("base64")
    }

    #[track_caller]
    fn comes_out(bytes: &[u8]) {
        assert_eq!(memchr::memmem::find(bytes, b"is only a word here"), None, "it is packed");
        let made = run(&DECODER, bytes);
        let [(word, program)] = made.as_slice() else { panic!("{} stages", made.len()) };
        assert_eq!((word.as_str(), program.get(..4)), ("upx@256", Some(b"\x7fELF".as_slice())));
        assert!(memchr::memmem::find(program, b"mining.subscribe is only a word here").is_some());
    }

    #[test]
    fn every_code_is_unpacked() {
        PACKED.iter().for_each(|sample| comes_out(&packed(sample)));
    }

    #[test]
    fn wiped_marks_hide_nothing() {
        for sample in PACKED {
            let mut bytes = packed(sample);
            // The mark and the sizes in front of the first block, and every other mark.
            bytes[0xe8..0x100].fill(0);
            while let Some(at) = memchr::memmem::find(&bytes, b"UPX!") {
                bytes[at..at + 4].copy_from_slice(b"ABC?");
            }
            comes_out(&bytes);
        }
    }

    #[test]
    fn a_plain_program_is_left_alone() {
        let mut plain = b"\x7fELF\x02\x01\x01".to_vec();
        plain.extend((0..20_000_u32).flat_map(u32::to_le_bytes));
        assert!(run(&DECODER, &plain).is_empty());
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0x100_usize..5000, with in any::<u8>(), sample in 0_usize..4) {
            let mut bytes = packed(PACKED[sample]);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            run(&DECODER, &bytes);
        }
    }
}
