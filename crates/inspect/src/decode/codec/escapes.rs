//! Escapes in texts: `\x63`, `\u0063`, `\u{63}`, `\143`, `%63`, and lists of `0x63,`.

use crate::decode::worth;

/// So many escapes one after another that mean text are there to hide it.
const ESCAPES_MIN: usize = 6;

/// Whether the run holds [`ESCAPES_MIN`] escapes in a row that mean printable text, letters among them.
pub(crate) fn hides_text(run: &[u8]) -> bool {
    let (mut at, mut count, mut letters) = (0, 0, 0);
    while at < run.len() {
        match escape(run, at) {
            Some((byte, length)) if worth::is_plain(byte) => {
                at += length;
                count += 1;
                letters += usize::from(byte.is_ascii_alphabetic());
                if count >= ESCAPES_MIN && letters >= ESCAPES_MIN / 2 {
                    return true;
                }
            }
            Some((_, length)) => (at, count, letters) = (at + length, 0, 0),
            None => (at, count, letters) = (at + 1, 0, 0),
        }
    }
    false
}

/// The text with every escape of a byte replaced.
pub(crate) fn replaced(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let (byte, length) = escape(text, at).unwrap_or((byte, 1));
        bytes.push(byte);
        at += length;
    }
    bytes
}

/// The byte that an escape at `at` means, and how long it is.
pub(crate) fn escape(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let digit = |at: usize, radix: u32| text.get(at).and_then(|&byte| char::from(byte).to_digit(radix));
    let pair = |at: usize| Some(u8::try_from(digit(at, 16)? << 4 | digit(at + 1, 16)?).unwrap_or(0));
    match (text.get(at)?, text.get(at + 1)?) {
        (b'\\', b'x') => Some((pair(at + 2)?, 4)),
        (b'\\', b'u') if text.get(at + 2..at + 4) == Some(b"00") => Some((pair(at + 4)?, 6)),
        (b'\\', b'u') if text.get(at + 2) == Some(&b'{') && text.get(at + 5) == Some(&b'}') => Some((pair(at + 3)?, 6)),
        (b'\\', b'0'..=b'3') => {
            let value = digit(at + 1, 8)? << 6 | digit(at + 2, 8)? << 3 | digit(at + 3, 8)?;
            Some((u8::try_from(value).ok()?, 4))
        }
        (b'%', _) => Some((pair(at + 1)?, 3)),
        (b'0', b'x') => {
            let byte = pair(at + 2)?;
            let rest = text.get(at + 4..)?;
            let is_last = !rest.first().is_some_and(|byte| matches!(byte, b',' | b' '));
            if is_last && rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                return None;
            }
            let separator = rest.iter().take_while(|byte| matches!(byte, b',' | b' ')).count();
            Some((byte, 4 + separator))
        }
        _ => None,
    }
}
