//! Notes how an ELF program is built: packed, or without anything it needs from the image.
//!
//! None of this is wrong by itself: Go and Rust programs are static, and honest vendors pack. But packers hide what
//! other detectors look for, so whoever reads a verdict should know.
//!
//! - Sees: the mark of UPX at the head or the end; code without section headers whose loaded bytes look random (UPX with its
//!   mark damaged, and other packers); static and static-pie programs.
//! - Misses: packers that keep sections, or pad the entropy down.
//! - False alarms: self-extracting programs and programs with large compressed data, stripped of section headers.
//! - Source: UPX `src/p_unix.h` and `stub/` (PackHeader `UPX!`); ELF gABI; glibc `elf.h` (`DF_1_PIE`).

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use object::{
    Endianness,
    elf::{DF_1_PIE, DT_FLAGS_1, ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD},
    read::elf::{Dyn, FileHeader, ProgramHeader},
};

use super::{About, Detector, Match, Sample, Scope};

/// How much of each end of the file is searched for the mark: the loader info is behind the program headers, the pack
/// header ends the file.
const MARK_BYTES_MAX: usize = 1024;
/// Bytes whose entropy is measured.
const ENTROPY_BYTES_MAX: usize = 1 << 20;
/// Fewer bytes say nothing about randomness.
const ENTROPY_BYTES_MIN: usize = 4096;
/// Bits per byte. Machine code has about 6, compressed code above 7.8.
const ENTROPY_BITS_MIN: f64 = 7.3;
/// Most entries of the dynamic section that are read.
const DYNAMIC_ENTRIES_MAX: usize = 1024;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "elf-facts",
        title: "How a program is built",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1027.002"],
    },
    scope: Scope::Content { kinds: &[FileKind::Elf], literals: &[] },
    inspect,
};

/// What the headers say.
#[derive(Default)]
struct Facts {
    is_program: bool,
    has_sections: bool,
    is_dynamic: bool,
    has_interpreter: bool,
    says_pie: bool,
    /// Offset and length of the loaded part with the most bytes.
    largest_load: Option<(usize, usize)>,
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let bytes = sample.bytes;
    let facts = match bytes.get(4) {
        Some(1) => read::<FileHeader32<Endianness>>(bytes),
        Some(2) => read::<FileHeader64<Endianness>>(bytes),
        _ => None,
    };
    // A later window of a long file, or no header worth the name.
    let Some(facts) = facts else { return Vec::new() };
    let mut found = Vec::new();
    let packed = |summary: String, offset| Match { severity: Some(Severity::Low), ..Match::new(summary, offset) };
    if let Some(offset) = upx_mark(bytes) {
        found.push(packed("packed with UPX".to_owned(), offset));
    } else if let Some((offset, bits)) = random_code(bytes, &facts) {
        found.push(packed(format!("packed or encrypted: no sections, {bits:.1} bits of entropy a byte"), offset));
    }
    if facts.is_program && !facts.has_interpreter && facts.says_pie {
        found.push(Match::new("static-pie: needs no library of the image", None));
    } else if facts.is_program && !facts.has_interpreter && !facts.is_dynamic {
        found.push(Match::new("static: needs no library of the image", None));
    }
    found
}

fn read<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Facts> {
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    let mut facts = Facts { has_sections: header.e_shnum(endian) > 0, ..Facts::default() };
    let mut largest = 0;
    for segment in header.program_headers(endian, bytes).ok()? {
        match segment.p_type(endian) {
            PT_INTERP => facts.has_interpreter = true,
            PT_DYNAMIC => {
                facts.is_dynamic = true;
                let entries = segment.dynamic(endian, bytes).ok().flatten().unwrap_or_default();
                facts.says_pie |= entries.iter().take(DYNAMIC_ENTRIES_MAX).any(|entry| {
                    let flags: u64 = entry.d_val(endian).into();
                    entry.tag(endian) == DT_FLAGS_1 && flags & DF_1_PIE.0 != 0
                });
            }
            PT_LOAD => {
                let (offset, size): (u64, u64) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
                if size > largest {
                    largest = size;
                    facts.largest_load = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
                }
            }
            _ => {}
        }
    }
    facts.is_program = kind == ET_EXEC || (kind == ET_DYN && (facts.says_pie || facts.has_interpreter));
    Some(facts)
}

fn upx_mark(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..MARK_BYTES_MAX).unwrap_or(bytes);
    let tail_start = bytes.len().saturating_sub(MARK_BYTES_MAX);
    let tail = bytes.get(tail_start..).unwrap_or_default();
    let mark = memchr::memmem::Finder::new(b"UPX!");
    mark.find(head).or_else(|| mark.find(tail).map(|offset| tail_start + offset))
}

/// The offset and the entropy of loaded bytes that look random, in a file without sections.
fn random_code(bytes: &[u8], facts: &Facts) -> Option<(usize, f64)> {
    let (offset, size) = facts.largest_load.filter(|_| !facts.has_sections)?;
    let loaded = bytes.get(offset..)?;
    let loaded = loaded.get(..size.min(ENTROPY_BYTES_MAX)).unwrap_or(loaded);
    let bits = if loaded.len() < ENTROPY_BYTES_MIN { 0.0 } else { entropy(loaded) };
    (bits >= ENTROPY_BITS_MIN).then_some((offset, bits))
}

/// Shannon entropy in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use object::elf::{FileType, ProgramType};

    use super::*;
    use crate::detectors::testing::check;

    /// A 64-bit little-endian program header table with the given `(type, offset, size)`, then `body`.
    fn elf(kind: FileType, segments: &[(ProgramType, u64, u64)], body: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(kind.0.to_le_bytes());
        file.extend([62, 0, 1, 0, 0, 0]);
        for word in [0x40_1000_u64, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        for half in [0, 0, 64, 56, segments.len() as u16, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for (kind, offset, size) in segments {
            file.extend(kind.0.to_le_bytes());
            file.extend(5_u32.to_le_bytes());
            for word in [*offset, 0x40_0000, 0x40_0000, *size, *size, 4096] {
                file.extend(word.to_le_bytes());
            }
        }
        file.extend_from_slice(body);
        file
    }

    /// Every byte as often as any other.
    fn noise() -> Vec<u8> {
        (0..8192_u32).map(|number| (number.wrapping_mul(197) >> 2) as u8).collect()
    }

    #[test]
    fn the_mark_of_upx_is_seen_at_the_end_and_not_in_the_middle() {
        let mut body = vec![0x90; 8192];
        body.extend_from_slice(b"UPX!\r\x16");
        let dynamic = [(PT_LOAD, 0, 4096), (PT_INTERP, 64, 1)];
        check(&DETECTOR, "a", &elf(ET_EXEC, &dynamic, &body), &["packed with UPX"]);
        body.extend_from_slice(&[0x90; 2048]);
        check(&DETECTOR, "a", &elf(ET_EXEC, &dynamic, &body), &[]);
    }

    #[test]
    fn random_code_without_sections_is_packed_whatever_its_mark() {
        let file = elf(ET_EXEC, &[(PT_LOAD, 120, 8192), (PT_INTERP, 64, 1)], &noise());
        check(&DETECTOR, "a", &file, &["packed or encrypted: no sections, 8.0 bits of entropy a byte"]);
    }

    #[test]
    fn a_static_program_needs_nothing_and_a_library_is_no_program() {
        let static_program = elf(ET_EXEC, &[(PT_LOAD, 0, 64)], b"");
        check(&DETECTOR, "a", &static_program, &["static: needs no library of the image"]);
        check(&DETECTOR, "a", &elf(ET_DYN, &[(PT_LOAD, 0, 64), (PT_DYNAMIC, 0, 0)], b""), &[]);
        check(&DETECTOR, "a", b"\x7fELF", &[]);
    }
}
