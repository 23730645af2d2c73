//! Tells what is worth looking at from what merely can be decoded.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use model::FileKind;

use crate::kind::sniff;

/// Bytes of the head that must be text. By chance 16 bytes are with 1 in 10 million.
const HEAD_BYTES: usize = 64;

/// Whether these bytes, decoded from something nobody said to be encoded, begin like text, a program or something
/// compressed.
pub(crate) fn looking(bytes: &[u8]) -> bool {
    is_ascii_text(bytes) || is_utf16_text(bytes) || is_marked(bytes)
}

/// Whether the head is ASCII text: no other byte, and not one letter over and over.
pub(crate) fn is_ascii_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    head.iter().all(|&byte| is_plain(byte)) && head.iter().any(|&byte| Some(&byte) != head.first())
}

/// Printable ASCII or white space.
pub(crate) fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

/// Whether the head is ASCII text as UTF-16, little-endian and without a mark: what PowerShell's `-EncodedCommand` takes.
pub(crate) fn is_utf16_text(bytes: &[u8]) -> bool {
    let (units, _) = bytes.get(..HEAD_BYTES).unwrap_or(bytes).as_chunks::<2>();
    units.len() >= 4 && units.iter().all(|unit| is_plain(unit[0]) && unit[1] == 0)
}

/// Whether the first bytes are those of a program, script, archive, compressed stream or SQLite database, or of UTF-16 text
/// with its mark.
pub(crate) fn is_marked(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"SQLite format 3\0") || bytes.strip_prefix(b"\xff\xfe").is_some_and(is_utf16_text) {
        return true;
    }
    match sniff(bytes) {
        FileKind::Elf | FileKind::Pe | FileKind::MachO | FileKind::Script | FileKind::Archive => true,
        FileKind::Empty => false,
        _ => layer::Compression::of(bytes).is_some(),
    }
}

/// Words of commands and code that fetch, run and hide: what a script is unfolded for.
const COMMANDS: [&str; 30] = [
    "curl",
    "wget",
    "http://",
    "https://",
    "ftp://",
    "/bin/",
    "bash",
    "/dev/tcp",
    "nc -",
    "chmod",
    "base64",
    "eval",
    "exec",
    "system(",
    "import ",
    "require(",
    "python",
    "perl",
    "nohup",
    "crontab",
    "authorized_keys",
    "ld.so.preload",
    "xmrig",
    "stratum+",
    "iptables",
    "rm -rf",
    "invoke-",
    "iex",
    "downloadstring",
    "socket",
];

/// How many [`COMMANDS`] the text holds, each as often as it is there.
pub(crate) fn commands(text: &[u8]) -> usize {
    static WORDS: LazyLock<AhoCorasick> =
        LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(COMMANDS).expect("few short words"));
    WORDS.find_iter(text).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_programs_and_archives_are_worth_it() {
        for bytes in [&b"#!/bin/sh\n\xff"[..], b"plain text\n", b"\x1f\x8b\x08\0", b"i\0e\0x\0 \0", b"\x78\x9c\xcb\x48"]
        {
            assert!(looking(bytes), "{bytes:?}");
        }
        for bytes in [&b"\x89PNG\r\n"[..], b"", b"aaaaaaaaaaaaaaaaa", b"caf\xe9", b"\0\x01\0\0"] {
            assert!(!looking(bytes), "{bytes:?}");
        }
    }
}
