//! Puts the words of a shell script together.

use std::collections::HashMap;

use super::codec::escapes::escape;

/// Most variables that are remembered.
const VARIABLES_MAX: usize = 512;
/// Longest value that is remembered.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// How much longer than the script the result may be.
const GROWTH_BYTES_MAX: usize = 256 << 10;

/// Reads a script from front to back.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    out_max: usize,
    variables: HashMap<&'a [u8], Vec<u8>>,
    /// The assignment that is being read: its name, and where its value starts in `out`.
    assigned: Option<(&'a [u8], usize)>,
    /// Where the word that is being read starts in `out`.
    word: usize,
}

/// The script with its words put together, at most `bytes_max` long. Comments and layout stay.
pub(super) fn normalised(text: &[u8], bytes_max: usize) -> Vec<u8> {
    let out_max = bytes_max.min(text.len() + GROWTH_BYTES_MAX);
    let mut words = Words { text, at: 0, out: Vec::new(), out_max, variables: HashMap::new(), assigned: None, word: 0 };
    while words.at < text.len() && words.out.len() < out_max {
        words.step();
    }
    words.out.truncate(out_max);
    words.out
}

impl<'a> Words<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn push(&mut self, byte: u8) {
        if self.out.len() < self.out_max {
            self.out.push(byte);
        }
    }

    /// One character outside of quotes.
    fn step(&mut self) {
        let Some(byte) = self.peek(0) else { return };
        match byte {
            b'#' if self.out.len() == self.word => self.comment(),
            b'\\' => self.backslash(),
            b'\'' => self.single(),
            b'"' => self.double(),
            b'$' if self.peek(1) == Some(b'\'') => self.ansi(),
            b'$' => self.dollar(),
            b'{' if self.out.len() == self.word => self.braces(),
            b'=' if self.assigned.is_none() => self.equals(),
            b' ' | b'\t' | b'\n' | b'\r' | b';' | b'|' | b'&' | b'(' | b')' | b'<' | b'>' | b'`' => {
                self.end_word();
                self.push(byte);
                self.at += 1;
                self.word = self.out.len();
            }
            _ => {
                self.push(byte);
                self.at += 1;
            }
        }
    }

    /// A word ends here: what it assigned is known now.
    fn end_word(&mut self) {
        let Some((name, start)) = self.assigned.take() else { return };
        let value = self.out.get(start..).unwrap_or_default();
        let quotes = |value: &[u8]| -> Vec<u8> {
            match value {
                [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner.to_vec(),
                other => other.to_vec(),
            }
        };
        let is_known = self.variables.contains_key(name);
        if value.len() <= VALUE_BYTES_MAX && (is_known || self.variables.len() < VARIABLES_MAX) {
            let value = quotes(value);
            self.variables.insert(name, value);
        }
    }

    fn comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        for &byte in rest.get(..length).unwrap_or_default() {
            self.push(byte);
        }
        self.at += length;
    }

    fn backslash(&mut self) {
        match self.peek(1) {
            Some(b'\n') => {}
            // In front of what means nothing to a shell it means nothing itself.
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b':' | b'_') => {
                self.push(byte);
            }
            Some(byte) => {
                self.push(b'\\');
                self.push(byte);
            }
            None => self.push(b'\\'),
        }
        self.at += 2;
    }

    fn single(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\'', rest) else {
            // Nothing closes it: what follows is no script.
            self.push(b'\'');
            self.at += 1;
            return;
        };
        let inner = rest.get(..length).unwrap_or_default().to_vec();
        self.at += length + 2;
        self.quoted(b'\'', &inner);
    }

    /// Text that stood in quotes: they are kept where it holds something that means something to a shell.
    fn quoted(&mut self, quote: u8, inner: &[u8]) {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._:+=,%@~".contains(byte) || *byte >= 0x80;
        let is_whole = self.out.len() == self.word || self.assigned.is_some_and(|(_, start)| start == self.out.len());
        let is_alone = is_whole && self.peek(0).is_none_or(|byte| b" \t\n\r;|&()<>`".contains(&byte));
        let keeps = is_alone || !inner.iter().all(is_plain);
        // A word of its own that nobody took apart stays as it was written.
        if keeps {
            self.push(quote);
        }
        for &byte in inner {
            self.push(byte);
        }
        if keeps {
            self.push(quote);
        }
    }

    fn double(&mut self) {
        self.at += 1;
        let before = std::mem::take(&mut self.out);
        let room = self.out_max;
        self.out_max = room.saturating_sub(before.len());
        let (word, assigned) = (std::mem::replace(&mut self.word, usize::MAX), self.assigned.take());
        let mut is_closed = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => {
                    is_closed = true;
                    self.at += 1;
                    break;
                }
                b'\\' if matches!(self.peek(1), Some(b'\n')) => self.at += 2,
                b'\\' => {
                    self.push(byte);
                    self.peek(1).into_iter().for_each(|byte| self.push(byte));
                    self.at += 2;
                }
                b'$' if self.peek(1) == Some(b'(') => {
                    self.push(byte);
                    self.at += 1;
                }
                b'$' => self.dollar(),
                _ => {
                    self.push(byte);
                    self.at += 1;
                }
            }
            if self.out.len() >= self.out_max {
                break;
            }
        }
        let inner = std::mem::replace(&mut self.out, before);
        (self.out_max, self.word, self.assigned) = (room, word, assigned);
        if is_closed {
            self.quoted(b'"', &inner);
        } else {
            self.push(b'"');
            inner.into_iter().for_each(|byte| self.push(byte));
        }
    }

    /// `$'…'`
    fn ansi(&mut self) {
        let mut at = self.at + 2;
        let mut inner = Vec::new();
        loop {
            match self.text.get(at) {
                None | Some(b'\n') => {
                    self.push(b'$');
                    self.at += 1;
                    return;
                }
                Some(b'\'') => break,
                Some(b'\\') => {
                    let (byte, length) = escape(self.text, at).unwrap_or_else(|| {
                        let byte = self.text.get(at + 1).copied().unwrap_or(b'\\');
                        (
                            match byte {
                                b'n' => b'\n',
                                b't' => b'\t',
                                other => other,
                            },
                            2,
                        )
                    });
                    inner.push(byte);
                    at += length;
                }
                Some(&byte) => {
                    inner.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        inner.into_iter().for_each(|byte| self.push(byte));
    }

    /// A variable: its value if the script gave it one, else as it is written.
    fn dollar(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let name_length =
            |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let (name, operation, length) = match rest.first() {
            Some(b'{') => {
                let inner = rest.get(1..).unwrap_or_default();
                let inner = inner.get(..128).unwrap_or(inner);
                let Some(close) = memchr::memchr(b'}', inner) else { return self.verbatim(1) };
                let inner = inner.get(..close).unwrap_or_default();
                let (name, operation) = inner.split_at(name_length(inner));
                (name, operation, close + 3)
            }
            // Empty in a script without arguments, and put in words to break them.
            Some(b'@' | b'*') => {
                let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
                return if is_word(self.out.last()) && is_word(rest.get(1)) { self.at += 2 } else { self.verbatim(2) };
            }
            _ => {
                let length = name_length(rest);
                (rest.get(..length).unwrap_or_default(), &b""[..], length + 1)
            }
        };
        if name.is_empty() {
            return self.verbatim(1);
        }
        if name == b"IFS" {
            self.end_word();
            self.push(b' ');
            self.word = self.out.len();
            self.at += length;
            // `$IFS$9`: the second is empty, and only ends the name of the first.
            if self.text.get(self.at) == Some(&b'$') && self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
                self.at += 2;
            }
            return;
        }
        match self.variables.get(name).and_then(|value| applied(value, operation)) {
            Some(value) => {
                self.at += length;
                value.into_iter().for_each(|byte| self.push(byte));
            }
            None => self.verbatim(length),
        }
    }

    fn verbatim(&mut self, length: usize) {
        let text = self.text.get(self.at..self.at + length).unwrap_or_default();
        text.iter().for_each(|&byte| self.push(byte));
        self.at += length;
    }

    /// `{a,b}` at the start of a word is two words.
    fn braces(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let rest = rest.get(..1024).unwrap_or(rest);
        let length = rest.iter().take_while(|byte| !byte.is_ascii_whitespace() && !b"{}".contains(byte)).count();
        let inner = rest.get(..length).unwrap_or_default();
        if rest.get(length) != Some(&b'}') || !inner.contains(&b',') {
            self.push(b'{');
            self.at += 1;
            return;
        }
        let words = inner.iter().map(|&byte| if byte == b',' { b' ' } else { byte }).collect::<Vec<_>>();
        self.at += length + 2;
        let words = normalised(&words, self.out_max.saturating_sub(self.out.len()));
        words.into_iter().for_each(|byte| self.push(byte));
    }

    /// `name=` at the start of a word.
    fn equals(&mut self) {
        let name = self.text.get(..self.at).unwrap_or_default();
        let length = name.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = name.get(name.len() - length..).unwrap_or_default();
        self.push(b'=');
        self.at += 1;
        if self.word != usize::MAX && length > 0 && self.out.len() == self.word + length + 1 {
            self.assigned = Some((name, self.out.len()));
        }
    }
}

/// A value after `:start:length`; none for what is not known.
fn applied(value: &[u8], operation: &[u8]) -> Option<Vec<u8>> {
    if operation.is_empty() {
        return Some(value.to_vec());
    }
    let mut numbers = str::from_utf8(operation.strip_prefix(b":")?).ok()?.split(':');
    let start: usize = numbers.next()?.trim().parse().ok()?;
    let length: usize = numbers.next().map_or(Some(value.len()), |length| length.trim().parse().ok())?;
    let end = start.saturating_add(length).min(value.len());
    Some(value.get(start..end).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::normalised;

    #[test]
    fn values_do_not_multiply() {
        let script: String = (0..100).map(|n| format!("a{}=$a{n}$a{n}$a{n}\n", n + 1)).collect();
        let script = format!("a0=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n{script}");
        assert!(normalised(script.as_bytes(), usize::MAX).len() <= script.len() + super::GROWTH_BYTES_MAX);
        assert_eq!(normalised(script.as_bytes(), 50).len(), 50);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in r#"[a-c=$'"\\{}(), \n;|@I]{0,80}"#) {
            prop_assert!(normalised(text.as_bytes(), 1 << 20).len() <= text.len() * 40);
        }
    }
}
