//! What a file is, judged by its first bytes and never by its name.

use model::FileKind;

/// Bytes looked at to tell text from binary.
const TEXT_BYTES_MAX: usize = 4096;

/// Sniffs the kind of a file from its head (more is ignored).
#[must_use]
pub fn sniff(bytes: &[u8]) -> FileKind {
    let head = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    match head {
        [] => FileKind::Empty,
        [0x7f, b'E', b'L', b'F', ..] if is_elf(head) => FileKind::Elf,
        [b'M', b'Z', ..] if is_pe(bytes) => FileKind::Pe,
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] if is_mach_o(head) => FileKind::MachO,
        [b'#', b'!', ..] => FileKind::Script,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => FileKind::Utf16,
        _ if layer::is_archive(head) => FileKind::Archive,
        _ if is_text(head) => FileKind::Text,
        _ => FileKind::Binary,
    }
}

/// The whole header makes sense, not the magic alone: a shell skips a line it does not understand and runs the next.
///
/// Source: elf(5), `e_ident`, `e_type`, `e_version`, `e_ehsize`.
fn is_elf(head: &[u8]) -> bool {
    let (header_bytes, size_at) = match head.get(4) {
        Some(1) => (52, 40),
        Some(2) => (64, 52),
        _ => return false,
    };
    let half = |at: usize| -> Option<u16> {
        let pair = head.get(at..at + 2)?.try_into().ok()?;
        match head.get(5)? {
            1 => Some(u16::from_le_bytes(pair)),
            2 => Some(u16::from_be_bytes(pair)),
            _ => None,
        }
    };
    head.len() >= header_bytes
        && head.get(6) == Some(&1)
        && half(16).is_some_and(|kind| (1..=4).contains(&kind))
        && half(size_at).map(usize::from) == Some(header_bytes)
}

/// `e_lfanew`, at 0x3c, leads to the signature. Source: PE format, "Signature".
fn is_pe(bytes: &[u8]) -> bool {
    let at = bytes.get(0x3c..0x40).and_then(|field| field.try_into().ok()).map(u32::from_le_bytes);
    let at = at.and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| bytes.get(at..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"))
}

/// Behind the magic stand a processor (x86, ARM, PowerPC, with or without 64 bits) and one of twelve file types.
/// Source: `mach-o/loader.h`, `mach/machine.h`.
fn is_mach_o(head: &[u8]) -> bool {
    let word = |at: usize| -> Option<u32> {
        let field = head.get(at..at + 4)?.try_into().ok()?;
        Some(if head.first() == Some(&0xfe) { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) })
    };
    word(4).is_some_and(|processor| matches!(processor & 0x00ff_ffff, 7 | 12 | 18))
        && word(12).is_some_and(|kind| (1..=12).contains(&kind))
}

/// Text has hardly any control character, and few NULs (a shell skips them); bytes above 0x7f are fine (UTF-8, Latin-1,
/// Windows code pages).
fn is_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|&&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)).count();
    odd * 50 <= head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of 64 bytes, as little of it as matters.
    fn elf(class: u8, data: u8, version: u8, kind: u8, size: u8) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data, version]);
        header[16 + usize::from(data == 2)] = kind;
        header[if class == 1 { 40 } else { 52 } + usize::from(data == 2)] = size;
        header
    }

    #[test]
    fn an_elf_file_has_a_header_and_not_the_magic_alone() {
        for good in [elf(2, 1, 1, 3, 64), elf(1, 1, 1, 2, 52), elf(2, 2, 1, 4, 64), elf(1, 2, 1, 1, 52)] {
            assert_eq!(sniff(&good), FileKind::Elf);
        }
        let bad =
            [elf(3, 1, 1, 3, 64), elf(2, 3, 1, 3, 64), elf(2, 1, 0, 3, 64), elf(2, 1, 1, 9, 64), elf(2, 1, 1, 3, 1)];
        for bad in bad {
            assert_eq!(sniff(&bad), FileKind::Binary);
        }
        assert_ne!(sniff(b"\x7fELF\x02\x01\x01\nid\n"), FileKind::Elf);
    }

    #[test]
    fn a_windows_program_leads_to_its_signature() {
        let mut program = b"MZ".to_vec();
        program.resize(0x80, 0);
        program[0x3c] = 0x80;
        assert_eq!(sniff(&program), FileKind::Binary);
        program.extend_from_slice(b"PE\0\0");
        assert_eq!(sniff(&program), FileKind::Pe);
        assert_eq!(sniff(format!("MZ=1\n{}", "echo hello\n".repeat(20)).as_bytes()), FileKind::Text);
    }

    #[test]
    fn a_mach_o_file_names_a_processor() {
        assert_eq!(sniff(b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02\0\0\0"), FileKind::MachO);
        assert_eq!(sniff(b"\xfe\xed\xfa\xce\necho hello; echo again"), FileKind::Text);
    }

    #[test]
    fn a_nul_makes_no_binary_of_a_script() {
        assert_eq!(sniff(format!("\0\n{}", "echo hello\n".repeat(20)).as_bytes()), FileKind::Text);
        assert_eq!(sniff(&[0; 100]), FileKind::Binary);
    }
}
