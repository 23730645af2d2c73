//! `$NAME`, `${NAME}`, `${NAME:-default}` and their like, as compose files and Dockerfiles write them.
//!
//! Sources: Compose specification, "Interpolation"; Dockerfile reference, "Environment replacement".

/// Deepest nesting of defaults in defaults.
const DEPTH_MAX: usize = 8;
/// Longest result: image names are far shorter.
const RESULT_BYTES_MAX: usize = 4096;

/// How a `$` that means itself is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// `$$`, in compose files.
    Doubled,
    /// `\$`, in Dockerfiles.
    Backslash,
}

/// `text` with its variables, as `lookup` knows them.
///
/// # Errors
///
/// One line: which variable is not set and has no default, or what is malformed.
pub(super) fn expand(text: &str, escape: Escape, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let result = at_depth(text, escape, lookup, 0)?;
    if result.len() > RESULT_BYTES_MAX { Err("it is longer than any image name".to_owned()) } else { Ok(result) }
}

fn at_depth(
    text: &str,
    escape: Escape,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    if depth == DEPTH_MAX || text.len() > RESULT_BYTES_MAX {
        return Err("its variables are nested too deeply".to_owned());
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        if let Some(after) = from.strip_prefix('\\') {
            let mut characters = after.chars();
            match (escape, characters.next()) {
                (Escape::Backslash, Some(next)) => result.push(next),
                (_, next) => {
                    result.push('\\');
                    result.extend(next);
                }
            }
            rest = characters.as_str();
        } else if escape == Escape::Doubled && from.starts_with("$$") {
            result.push('$');
            rest = &from[2..];
        } else if let Some(braced) = from.strip_prefix("${") {
            let end = closing(braced).ok_or("a `${` is not closed")?;
            result.push_str(&in_braces(&braced[..end], escape, lookup, depth)?);
            rest = &braced[end + 1..];
        } else {
            let name = name_at(&from[1..]);
            if name.is_empty() {
                result.push('$');
            } else {
                result.push_str(&lookup(name).ok_or_else(|| unset(name))?);
            }
            rest = &from[1 + name.len()..];
        }
        if result.len() > RESULT_BYTES_MAX {
            return Err("it is longer than any image name".to_owned());
        }
    }
    result.push_str(rest);
    Ok(result)
}

fn in_braces(
    inner: &str,
    escape: Escape,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let name = name_at(inner);
    if name.is_empty() {
        return Err("a variable has no name".to_owned());
    }
    let value = lookup(name);
    let operation = &inner[name.len()..];
    let (empty_counts, operation) = operation.strip_prefix(':').map_or((true, operation), |rest| (false, rest));
    let is_set = value.as_ref().is_some_and(|value| empty_counts || !value.is_empty());
    let word = operation.get(1..).unwrap_or_default();
    match (operation.chars().next(), is_set) {
        (None, _) => value.ok_or_else(|| unset(name)),
        (Some('-'), true) | (Some('?'), true) => Ok(value.unwrap_or_default()),
        (Some('-'), false) | (Some('+'), true) => at_depth(word, escape, lookup, depth + 1),
        (Some('+'), false) => Ok(String::new()),
        (Some('?'), false) => Err(unset(name)),
        (Some(other), _) => Err(format!("`{other}` in a variable is not understood")),
    }
}

fn unset(name: &str) -> String {
    format!("the variable {name} is not set")
}

/// Where the brace that is open already closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn name_at(text: &str) -> &str {
    let end = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_')).unwrap_or(text.len());
    if text.starts_with(|first: char| first.is_ascii_digit()) { "" } else { &text[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, escape: Escape, expected: &str) {
        let lookup = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let result = expand(text, escape, &lookup).unwrap_or_else(|error| error);
        assert_eq!(result, expected, "{text}");
    }

    #[test]
    fn variables_are_replaced_as_documented() {
        use Escape::{Backslash, Doubled};
        check("x:$A-${A}", Doubled, "x:a-a");
        check("${NO:-d}${NO-d}${A:-d}${EMPTY:-d}${EMPTY-d}", Doubled, "ddad");
        check("${NO:-${ALSO:-$A}}", Doubled, "a");
        check("${A:+x}${NO:+x}${EMPTY:+x}${EMPTY+x}", Doubled, "xx");
        check("$$A", Doubled, "$A");
        check("\\$A", Backslash, "$A");
        check("$NO", Doubled, "the variable NO is not set");
        check("${NO:?say why}", Doubled, "the variable NO is not set");
        check("${A", Doubled, "a `${` is not closed");
        check("${A/x/y}", Backslash, "`/` in a variable is not understood");
        check("$1$", Doubled, "$1$");
    }

    #[test]
    fn nothing_grows_without_end() {
        let lookup = |_: &str| Some("x".repeat(4000));
        assert!(expand("$A$A$A", Escape::Doubled, &lookup).is_err());
        let deep = format!("{}{}", "${N:-".repeat(1000), "}".repeat(1000));
        assert!(expand(&deep, Escape::Doubled, &|_| None).is_err());
    }
}
