//! YARA, through `yara-x`: the only file that names it.

use std::{collections::BTreeMap, time::Duration};

use yara_x::{Compiler, IgnoredRuleReason, MetaValue, ScanError, SourceCode};

use crate::{RuleError, RuleFile};

/// Seconds one window may take. At the 22 MB/s of the slowest rule set measured (2,275 rules) a window takes 1.5 s.
pub(crate) const SCAN_SECONDS_MAX: u64 = 20;
/// Most matches of one string that are remembered: a file of one repeated string must not fill the memory.
const MATCHES_PER_PATTERN_MAX: usize = 10_000;
/// Most strings of a rule that are named in an observation.
const STRINGS_NAMED_MAX: usize = 8;

/// Modules of YARA that are not built in: what uses them is left out, and said so.
const MODULES_MISSING: [&str; 13] =
    ["pe", "macho", "dotnet", "vt", "magic", "cuckoo", "lnk", "dex", "crx", "zip", "olecf", "vba", "msi"];

/// Compiled rules, shared by all threads.
pub(crate) struct RuleSet {
    rules: yara_x::Rules,
    /// What was left out, one line each.
    pub(crate) notes: Vec<String>,
}

/// One rule that matched.
pub(crate) struct Matched {
    /// File it is from.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Its `meta` values that are strings.
    pub(crate) meta: BTreeMap<String, String>,
    /// Where the first of its strings is.
    pub(crate) offset: Option<usize>,
    /// Names of the strings that are there.
    pub(crate) strings: Vec<String>,
}

/// Why a scan gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScanFailure {
    /// It took longer than [`SCAN_SECONDS_MAX`].
    TimedOut,
    /// Anything else, in the engine's words.
    Failed(String),
}

impl RuleSet {
    /// Compiles `files`, each in a namespace of its own.
    ///
    /// # Errors
    ///
    /// [`RuleError`] with `file:line:column` for the first file that does not compile.
    pub(crate) fn compile(files: &[RuleFile]) -> Result<Self, RuleError> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false);
        for module in MODULES_MISSING {
            compiler.ignore_module(module);
        }
        for file in files {
            compiler.new_namespace(&file.name);
            let source = SourceCode::from(file.text.as_str()).with_origin(&file.name);
            if let Err(error) = compiler.add_source(source) {
                return Err(RuleError { name: file.name.clone(), detail: error.to_string() });
            }
        }
        let notes = compiler
            .ignored_rules()
            .map(|(rule, reason)| match reason {
                IgnoredRuleReason::IgnoredModule(module) => {
                    format!("rule {rule} is left out: it uses module {module:?}, which is not built in")
                }
                IgnoredRuleReason::IgnoredRule(other) => {
                    format!("rule {rule} is left out: it uses rule {other}, which is left out")
                }
                IgnoredRuleReason::CompileError(error) => format!("rule {rule} is left out: {error}"),
            })
            .collect();
        Ok(Self { rules: compiler.build(), notes })
    }

    /// A scanner for one thread.
    pub(crate) fn scanner(&self) -> RuleScanner<'_> {
        let mut scanner = yara_x::Scanner::new(&self.rules);
        scanner.set_timeout(Duration::from_secs(SCAN_SECONDS_MAX)).max_matches_per_pattern(MATCHES_PER_PATTERN_MAX);
        RuleScanner { scanner }
    }

    /// Names of the rules, as compiled.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<String> {
        self.rules.iter().map(|rule| rule.identifier().to_owned()).collect()
    }
}

/// Applies a [`RuleSet`] to one buffer after another.
pub(crate) struct RuleScanner<'r> {
    scanner: yara_x::Scanner<'r>,
}

impl RuleScanner<'_> {
    /// The rules that match `bytes`.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Vec<Matched>, ScanFailure> {
        let results = self.scanner.scan(bytes).map_err(|error| match error {
            ScanError::Timeout => ScanFailure::TimedOut,
            other => ScanFailure::Failed(other.to_string()),
        })?;
        let matched = results.matching_rules().map(|rule| {
            let text = |value| match value {
                MetaValue::String(text) => Some(text.to_owned()),
                _ => None,
            };
            let meta = rule.metadata().filter_map(|(key, value)| Some((key.to_owned(), text(value)?))).collect();
            let seen =
                || rule.patterns().filter_map(|p| Some((p.identifier().to_owned(), p.matches().next()?.range())));
            Matched {
                namespace: rule.namespace().to_owned(),
                name: rule.identifier().to_owned(),
                meta,
                offset: seen().map(|(_, range)| range.start).min(),
                strings: seen().map(|(name, _)| name).take(STRINGS_NAMED_MAX).collect(),
            }
        });
        Ok(matched.collect())
    }
}
