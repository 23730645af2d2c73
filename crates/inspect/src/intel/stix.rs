//! STIX 2.1 bundles: the `indicator` objects, whose patterns compare domains, URLs, addresses and SHA-256 with a value.
//!
//! Every comparison of a pattern that is joined by `OR` or `AND` counts for itself, since an image shows values and no
//! events; one that is negated, or compares otherwise than with `=` and `IN`, makes the pattern refused as a whole. What is
//! revoked or no longer valid is left out. Source: STIX 2.1, 4.7 "Indicator" and 9 "STIX Patterning".

use model::Confidence;
use serde::Deserialize;
use serde_json::Value;

use super::{
    date,
    import::{Imported, name},
    threatfox::confidence,
};

/// Longest pattern read.
const PATTERN_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Bundle { objects: Vec<Object> },
    Objects(Vec<Object>),
    One(Box<Object>),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    name: Value,
    pattern: Value,
    pattern_type: Value,
    revoked: bool,
    valid_from: Value,
    valid_until: Value,
    confidence: Value,
}

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    let objects = match serde_json::from_slice::<Document>(bytes) {
        Ok(Document::Bundle { objects } | Document::Objects(objects)) => objects,
        Ok(Document::One(object)) => vec![*object],
        Err(error) => {
            return into.refuse(format_args!("line {}", error.line()), format_args!("it is no STIX bundle: {error}"));
        }
    };
    for (number, object) in objects.iter().enumerate().filter(|(_, object)| object.kind == "indicator") {
        let place = format_args!("objects[{number}]");
        if object.revoked {
            into.expired += 1;
            continue;
        }
        let pattern = object.pattern.as_str().unwrap_or_default();
        if object.pattern_type.as_str().is_some_and(|kind| kind != "stix") || pattern.len() > PATTERN_BYTES_MAX {
            into.refuse(place, "its pattern is not of type stix, or too long");
            continue;
        }
        let values = match values(pattern, &mut into.other_hashes) {
            Ok(values) => values,
            Err(why) => {
                into.refuse(place, why);
                continue;
            }
        };
        for value in values {
            if let Some(entry) = into.list(place, &value) {
                entry.first_seen = object.valid_from.as_str().and_then(date::seconds);
                entry.until = object.valid_until.as_str().and_then(date::seconds);
                entry.confidence = object.confidence.as_u64().map_or(Confidence::Medium, |it| confidence(Some(it)));
                name(entry, object.name.as_str().unwrap_or_default());
            }
        }
    }
}

/// The values that a pattern compares with.
fn values(pattern: &str, other_hashes: &mut u64) -> Result<Vec<String>, String> {
    let tokens = tokens(pattern)?;
    let word =
        |at: usize| tokens.get(at).and_then(|token| if let Token::Word(word) = token { Some(*word) } else { None });
    let text =
        |at: usize| tokens.get(at).and_then(|token| if let Token::Text(text) = token { Some(text) } else { None });
    let mut values = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(path) = word(at) else {
            at += 1;
            continue;
        };
        at += 1;
        if matches!(path.to_ascii_uppercase().as_str(), "OR" | "AND" | "(" | ")" | "[" | "]" | "," | "FOLLOWEDBY") {
            continue;
        }
        if path.eq_ignore_ascii_case("NOT") || path.eq_ignore_ascii_case("EXISTS") {
            return Err("its pattern says what is not".to_owned());
        }
        // `WITHIN 5 SECONDS` and the like say when, which an image does not show.
        if !path.contains(':') {
            continue;
        }
        let mut compared: Vec<&String> = Vec::new();
        match word(at) {
            Some("=") => compared.extend(text(at + 1)),
            Some(word) if word.eq_ignore_ascii_case("IN") => {
                compared.extend(
                    tokens
                        .iter()
                        .skip(at + 1)
                        .map_while(|token| match token {
                            Token::Text(text) => Some(Some(text)),
                            Token::Word("(" | ",") => Some(None),
                            Token::Word(_) => None,
                        })
                        .flatten(),
                );
            }
            _ => return Err(format!("{path} is not compared with = or IN")),
        }
        let lower = path.to_ascii_lowercase().replace(['\'', '"'], "");
        let is_known = ["domain-name:value", "url:value", "ipv4-addr:value", "ipv6-addr:value"]
            .contains(&lower.as_str())
            || lower.ends_with("_ref.value")
            || (lower.starts_with("file:") && lower.contains("hashes.sha-256"));
        if is_known {
            values.extend(compared.into_iter().cloned());
        } else if lower.contains("hashes.") {
            *other_hashes += compared.len() as u64;
        }
    }
    Ok(values)
}

enum Token<'a> {
    Word(&'a str),
    Text(String),
}

/// Brackets, operators, paths (with quoted parts) and quoted texts.
fn tokens(pattern: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = pattern.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let mut text = String::new();
            let mut is_escaped = false;
            let mut end = None;
            for (at, c) in rest.char_indices().skip(1) {
                match c {
                    _ if is_escaped => {
                        text.push(c);
                        is_escaped = false;
                    }
                    '\\' => is_escaped = true,
                    '\'' => {
                        end = Some(at + 1);
                        break;
                    }
                    _ => text.push(c),
                }
            }
            let end = end.ok_or("a text of its pattern has no end")?;
            tokens.push(Token::Text(text));
            rest = rest.get(end..).unwrap_or_default();
        } else {
            let mut in_quotes = false;
            let is_single = |c: char| "[](),=".contains(c);
            // A path has quoted parts: `file:hashes.'SHA-256'`.
            let end = rest.char_indices().find(|&(_, c)| {
                in_quotes ^= c == '\'';
                !in_quotes && (c.is_whitespace() || is_single(c))
            });
            let end = if is_single(first) { first.len_utf8() } else { end.map_or(rest.len(), |(at, _)| at) };
            let (word, behind) = rest.split_at_checked(end).ok_or("its pattern cannot be read")?;
            tokens.push(Token::Word(word));
            rest = behind;
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    fn bundle(indicators: &[&str]) -> String {
        let objects: Vec<_> = indicators
            .iter()
            .map(|more| format!(r#"{{"type": "indicator", "spec_version": "2.1", {more}}}"#))
            .collect();
        format!(r#"{{"type": "bundle", "objects": [{{"type": "malware", "name": "x"}}, {}]}}"#, objects.join(","))
    }

    #[test]
    fn patterns_are_taken_apart() {
        let hash = "ab".repeat(32);
        let text = bundle(&[
            r#""name": "C2", "pattern": "[domain-name:value = 'bad.com' OR url:value='http://bad.com/it\\'s']", "pattern_type": "stix""#,
            &format!(
                r#""pattern": "[file:hashes.'SHA-256' = '{hash}' AND file:hashes.MD5 = 'x'] AND [ipv4-addr:value IN ('198.51.100.7', '198.51.100.8')] WITHIN 5 SECONDS""#
            ),
            r#""pattern": "[file:hashes.\"SHA-256\" = 'nonsense']""#,
            r#""pattern": "[domain-name:value LIKE '%.bad.com']""#,
            r#""pattern": "[NOT domain-name:value = 'good.com']""#,
            r#""pattern": "[process:name = 'x']""#,
            r#""pattern": "rule x", "pattern_type": "yara""#,
            r#""revoked": true, "pattern": "[domain-name:value = 'revoked.com']""#,
            r#""valid_until": "2026-01-01T00:00:00Z", "pattern": "[domain-name:value = 'old.com']""#,
            r#""valid_until": "2027-01-01T00:00:00Z", "pattern": "[domain-name:value = 'current.com']""#,
            r#""pattern": "[domain-name:value = 'open""#,
        ]);
        check(
            Format::Stix,
            &text,
            &[
                "bad.com · C2",
                "bad.com/it's · C2",
                &format!("sha256:{hash}"),
                "198.51.100.7",
                "198.51.100.8",
                "current.com",
            ],
            &[
                "objects[3]: \"nonsense\": it is neither domain, URL, address nor SHA-256",
                "objects[4]: domain-name:value is not compared with = or IN",
                "objects[5]: its pattern says what is not",
                "objects[7]: its pattern is not of type stix, or too long",
                "objects[11]: a text of its pattern has no end",
                "1 MD5 and SHA-1 values are of no use here: files are known by SHA-256",
                "2 entries are left out: expired or taken back",
            ],
        );
    }
}
