//! What `WWW-Authenticate` asks for. Source: RFC 9110, 11.2 to 11.6.1; distribution, "Token Authentication".

/// One challenge: scheme and parameters, in lower case both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

/// Longest header read: the text is the registry's.
const BYTES_MAX: usize = 8 << 10;

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads one header, which may hold several challenges: `Basic realm="a, b", Bearer realm="c"`.
    pub(super) fn all(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = header.get(..header.len().min(BYTES_MAX)).unwrap_or_default();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let word_end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(word_end);
            if word.is_empty() {
                return challenges;
            }
            let after_space = after.trim_start_matches([' ', '\t']);
            match (after_space.strip_prefix('='), challenges.last_mut()) {
                (Some(text), Some(challenge)) => {
                    let (value, after) = value(text.trim_start_matches([' ', '\t']));
                    challenge.parameters.push((word.to_ascii_lowercase(), value));
                    rest = after;
                }
                (Some(_), None) => return challenges,
                (None, _) => {
                    challenges.push(Self { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                    rest = after;
                }
            }
        }
    }
}

/// A token or quoted string at the start of `text`, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &[(&str, &[(&str, &str)])]) {
        let found = Challenge::all(header);
        let found: Vec<(&str, Vec<(&str, &str)>)> = found
            .iter()
            .map(|c| (c.scheme.as_str(), c.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(scheme, parameters)| (*scheme, parameters.to_vec())).collect();
        assert_eq!(found, expected, "{header}");
    }

    #[test]
    fn quoted_commas_and_several_challenges_are_read() {
        check(
            r#"Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push""#,
            &[("bearer", &[("realm", "https://a/token"), ("service", "s"), ("scope", "repository:a/b:pull,push")])],
        );
        check(
            r#"Basic realm="a, \"b\"", Bearer Realm = c , x=1"#,
            &[("basic", &[("realm", "a, \"b\"")]), ("bearer", &[("realm", "c"), ("x", "1")])],
        );
        check("Negotiate", &[("negotiate", &[])]);
        check("Negotiate, Basic", &[("negotiate", &[]), ("basic", &[])]);
    }

    #[test]
    fn nonsense_ends() {
        check("", &[]);
        check("=x", &[]);
        check(r#"Bearer realm="open"#, &[("bearer", &[("realm", "open")])]);
        check(r#"Bearer realm="open\"#, &[("bearer", &[("realm", "open")])]);
        check("Bearer realm=", &[("bearer", &[("realm", "")])]);
        check("ä=ö ü", &[]);
    }
}
