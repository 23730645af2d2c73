//! What is no secret although a rule matches.

use super::{pattern::Pattern, schema::RawAllowlist};

/// What the expressions of an allowlist are compared with.
#[derive(Clone, Copy)]
enum Target {
    Secret,
    Match,
    Line,
}

/// A list of conditions, of which one or all must hold.
pub(super) struct Allowlist {
    needs_all: bool,
    target: Target,
    regexes: Vec<Pattern>,
    paths: Vec<Pattern>,
    /// In lower case.
    stopwords: Vec<String>,
    /// There is no commit here, so a list that needs one never holds if it needs all.
    names_commits: bool,
}

/// What was found, for the lists.
pub(super) struct Claim<'a> {
    pub(super) secret: &'a [u8],
    pub(super) matched: &'a [u8],
    /// The lines of the match.
    pub(super) line: &'a [u8],
    pub(super) path: Option<&'a str>,
}

impl Allowlist {
    /// # Errors
    ///
    /// One line: what is wrong with it.
    pub(super) fn new(raw: &RawAllowlist) -> Result<Self, String> {
        let needs_all = match raw.condition.to_ascii_lowercase().as_str() {
            "" | "or" | "||" => false,
            "and" | "&&" => true,
            other => return Err(format!("allowlist: condition {other:?} is neither AND nor OR")),
        };
        let target = match raw.regex_target.to_ascii_lowercase().as_str() {
            "" | "secret" => Target::Secret,
            "match" => Target::Match,
            "line" => Target::Line,
            other => return Err(format!("allowlist: regexTarget {other:?} is none of secret, match, line")),
        };
        let patterns = |texts: &[String]| {
            let compiled = texts.iter().map(|text| Pattern::checked(text.clone()));
            compiled.collect::<Result<Vec<_>, _>>().map_err(|error| format!("allowlist: {error}"))
        };
        let list = Self {
            needs_all,
            target,
            regexes: patterns(&raw.regexes)?,
            paths: patterns(&raw.paths)?,
            stopwords: raw.stopwords.iter().map(|word| word.to_ascii_lowercase()).collect(),
            names_commits: !raw.commits.is_empty(),
        };
        if list.regexes.is_empty() && list.paths.is_empty() && list.stopwords.is_empty() && !list.names_commits {
            return Err("allowlist: it has no condition".to_owned());
        }
        Ok(list)
    }

    /// Whether the place of a file matters to it.
    pub(super) fn asks_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Whether `claim` is allowed.
    pub(super) fn allows(&self, claim: &Claim<'_>) -> bool {
        let target = match self.target {
            Target::Secret => claim.secret,
            Target::Match => claim.matched,
            Target::Line => claim.line,
        };
        let by_regex = || self.regexes.iter().any(|regex| regex.is_in(target));
        let by_path = || claim.path.is_some_and(|path| self.paths.iter().any(|regex| regex.is_in(path.as_bytes())));
        let by_word = || {
            let secret = claim.secret.to_ascii_lowercase();
            self.stopwords.iter().any(|word| memchr::memmem::find(&secret, word.as_bytes()).is_some())
        };
        if self.needs_all {
            !self.names_commits
                && (self.regexes.is_empty() || by_regex())
                && (self.paths.is_empty() || by_path())
                && (self.stopwords.is_empty() || by_word())
        } else {
            by_regex() || by_path() || by_word()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(raw: &RawAllowlist, path: &str) -> bool {
        let list = Allowlist::new(raw).expect("is right");
        list.allows(&Claim { secret: b"abcDEF", matched: b"key=abcDEF", line: b"test key=abcDEF", path: Some(path) })
    }

    #[test]
    fn one_condition_or_all() {
        let mut raw = RawAllowlist { stopwords: vec!["cDe".to_owned()], ..RawAllowlist::default() };
        assert!(allows(&raw, "x"));
        raw.paths = vec![r"test/.*\.py$".to_owned()];
        raw.condition = "AND".to_owned();
        assert!(!allows(&raw, "x") && allows(&raw, "a/test/b.py"));
        raw.commits = vec!["0123".to_owned()];
        assert!(!allows(&raw, "a/test/b.py"), "there is no commit");
        assert!(Allowlist::new(&RawAllowlist::default()).is_err());
        assert!(Allowlist::new(&RawAllowlist { condition: "nor".to_owned(), ..raw }).is_err());
    }

    #[test]
    fn an_expression_sees_what_it_is_pointed_at() {
        let target = |target: &str| RawAllowlist {
            regexes: vec!["^test ".to_owned()],
            regex_target: target.to_owned(),
            ..RawAllowlist::default()
        };
        assert!(allows(&target("line"), "x") && !allows(&target("match"), "x") && !allows(&target(""), "x"));
    }
}
