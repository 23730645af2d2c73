//! Texts in a stream of Python's `marshal`, which `.pyc` files hold too.
//!
//! The format differs from version to version, strings in it do not: a type, a length, the bytes. So it is not parsed but
//! searched for those, which a damaged or unknown stream does not stop. What runs is in them: sources, commands, URLs, names.
//!
//! Source: CPython `Python/marshal.c`, `TYPE_STRING` and others.

use super::worth;

/// Shorter texts are names of variables.
const TEXT_BYTES_MIN: usize = 2;

/// The texts of the stream, one a line; empty if there are none.
pub(super) fn texts(stream: &[u8], bytes_max: usize) -> Vec<u8> {
    let (mut texts, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        let Some((start, length)) = string(stream, at) else {
            at += 1;
            continue;
        };
        let text = stream.get(start..start + length).unwrap_or_default();
        if texts.len() + text.len() >= bytes_max {
            break;
        }
        texts.extend_from_slice(text);
        texts.push(b'\n');
        at = start + length;
    }
    texts
}

/// Where the bytes of a printable string start whose type is at `at`, and how many they are.
fn string(stream: &[u8], at: usize) -> Option<(usize, usize)> {
    let (start, length) = match stream.get(at)? & 0x7f {
        b'z' | b'Z' => (at + 2, usize::from(*stream.get(at + 1)?)),
        b's' | b't' | b'u' | b'a' | b'A' => {
            let length = u32::from_le_bytes(stream.get(at + 1..at + 5)?.try_into().ok()?);
            (at + 5, usize::try_from(length).ok()?)
        }
        _ => return None,
    };
    let text = stream.get(start..start.checked_add(length)?)?;
    (length >= TEXT_BYTES_MIN && text.iter().all(|&byte| worth::is_plain(byte))).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::texts;

    /// `marshal.dumps(compile('import os\nos.system("curl http://x.invalid")', 'a', 'exec'))` of Python 3.11, shortened.
    #[test]
    fn texts_are_found_whatever_the_version() {
        let stream = b"\xe3\0\0\0\0\0\0\0\0s\x04\0\0\0\x97\0d\0)\x03\xe9\0\0\0\0Nz\x17curl http://x.invalid/a)\x02\xda\x02os\xda\x06system\xfa\x01a";
        assert_eq!(texts(stream, 100), b"curl http://x.invalid/a\nos\nsystem\n"[..].to_vec());
        assert_eq!(texts(b"s\xff\xff\xff\xffab", 100), b"");
        assert_eq!(texts(stream, 10), b"");
    }
}
