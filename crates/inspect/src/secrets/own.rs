//! Our own rules: `rules/secrets/*.toml`.

use std::sync::LazyLock;

use super::{
    Found,
    rule::{self, Rule, joined},
    schema,
};

/// The files, in the order `build.rs` reads their keywords.
pub(crate) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/secret_files.rs"));

/// The keywords of all rules in the order of the files, for the prefilter; one may be there for several rules.
pub(crate) const KEYWORDS: &[&str] = include!(concat!(env!("OUT_DIR"), "/secret_keywords.rs"));

/// A token may begin so far before a keyword …
const BEFORE_BYTES: usize = 256;
/// … and end so far behind it; more if the expression itself is longer, up to the second.
const BEHIND_BYTES: (usize, usize) = (512, 4 << 10);

/// All our rules.
pub(crate) struct OwnRules {
    pub(super) raw: Vec<schema::RawRule>,
    rules: Vec<Rule>,
    /// For every keyword its rule.
    rule_of_keyword: Vec<usize>,
}

/// Read when the first keyword is met; an expression is compiled when the first of its keywords is.
pub(crate) static RULES: LazyLock<OwnRules> = LazyLock::new(|| {
    let raw: Vec<_> = FILES.iter().flat_map(|(_, text)| schema::read(text).rules).map(|(_, rule)| rule).collect();
    let rules: Vec<Rule> = raw.iter().map(rule::own).collect();
    let keywords = rules.iter().enumerate();
    let rule_of_keyword = keywords.flat_map(|(index, rule)| rule.keywords.iter().map(move |_| index)).collect();
    OwnRules { raw, rules, rule_of_keyword }
});

impl OwnRules {
    /// Looks near `hits` `(keyword, offset)`, ascending by offset, and hands over each secret with its rule, until
    /// `found` says stop.
    pub(crate) fn search<'a>(
        &self,
        bytes: &'a [u8],
        hits: impl Iterator<Item = (usize, usize)>,
        mut found: impl FnMut(&Rule, Found<'a>) -> bool,
    ) {
        let mut places: Vec<(usize, usize)> =
            hits.filter_map(|(keyword, offset)| Some((*self.rule_of_keyword.get(keyword)?, offset))).collect();
        places.sort_unstable();
        for group in places.chunk_by(|left, right| left.0 == right.0) {
            let Some(rule) = group.first().and_then(|(index, _)| self.rules.get(*index)) else { continue };
            let reach = rule.pattern.as_ref().and_then(|pattern| pattern.compiled()).map_or(0, |it| it.reach.behind);
            let behind = reach.clamp(BEHIND_BYTES.0, BEHIND_BYTES.1);
            let around = group.iter().map(|&(_, at)| (at.saturating_sub(BEFORE_BYTES), at.saturating_add(behind)));
            let mut is_open = true;
            for (from, to) in joined(around) {
                if is_open {
                    rule.search(bytes, from, to, &[], None, |secret| {
                        is_open = found(rule, secret);
                        is_open
                    });
                }
            }
        }
    }

    /// The first example of a rule, base64.
    #[cfg(test)]
    pub(crate) fn example(&self, id: &str) -> Option<&str> {
        self.raw.iter().find(|rule| rule.id == id)?.lazaret.examples.first().map(String::as_str)
    }

    /// Ids of the rules, in their order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.raw.iter().map(|rule| rule.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// Which rules find something in `bytes`, asked as the detector asks them.
    fn kinds(bytes: &[u8]) -> BTreeSet<String> {
        let lower = bytes.to_ascii_lowercase();
        let mut hits: Vec<_> = KEYWORDS
            .iter()
            .enumerate()
            .flat_map(|(keyword, text)| {
                let text = text.to_ascii_lowercase();
                memchr::memmem::find_iter(&lower, text.as_bytes()).map(|at| (keyword, at)).collect::<Vec<_>>()
            })
            .collect();
        hits.sort_by_key(|(_, at)| *at);
        let mut kinds = BTreeSet::new();
        RULES.search(bytes, hits.into_iter(), |rule, _| {
            kinds.insert(rule.id.clone());
            true
        });
        kinds
    }

    fn decoded(texts: &[String]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| STANDARD.decode(text).expect("base64")).collect()
    }

    #[test]
    fn there_are_two_hundred_kinds_and_every_file_is_right() {
        for (name, text) in FILES {
            let file = schema::read(text);
            assert!(file.mistakes.is_empty(), "{name}: {:?}", file.mistakes);
            for (line, raw) in &file.rules {
                if let Err(error) = rule::checked(raw) {
                    panic!("{name}:{line}: rule {:?}: {error}", raw.id);
                }
                assert!(raw.lazaret.weight.is_some() && raw.lazaret.severity.is_some(), "{}", raw.id);
            }
        }
        assert!(RULES.rules.len() >= 200, "{}", RULES.rules.len());
        let ids: BTreeSet<_> = RULES.ids().collect();
        assert_eq!(ids.len(), RULES.rules.len(), "an id is there twice");
    }

    #[test]
    fn keywords_are_those_of_the_files_and_rare() {
        const COMMON: [&str; 12] = [
            "token",
            "secret",
            "password",
            "access",
            "auth",
            "credential",
            "apikey",
            "api_key",
            "client",
            "private",
            "user",
            "key",
        ];
        let keywords: Vec<_> = RULES.raw.iter().flat_map(|rule| &rule.keywords).collect();
        assert_eq!(KEYWORDS, keywords);
        for keyword in KEYWORDS {
            assert!(keyword.len() >= 4 && !COMMON.contains(keyword), "{keyword}");
        }
    }

    #[test]
    fn every_rule_finds_its_examples_and_leaves_its_misses() {
        let mut wrong = Vec::new();
        for raw in &RULES.raw {
            let (examples, misses) = (decoded(&raw.lazaret.examples), decoded(&raw.lazaret.misses));
            if examples.len() < 2 || misses.len() < 2 {
                wrong.push(format!("{}: {} examples, {} misses", raw.id, examples.len(), misses.len()));
            }
            for (bytes, expected) in examples.iter().map(|it| (it, true)).chain(misses.iter().map(|it| (it, false))) {
                if kinds(bytes).contains(&raw.id) != expected {
                    wrong.push(format!("{}: {:?} must be found: {expected}", raw.id, String::from_utf8_lossy(bytes)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
