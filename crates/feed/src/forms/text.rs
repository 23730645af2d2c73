//! Escaping, one function a format. References are written by whoever pushes an image.

use std::{borrow::Cow, fmt::Write as _};

use model::text::visible;

/// One line without control characters: for `#` comments and names in messages.
pub(crate) fn line(text: &str) -> String {
    visible(text).trim().to_owned()
}

/// A JSON string, quotes included: valid in JSON, as a YAML double-quoted scalar and as a TOML basic string.
///
/// Control characters and what reorders lines are made visible first, so that a terminal is safe too and no reader of YAML 1.1
/// (NEL, U+2028) sees a line end.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(visible(text)).to_string()
}

/// One CSV cell (RFC 4180), always quoted. What a spreadsheet would take for a formula gets a `'` in front.
///
/// Source: OWASP, "CSV Injection": `=`, `+`, `-`, `@`, tab and carriage return begin a formula, and the full-width forms of
/// the signs in some spreadsheets.
pub(crate) fn cell(text: &str) -> String {
    let text = visible(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Text or a quoted attribute's value in XML 1.0; what XML cannot hold is replaced.
pub(crate) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A part of a URL: everything but unreserved characters percent-encoded. Source: RFC 3986, section 2.3.
pub(crate) fn url_part(text: &str) -> Cow<'_, str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    if text.bytes().all(|byte| plain(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if plain(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_sees_no_formula() {
        assert_eq!(cell("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"");
        assert_eq!(cell(" +1"), "\"' +1\"");
        assert_eq!(cell("@SUM(A1)\r\n=1"), "\"'@SUM(A1)\\r\\n=1\"");
        assert_eq!(cell("a,b"), "\"a,b\"");
    }

    #[test]
    fn nothing_ends_a_line_or_a_string() {
        assert_eq!(line("a\n# b\u{2028}c"), "a\\n# b\\u{2028}c");
        assert_eq!(quoted("a\"b\\\n\u{85}\u{2028}"), r#""a\"b\\\\n\\u{85}\\u{2028}""#);
        assert_eq!(xml("<a b='c'>&\u{0}\u{ffff}"), "&lt;a b=&apos;c&apos;&gt;&amp;\\u{0}\u{fffd}");
        assert_eq!(url_part("a/b@sha256:é"), "a%2Fb%40sha256%3A%C3%A9");
    }
}
