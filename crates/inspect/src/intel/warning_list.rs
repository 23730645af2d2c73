//! MISP warning lists: values that look bad and are not. They become an allow list.
//!
//! Source: MISP/misp-warninglists, README, "Format of a warning list": `type` is `string` (the very value), `substring`,
//! `hostname` (and everything below), `cidr` or `regex`.

use model::{IntelValue, Standing};
use serde::Deserialize;

use super::{import::Imported, value};

/// Shortest text that excuses everything that holds it.
const SUBSTRING_BYTES_MIN: usize = 4;

#[derive(Deserialize)]
struct WarningList {
    #[serde(default, rename = "type")]
    kind: String,
    list: Vec<String>,
}

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    let parsed = match serde_json::from_slice::<WarningList>(bytes) {
        Ok(parsed) => parsed,
        Err(error) => {
            return into.refuse(format_args!("line {}", error.line()), format_args!("it is no warning list: {error}"));
        }
    };
    if parsed.kind == "regex" {
        return into.refuse("type", "regular expressions are not used: a value is looked up by its hash");
    }
    for (number, text) in parsed.list.iter().enumerate() {
        let place = format_args!("list[{number}]");
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let value = match parsed.kind.as_str() {
            "substring" if text.len() < SUBSTRING_BYTES_MIN => Err("it is too short to be looked for everywhere"),
            "substring" => Ok(IntelValue::Holding(text)),
            // An entry may be a public suffix or a name without one: nothing is lost, it excuses itself only.
            "hostname" => value::read(&text).or(Ok(IntelValue::Exactly(text))),
            "cidr" => value::read(&text),
            _ => match value::read(&text) {
                Ok(value @ (IntelValue::Address(..) | IntelValue::File(_) | IntelValue::Url(_))) => Ok(value),
                _ => Ok(IntelValue::Exactly(text)),
            },
        };
        match value {
            Ok(value) => {
                if let Some(entry) = into.add(value) {
                    entry.standing = Standing::Allowed;
                }
            }
            Err(why) => into.refuse(place, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn every_type_is_read_as_what_it_means() {
        let list = |kind: &str, values: &str| {
            format!(r#"{{"name": "n", "version": 1, "type": "{kind}", "list": [{values}]}}"#)
        };
        let check = |text: String, entries: &[&str], notes: &[&str]| check(Format::WarningList, &text, entries, notes);
        check(list("hostname", r#""Good.com.", "github.io""#), &["good.com allowed", "exactly github.io allowed"], &[]);
        check(list("string", r#""dns.google", "8.8.8.8""#), &["exactly dns.google allowed", "8.8.8.8 allowed"], &[]);
        check(
            list("cidr", r#""198.51.100.0/24", "x""#),
            &["198.51.100.0/24 allowed"],
            &["list[1]: it is neither domain, URL, address nor SHA-256"],
        );
        check(
            list("substring", r#""good-cdn", "a""#),
            &["holding good-cdn allowed"],
            &["list[1]: it is too short to be looked for everywhere"],
        );
        check(
            list("regex", r#"".*""#),
            &[],
            &["type: regular expressions are not used: a value is looked up by its hash"],
        );
    }
}
