//! One 512-byte header, read as Go's `archive/tar` does (`Reader.readHeader`, `block.getFormat`), because containerd,
//! Docker and CRI-O are written on it; what GNU tar or Python's `tarfile` read otherwise is noted as odd.

use super::input::Block;

/// Which of the layouts a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Before POSIX: no magic.
    V7,
    /// POSIX 1988, and pax.
    Ustar,
    /// GNU tar's own.
    Gnu,
    /// Schilling's.
    Star,
}

/// A header whose checksum holds.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) format: Format,
    /// Type flag.
    pub(crate) flag: u8,
    /// Prefix and name joined.
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// What other readers could understand otherwise.
    pub(crate) odd: Option<&'static str>,
}

/// Why a block is no header: every runtime refuses the archive here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHeader {
    Checksum,
    Size,
}

impl Header {
    /// Reads a block that is not all zeros.
    pub(crate) fn parse(block: &Block) -> Result<Self, NoHeader> {
        if !checksum_holds(block) {
            return Err(NoHeader::Checksum);
        }
        let format = match (&block[257..263], &block[263..265], &block[508..512]) {
            (b"ustar\0", _, b"tar\0") => Format::Star,
            (b"ustar\0", _, _) => Format::Ustar,
            (b"ustar ", b" \0", _) => Format::Gnu,
            _ => Format::V7,
        };
        let mut odd = None;
        let size = number(&block[124..136]).and_then(|size| u64::try_from(size).ok()).ok_or(NoHeader::Size)?;
        if !is_plain_number(&block[124..136]) {
            odd = Some("the size is written so that readers differ on it");
        }
        let mut small = |from: usize, to: usize| {
            let value = block.get(from..to).and_then(number);
            if value.is_none() {
                odd = Some("a number in the header is malformed: Go refuses the archive, others read on");
            }
            value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
        };
        let (mode, uid, gid) = (small(100, 108), small(108, 116), small(116, 124));
        small(136, 148);
        if format != Format::V7 {
            small(329, 337);
            small(337, 345);
        }
        let prefix = match format {
            Format::Ustar => text(&block[345..500]),
            Format::Star => text(&block[345..476]),
            // Go before 1.8 wrote a prefix where GNU tar keeps two times; Go still reads it if they are no times.
            Format::Gnu if is_broken_time(&block[345..357]) || is_broken_time(&block[357..369]) => {
                odd = Some("a GNU header with a prefix: Go reads it, others do not");
                Some(text(&block[345..500])).filter(|prefix| prefix.is_ascii()).unwrap_or_default()
            }
            Format::Gnu => &[],
            Format::V7 => {
                if block[345] != 0 {
                    odd = Some("a prefix without a magic: Python reads it, Go does not");
                }
                &[]
            }
        };
        let mut name = prefix.to_vec();
        if !prefix.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(text(&block[0..100]));
        let mode = u32::try_from(mode & 0o7777).unwrap_or(0);
        Ok(Self { format, flag: block[156], name, link: text(&block[157..257]).to_vec(), size, mode, uid, gid, odd })
    }

    /// Whether nothing follows the header, whatever its size says (Go: `isHeaderOnlyType`).
    pub(crate) const fn is_header_only(flag: u8) -> bool {
        matches!(flag, b'1'..=b'6')
    }
}

/// Sums the block with blanks for the sum itself; old writers summed signed bytes.
fn checksum_holds(block: &Block) -> bool {
    let Some(claim) = octal(&block[148..156]) else { return false };
    let blanks = 8 * i64::from(b' ');
    let unsigned = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let sum = unsigned(block) - unsigned(&block[148..156]);
    if i64::from(sum) + blanks == claim {
        return true;
    }
    let signed = |bytes: &[u8]| bytes.iter().map(|&byte| i32::from(byte.cast_signed())).sum::<i32>();
    i64::from(signed(block) - signed(&block[148..156])) + blanks == claim
}

/// Text up to its NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Octal, or base 256 if the top bit is set; blank is 0.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            let flip = if first & 0x40 != 0 { 0xff } else { 0 };
            let mut value = u64::from((first ^ flip) & 0x7f);
            for byte in rest {
                if value >> 56 != 0 {
                    return None;
                }
                value = value << 8 | u64::from(byte ^ flip);
            }
            let value = i64::try_from(value).ok()?;
            Some(if flip == 0 { value } else { !value })
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let digits = text(trim(field));
    let mut value = 0_i64;
    for digit in digits {
        if !(b'0'..=b'7').contains(digit) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(value)
}

fn trim(mut field: &[u8]) -> &[u8] {
    while let [b' ' | 0, rest @ ..] | [rest @ .., b' ' | 0] = field {
        field = rest;
    }
    field
}

/// Whether every reader takes the number for the same: base 256, or blanks, digits, and then only blanks and NULs.
fn is_plain_number(field: &[u8]) -> bool {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return true;
    }
    let digits = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let behind = field.iter().skip(digits).skip_while(|byte| byte.is_ascii_digit());
    behind.clone().all(|byte| matches!(byte, b' ' | 0))
}

fn is_broken_time(field: &[u8]) -> bool {
    field.first() != Some(&0) && number(field).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_does() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b" 644 \0"), Some(0o644));
        assert_eq!(number(b"\0\x00644\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"12\x0034\0"), Some(0o12));
        assert_eq!(number(b"0x12\0"), None);
        assert_eq!(number(b"98\0"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x01\0\0\0\0"), Some(1 << 32));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
        assert_eq!(number(b"\x80\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    #[test]
    fn numbers_that_readers_see_differently_are_told() {
        assert!(is_plain_number(b"00000000644\0"));
        assert!(is_plain_number(b"       644 \0"));
        assert!(is_plain_number(b"\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert!(!is_plain_number(b"\0\x00644\0\0\0\0\0\0\0"));
        assert!(!is_plain_number(b"12\x0034\0"));
    }
}
