//! The string literals of a source text, of whatever language, joined where the source joins them.
//!
//! Quotes are matched line by line: an apostrophe in a comment costs its own line.

use super::codec::escapes::escape;

/// Most literals of one file.
const LITERALS_MAX: usize = 4_096;
/// Most bytes between two literals that are joined.
const GLUE_BYTES_MAX: usize = 64;

/// How often the text may be read for quotes that turn out to close nowhere.
const WASTE_RATIO_MAX: usize = 4;

/// One literal, or several that are joined.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Where its first quote is.
    pub(super) offset: usize,
    /// What it means: escapes are replaced.
    pub(super) bytes: Vec<u8>,
}

/// The literals of at least `bytes_min` bytes, in order. With `joins_lists`, the members of a list are one.
pub(super) fn literals(text: &[u8], bytes_min: usize, joins_lists: bool) -> Vec<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    let (mut at, mut wasted) = (0, 0_usize);
    while let Some(start) = text.get(at..).and_then(|rest| rest.iter().position(is_quote)).map(|skip| at + skip) {
        let (mut bytes, mut end) = match literal(text, start) {
            Ok(literal) => literal,
            Err(stopped) => {
                // A text made of quotes that close nowhere is not read again and again.
                wasted = wasted.saturating_add(stopped.saturating_sub(start));
                if wasted > text.len().saturating_mul(WASTE_RATIO_MAX) {
                    break;
                }
                at = start + 1;
                continue;
            }
        };
        while let Some(next) = joined(text, end, joins_lists) {
            let Ok((more, after)) = literal(text, next) else { break };
            bytes.extend(more);
            end = after;
        }
        if bytes.len() >= bytes_min {
            found.push(Literal { offset: start, bytes });
            if found.len() == LITERALS_MAX {
                break;
            }
        }
        at = end;
    }
    found
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// The literal whose first quote is at `start`, and where it ends behind the last; or where it turned out to be none.
fn literal(text: &[u8], start: usize) -> Result<(Vec<u8>, usize), usize> {
    let quote = *text.get(start).ok_or(start)?;
    let closes = |at: usize| text.get(at..at + 3) == Some(&[quote; 3]);
    let is_long = quote != b'`' && closes(start);
    let mut at = start + if is_long { 3 } else { 1 };
    let mut bytes = Vec::new();
    loop {
        match *text.get(at).ok_or(at)? {
            byte if byte == quote && !is_long => return Ok((bytes, at + 1)),
            byte if byte == quote && closes(at) => return Ok((bytes, at + 3)),
            b'\n' if !is_long && quote != b'`' => return Err(at),
            b'\\' => {
                let (byte, length) = match escape(text, at) {
                    Some((byte, length)) => (Some(byte), length),
                    None => (meant(*text.get(at + 1).ok_or(at)?), 2),
                };
                bytes.extend(byte);
                at += length;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
}

/// What a character behind a backslash means, where it is no number.
fn meant(byte: u8) -> Option<u8> {
    match byte {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'0' => Some(0),
        b'\n' => None,
        other => Some(other),
    }
}

/// Where the first quote of a literal is that is joined to one that ends at `end`.
fn joined(text: &[u8], end: usize, joins_lists: bool) -> Option<usize> {
    let rest = text.get(end..)?;
    let rest = rest.get(..GLUE_BYTES_MAX).unwrap_or(rest);
    let is_glue =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'+' | b'.' | b'\\') || (joins_lists && *byte == b',');
    let glue = rest.iter().take_while(|byte| is_glue(byte)).count();
    // A prefix of Python's bytes and raw strings.
    let prefix = rest.get(glue..)?.iter().take_while(|byte| matches!(byte, b'b' | b'r' | b'B' | b'u')).count();
    (prefix <= 2 && rest.get(glue + prefix).is_some_and(is_quote)).then_some(end + glue + prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, joins_lists: bool, expected: &[(usize, &str)]) {
        let found = literals(text.as_bytes(), 2, joins_lists);
        let found: Vec<_> = found
            .iter()
            .map(|literal| (literal.offset, String::from_utf8_lossy(&literal.bytes).into_owned()))
            .collect();
        let found: Vec<_> = found.iter().map(|(offset, text)| (*offset, text.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn literals_are_joined_where_the_source_joins_them() {
        check("a = 'one' + \"two\" . `three`", false, &[(4, "onetwothree")]);
        check("x('ab'\n  b'cd')", false, &[(2, "abcd")]);
        check("['ab', 'cd']", false, &[(1, "ab"), (7, "cd")]);
        check("['ab', 'cd'].join('')", true, &[(1, "abcd")]);
        check("'''ab\nc\"d'''", false, &[(0, "ab\nc\"d")]);
        check(r#"'\x61\142\n\'c'"#, false, &[(0, "ab\n'c")]);
    }

    #[test]
    fn an_apostrophe_costs_its_line() {
        check("# don't\nx = 'abc'", false, &[(12, "abc")]);
        check("'open", false, &[]);
    }
}
