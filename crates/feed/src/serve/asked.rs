//! A request, as plain data.

use std::collections::BTreeMap;

/// Longest path and query that are looked at.
const TARGET_BYTES_MAX: usize = 8 << 10;

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Percent-decoded, begins with `/`; empty if it is no text or too long.
    pub(crate) path: String,
    /// Percent-decoded; the first of a name that comes twice.
    pub(crate) query: BTreeMap<String, String>,
    /// Names in lower case; values that are text; several of one name joined by `, `.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Asked {
    /// From a method, the path and the query as they were sent.
    pub(crate) fn new<'a>(
        method: &str,
        path: &str,
        query: &str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut asked = Self { method: method.to_owned(), ..Self::default() };
        if path.len() + query.len() <= TARGET_BYTES_MAX {
            asked.path = decoded(path, false).unwrap_or_default();
            for (name, value) in
                query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            {
                if let (Some(name), Some(value)) = (decoded(name, true), decoded(value, true)) {
                    asked.query.entry(name).or_insert(value);
                }
            }
        }
        for (name, value) in headers {
            let all = asked.headers.entry(name.to_ascii_lowercase()).or_default();
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(value);
        }
        asked
    }

    /// Whether it only reads.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// Percent-decoded text; in a query `+` is a space. None if it is no UTF-8 or holds a half escape.
fn decoded(text: &str, plus: bool) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                let mut value = [0];
                hex::decode_to_slice(pair, &mut value).ok()?;
                value[0]
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded_once() {
        let asked = Asked::new("GET", "/a%20b/%252e", "x=1&x=2&match[type]=a%2Cb+c&%zz=1&y", std::iter::empty());
        assert_eq!(asked.path, "/a b/%2e");
        assert_eq!(asked.query("x"), Some("1"));
        assert_eq!(asked.query("match[type]"), Some("a,b c"));
        assert_eq!((asked.query("y"), asked.query.len()), (Some(""), 3));
        for wrong in ["/%", "/%f", "/%ff", "/%zz"] {
            assert_eq!(Asked::new("GET", wrong, "", std::iter::empty()).path, "", "{wrong}");
        }
    }
}
