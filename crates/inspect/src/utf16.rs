//! UTF-16 as text that detectors can read.

/// One byte for every UTF-16 unit: ASCII as it is, everything else as `?`. So an offset in the result is half the
/// offset in `bytes`, and the result half as large.
///
/// The byte order is the mark's; without one (a later window) it is guessed from where the NULs are.
pub(crate) fn narrowed(bytes: &[u8]) -> Vec<u8> {
    let (units, _) = bytes.as_chunks::<2>();
    let big_endian = match units.first() {
        Some([0xfe, 0xff]) => true,
        Some([0xff, 0xfe]) => false,
        _ => {
            let head = units.get(..2048).unwrap_or(units);
            let (high, low) = head
                .iter()
                .fold((0, 0), |(high, low), unit| (high + usize::from(unit[0] == 0), low + usize::from(unit[1] == 0)));
            high > low
        }
    };
    let narrow = |unit: &[u8; 2]| {
        let unit = if big_endian { u16::from_be_bytes(*unit) } else { u16::from_le_bytes(*unit) };
        u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')
    };
    units.iter().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn both_byte_orders_read_the_same_with_and_without_a_mark() {
        assert_eq!(narrowed(b"\xff\xfea\0b\0\xe4\0"), b"?ab?");
        assert_eq!(narrowed(b"\xfe\xff\0a\0b\x20\xac\x01"), b"?ab?");
        assert_eq!(narrowed(b"\0a\0b"), b"ab");
        assert_eq!(narrowed(b"a\0b\0"), b"ab");
        assert_eq!(narrowed(b"\xff"), b"");
    }
}
