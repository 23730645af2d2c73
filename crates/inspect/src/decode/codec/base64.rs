//! Base64 in all its spellings.

use crate::decode::{Stages, armour, worth};

/// Value of each character in both alphabets; 0xff for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < 64 {
        values[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Characters of which the head is judged.
const HEAD_CHARS: usize = 32;
/// Parts of a run, after `/`, `-` or `_`, that are tried as its beginning.
const STARTS_MAX: usize = 6;
/// Shorter lines are not wrapped ones.
const LINE_CHARS_MIN: usize = 32;
/// Most bytes between two pieces of one text: a quote, an operator, a line break, an indent, a quote.
const GLUE_BYTES_MAX: usize = 80;
/// What may be the next argument: `Buffer.from('…', 'base64')`. Source: Node.js, "Buffers and character encodings".
const ENCODINGS: &[&[u8]] = &[b"base64", b"base64url", b"utf8", b"utf-8", b"hex", b"binary", b"latin1", b"ascii"];

/// Decodes what is a sequence of base64 characters; ends at the first that is none. A last group of one character is
/// dropped.
pub(crate) fn decoded(chars: impl Iterator<Item = u8>, bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut group, mut count) = (0_u32, 0);
    for char in chars {
        let value = VALUES[usize::from(char)];
        if value == 0xff || bytes.len() + 3 > bytes_max {
            break;
        }
        group = group << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            let [_, one, two, three] = group.to_be_bytes();
            bytes.extend([one, two, three]);
            (group, count) = (0, 0);
        }
    }
    match count {
        2 => bytes.push((group >> 4) as u8),
        3 => bytes.extend([(group >> 10) as u8, (group >> 2) as u8]),
        _ => {}
    }
    bytes
}

/// Gives the run `start..end` as a stage if it is worth it, with the pieces that follow it. Returns where those end.
pub(crate) fn run(bytes: &[u8], start: usize, end: usize, stages: &mut Stages<'_>) -> Option<usize> {
    let start = begins(bytes, start, end)?;
    let pieces = pieces(bytes, start, end);
    // What follows may belong to something else.
    give(bytes, &pieces, stages).or_else(|| give(bytes, pieces.get(..1)?, stages))
}

fn give(bytes: &[u8], pieces: &[(usize, usize)], stages: &mut Stages<'_>) -> Option<usize> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let length: usize = pieces.iter().map(|(start, end)| end - start).sum();
    let chars = || pieces.iter().flat_map(|&(start, end)| bytes.get(start..end).unwrap_or_default()).copied();
    if !worth::looking(&decoded(chars(), 1_024)) {
        return None;
    }
    let room = stages.room();
    if length / 4 * 3 > room {
        stages.missed((length / 4 * 3 - room) as u64);
    }
    let plain = decoded(chars(), room);
    if worth::is_utf16_text(&plain) {
        let (units, _) = plain.as_chunks::<2>();
        let narrow = units.iter().map(|unit| if unit[1] == 0 { unit[0] } else { b'?' }).collect();
        stages.keep("base64-utf16", first.0, narrow);
    } else {
        stages.keep("base64", first.0, plain);
    }
    Some(last.1)
}

/// Where in a run something begins that is worth decoding: at its start, or behind a separator that is in the alphabet.
fn begins(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let run = bytes.get(start..end)?;
    let is_escaped =
        start > 0 && bytes.get(start - 1) == Some(&b'\\') && matches!(run.first(), Some(b'n' | b'r' | b't'));
    let first = usize::from(is_escaped);
    let separators =
        run.iter().enumerate().filter(|(_, byte)| matches!(byte, b'/' | b'-' | b'_')).map(|(at, _)| at + 1);
    [first]
        .into_iter()
        .chain(separators.take(STARTS_MAX))
        .take_while(|at| run.len() - at >= armour::RUN_BYTES_MIN)
        .find(|&at| run.get(at..).is_some_and(promises))
        .map(|at| start + at)
}

/// Whether the first characters decode to something worth looking at. Most that do not are told by the first four.
fn promises(run: &[u8]) -> bool {
    let (groups, _) = run.get(..HEAD_CHARS).unwrap_or(run).as_chunks::<4>();
    let Some(first) = groups.first() else { return false };
    let mut head = [0; HEAD_CHARS / 4 * 3];
    let mut filled = 0;
    let marks: [&[u8]; 9] = [b"f0VM", b"H4sI", b"TV", b"UEs", b"/Td6", b"Qlpo", b"KLUv", b"eJ", b"eNo"];
    if marks.iter().any(|mark| first.starts_with(mark)) {
        return true;
    }
    for (group, three) in groups.iter().zip(head.as_chunks_mut::<3>().0) {
        let value = group.iter().fold(0_u32, |sum, &char| sum << 6 | u32::from(VALUES[usize::from(char)] & 63));
        let [_, one, two, last] = value.to_be_bytes();
        *three = [one, two, last];
        let is_wide = two == 0 || (one == 0 && last == 0);
        if !is_wide && !three.iter().all(|&byte| worth::is_plain(byte)) {
            return false;
        }
        filled += 3;
    }
    let head = head.get(..filled).unwrap_or_default();
    worth::is_ascii_text(head) || worth::is_utf16_text(head)
}

/// The run and what goes on with it: lines of the same length, or literals that are joined.
fn pieces(bytes: &[u8], start: usize, end: usize) -> Vec<(usize, usize)> {
    let mut pieces = vec![(start, end)];
    let (mut last, mut ended) = (end - start, end);
    while let Some((next, next_end, is_joined)) = following(bytes, ended) {
        let length = next_end - next;
        if !is_joined && (length > last || last < LINE_CHARS_MIN || last % 4 != 0) {
            break;
        }
        pieces.push((next, next_end));
        ended = next_end;
        if !is_joined && length < last {
            break;
        }
        last = length;
    }
    pieces
}

/// Whether an operator or a comment's mark ends here, and no line of base64 goes on.
fn is_between(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| b" \t\"'`".contains(byte))
}

/// The next piece behind `end`, and whether it is a literal joined to one before it.
fn following(bytes: &[u8], end: usize) -> Option<(usize, usize, bool)> {
    let rest = bytes.get(end..)?;
    let glue = rest.get(..GLUE_BYTES_MAX).unwrap_or(rest);
    let (mut at, mut quotes, mut lines) = (0, 0, 0);
    loop {
        match glue.get(at)? {
            b'\\' if matches!(glue.get(at + 1), Some(b'n' | b'r')) => (at, lines) = (at + 2, lines + 1),
            b'\n' => (at, lines) = (at + 1, lines + 1),
            b'"' | b'\'' | b'`' => (at, quotes) = (at + 1, quotes + 1),
            b' ' | b'\t' | b'\r' | b'.' | b',' | b'\\' | b'#' | b'*' | b'&' | b'>' => at += 1,
            b'+' if quotes % 2 == 1 => at += 1,
            // Both are characters of base64 too, and one line in sixty begins with them.
            b'+' if lines > 0 && is_between(glue.get(at + 1)) => at += 1,
            b'/' if lines > 0 && glue.get(at..at + 2) == Some(b"//") && is_between(glue.get(at + 2)) => at += 2,
            _ => break,
        }
    }
    let is_joined = quotes >= 2;
    if at == 0 || !(is_joined || (quotes == 0 && lines > 0)) {
        return None;
    }
    let next = end + at;
    let length = bytes.get(next..)?.iter().take_while(|&&byte| VALUES[usize::from(byte)] != 0xff).count();
    let is_name = bytes.get(next..next + length).is_some_and(|piece| ENCODINGS.contains(&piece));
    (length > 0 && !is_name).then_some((next, next + length, is_joined))
}
