//! Regular expressions as Go's `regexp` reads them, for Rust's `regex`.
//!
//! Both are descendants of RE2 and differ at the edges: Go takes a brace that is no repetition, and `[`, `&&`, `--` inside
//! a class, as they stand; it lets any punctuation be escaped (`\/`, `\<`, `\_`), has octal escapes and `\Q…\E`, and its
//! `\d`, `\s`, `\w` and `\b` are of ASCII only. Everything is written anew, so nothing is left to chance.
//!
//! Source: the syntax of the Go package regexp/syntax; the syntax of the crate regex 1.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use super::literals::{self, Reach};

/// Longest expression.
const PATTERN_BYTES_MAX: usize = 64 << 10;
/// Largest compiled program: repetitions of repetitions grow without bound.
const PROGRAM_BYTES_MAX: usize = 8 << 20;
/// Largest cache of one thread.
const CACHE_BYTES_MAX: usize = 512 << 10;

/// An expression, compiled when it is first needed or when [`Pattern::checked`] asks for it.
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Compiled>>,
}

/// What an expression became.
pub(super) struct Compiled {
    pub(super) regex: Regex,
    /// How far a match reaches, and what every match contains.
    pub(super) reach: Reach,
}

impl Pattern {
    /// Not looked at yet: for our own rules, which a test compiles.
    pub(super) fn later(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Compiled now.
    ///
    /// # Errors
    ///
    /// One line: what is wrong with it.
    pub(super) fn checked(text: String) -> Result<Self, String> {
        let compiled = compile(&text)?;
        Ok(Self { text, compiled: OnceLock::from(Some(compiled)) })
    }

    /// None only for one of ours that does not compile.
    pub(super) fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| compile(&self.text).ok()).as_ref()
    }

    /// Whether it matches anywhere in `bytes`.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.compiled().is_some_and(|compiled| compiled.regex.is_match(bytes))
    }
}

fn compile(text: &str) -> Result<Compiled, String> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("the regex is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    // Bytes first, which is smaller and faster; what names scripts or characters outside ASCII needs Unicode.
    build(text, false).or_else(|bytes| build(text, true).map_err(|_| bytes))
}

fn build(text: &str, unicode: bool) -> Result<Compiled, String> {
    let rust = translated(text, unicode)?;
    let regex = RegexBuilder::new(&rust)
        .unicode(unicode)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => {
                format!("the regex needs more than {limit} bytes when compiled: bound its repetitions")
            }
            regex::Error::Syntax(message) => {
                let last = message.lines().last().unwrap_or_default();
                format!("the regex is wrong: {}", last.strip_prefix("error: ").unwrap_or(last))
            }
            other => format!("the regex is wrong: {other}"),
        })?;
    let hir = regex_syntax::ParserBuilder::new().unicode(unicode).utf8(false).build().parse(&rust);
    let reach = hir.map(|hir| literals::reach(&hir)).map_err(|error| format!("the regex is wrong: {error}"))?;
    Ok(Compiled { regex, reach })
}

/// Rust's spelling of Go's expression.
fn translated(go: &str, unicode: bool) -> Result<String, String> {
    let chars: Vec<char> = go.chars().collect();
    let mut writer = Writer { chars: &chars, at: 0, out: String::with_capacity(go.len() * 2), unicode };
    while let Some(&char) = writer.chars.get(writer.at) {
        match char {
            '\\' => writer.escape()?,
            '[' => writer.class()?,
            '(' => writer.group()?,
            '{' => writer.brace(),
            '.' | '^' | '$' | '|' | ')' | '*' | '+' | '?' => {
                writer.out.push(char);
                writer.at += 1;
            }
            other => {
                writer.literal(other);
                writer.at += 1;
            }
        }
    }
    Ok(writer.out)
}

struct Writer<'a> {
    chars: &'a [char],
    at: usize,
    out: String,
    unicode: bool,
}

impl Writer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// One character that stands for itself, inside a class or outside.
    fn literal(&mut self, char: char) {
        if char.is_ascii() && !char.is_ascii_alphanumeric() && char != '_' {
            self.out.push_str(&format!("\\x{:02X}", u32::from(char)));
        } else {
            self.out.push(char);
        }
    }

    /// A backslash outside a class.
    fn escape(&mut self) -> Result<(), String> {
        match self.peek(1) {
            Some('A' | 'z') => self.copy(2),
            Some('b' | 'B') if self.unicode => {
                self.out.push_str("(?-u:");
                self.copy(2);
                self.out.push(')');
            }
            Some('b' | 'B') => self.copy(2),
            Some('C') => {
                self.out.push_str("(?s-u:.)");
                self.at += 2;
            }
            Some('Q') => {
                self.at += 2;
                while let Some(char) = self.peek(0) {
                    if char == '\\' && self.peek(1) == Some('E') {
                        self.at += 2;
                        break;
                    }
                    self.literal(char);
                    self.at += 1;
                }
            }
            Some('E') => self.at += 2,
            _ => {
                if !self.named_class() {
                    let char = self.escaped_char()?;
                    self.literal(char);
                }
            }
        }
        Ok(())
    }

    fn copy(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        self.out.extend(self.chars.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    /// `\d`, `\p{Greek}` and the like, inside a class or outside.
    fn named_class(&mut self) -> bool {
        let ascii = match self.peek(1) {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('p' | 'P') => {
                let end = match self.peek(2) {
                    Some('{') => self.chars.iter().skip(self.at).position(|&char| char == '}').map(|end| end + 1),
                    _ => Some(3),
                };
                self.copy(end.unwrap_or(2));
                return true;
            }
            _ => return false,
        };
        self.out.push_str(ascii);
        self.at += 2;
        true
    }

    /// An escape that means one character; behind it afterwards.
    fn escaped_char(&mut self) -> Result<char, String> {
        let char = self.peek(1).ok_or("the regex is wrong: it ends in a backslash")?;
        self.at += 2;
        let simple = match char {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hex(),
            '0'..='7' => return self.octal(char),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
            other => return Err(format!(r"the regex is wrong: \{other} means nothing in Go's syntax")),
        };
        Ok(simple)
    }

    fn hex(&mut self) -> Result<char, String> {
        let digits: String = if self.peek(0) == Some('{') {
            let digits =
                self.chars.iter().skip(self.at + 1).take_while(|&&char| char != '}').take(9).collect::<String>();
            self.at += digits.len() + 2;
            digits
        } else {
            let digits = self.chars.iter().skip(self.at).take(2).collect::<String>();
            self.at += 2;
            digits
        };
        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        code.ok_or_else(|| format!(r"the regex is wrong: \x{digits} is no character"))
    }

    fn octal(&mut self, first: char) -> Result<char, String> {
        let mut code = first.to_digit(8).unwrap_or_default();
        let mut digits = 1;
        while let Some(digit) = self.peek(0).and_then(|char| char.to_digit(8)).filter(|_| digits < 3) {
            code = code * 8 + digit;
            digits += 1;
            self.at += 1;
        }
        if first != '0' && digits == 1 {
            return Err(format!(r"the regex is wrong: \{first} is a back-reference, which Go and Rust do not have"));
        }
        char::from_u32(code).ok_or_else(|| "the regex is wrong: an octal escape that is no character".to_owned())
    }

    /// `(`, `(?:`, `(?i)`, `(?P<name>`. Names are left out: nobody asks for them, and Rust allows fewer.
    fn group(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('(');
        if self.peek(0) != Some('?') {
            return Ok(());
        }
        if self.peek(1) == Some('<') || (self.peek(1) == Some('P') && self.peek(2) == Some('<')) {
            if matches!(self.peek(2), Some('=' | '!')) {
                return Err("the regex is wrong: it looks behind, which Go and Rust do not do".to_owned());
            }
            let name = self.chars.iter().skip(self.at).position(|&char| char == '>');
            self.at += name.ok_or("the regex is wrong: a group's name has no end")? + 1;
            return Ok(());
        }
        let flags = self.chars.iter().skip(self.at + 1).take_while(|char| "imsU-".contains(**char)).count();
        match self.peek(1 + flags) {
            Some(':' | ')') => self.copy(flags + 2),
            Some('=' | '!') => return Err("the regex is wrong: it looks ahead, which Go and Rust do not do".to_owned()),
            _ => return Err("the regex is wrong: an unknown kind of group".to_owned()),
        }
        Ok(())
    }

    /// `{2}`, `{2,}` and `{2,3}` repeat; any other brace stands for itself.
    fn brace(&mut self) {
        let rest = self.chars.get(self.at + 1..).unwrap_or_default();
        let digits = |from: usize| rest.iter().skip(from).take_while(|char| char.is_ascii_digit()).count();
        let least = digits(0);
        let most = if rest.get(least) == Some(&',') { 1 + digits(least + 1) } else { 0 };
        if least > 0 && rest.get(least + most) == Some(&'}') {
            self.copy(least + most + 2);
        } else {
            self.literal('{');
            self.at += 1;
        }
    }

    /// `[…]`.
    fn class(&mut self) -> Result<(), String> {
        let open = "the regex is wrong: a class has no end";
        self.at += 1;
        self.out.push('[');
        if self.peek(0) == Some('^') {
            self.copy(1);
        }
        let mut is_first = true;
        loop {
            let char = self.peek(0).ok_or(open)?;
            if char == ']' && !is_first {
                self.copy(1);
                return Ok(());
            }
            is_first = false;
            if char == '[' && self.peek(1) == Some(':') {
                let rest = self.chars.get(self.at + 2..).unwrap_or_default();
                if let Some(end) = rest.array_windows().position(|pair| *pair == [':', ']']) {
                    self.copy(end + 4);
                    continue;
                }
            }
            if char == '\\' && self.named_class() {
                continue;
            }
            let from = self.class_char()?;
            self.literal(from);
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|char| char != ']') {
                self.copy(1);
                let to = self.class_char()?;
                self.literal(to);
            }
        }
    }

    fn class_char(&mut self) -> Result<char, String> {
        match self.peek(0) {
            Some('\\') => self.escaped_char(),
            Some(char) => {
                self.at += 1;
                Ok(char)
            }
            None => Err("the regex is wrong: a class has no end".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[track_caller]
    fn check(pattern: &str, matches: &[&str], others: &[&str]) {
        let compiled = Pattern::checked(pattern.to_owned()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in matches {
            assert!(compiled.is_in(text.as_bytes()), "{pattern} must match {text:?}");
        }
        for text in others {
            assert!(!compiled.is_in(text.as_bytes()), "{pattern} must not match {text:?}");
        }
    }

    #[test]
    fn what_go_allows_and_rust_does_not() {
        check(r"^\${(?:[A-Z_]+|[a-z_]+)}$", &["${TOKEN}", "${a_b}"], &["${}", "$TOKEN"]);
        check(r"^\{\{[ \t]*[\w ().|]+[ \t]*}}$", &["{{ a.b }}"], &["{{}}"]);
        check(r"a{,3}", &["a{,3}"], &["aaa"]);
        check(r"\<a\/b\_c\>\@", &["<a/b_c>@"], &["a/b_c@"]);
        check(r"[[a]b]", &["[b]", "ab]"], &["ab"]);
        check(r"^[]a]+$", &["]a]"], &["b"]);
        check(r"^[a&&b]+$", &["&", "a&b"], &["c"]);
        check(r"^[\w.-/]+$", &["a.b", "./"], &["a-b"]);
        check(r"^[!--]+$", &["-", ","], &["."]);
        check(r"^\Qa.b(\E+$", &["a.b((("], &["axb("]);
        check(r"\101\x42\x{43}", &["ABC"], &["abc"]);
        check(r"^(?i)a(?-i:b)(?P<1st>c)\z", &["AbC"], &["aBc"]);
        check(r"^[[:alpha:]\d]+$", &["a1"], &["-"]);
        check(r"^\p{Greek}+[ä-ü]$", &["λö"], &["aö"]);
        check(r"^[^\s]+$", &["a\u{a0}b"], &["a b"]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |pattern: &str| Pattern::checked(pattern.to_owned()).err().unwrap_or_default();
        assert!(wrong("(a").contains("unclosed group"), "{}", wrong("(a"));
        assert!(wrong(r"(a)\1").contains("back-reference"));
        assert!(wrong("a(?=b)").contains("looks ahead"));
        assert!(wrong("(?<!a)b").contains("looks behind"));
        assert!(wrong("[a").contains("no end"));
        assert!(wrong(r"\y").contains(r"\y"));
        assert!(wrong("((a{1000}){1000}){1000}").contains("bound its repetitions"));
        assert!(wrong(&"a".repeat(1 << 17)).contains("longer than"));
    }
}
