//! Reads a trace and says what the sample did. No I/O, no clock: trace in, findings out.
//!
//! ```text
//! traces ─► story (indexed once: lives, flows, files) ─► behaviours, each on its own ─► observations with event numbers
//! ```
//!
//! What honest images do every day (install, compile, rotate logs, ask for cloud credentials, start shells for people who logged
//! in) is never more than a fact here; `src/benign.rs` holds the stories that every behaviour must pass by.

pub mod behaviours;
#[cfg(test)]
mod benign;
mod indicators;
mod lists;
mod payload;
mod programs;
mod provenance;
mod story;
#[cfg(test)]
mod testing;
pub mod tree;
mod wallet;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub use behaviours::ALL;
use model::{Category, Confidence, Indicator, Maturity, Observation, Severity, Trace, Weight, text::shortened};
use story::Story;

/// Most matches of one behaviour that are kept of one run.
const MATCHES_MAX: usize = 16;
/// Most indicators of one match.
const INDICATORS_MAX: usize = 64;
/// Longest value of an indicator, in characters.
const INDICATOR_CHARS_MAX: usize = 2_048;

/// What is known of the image before it ran.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What the image starts: ENTRYPOINT and CMD.
    pub command: Vec<String>,
    /// TCP and UDP ports it says it serves.
    pub exposed: Vec<u16>,
    /// Absolute paths of its regular files, as far as known; empty where nobody looked. Tells what was there from what the run made.
    pub files: HashSet<String>,
}

/// What a behaviour is, apart from how it looks. The same fields as a static detector's.
pub struct About {
    /// Kebab-case, equal to the file's name with `-` for `_`; no static detector has it.
    pub id: &'static str,
    /// What was found, in a few words, for people.
    pub title: &'static str,
    /// What the image is if it holds.
    pub category: Category,
    /// What a match counts for, unless the match says otherwise.
    pub weight: Weight,
    /// How bad, unless the match says otherwise.
    pub severity: Severity,
    /// How sure, unless the match says otherwise.
    pub confidence: Confidence,
    /// How far it is trusted, unless the match says less.
    pub maturity: Maturity,
    /// MITRE ATT&CK technique ids.
    pub techniques: &'static [&'static str],
}

/// Looks at what a sample did.
pub struct Behaviour {
    /// What it is.
    pub about: About,
    judge: Judge,
}

/// How a [`Behaviour`] looks. Must not panic on any trace, and takes time linear in the events.
enum Judge {
    /// At one run.
    Run(fn(&Story<'_>) -> Vec<Match>),
    /// At all runs together; says in which.
    Runs(fn(&[Story<'_>]) -> Vec<(usize, Match)>),
}

/// One thing a behaviour saw. What is none is taken from [`About`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Match {
    /// Position of the event that decided.
    at: usize,
    summary: String,
    indicators: Vec<Indicator>,
    category: Option<Category>,
    weight: Option<Weight>,
    severity: Option<Severity>,
    confidence: Option<Confidence>,
    maturity: Option<Maturity>,
}

impl Match {
    /// The behaviour itself, shown by the event at position `at`.
    fn new(at: usize, summary: impl Into<String>) -> Self {
        Self {
            at,
            summary: summary.into(),
            indicators: Vec::new(),
            category: None,
            weight: None,
            severity: None,
            confidence: None,
            maturity: None,
        }
    }

    fn with(mut self, indicators: impl IntoIterator<Item = Indicator>) -> Self {
        for indicator in indicators {
            if self.indicators.len() < INDICATORS_MAX && !self.indicators.contains(&indicator) {
                self.indicators.push(indicator);
            }
        }
        self
    }

    fn is(mut self, category: Category) -> Self {
        self.category = Some(category);
        self
    }

    fn proof(mut self) -> Self {
        self.weight = Some(Weight::Proof);
        self
    }

    fn sign(mut self) -> Self {
        self.weight = Some(Weight::Sign);
        self
    }

    fn fact(mut self) -> Self {
        self.weight = Some(Weight::Fact);
        self
    }

    /// A part of the rule whose false alarms are not measured.
    fn draft(mut self) -> Self {
        self.maturity = Some(Maturity::Draft);
        self
    }

    fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// One observation, and the event that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What was seen. Text in it was written by the sample.
    pub observation: Observation,
    /// [`model::TraceHead::run`].
    pub run: String,
    /// [`model::Event::sequence`]; 0 where a behaviour failed.
    pub event: u64,
}

/// Everything the behaviours see in the runs of one sample, in the order of [`ALL`]. What a later run only repeats is left out.
/// Takes time linear in the events.
#[must_use]
pub fn judge(traces: &[Trace], context: &Context) -> Vec<Seen> {
    let stories: Vec<Story<'_>> = traces.iter().map(|trace| Story::new(trace, context)).collect();
    let mut seen = Vec::new();
    let mut told: HashSet<(&str, String, Weight)> = HashSet::new();
    for behaviour in ALL {
        for (run, found) in asked(behaviour, &stories) {
            let Some(trace) = traces.get(run) else { continue };
            let event = trace.events.get(found.at).map_or(0, |event| event.sequence);
            let observation = observation(&behaviour.about, found);
            if told.insert((behaviour.about.id, observation.summary.clone(), observation.weight)) {
                seen.push(Seen { observation, run: trace.head.run.clone(), event });
            }
        }
    }
    seen
}

/// A behaviour that panics costs its own answer, and says so.
fn asked(behaviour: &Behaviour, stories: &[Story<'_>]) -> Vec<(usize, Match)> {
    let failed = || {
        let found = Match::new(usize::MAX, "this behaviour failed here: its answer is missing");
        Match { severity: Some(Severity::Info), ..found.fact() }
    };
    match behaviour.judge {
        Judge::Run(judge) => {
            let of_run = |(run, story): (usize, &Story<'_>)| {
                let found = catch_unwind(AssertUnwindSafe(|| judge(story))).unwrap_or_else(|_| vec![failed()]);
                strongest_first(&behaviour.about, found).into_iter().map(move |found| (run, found)).collect::<Vec<_>>()
            };
            stories.iter().enumerate().flat_map(of_run).collect()
        }
        Judge::Runs(judge) => {
            let mut found = catch_unwind(AssertUnwindSafe(|| judge(stories))).unwrap_or_else(|_| vec![(0, failed())]);
            found.truncate(MATCHES_MAX);
            found
        }
    }
}

/// At most [`MATCHES_MAX`], the weightiest kept.
fn strongest_first(about: &About, mut found: Vec<Match>) -> Vec<Match> {
    found.sort_by_key(|found| (std::cmp::Reverse(found.weight.unwrap_or(about.weight)), found.at));
    found.truncate(MATCHES_MAX);
    found
}

/// A match, completed by what the behaviour says of itself. A fact is no harm, and a sign is not the worst.
fn observation(about: &About, found: Match) -> Observation {
    let weight = found.weight.unwrap_or(about.weight);
    let severity = found.severity.unwrap_or(match weight {
        Weight::Fact => Severity::Info,
        Weight::Sign => about.severity.min(Severity::Medium),
        Weight::Proof => about.severity,
    });
    let confidence = found.confidence.unwrap_or(match weight {
        Weight::Sign => about.confidence.min(Confidence::Medium),
        Weight::Fact | Weight::Proof => about.confidence,
    });
    let mut indicators = found.indicators;
    for indicator in &mut indicators {
        if indicator.value.len() > INDICATOR_CHARS_MAX {
            indicator.value = shortened(&indicator.value, INDICATOR_CHARS_MAX).into_owned();
        }
    }
    Observation {
        detector: about.id.to_owned(),
        title: about.title.to_owned(),
        category: found.category.unwrap_or(about.category),
        weight,
        severity,
        confidence,
        maturity: found.maturity.unwrap_or(about.maturity),
        techniques: about.techniques.iter().map(|&id| id.to_owned()).collect(),
        summary: model::text::excerpt(found.summary.as_bytes()),
        offset: None,
        indicators,
        inside: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Run;

    fn broken(_: &Story<'_>) -> Vec<Match> {
        panic!("on purpose")
    }

    #[test]
    fn a_behaviour_that_panics_costs_its_own_answer() {
        let run = Run::new().done();
        let context = Context::default();
        let about = About { ..behaviours::ALL[0].about_copy() };
        let behaviour = Behaviour { about, judge: Judge::Run(broken) };
        let stories = [Story::new(&run, &context)];
        let found = asked(&behaviour, &stories);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.weight, Some(Weight::Fact));
    }

    impl Behaviour {
        fn about_copy(&self) -> About {
            let About { id, title, category, weight, severity, confidence, maturity, techniques } = self.about;
            About { id, title, category, weight, severity, confidence, maturity, techniques }
        }
    }

    #[test]
    fn every_file_is_listed_and_has_a_header() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/behaviours");
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(folder).expect("the folder of behaviours").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "mod.rs" {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).expect("its source");
            for part in ["//! - Sees:", "//! - Misses:", "//! - False alarms:", "//! - Source:"] {
                assert!(text.contains(part), "{name} does not say {part}");
            }
            ids.push(name.trim_end_matches(".rs").replace('_', "-"));
        }
        ids.sort();
        let mut listed: Vec<_> = ALL.iter().map(|behaviour| behaviour.about.id.to_owned()).collect();
        listed.sort();
        assert_eq!(ids, listed);
    }

    #[test]
    fn what_a_second_run_repeats_is_told_once() {
        let mut run = Run::new();
        let shell = run.spawn(1, "/bin/sh", &["sh"]);
        run.flow(shell, "203.0.113.7:4444", None, "sink", b"x");
        let first = run.done();
        let mut second = first.clone();
        second.head.run = "2".to_owned();
        let once = judge(std::slice::from_ref(&first), &Context::default());
        assert!(!once.is_empty());
        assert_eq!(judge(&[first, second], &Context::default()), once);
    }
}
