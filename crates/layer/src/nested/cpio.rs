//! The "new ASCII" cpio format that rpm packs files in.
//!
//! Source: cpio(5), "New ASCII Format".

use std::io::{self, Read};

use model::ProblemKind;

use super::Opener;

const HEADER_BYTES: usize = 110;
/// Longest name accepted: Linux' `PATH_MAX`.
const NAME_BYTES_MAX: usize = 4_096;
const MODE_TYPE: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;

pub(super) fn open(opener: &mut Opener<'_>, path: &str, archive: &mut dyn Read, packed: usize, depth: u32) {
    loop {
        match next(archive) {
            Ok(None) => return,
            Ok(Some(Member { name, mode, size })) => {
                let mut content = (&mut *archive).take(u64::from(size));
                if mode & MODE_TYPE == MODE_FILE {
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    opener.member(path, &name, &mut content, size, depth);
                    if opener.stopped {
                        return;
                    }
                }
                let skipped = io::copy(&mut content, &mut io::sink());
                let pad = u64::from(padding(size as usize));
                if skipped.and_then(|_| io::copy(&mut archive.take(pad), &mut io::sink())).is_err() {
                    return opener.note(ProblemKind::Truncated, path, format!("cpio ends inside {name:?}"), packed);
                }
            }
            Err(error) => {
                return opener.note(ProblemKind::Corrupt, path, format!("cpio: {error}"), packed);
            }
        }
    }
}

struct Member {
    name: String,
    mode: u32,
    size: u32,
}

fn next(archive: &mut dyn Read) -> io::Result<Option<Member>> {
    let mut header = [0; HEADER_BYTES];
    archive.read_exact(&mut header)?;
    if !matches!(header.get(..6), Some(b"070701" | b"070702")) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a header"));
    }
    let field = |number: usize| {
        let digits = header.get(6 + 8 * number..14 + 8 * number).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        value.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a field is not hexadecimal"))
    };
    let (mode, size, name_bytes) = (field(1)?, field(6)?, field(11)? as usize);
    if name_bytes == 0 || name_bytes > NAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a name is too long"));
    }
    let mut name = vec![0; name_bytes + usize::from(padding(HEADER_BYTES + name_bytes))];
    archive.read_exact(&mut name)?;
    let name = String::from_utf8_lossy(name.split(|&b| b == 0).next().unwrap_or_default()).into_owned();
    Ok((name != "TRAILER!!!").then_some(Member { name, mode, size }))
}

/// Bytes to the next multiple of four.
const fn padding(bytes: usize) -> u8 {
    ((4 - bytes % 4) % 4) as u8
}
