//! Python programs that PyInstaller or Nuitka froze into one executable.
//!
//! - Sees: of a PyInstaller archive the scripts, the modules of its PYZ (joined to one stage) and its data, wherever in the file
//!   the archive is; of a Nuitka one-file program the payload, compressed with zstd.
//! - Misses: PyInstaller's old AES option, Nuitka modules compiled to C (their strings are in the payload's programs).
//! - Source: PyInstaller 6 `PyInstaller/archive/writers.py` (the layout of `CArchive` and `PYZ`); Nuitka 2 one-file bootstrap.

use layer::{Compression, inflate};
use model::FileKind;

use super::{Decoder, Stages};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder =
    Decoder { id: "frozen-python", kinds: &[FileKind::Elf], literals: &[COOKIE, NUITKA], decode };

/// Ends a PyInstaller archive.
const COOKIE: &str = "MEI\u{c}\u{b}\u{a}\u{b}\u{e}";
/// `KAY` (compressed) and the first byte of zstd's magic number.
const NUITKA: &str = "KAY(";
/// The cookie with its numbers and the name of the Python library.
const COOKIE_BYTES: usize = 24 + 64;
/// Fields of an entry before its name.
const ENTRY_BYTES: usize = 18;
/// Most entries read of one archive.
const ENTRIES_MAX: usize = 20_000;
/// Most modules of a PYZ.
const MODULES_MAX: usize = 10_000;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    for hit in sample.hits {
        let Some(rest) = sample.bytes.get(hit.offset..) else { continue };
        if rest.starts_with(COOKIE.as_bytes()) {
            pyinstaller(sample.bytes, hit.offset, stages);
        } else if rest.starts_with(b"KAY\x28\xb5\x2f\xfd") {
            let payload = inflate(Compression::Zstd, rest.get(3..).unwrap_or_default(), stages.room());
            stages.keep("nuitka", hit.offset, payload.bytes);
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

/// The archive that ends with the cookie at `cookie`.
fn pyinstaller(bytes: &[u8], cookie: usize, stages: &mut Stages<'_>) -> Option<()> {
    let (length, toc, toc_length) =
        (number(bytes, cookie + 8)?, number(bytes, cookie + 12)?, number(bytes, cookie + 16)?);
    let start = (cookie + COOKIE_BYTES).checked_sub(length)?;
    let mut toc = bytes.get(start..cookie)?.get(toc..)?.get(..toc_length)?;
    for _ in 0..ENTRIES_MAX {
        let entry_length = number(toc, 0)?;
        let entry = toc.get(ENTRY_BYTES - 18..entry_length.max(ENTRY_BYTES))?;
        let (at, packed_length) = (start + number(entry, 4)?, number(entry, 8)?);
        let (is_packed, kind) = (*entry.get(16)? == 1, *entry.get(17)?);
        let packed = bytes.get(at..)?.get(..packed_length)?;
        let content = match is_packed {
            true => inflate(Compression::Zlib, packed, stages.room()).bytes,
            false if kind == b'z' => modules(packed, stages.room()),
            false => packed.get(..packed.len().min(stages.room()))?.to_vec(),
        };
        // Scripts, modules and data; not the libraries of Python itself, which come as files of their own.
        if matches!(kind, b's' | b'm' | b'M' | b'z' | b'x') {
            stages.keep("pyinstaller", at, content);
        }
        toc = toc.get(entry_length.max(ENTRY_BYTES)..)?;
    }
    Some(())
}

/// All modules of a PYZ, one behind the other.
fn modules(pyz: &[u8], room: usize) -> Vec<u8> {
    let mut all: Vec<u8> = Vec::new();
    let zlib = [b"\x78\x9c", b"\x78\xda", b"\x78\x5e"];
    let mut at = 0;
    for _ in 0..MODULES_MAX {
        let Some(rest) = pyz.get(at..).filter(|rest| !rest.is_empty()) else { break };
        let next = zlib.iter().filter_map(|mark| memchr::memmem::find(rest, *mark)).min();
        let Some(next) = next else { break };
        let module = inflate(Compression::Zlib, rest.get(next..).unwrap_or_default(), room.saturating_sub(all.len()));
        // Marks stand in packed bytes by chance too: what comes out of those is short and no code.
        if module.bytes.first().is_some_and(|byte| byte & 0x7f == b'c') {
            all.extend(module.bytes);
        }
        at += next + 2;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::testing::run;

    /// `c` and a text, as zlib writes them without compressing.
    fn zlib(text: &[u8]) -> Vec<u8> {
        let length = u16::try_from(text.len()).expect("short");
        let (mut a, mut b) = (1_u32, 0_u32);
        for &byte in text {
            a = (a + u32::from(byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        let mut packed = vec![0x78, 0x9c, 1];
        packed.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        packed.extend(text);
        packed.extend((b << 16 | a).to_be_bytes());
        packed
    }

    fn archive(entries: &[(u8, bool, Vec<u8>)]) -> Vec<u8> {
        let (mut body, mut toc): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
        for (kind, is_packed, content) in entries {
            let name = b"name\0\0\0\0\0\0\0\0\0\0";
            for number in [ENTRY_BYTES + name.len(), body.len(), content.len(), content.len()] {
                toc.extend((number as u32).to_be_bytes());
            }
            toc.extend([u8::from(*is_packed), *kind]);
            toc.extend(name);
            body.extend(content);
        }
        let length = body.len() + toc.len() + COOKIE_BYTES;
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(500, 0);
        let toc_at = body.len();
        bytes.extend(body);
        bytes.extend(&toc);
        bytes.extend(COOKIE.as_bytes());
        for number in [length, toc_at, toc.len(), 311] {
            bytes.extend((number as u32).to_be_bytes());
        }
        bytes.resize(bytes.len() + 64, 0);
        bytes
    }

    #[test]
    fn scripts_modules_and_data_come_out() {
        let pyz = [b"PYZ\0".to_vec(), zlib(b"c a module of the program"), b"..".to_vec(), zlib(b"c and another one")]
            .concat();
        let bytes = archive(&[
            (b's', true, zlib(b"c the script itself")),
            (b'z', false, pyz),
            (b'b', true, zlib(b"a library of Python")),
        ]);
        let texts: Vec<_> =
            run(&DECODER, &bytes).into_iter().map(|(_, text)| String::from_utf8(text).expect("text")).collect();
        assert_eq!(texts, ["c the script itself", "c a module of the programc and another one"]);
        for cut in 0..bytes.len() {
            run(&DECODER, &bytes[..cut]);
        }
    }
}
