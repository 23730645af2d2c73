//! The little of Protocol Buffers that containerd's answers need: fields by number, nothing of types.
//!
//! Source: Protocol Buffers documentation, "Encoding".

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A number.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message in order; ends at the first that is malformed, as at the end.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || field(&mut rest))
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    loop {
        let key = number(rest)?;
        let value = match key & 7 {
            0 => Field::Number(number(rest)?),
            2 => {
                let length = usize::try_from(number(rest)?).ok()?;
                Field::Bytes(take(rest, length)?)
            }
            // Fixed widths: nothing we read is one.
            1 => {
                take(rest, 8)?;
                continue;
            }
            5 => {
                take(rest, 4)?;
                continue;
            }
            _ => return None,
        };
        return Some((key >> 3, value));
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

/// The messages that field `number` holds.
pub(super) fn messages(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).filter_map(move |(at, field)| match field {
        Field::Bytes(bytes) if at == number => Some(bytes),
        _ => None,
    })
}

/// The text of field `number`; empty if it is not there or no UTF-8.
pub(super) fn text(bytes: &[u8], number: u64) -> String {
    messages(bytes, number).last().map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The number of field `number`; zero if it is not there.
pub(super) fn value(bytes: &[u8], number: u64) -> u64 {
    let numbers = fields(bytes).filter_map(|(at, field)| match field {
        Field::Number(value) if at == number => Some(value),
        _ => None,
    });
    numbers.last().unwrap_or_default()
}

/// A `map<string, string>` in field `number`.
pub(super) fn pairs(bytes: &[u8], number: u64) -> Vec<(String, String)> {
    messages(bytes, number).map(|pair| (text(pair, 1), text(pair, 2))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_damage_ends_them() {
        // 1: "ab", 2: 300, 3 (fixed 32), 4: {1: "k", 2: "v"}
        let bytes = b"\x0a\x02ab\x10\xac\x02\x1d0000\x22\x06\x0a\x01k\x12\x01v";
        assert_eq!((text(bytes, 1).as_str(), value(bytes, 2)), ("ab", 300));
        assert_eq!(pairs(bytes, 4), [("k".to_owned(), "v".to_owned())]);
        for cut in 0..bytes.len() {
            let _ = fields(&bytes[..cut]).count();
        }
        assert_eq!(fields(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").count(), 0);
        assert_eq!(fields(&[0xff; 100]).count(), 0);
    }
}
