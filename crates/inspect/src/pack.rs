//! The rule pack: everything that decides what is looked for.

use std::sync::OnceLock;

use model::{Digest, Observation};

use crate::{
    Inspector, RuleError, RuleFile, decode, detectors, engine::RuleSet, route::Router, rules, secrets::user::UserRules,
};

/// Everything that decides what is looked for: detectors, our rules, the user's rules. Shared by all threads.
pub struct RulePack {
    id: String,
    pub(crate) router: Router,
    own: OnceLock<RuleSet>,
    pub(crate) user: Option<RuleSet>,
    pub(crate) secrets: Option<UserRules>,
    notes: Vec<String>,
}

impl RulePack {
    /// Our detectors and rules with the user's files added: YARA, and gitleaks' where the name ends in `.toml`.
    ///
    /// The user's files are compiled at once, so that mistakes are told at once; ours when the first file needs them.
    /// Ours are asked only about files that hold one of their literals. The user's are asked about every file, because
    /// nobody can know what they look for: expect 20 to 80 MB/s per core with thousands of rules.
    ///
    /// # Errors
    ///
    /// [`RuleError`] for the first file of which nothing loads. A rule that is wrong costs itself: see [`Self::notes`].
    pub fn new(user_rules: Vec<RuleFile>) -> Result<Self, RuleError> {
        let id = id(&user_rules);
        let (toml, yara): (Vec<_>, Vec<_>) = user_rules.iter().partition(|file| file.name.ends_with(".toml"));
        let mut notes = Vec::new();
        let user = if yara.is_empty() { None } else { Some(RuleSet::of_user(&yara)?) };
        if let Some(user) = &user {
            notes.extend(user.notes.iter().cloned());
        }
        let mut secrets = None;
        if !toml.is_empty() {
            let (rules, loaded) = UserRules::load(&toml);
            if let Some((name, detail)) = loaded.empty.into_iter().next() {
                return Err(RuleError { name, detail });
            }
            notes.extend(loaded.notes);
            secrets = Some(rules);
        }
        drop(user_rules);
        let router = Router::new(detectors::ALL, rules::own(), decode::ALL);
        Ok(Self { id, router, own: OnceLock::new(), user, secrets, notes })
    }

    /// 16 hex digits over the code of the detectors and the text of all rules. Same id, same questions.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What of the user's rules is left out or done differently, one line each, with file, line and rule: what does not
    /// compile, what uses a YARA module that is not built in, what a gitleaks file asks that cannot be done here.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Takes away what those of our rules saw that the user switched off.
    pub(crate) fn without_disabled(&self, observations: &mut Vec<Observation>) {
        let Some(user) = self.secrets.as_ref().filter(|user| user.disables()) else { return };
        let kind =
            |seen: &Observation| seen.indicators.first().and_then(|it| Some(it.value.split_once(':')?.0.to_owned()));
        observations
            .retain(|seen| seen.detector != "service-token" || !kind(seen).is_some_and(|id| user.is_disabled(&id)));
    }

    /// How many different literals the prefilter looks for.
    #[must_use]
    pub fn literals(&self) -> usize {
        self.router.literals()
    }

    /// A worker's own inspector. Not shared between threads; keep it for many files.
    #[must_use]
    pub fn inspector(&self) -> Inspector<'_> {
        Inspector::new(self)
    }

    /// Our rules, compiled by whoever needs them first.
    pub(crate) fn own(&self) -> &RuleSet {
        self.own.get_or_init(|| {
            let files: Vec<_> = rules::FILES
                .iter()
                .map(|(name, text)| RuleFile { name: (*name).to_owned(), text: (*text).to_owned() })
                .collect();
            RuleSet::of_ours(&files).expect("our rules compile: `rules` tests it")
        })
    }
}

/// Over the sources (see `build.rs`) and the user's files, in their order.
fn id(user_rules: &[RuleFile]) -> String {
    let mut key = env!("INSPECT_SOURCES_SHA256").as_bytes().to_vec();
    for file in user_rules {
        key.extend_from_slice(format!("\n{} {} {}\n", file.name.len(), file.text.len(), file.name).as_bytes());
        key.extend_from_slice(file.text.as_bytes());
    }
    Digest::of(&key).hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> RuleFile {
        RuleFile { name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_id_follows_the_user_rules() {
        let rule = "rule a { condition: false }";
        let ids: Vec<_> = [vec![], vec![file("a.yar", rule)], vec![file("b.yar", rule)], vec![file("a.yar", rule)]]
            .into_iter()
            .map(|files| RulePack::new(files).expect("compiles").id().to_owned())
            .collect();
        assert_eq!(ids[0].len(), 16);
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(ids[1], ids[3]);
    }

    #[test]
    fn a_wrong_rule_is_told_with_file_and_line() {
        let Err(error) = RulePack::new(vec![file("mine.yar", "rule a {\n condition: nothing\n}")]) else {
            panic!("it must not compile")
        };
        assert_eq!(error.name, "mine.yar");
        assert!(error.to_string().contains("mine.yar:2:"), "{error}");
    }

    #[test]
    fn a_wrong_rule_costs_itself() {
        let yara = "rule one { condition: true }\nrule two {\n condition: nothing\n}\nrule three { strings: $a = \"x\" }\n\
                    rule four { condition: one }\n";
        let toml = "[[rules]]\nid = 'good'\nregex = 'tok_[a-z]{20}'\n[[rules]]\nid = 'bad'\nregex = '(a'\n";
        let pack = RulePack::new(vec![file("mine.yar", yara), file("mine.toml", toml)]).expect("the rest loads");
        let notes = pack.notes();
        assert_eq!(notes.len(), 3, "{notes:#?}");
        assert!(notes[0].starts_with("mine.yar:3:") && notes[0].contains("rule two: "), "{notes:#?}");
        assert!(notes[1].starts_with("mine.yar:5:") && notes[1].contains("rule three: "), "{notes:#?}");
        assert!(notes[2].starts_with("mine.toml:4: rule \"bad\": the regex is wrong"), "{notes:#?}");
        let seen = pack.inspector().content(b"tok_abcdefghijklmnopqrst").observations;
        let detectors: Vec<_> = seen.iter().map(|seen| seen.detector.as_str()).collect();
        assert_eq!(detectors, ["yara:mine.one", "yara:mine.four", "secrets:mine.good"]);
    }

    #[test]
    fn nothing_that_loads_is_an_error() {
        for text in ["", "[[rules]]\nid = 'bad'\nregex = '(a'\n", "rule a { condition: true }"] {
            let error = RulePack::new(vec![file("mine.toml", text)]).err().expect("nothing loads");
            assert!(error.to_string().contains("mine.toml:"), "{error}");
        }
    }

    #[test]
    fn a_module_that_is_not_built_in_is_told() {
        let text = "import \"pe\"\nrule a { condition: pe.is_pe }\nrule b { condition: true }";
        let pack = RulePack::new(vec![file("mine.yar", text)]).expect("the rest compiles");
        assert_eq!(pack.notes(), ["mine.yar: rule a is left out: it uses module \"pe\", which is not built in"]);
    }

    #[test]
    fn a_pack_is_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<RulePack>();
    }
}
