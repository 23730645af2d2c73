//! The user's own rules for secrets: gitleaks files, taken as they are.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, FileKind, Maturity, Observation};

use super::{
    Found,
    allowlist::Allowlist,
    own,
    rule::{self, Rule, joined},
    schema::{self, RawRule},
};
use crate::{
    RuleFile,
    detectors::Match,
    prefilter::{Hits, LITERAL_BYTES_MIN, Prefilter},
    secret,
};

/// Most secrets of one rule in one file.
const FOUND_PER_RULE_MAX: usize = 64;

/// Everything of the user's files.
pub(crate) struct UserRules {
    files: Vec<File>,
    rules: Vec<Asked>,
    prefilter: Prefilter,
    wanted: Vec<bool>,
    /// For every literal of the prefilter the rules it belongs to, and whether as a keyword.
    owners: Vec<Vec<(usize, Role)>>,
    /// Ids of our rules that are switched off.
    disabled: BTreeSet<String>,
    asks_paths: bool,
}

/// One file.
struct File {
    name: String,
    allowlists: Vec<Allowlist>,
}

/// A rule with how it is gated.
struct Asked {
    rule: Rule,
    file: usize,
    asks_paths: bool,
    gate: Gate,
}

/// When a rule is asked about some bytes. Its keywords are a gate of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Near a literal that every match contains.
    Near,
    /// Everywhere, if a keyword is there.
    Keyword,
    /// Everywhere in text: nothing is known of it that is long enough to be looked for.
    Text,
    /// Never in content: it is a rule of paths.
    Path,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Literal,
    Keyword,
}

/// What loading said.
#[derive(Default)]
pub(crate) struct Loaded {
    /// Lines for the user: what is left out, and what is different here.
    pub(crate) notes: Vec<String>,
    /// By file: why nothing of it loads.
    pub(crate) empty: Vec<(String, String)>,
}

/// What one look gives.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) observations: Vec<Observation>,
    /// From where on literals were not all looked at.
    pub(crate) unseen_from: Option<usize>,
}

/// Where bytes are.
#[derive(Clone, Copy)]
pub(crate) enum Where<'a> {
    /// Only rules are asked whose answer is the same in every place.
    AnyPlace,
    /// All rules.
    At(&'a str),
    /// Only those that were not asked in any place.
    AlsoAt(&'a str),
}

impl UserRules {
    /// Loads `files`. What is wrong costs itself.
    pub(crate) fn load(files: &[&RuleFile]) -> (Self, Loaded) {
        let mut loaded = Loaded::default();
        let (mut kept, mut rules, mut disabled) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (index, file) in files.iter().enumerate() {
            let (kept_file, kept_rules) = one_file(file, index, &mut disabled, &mut loaded);
            kept.push(kept_file);
            rules.extend(kept_rules);
        }
        let mut literals: BTreeMap<String, Vec<(usize, Role)>> = BTreeMap::new();
        for (index, asked) in rules.iter().enumerate() {
            let compiled = asked.rule.pattern.as_ref().and_then(|pattern| pattern.compiled());
            for literal in compiled.iter().flat_map(|it| &it.reach.literals).filter(|_| asked.gate == Gate::Near) {
                literals.entry(literal.clone()).or_default().push((index, Role::Literal));
            }
            if asked.rule.keywords.iter().all(|word| word.len() >= LITERAL_BYTES_MIN) {
                for word in &asked.rule.keywords {
                    literals.entry(word.clone()).or_default().push((index, Role::Keyword));
                }
            }
        }
        let texts: Vec<&str> = literals.keys().map(String::as_str).collect();
        let prefilter = Prefilter::new(&texts);
        let asks_paths = rules.iter().any(|asked| asked.asks_paths);
        let wanted = vec![true; texts.len()];
        let owners = literals.into_values().collect();
        (Self { files: kept, rules, prefilter, wanted, owners, disabled, asks_paths }, loaded)
    }

    /// Whether our rule `id` is switched off.
    pub(crate) fn is_disabled(&self, id: &str) -> bool {
        self.disabled.contains(id)
    }

    /// Whether any is.
    pub(crate) fn disables(&self) -> bool {
        !self.disabled.is_empty()
    }

    /// Whether any rule depends on the place of a file.
    pub(crate) fn asks_paths(&self) -> bool {
        self.asks_paths
    }

    /// Looks at `bytes`. Linear for every rule that has a reason to be asked.
    pub(crate) fn look(&self, bytes: &[u8], kind: FileKind, place: Where<'_>, hits: &mut Hits) -> Answer {
        self.prefilter.scan(bytes, &self.wanted, hits);
        let mut seen: Vec<Seen> = self.rules.iter().map(|_| Seen::default()).collect();
        for &(offset, literal) in &hits.found {
            for &(rule, role) in self.owners.get(literal).into_iter().flatten() {
                let Some(seen) = seen.get_mut(rule) else { continue };
                match role {
                    Role::Literal => seen.at.push(offset),
                    Role::Keyword => seen.has_keyword = true,
                }
            }
        }
        let mut answer = Answer { observations: Vec::new(), unseen_from: hits.unseen_from };
        let mut lower: Option<Vec<u8>> = None;
        for (asked, seen) in self.rules.iter().zip(&seen) {
            let path = match place {
                Where::AnyPlace if asked.asks_paths => continue,
                Where::AnyPlace => None,
                Where::At(path) => Some(path),
                Where::AlsoAt(_) if !asked.asks_paths => continue,
                Where::AlsoAt(path) => Some(path),
            };
            if let Some(wanted) = &asked.rule.path
                && !path.is_some_and(|path| wanted.is_in(path.as_bytes()))
            {
                continue;
            }
            if asked.gate == Gate::Path {
                answer.observations.push(self.at_path(asked));
                continue;
            }
            let spans = match asked.gate {
                Gate::Near => spans(asked, &seen.at),
                Gate::Keyword => vec![(0, bytes.len())],
                Gate::Text | Gate::Path => {
                    if !matches!(kind, FileKind::Text | FileKind::Script) {
                        continue;
                    }
                    vec![(0, bytes.len())]
                }
            };
            if spans.is_empty() || !has_keyword(asked, seen, bytes, &mut lower) {
                continue;
            }
            self.search(asked, bytes, &spans, path, &mut answer.observations);
        }
        answer
    }

    fn search(
        &self,
        asked: &Asked,
        bytes: &[u8],
        spans: &[(usize, usize)],
        path: Option<&str>,
        observations: &mut Vec<Observation>,
    ) {
        let globals: Vec<&Allowlist> =
            self.files.get(asked.file).into_iter().flat_map(|file| &file.allowlists).collect();
        let mut values: BTreeSet<&[u8]> = BTreeSet::new();
        for &(from, to) in spans {
            asked.rule.search(bytes, from, to, &globals, path, |found| {
                if values.insert(found.secret) {
                    observations.push(self.observation(asked, &found));
                }
                values.len() < FOUND_PER_RULE_MAX
            });
            if values.len() >= FOUND_PER_RULE_MAX {
                return;
            }
        }
    }

    fn observation(&self, asked: &Asked, found: &Found<'_>) -> Observation {
        let shown = secret::redacted(&String::from_utf8_lossy(found.secret));
        let summary = format!("rule {}: {shown} {}", asked.rule.id, found.detail);
        let mut seen = self.about(asked, summary.trim_end());
        seen.offset = Some(found.offset as u64);
        seen.indicators.push(secret::fingerprint(&asked.rule.id, found.secret));
        seen
    }

    fn at_path(&self, asked: &Asked) -> Observation {
        self.about(asked, &format!("rule {}: the path matches", asked.rule.id))
    }

    fn about(&self, asked: &Asked, summary: &str) -> Observation {
        let file = self.files.get(asked.file).map_or("", |file| file.name.as_str());
        let title = model::text::shortened(&asked.rule.description, model::text::SUMMARY_CHARS_MAX);
        Observation {
            detector: format!("secrets:{}.{}", file.trim_end_matches(".toml"), asked.rule.id),
            title: title.into_owned(),
            category: Category::EmbeddedSecret,
            weight: asked.rule.weight,
            severity: asked.rule.severity,
            confidence: Confidence::Medium,
            maturity: Maturity::Draft,
            techniques: vec!["T1552.001".to_owned()],
            summary: Match::new(summary, None).summary,
            offset: None,
            indicators: Vec::new(),
            inside: None,
        }
    }
}

/// What the prefilter saw for one rule.
#[derive(Default)]
struct Seen {
    at: Vec<usize>,
    has_keyword: bool,
}

fn spans(asked: &Asked, at: &[usize]) -> Vec<(usize, usize)> {
    let Some(compiled) = asked.rule.pattern.as_ref().and_then(|pattern| pattern.compiled()) else { return Vec::new() };
    let reach = &compiled.reach;
    // One byte more on either side, for what an expression may ask of its neighbours.
    joined(at.iter().map(|&at| (at.saturating_sub(reach.before + 1), at.saturating_add(reach.behind + 1))))
}

/// Whether a keyword is there: as the prefilter saw, or, if one is too short for it, by looking.
fn has_keyword(asked: &Asked, seen: &Seen, bytes: &[u8], lower: &mut Option<Vec<u8>>) -> bool {
    let words = &asked.rule.keywords;
    if words.is_empty() || seen.has_keyword {
        return true;
    }
    if words.iter().all(|word| word.len() >= LITERAL_BYTES_MIN) {
        return false;
    }
    let lower = lower.get_or_insert_with(|| bytes.to_ascii_lowercase());
    words.iter().any(|word| memchr::memmem::find(lower, word.as_bytes()).is_some())
}

fn one_file(file: &RuleFile, index: usize, disabled: &mut BTreeSet<String>, loaded: &mut Loaded) -> (File, Vec<Asked>) {
    let raw = schema::read(&file.text);
    let mut mistakes = raw.mistakes;
    let mut lists = Vec::new();
    let mut targeted: Vec<(usize, &schema::RawAllowlist)> = Vec::new();
    for (line, list) in &raw.allowlists {
        if !list.target_rules.is_empty() {
            targeted.push((*line, list));
            continue;
        }
        match Allowlist::new(list) {
            Ok(list) => lists.push(list),
            Err(error) => mistakes.push((*line, error)),
        }
    }
    let extend = &raw.extend;
    if !extend.path.is_empty() || !extend.url.is_empty() {
        let text = "extend names another file, which is not read: give it with --rules too";
        loaded.notes.push(format!("{}: {text}", file.name));
    }
    if extend.use_default {
        for id in &extend.disabled_rules {
            if own::RULES.ids().any(|own| own == id) {
                disabled.insert(id.clone());
            } else {
                loaded.notes.push(format!("{}: disabledRules: {id:?} is none of our rules", file.name));
            }
        }
    }
    let files_asks_paths = lists.iter().any(Allowlist::asks_paths);
    let mut rules: Vec<Asked> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, rule) in &raw.rules {
        let mut rule = rule.clone();
        for (_, list) in targeted.iter().filter(|(_, list)| list.target_rules.contains(&rule.id)) {
            rule.allowlists.push((*list).clone());
        }
        if rule.regex.is_empty() && rule.path.is_empty() {
            let base = own::RULES.raw.iter().find(|own| own.id == rule.id).filter(|_| extend.use_default);
            match base {
                Some(base) => {
                    disabled.insert(rule.id.clone());
                    rule = extended(base, &rule);
                }
                None if extend.use_default => {
                    mistakes.push((*line, format!("rule {:?}: it changes a rule that is none of ours", rule.id)));
                    continue;
                }
                None => {}
            }
        }
        if rule.skip_report {
            loaded
                .notes
                .push(format!("{}:{line}: rule {:?} is not asked: it is only there for others", file.name, rule.id));
            continue;
        }
        if !rule.required.is_empty() {
            let text = "the rules it requires beside it are not asked for";
            loaded.notes.push(format!("{}:{line}: rule {:?}: {text}", file.name, rule.id));
        }
        match rule::checked(&rule) {
            Ok(built) => {
                let asked = asked(built, index, files_asks_paths);
                if asked.gate == Gate::Text {
                    let text = "it has no literal of four bytes, so it is asked about text files only, and is slow";
                    loaded.notes.push(format!("{}:{line}: rule {:?}: {text}", file.name, rule.id));
                }
                // A later rule of the same id takes the place of the earlier.
                match seen.get(&rule.id).and_then(|&at| rules.get_mut(at)) {
                    Some(earlier) => *earlier = asked,
                    None => {
                        seen.insert(rule.id.clone(), rules.len());
                        rules.push(asked);
                    }
                }
            }
            Err(error) => mistakes.push((*line, format!("rule {:?}: {error}", rule.id))),
        }
    }
    mistakes.sort();
    let mistakes: Vec<_> = mistakes.iter().map(|(line, text)| format!("{}:{line}: {text}", file.name)).collect();
    if rules.is_empty() && lists.is_empty() && !extend.use_default {
        let why = mistakes.first().cloned().unwrap_or_else(|| format!("{}:1: there is no rule in it", file.name));
        loaded.empty.push((file.name.clone(), why));
    }
    loaded.notes.extend(mistakes);
    (File { name: file.name.clone(), allowlists: lists }, rules)
}

fn asked(rule: Rule, file: usize, file_asks_paths: bool) -> Asked {
    let has_literals =
        rule.pattern.as_ref().and_then(|pattern| pattern.compiled()).map(|it| !it.reach.literals.is_empty());
    let has_keywords = !rule.keywords.is_empty() && rule.keywords.iter().all(|word| word.len() >= LITERAL_BYTES_MIN);
    let gate = match has_literals {
        None => Gate::Path,
        Some(true) => Gate::Near,
        Some(false) if has_keywords => Gate::Keyword,
        Some(false) => Gate::Text,
    };
    let asks_paths = file_asks_paths || rule.asks_paths() || gate == Gate::Path;
    Asked { rule, file, asks_paths, gate }
}

/// One of ours as the user changes it: allowlists and keywords are added, words and numbers taken if they are there.
fn extended(base: &RawRule, change: &RawRule) -> RawRule {
    let mut rule = base.clone();
    if !change.description.is_empty() {
        rule.description.clone_from(&change.description);
    }
    if change.entropy > 0.0 {
        rule.entropy = change.entropy;
    }
    rule.keywords.extend(change.keywords.iter().cloned());
    rule.allowlists.extend(change.allowlists.iter().chain(&change.allowlist).cloned());
    rule
}
