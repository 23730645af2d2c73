//! Reads a file of rules, a block at a time: what is wrong costs its own block and is told with its line.
//!
//! gitleaks reads keys in any case, one string where a list is meant, and numbers as they come; so does this.

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// Most rules of one file.
const RULES_MAX: usize = 20_000;

/// A file as it stands, with the line of every rule.
#[derive(Default)]
pub(super) struct File {
    pub(super) rules: Vec<(usize, RawRule)>,
    pub(super) allowlists: Vec<(usize, RawAllowlist)>,
    pub(super) extend: Extend,
    /// What is wrong, and in which line.
    pub(super) mistakes: Vec<(usize, String)>,
}

/// One rule as it stands. Keys are in lower case here.
#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct RawRule {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) regex: String,
    pub(super) path: String,
    #[serde(rename = "secretgroup")]
    pub(super) secret_group: usize,
    pub(super) entropy: f64,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) keywords: Vec<String>,
    pub(super) allowlist: Option<RawAllowlist>,
    pub(super) allowlists: Vec<RawAllowlist>,
    pub(super) required: Vec<Table>,
    #[serde(rename = "skipreport")]
    pub(super) skip_report: bool,
    /// What the schema has no place for.
    pub(super) lazaret: Ours,
}

/// `[rules.lazaret]`: words of the model, for whoever has them.
#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct Ours {
    pub(super) weight: Option<model::Weight>,
    pub(super) severity: Option<model::Severity>,
    pub(super) check: Option<super::checks::Check>,
    /// Base64; for the tests.
    pub(super) examples: Vec<String>,
    /// Base64; for the tests.
    pub(super) misses: Vec<String>,
}

/// `[allowlist]`, `[[allowlists]]`, and the same of a rule.
#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct RawAllowlist {
    pub(super) condition: String,
    #[serde(rename = "regextarget")]
    pub(super) regex_target: String,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) regexes: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) paths: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) stopwords: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) commits: Vec<String>,
    #[serde(rename = "targetrules", deserialize_with = "one_or_many")]
    pub(super) target_rules: Vec<String>,
}

/// `[extend]`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Extend {
    #[serde(rename = "usedefault")]
    pub(super) use_default: bool,
    pub(super) path: String,
    pub(super) url: String,
    #[serde(rename = "disabledrules", deserialize_with = "one_or_many")]
    pub(super) disabled_rules: Vec<String>,
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

/// Reads `text`. Never fails as a whole.
pub(super) fn read(text: &str) -> File {
    let mut file = File::default();
    for (line, block) in blocks(text) {
        match toml::from_str::<Table>(block) {
            Ok(table) => add(&mut file, line, table),
            Err(error) => {
                let before = error.span().and_then(|span| block.get(..span.start)).unwrap_or_default();
                let at = line + before.matches('\n').count();
                let rule = id_in(block).map(|id| format!("rule {id:?}: ")).unwrap_or_default();
                file.mistakes.push((at, format!("{rule}no TOML: {}", one_line(error.message()))));
            }
        }
    }
    if file.rules.len() > RULES_MAX {
        let line = file.rules.get(RULES_MAX).map_or(0, |(line, _)| *line);
        file.mistakes.push((line, format!("more than {RULES_MAX} rules: those from here on are left out")));
        file.rules.truncate(RULES_MAX);
    }
    file
}

/// The file cut before every `[[rules]]` and every other table of the top level; and the line each begins in.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut blocks = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if begins_block(line) {
            blocks.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset, number + 1);
        }
        offset += line.len();
    }
    blocks.push((start_line, text.get(start..).unwrap_or_default()));
    blocks
}

fn begins_block(line: &str) -> bool {
    let line = line.trim_start();
    let name = line.trim_start_matches('[');
    let brackets = line.len() - name.len();
    let Some(end) = name.find(']') else { return false };
    let name = name.get(..end).unwrap_or_default().trim().to_ascii_lowercase();
    match brackets {
        1 => matches!(name.as_str(), "allowlist" | "extend"),
        2 => matches!(name.as_str(), "allowlists" | "rules"),
        _ => false,
    }
}

/// The id of a block that cannot be read.
fn id_in(block: &str) -> Option<&str> {
    let line = block.lines().map(str::trim).find(|line| line.starts_with("id") && line.contains('='))?;
    line.split(['"', '\'']).find(|part| !part.is_empty() && !part.contains('='))
}

fn add(file: &mut File, line: usize, table: Table) {
    let Value::Table(table) = lower(Value::Table(table)) else { return };
    for (key, value) in table {
        let values = match value {
            Value::Array(values) => values,
            other => vec![other],
        };
        match key.as_str() {
            "rules" => {
                for value in values {
                    let id = value.get("id").and_then(Value::as_str).map(|id| format!("rule {id:?}: "));
                    take(value, line, id.as_deref().unwrap_or("a rule: "), &mut file.mistakes, |rule| {
                        file.rules.push((line, rule));
                    });
                }
            }
            "allowlist" | "allowlists" => {
                for value in values {
                    take(value, line, "an allowlist: ", &mut file.mistakes, |list| file.allowlists.push((line, list)));
                }
            }
            "extend" => {
                for value in values {
                    take(value, line, "extend: ", &mut file.mistakes, |extend| file.extend = extend);
                }
            }
            // Titles, versions, and what other readers of the schema added.
            _ => {}
        }
    }
}

fn take<T: for<'de> Deserialize<'de>>(
    value: Value,
    line: usize,
    what: &str,
    mistakes: &mut Vec<(usize, String)>,
    use_it: impl FnOnce(T),
) {
    match T::deserialize(value) {
        Ok(taken) => use_it(taken),
        Err(error) => mistakes.push((line, format!("{what}{}", one_line(error.message())))),
    }
}

/// All keys in lower case. Depth is bounded by the parser of TOML.
fn lower(value: Value) -> Value {
    match value {
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), lower(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(lower).collect()),
        other => other,
    }
}

fn one_line(message: &str) -> String {
    model::text::shortened(message.trim().replace('\n', ": ").as_str(), 160).into_owned()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_bad_block_costs_itself_and_says_where() {
        let text = "title = 'x'\n\n[[rules]]\nid = \"one\"\nregex = '''a'''\n\n[[rules]]\nid = \"two\"\nregex = '''b\n\n\
                    [[rules]]\nid = \"three\"\nentropy = \"high\"\n[[rules]]\nID = \"four\"\nRegex = '''d'''\n\
                    secretGroup = 2\nkeywords = \"only\"\n[rules.allowlist]\nstopWords = [\"x\"]\n[allowlist]\nregexes = ['''q''']\n";
        let file = read(text);
        let ids: Vec<_> = file.rules.iter().map(|(line, rule)| (*line, rule.id.as_str())).collect();
        assert_eq!(ids, [(3, "one"), (14, "four")]);
        let four = &file.rules[1].1;
        assert_eq!((four.secret_group, four.keywords.as_slice()), (2, &["only".to_owned()][..]));
        assert_eq!(four.allowlist.as_ref().map(|list| list.stopwords.len()), Some(1));
        assert_eq!(file.allowlists.len(), 1);
        let mistakes: Vec<_> = file.mistakes.iter().map(|(line, text)| format!("{line} {text}")).collect();
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].contains("rule \"two\": no TOML"), "{mistakes:?}");
        assert!(mistakes[1].starts_with("11 rule \"three\": "), "{mistakes:?}");
    }

    #[test]
    fn anything_is_read_without_failing_as_a_whole() {
        for text in ["", "[[rules]]", "rules = 3", "[[rules]\n[[[", "extend = []", "allowlist = 'x'", "\u{0}"] {
            read(text);
        }
    }
}
