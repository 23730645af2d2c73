//! Encodings that somebody must name before they are tried: base32, base85, uuencode, rot13.

/// RFC 4648, up to the first character that is none.
pub(crate) fn base32(chars: &[u8], bytes_max: usize) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for char in chars {
        let value = match char.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => break,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            if bytes.len() == bytes_max {
                break;
            }
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Python's `b85encode`, which git uses too.
pub(crate) fn base85(chars: &[u8], bytes_max: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 85] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    groups_of_85(chars.iter().map_while(|char| ALPHABET.iter().position(|known| known == char)), bytes_max)
}

/// Ascii85 as Adobe writes it, `z` for four NULs.
pub(crate) fn ascii85(chars: &[u8], bytes_max: usize) -> Vec<u8> {
    let chars = chars.strip_prefix(b"<~").unwrap_or(chars);
    let values = chars.iter().filter(|char| !char.is_ascii_whitespace()).flat_map(|&char| {
        let zeros = if char == b'z' { 5 } else { 0 };
        std::iter::repeat_n(Some(0), zeros).chain((char != b'z').then(|| char.checked_sub(b'!').map(usize::from)))
    });
    groups_of_85(values.map_while(|value| value.filter(|&value| value < 85)), bytes_max)
}

fn groups_of_85(values: impl Iterator<Item = usize>, bytes_max: usize) -> Vec<u8> {
    let (mut bytes, mut group, mut count) = (Vec::new(), 0_u64, 0);
    for value in values {
        group = group * 85 + value as u64;
        count += 1;
        if count == 5 {
            if bytes.len() + 4 > bytes_max {
                return bytes;
            }
            bytes.extend((group as u32).to_be_bytes());
            (group, count) = (0, 0);
        }
    }
    if count > 1 {
        for _ in count..5 {
            group = group * 85 + 84;
        }
        bytes.extend((group as u32).to_be_bytes().iter().take(count - 1));
    }
    bytes
}

/// Lines of a length and groups of four characters, as `uuencode` and Perl's `pack 'u'` write them.
pub(crate) fn uu(text: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some((&length, chars)) = line.split_first() else { continue };
        let length = usize::from(length.wrapping_sub(b' ') & 63);
        if bytes.len() + length > bytes_max {
            break;
        }
        let start = bytes.len();
        for group in chars.chunks(4) {
            let value = (0..4).fold(0_u32, |sum, at| {
                sum << 6 | u32::from(group.get(at).copied().unwrap_or(b' ').wrapping_sub(b' ') & 63)
            });
            bytes.extend(value.to_be_bytes().iter().skip(1));
        }
        bytes.truncate(start + length);
    }
    bytes
}

/// Letters moved by 13.
pub(crate) fn rot13(text: &[u8]) -> Vec<u8> {
    let moved = |byte: &u8| match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        other => *other,
    };
    text.iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_undone() {
        assert_eq!(base32(b"NBSWY3DPEB3W64TMMQ======", 99), b"hello world");
        assert_eq!(base85(b"Xk~0{Zy<MXa%^M", 99), b"hello world");
        assert_eq!(ascii85(b"<~BOu!rD]j7BEbo7~>", 99), b"hello world");
        assert_eq!(uu(b"+:&5L;&\\@=V]R;&0 ", 99), b"hello world");
        assert_eq!(rot13(b"uryyb, Jbeyq"), b"hello, World");
        assert_eq!((base32(b"NBSWY3DP", 2), base85(b"Xk~0{Zy", 3)), (b"he".to_vec(), Vec::new()));
    }
}
