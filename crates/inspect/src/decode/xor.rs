//! String tables of programs that are XORed with one byte, as bots of the Mirai family keep theirs (0x22 by default).
//!
//! What two neighbours differ by does not depend on the key. So one pass over the differences finds strong words under all 255
//! keys at once.
//!
//! - Sees: words such as `/bin/busybox` or `http://` under one key, in what an ELF program does not execute (in everything if it
//!   keeps data and code together); gives the texts around under the same key.
//! - Misses: keys of several bytes; tables of words that are not listed here.
//! - Source: the published source of Mirai, `table.c`, as described in many reports; elf(5).

use std::{ops::Range, sync::LazyLock};

use aho_corasick::packed::Searcher;
use model::FileKind;
use object::{
    Endianness,
    elf::{FileHeader32, FileHeader64, PF_W, PF_X, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader},
};

use super::{Decoder, Stages, worth};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder { id: "xor", kinds: &[FileKind::Elf], literals: &[], decode };

/// Words that say something under a key.
const WORDS: [&[u8]; 9] = [
    b"/bin/busybox",
    b"/bin/sh",
    b"http://",
    b"https://",
    b"/proc/self",
    b"/proc/net",
    b"/dev/watchdog",
    b"stratum+",
    b"User-Agent",
];

/// Bytes whose differences are taken at once: they stay in the cache.
const BLOCK_BYTES: usize = 8 << 10;
/// How much is given around a word that was found.
const BEFORE_BYTES: usize = 4 << 10;
const AFTER_BYTES: usize = 16 << 10;
/// Most tables of one program.
const TABLES_MAX: usize = 16;
/// Shorter texts of a table are chance.
const TEXT_BYTES_MIN: usize = 4;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let bytes = sample.bytes;
    let parts = data_of::<FileHeader64<Endianness>>(bytes).or_else(|| data_of::<FileHeader32<Endianness>>(bytes));
    let mut tables = 0;
    let whole = || std::iter::once(0..bytes.len()).collect();
    for part in parts.unwrap_or_else(whole) {
        let Some(data) = bytes.get(part.clone()) else { continue };
        let mut done = 0;
        candidates(data, |at| {
            let Some(key) = key_at(data, at).filter(|_| at >= done && tables < TABLES_MAX) else { return };
            let start = at.saturating_sub(BEFORE_BYTES).max(done);
            done = at.saturating_add(AFTER_BYTES).min(data.len());
            tables += 1;
            let texts = texts(data.get(start..done).unwrap_or_default(), key);
            if texts.len() <= stages.room() {
                stages.keep(&format!("xor-{key:#04x}"), part.start + start, texts);
            }
        });
    }
}

/// Hands every position where a word can be under some key to `visit`, ascending.
fn candidates(data: &[u8], mut visit: impl FnMut(usize)) {
    static SEARCHER: LazyLock<Searcher> = LazyLock::new(|| {
        let differences = WORDS.map(|word| word.array_windows::<2>().map(|[one, two]| one ^ two).collect::<Vec<u8>>());
        Searcher::new(differences).expect("few short words")
    });
    let longest = WORDS.iter().map(|word| word.len()).max().unwrap_or(0);
    let mut differences = Vec::with_capacity(BLOCK_BYTES + longest);
    let mut start = 0;
    while let Some(rest) = data.get(start..).filter(|rest| !rest.is_empty()) {
        let block = rest.get(..BLOCK_BYTES + longest).unwrap_or(rest);
        differ(block, &mut differences);
        let mut from = 0;
        while let Some(found) = differences.get(from..).and_then(|rest| SEARCHER.find(rest)) {
            let at = from + found.start();
            if at < BLOCK_BYTES {
                visit(start + at);
            }
            from = at + 1;
        }
        start += BLOCK_BYTES;
    }
}

/// What each byte of the block and the next differ by, eight at a time.
fn differ(block: &[u8], differences: &mut Vec<u8>) {
    differences.clear();
    let next = block.get(1..).unwrap_or_default();
    let ((left, left_rest), (right, right_rest)) = (block.as_chunks::<8>(), next.as_chunks::<8>());
    for (one, two) in left.iter().zip(right) {
        differences.extend_from_slice(&(u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*two)).to_ne_bytes());
    }
    // Where the block is a multiple of eight, the last seven differences have no chunk on the right.
    let tail = if left.len() == right.len() { left_rest } else { left.last().map_or(&[][..], |last| last) };
    differences.extend(tail.iter().zip(right_rest).map(|(one, two)| one ^ two));
}

/// The key under which a word is at `at`; none if it is there in plain.
fn key_at(data: &[u8], at: usize) -> Option<u8> {
    let rest = data.get(at..)?;
    WORDS.iter().find_map(|word| {
        let key = rest.first()? ^ word.first()?;
        let piece = rest.get(..word.len())?;
        (key != 0 && piece.iter().zip(*word).all(|(byte, plain)| byte ^ plain == key)).then_some(key)
    })
}

/// The texts under a key, one a line.
fn texts(data: &[u8], key: u8) -> Vec<u8> {
    let plain: Vec<u8> = data.iter().map(|byte| byte ^ key).collect();
    let mut texts = Vec::new();
    for text in plain.split(|&byte| !worth::is_plain(byte)).filter(|text| text.len() >= TEXT_BYTES_MIN) {
        texts.extend_from_slice(text);
        texts.push(b'\n');
    }
    texts
}

/// The parts of the file that are loaded and not executed; none if the header is not of this class. A program without a part
/// that is only read keeps its constants with its code: then it is the whole file.
fn data_of<F: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let header = F::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    let loaded = || segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
    let is_split = loaded().any(|segment| segment.p_flags(endian).0 & (PF_X.0 | PF_W.0) == 0);
    if !is_split {
        return None;
    }
    let mut parts = Vec::new();
    for segment in loaded().filter(|segment| segment.p_flags(endian).0 & PF_X.0 == 0).take(16) {
        let (at, size): (u64, u64) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        let start = usize::try_from(at).ok()?.min(bytes.len());
        let end = usize::try_from(at.saturating_add(size)).ok()?.min(bytes.len());
        // Parts that overlap would be read again and again.
        let start = parts.iter().map(|part: &Range<usize>| part.end).max().unwrap_or(0).max(start);
        if start < end {
            parts.push(start..end);
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::testing::run;

    /// A header, and a table under a key somewhere behind it.
    fn program(key: u8, before: usize) -> Vec<u8> {
        let mut bytes = vec![0; 64 + before];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (bytes[16], bytes[18], bytes[20], bytes[52]) = (2, 62, 1, 64);
        let table = b"enable\0system\0/bin/busybox TESTER\0ncorrect\0/proc/net/tcp\0";
        bytes.extend(table.iter().map(|byte| byte ^ key));
        bytes.extend([0xfe; 100]);
        bytes
    }

    #[test]
    fn a_table_under_the_usual_key_is_read() {
        let made = run(&DECODER, &program(0x22, 100));
        let [(word, texts)] = made.as_slice() else { panic!("{made:?}") };
        assert!(word.starts_with("xor-0x22@"), "{word}");
        let texts = String::from_utf8_lossy(texts);
        assert!(texts.contains("/bin/busybox TESTER\nncorrect\n/proc/net/tcp\n"), "{texts}");
    }

    #[test]
    fn a_table_in_plain_is_left_to_the_detectors() {
        assert_eq!(run(&DECODER, &program(0, 100)), []);
    }

    proptest! {
        #[test]
        fn differences_are_those_of_neighbours(block in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut differences = Vec::new();
            differ(&block, &mut differences);
            let plain: Vec<u8> = block.array_windows::<2>().map(|[one, two]| one ^ two).collect();
            prop_assert_eq!(differences, plain);
        }

        #[test]
        fn any_key_at_any_place_is_found(key in 1_u8.., before in 0_usize..200) {
            let made = run(&DECODER, &program(key, before));
            prop_assert!(made.iter().any(|(word, _)| word.starts_with(&format!("xor-{key:#04x}@"))), "{made:?}");
        }
    }
}
