//! The rule pack: everything that decides what is looked for.

use std::sync::OnceLock;

use model::Digest;

use crate::{Inspector, RuleError, RuleFile, decode, detectors, engine::RuleSet, route::Router, rules};

/// Everything that decides what is looked for: detectors, our rules, the user's rules. Shared by all threads.
pub struct RulePack {
    id: String,
    pub(crate) router: Router,
    own: OnceLock<RuleSet>,
    pub(crate) user: Option<RuleSet>,
}

impl RulePack {
    /// Our detectors and rules with the user's YARA files added.
    ///
    /// The user's files are compiled at once, so that mistakes are told at once; ours when the first file needs them.
    /// Ours are asked only about files that hold one of their literals. The user's are asked about every file, because
    /// nobody can know what they look for: expect 20 to 80 MB/s per core with thousands of rules.
    ///
    /// # Errors
    ///
    /// [`RuleError`] for a file that does not compile.
    pub fn new(user_rules: Vec<RuleFile>) -> Result<Self, RuleError> {
        let id = id(&user_rules);
        let user = if user_rules.is_empty() { None } else { Some(RuleSet::compile(&user_rules)?) };
        drop(user_rules);
        Ok(Self { id, router: Router::new(detectors::ALL, rules::own(), decode::ALL), own: OnceLock::new(), user })
    }

    /// 16 hex digits over the code of the detectors and the text of all rules. Same id, same questions.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What of the user's rules is left out, one line each: rules that use a YARA module that is not built in.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.user.as_ref().map_or(&[], |user| &user.notes)
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
            RuleSet::compile(&files).expect("our rules compile: `rules` tests it")
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
    fn a_module_that_is_not_built_in_is_told() {
        let text = "import \"pe\"\nrule a { condition: pe.is_pe }\nrule b { condition: true }";
        let pack = RulePack::new(vec![file("mine.yar", text)]).expect("the rest compiles");
        assert_eq!(pack.notes(), ["rule a is left out: it uses module \"pe\", which is not built in"]);
    }

    #[test]
    fn a_pack_is_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<RulePack>();
    }
}
