//! Hexadecimal digits.

use crate::decode::{Stages, worth};

/// Shorter runs are left alone: 14 bytes that are text by chance are one in a million.
const DIGITS_MIN: usize = 28;

/// Decodes pairs of digits up to the first that is none.
pub(crate) fn decoded(digits: &[u8], bytes_max: usize) -> Vec<u8> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map_while(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).take(bytes_max).collect()
}

/// Gives the digits at the start of the run, or behind `0x`, `\x` or the like, as a stage if they are worth it.
pub(crate) fn run(bytes: &[u8], start: usize, end: usize, stages: &mut Stages<'_>) -> Option<usize> {
    let run = bytes.get(start..end)?;
    let skipped = if run.starts_with(b"0x") || run.starts_with(b"0X") { 2 } else { 0 };
    let run = run.get(skipped..)?;
    let length = run.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = run.get(..length)?;
    // A run of other letters behind the digits says that they are none.
    if length < DIGITS_MIN || length < run.len() || !worth::looking(&decoded(digits.get(..128).unwrap_or(digits), 64)) {
        return None;
    }
    let room = stages.room();
    if length / 2 > room {
        stages.missed((length / 2 - room) as u64);
    }
    stages.keep("hex", start + skipped, decoded(digits, room));
    Some(end)
}
