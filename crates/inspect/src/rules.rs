//! Our own YARA rules: their text, and what they say about themselves.
//!
//! A rule states everything a detector's `About` holds in its `meta`, and in `prefilter` literals (joined by `|`, each of
//! at least four bytes), one of which must be in a file for the rule to match. Only files with one are handed to YARA.
//! The `meta` is read here without compiling: compiling takes longer than looking at most images.

use std::{str::FromStr, sync::OnceLock};

use crate::detectors::About;

/// The files of `rules/yara/`, by name.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("flooders.yar", include_str!("../../../rules/yara/flooders.yar")),
    ("miners.yar", include_str!("../../../rules/yara/miners.yar")),
    ("packers.yar", include_str!("../../../rules/yara/packers.yar")),
    ("rootkits.yar", include_str!("../../../rules/yara/rootkits.yar")),
    ("shells.yar", include_str!("../../../rules/yara/shells.yar")),
    ("worms.yar", include_str!("../../../rules/yara/worms.yar")),
];

/// One of our rules.
pub(crate) struct OwnRule {
    /// What it is, as for a detector. The id is `yara-` and the rule's name in kebab-case.
    pub(crate) about: About,
    /// The rule's name.
    pub(crate) name: &'static str,
    /// Literals, one of which must be there.
    pub(crate) prefilter: Vec<&'static str>,
}

/// All our rules, in the order of [`FILES`].
pub(crate) fn own() -> &'static [OwnRule] {
    static OWN: OnceLock<Vec<OwnRule>> = OnceLock::new();
    OWN.get_or_init(|| FILES.iter().flat_map(|(_, text)| parse(text)).collect())
}

/// Reads rule names and `meta` values of our own rule text.
///
/// # Panics
///
/// If a rule does not say everything: the text is part of the program, and every test reads it.
fn parse(text: &'static str) -> Vec<OwnRule> {
    let mut rules: Vec<(&str, Vec<(&str, &str)>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("rule ") {
            rules.push((name.split([' ', '{', ':']).next().unwrap_or(name), Vec::new()));
        } else if let (Some((_, meta)), Some((key, value))) = (rules.last_mut(), line.split_once(" = \""))
            && !key.starts_with('$')
        {
            meta.push((key, value.strip_suffix('"').unwrap_or(value)));
        }
    }
    rules.into_iter().map(|(name, meta)| described(name, &meta)).collect()
}

fn described(name: &'static str, meta: &[(&'static str, &'static str)]) -> OwnRule {
    let get = |key| {
        let value = meta.iter().find(|(other, _)| *other == key).map(|(_, value)| *value);
        value.unwrap_or_else(|| panic!("rule {name} has no meta {key:?}"))
    };
    let techniques: Vec<_> = get("technique").split(", ").filter(|id| !id.is_empty()).collect();
    let id = format!("yara-{}", name.replace('_', "-"));
    let about = About {
        // Once for the life of the program: what is listed is `'static`, as everything of a detector is.
        id: id.leak(),
        title: get("description"),
        category: word(name, get("category")),
        weight: word(name, get("weight")),
        severity: word(name, get("severity")),
        confidence: word(name, get("confidence")),
        maturity: word(name, get("maturity")),
        techniques: techniques.leak(),
    };
    OwnRule { about, name, prefilter: get("prefilter").split('|').collect() }
}

fn word<T: FromStr<Err = String>>(rule: &str, value: &str) -> T {
    value.parse().unwrap_or_else(|error| panic!("rule {rule}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{RulePack, prefilter::LITERAL_BYTES_MIN};

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/yara");
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("the folder of rules")
            .map(|entry| entry.expect("listed").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    /// YARA and the small reader here see the same rules; and YARA accepts them.
    #[test]
    fn the_rules_that_yara_sees_are_the_rules_that_are_listed() {
        let pack = RulePack::new(Vec::new()).expect("no user rules");
        let listed: Vec<_> = own().iter().map(|rule| rule.name.to_owned()).collect();
        assert!(listed.len() >= 6);
        assert_eq!(pack.own().names(), listed);
        assert_eq!(pack.own().notes, [""; 0]);
    }

    #[test]
    fn every_rule_stands_behind_literals() {
        for rule in own() {
            assert!(!rule.prefilter.is_empty(), "{}", rule.name);
            assert!(rule.prefilter.iter().all(|text| text.len() >= LITERAL_BYTES_MIN), "{}", rule.name);
        }
    }
}
