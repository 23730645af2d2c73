//! Making text that a sample wrote safe to show. Names, paths, labels and matched lines are all hostile.

use std::borrow::Cow;

/// Longest text of a sample that an observation keeps, in characters.
pub const SUMMARY_CHARS_MAX: usize = 240;

/// Replaces everything that can move a cursor, change a colour or reorder a line.
///
/// Control characters (C0, C1, DEL), line and paragraph separators, bidirectional overrides and isolates,
/// zero-width characters and tags become `\u{…}` (or `\n`, `\t`, `\r`). Everything else stays.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// At most `chars_max` characters of `text`, with `…` where it was cut.
#[must_use]
pub fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some((cut, _)) => Cow::Owned(format!("{}…", &text[..cut])),
    }
}

/// Bytes a sample wrote as one bounded line for an observation: lossy UTF-8, still hostile to a terminal.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    let head = bytes.get(..SUMMARY_CHARS_MAX * 4).unwrap_or(bytes);
    let line = String::from_utf8_lossy(head);
    shortened(line.trim(), SUMMARY_CHARS_MAX).into_owned()
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_cannot_reach_a_terminal() {
        assert_eq!(visible("a\x1b[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(visible("plain – ünïcode"), "plain – ünïcode");
    }

    #[test]
    fn cutting_respects_characters() {
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äöü", 3), "äöü");
    }
}
