//! The `.env` file beside a compose file.
//!
//! Source: Docker documentation, "Syntax of env files".

use std::collections::BTreeMap;

/// Its variables. Lines that are none are passed over, as compose warns and goes on.
#[must_use]
pub fn env_file(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let text = text.strip_prefix("export ").unwrap_or(text).trim_start();
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim_end(), value.trim_start());
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let quoted =
        |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(inside, _)| inside);
    let bare = || value.split_once(" #").map_or(value, |(value, _)| value).trim_end();
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or_else(bare);
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_compose_does() {
        let read = env_file("# A=0\nA=1\nexport B = two # comment\nC=\"x # y\" z\nD='q'\nE=\nnothing\n=x\n");
        let expected = [("A", "1"), ("B", "two"), ("C", "x # y"), ("D", "q"), ("E", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
