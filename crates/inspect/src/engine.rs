//! YARA, through `yara-x`: the only file that names it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use yara_x::{Compiler, IgnoredRuleReason, MetaValue, ScanError, SourceCode, errors::CompileError};

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
    /// Compiles our own files.
    ///
    /// # Errors
    ///
    /// [`RuleError`] for the first rule that does not compile.
    pub(crate) fn of_ours(files: &[RuleFile]) -> Result<Self, RuleError> {
        let files: Vec<_> = files.iter().collect();
        let (rules, mistakes) = compiled(&files, &BTreeSet::new());
        match mistakes.into_iter().next() {
            Some((name, detail)) => Err(RuleError { name, detail }),
            None => Ok(rules),
        }
    }

    /// Compiles a user's `files`, each in a namespace of its own. A rule that does not compile costs itself and is noted
    /// with file, line and name.
    ///
    /// # Errors
    ///
    /// [`RuleError`] with `file:line:column` for the first file of which nothing compiles.
    pub(crate) fn of_user(files: &[&RuleFile]) -> Result<Self, RuleError> {
        let (mut rules, mut mistakes) = compiled(files, &BTreeSet::new());
        if !mistakes.is_empty() {
            // Behind a mistake of syntax the compiler may lose rules that are right: a rule at a time, then.
            let wrong = mistakes.into_iter().map(|(name, _)| name).collect();
            (rules, mistakes) = compiled(files, &wrong);
        }
        for (name, detail) in &mistakes {
            let is_there = rules.rules.iter().any(|rule| rule.namespace() == namespace(name));
            if !is_there {
                return Err(RuleError { name: name.clone(), detail: detail.clone() });
            }
        }
        rules.notes.extend(mistakes.into_iter().map(|(_, detail)| detail));
        Ok(rules)
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

/// Compiles `files`, those named `in_pieces` a rule at a time; and what is wrong: the file, and
/// `file:line:column: rule NAME: what`.
fn compiled(files: &[&RuleFile], in_pieces: &BTreeSet<String>) -> (RuleSet, Vec<(String, String)>) {
    let mut compiler = Compiler::new();
    compiler.enable_includes(false);
    for module in MODULES_MISSING {
        compiler.ignore_module(module);
    }
    let (mut mistakes, mut notes) = (Vec::new(), Vec::new());
    for file in files {
        compiler.new_namespace(namespace(&file.name));
        let known = compiler.errors().len();
        let ignored = compiler.ignored_rules().count();
        let whole = vec![(0, Cow::Borrowed(file.text.as_str()))];
        let pieces = if in_pieces.contains(&file.name) { pieces(&file.text) } else { whole };
        let mut seen = known;
        for (line, text) in pieces {
            // The compiler keeps what is right and collects what is wrong.
            let _ = compiler.add_source(SourceCode::from(text.as_ref()).with_origin(&file.name));
            let errors = compiler.errors().get(seen..).unwrap_or_default();
            // One rule, one mistake: what follows is a consequence.
            let errors = errors.iter().take(if in_pieces.is_empty() { usize::MAX } else { 1 });
            mistakes.extend(errors.map(|error| (file.name.clone(), mistake(file, line, error))));
            seen = compiler.errors().len();
        }
        notes.extend(compiler.ignored_rules().skip(ignored).filter_map(|(rule, reason)| {
            let why = match reason {
                IgnoredRuleReason::IgnoredModule(module) => {
                    format!("it uses module {module:?}, which is not built in")
                }
                IgnoredRuleReason::IgnoredRule(other) => format!("it uses rule {other}, which is left out"),
                // It is among the errors.
                IgnoredRuleReason::CompileError(_) => return None,
            };
            Some(format!("{}: rule {rule} is left out: {why}", file.name))
        }));
    }
    (RuleSet { rules: compiler.build(), notes }, mistakes)
}

/// What the observations of a file's rules are named after.
fn namespace(name: &str) -> &str {
    name.strip_suffix(".yar").or_else(|| name.strip_suffix(".yara")).unwrap_or(name)
}

/// A file cut before every line that begins a rule, each piece with the file's imports in a line before it; and what is
/// added to its line numbers (modulo 2^64: it may be minus one).
fn pieces(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    let imports: Vec<_> = text.lines().filter(|line| line.starts_with("import ")).map(str::trim).collect();
    let imports = imports.join(" ");
    let (mut pieces, mut start, mut start_line, mut offset) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if rule_name(line).is_some() {
            pieces.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset, number);
        }
        offset += line.len();
    }
    pieces.push((start_line, text.get(start..).unwrap_or_default()));
    // What stands before the first rule holds the imports themselves.
    let with_imports = |(index, (line, piece)): (usize, (usize, &str))| {
        // One line more in front, which is none of the file's.
        let line = if index == 0 { line } else { line.wrapping_sub(1) };
        (line, if index == 0 { piece.to_owned().into() } else { format!("{imports}\n{piece}").into() })
    };
    pieces.into_iter().enumerate().map(with_imports).collect()
}

/// One line with the place, the rule and the compiler's own words, which it follows by a picture of the source. The
/// compiler counts lines from `line` of the file on.
fn mistake(file: &RuleFile, line: usize, error: &CompileError) -> String {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.split_once("--> ")).map_or("", |(_, place)| place.trim());
    let mut numbers = place.strip_prefix(file.name.as_str()).into_iter().flat_map(|rest| rest.split(':').skip(1));
    let line = numbers.next().and_then(|number| number.parse::<usize>().ok()).map(|number| number.wrapping_add(line));
    let column = numbers.next().unwrap_or("1");
    let place = format!("{}:{}:{column}", file.name, line.unwrap_or(1));
    let rule = file.text.lines().take(line.unwrap_or(usize::MAX)).filter_map(rule_name).last();
    let rule = rule.map_or(String::new(), |rule| format!("rule {rule}: "));
    let label = text.lines().filter(|line| line.contains('^')).find_map(|line| line.rsplit_once("^ "));
    let label = label.map_or(String::new(), |(_, label)| format!(": {}", label.trim()));
    format!("{place}: {rule}{}{label}", error.title())
}

/// The name in a line that begins a rule.
fn rule_name(line: &str) -> Option<&str> {
    let mut words = line.split([' ', '\t', '{', ':']).filter(|word| !word.is_empty());
    let first = words.find(|word| !matches!(*word, "private" | "global"))?;
    (first == "rule").then(|| words.next()).flatten()
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
