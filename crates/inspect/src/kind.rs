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
        [0x7f, b'E', b'L', b'F', ..] => FileKind::Elf,
        [b'M', b'Z', ..] if head.len() >= 64 => FileKind::Pe,
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => FileKind::MachO,
        [b'#', b'!', ..] => FileKind::Script,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => FileKind::Utf16,
        _ if layer::is_archive(head) => FileKind::Archive,
        _ if is_text(head) => FileKind::Text,
        _ => FileKind::Binary,
    }
}

/// Text has no NUL and hardly any control character; bytes above 0x7f are fine (UTF-8, Latin-1, Windows code pages).
fn is_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|&&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)).count();
    !head.contains(&0) && odd * 50 <= head.len()
}
