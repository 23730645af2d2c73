//! Sees what a sample does only on another date.
//!
//! - Sees: programs run, hosts contacted and files written in a run with a shifted date that no run with the real one has.
//! - Misses: dates beyond the shift; clocks that are not answered.
//! - False alarms: schedulers and renewals of certificates do what is due, and addresses differ by chance: a fact. What is done there is judged by itself.
//! - Source: ATT&CK T1480, T1497.003.

use std::collections::BTreeSet;

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "date-waited",
        title: "Does something else on another date",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1480", "T1497.003"],
    },
    judge: Judge::Runs(judge),
};

fn judge(stories: &[Story<'_>]) -> Vec<(usize, Match)> {
    let same = |one: &Story<'_>, other: &Story<'_>| one.trace.head.command == other.trace.head.command;
    let mut found = Vec::new();
    for (run, shifted) in stories.iter().enumerate().filter(|(_, story)| story.trace.head.clock_shift_seconds != 0) {
        let plain: Vec<_> =
            stories.iter().filter(|story| story.trace.head.clock_shift_seconds == 0 && same(story, shifted)).collect();
        if plain.is_empty() {
            continue;
        }
        let before: BTreeSet<String> = plain.iter().flat_map(|story| done(story)).map(|(_, what, _)| what).collect();
        let mut new: Vec<_> = done(shifted).into_iter().filter(|(_, what, _)| !before.contains(what)).collect();
        let mut told = BTreeSet::new();
        new.retain(|(_, what, _)| told.insert(what.clone()));
        let Some((at, ..)) = new.first() else { continue };
        let days = shifted.trace.head.clock_shift_seconds / 86_400;
        let shown: Vec<_> = new.iter().take(4).map(|(_, what, _)| what.as_str()).collect();
        let hosts = new.iter().filter_map(|(_, _, host)| host.clone()).take(16);
        found.push((
            run,
            Match::new(*at, format!("{days} days later: {}", shown.join(", "))).with(hosts.collect::<Vec<_>>()),
        ));
    }
    found
}

/// What a run did, comparable with another.
fn done(story: &Story<'_>) -> Vec<(usize, String, Option<model::Indicator>)> {
    /// Most doings that are compared.
    const DOINGS_MAX: usize = 4_096;
    let mut all = Vec::new();
    for (at, event) in story.events() {
        match &event.what {
            What::Exec { path, .. } => all.push((at, format!("runs {path}"), None)),
            What::Dns { name, .. } => {
                all.push((at, format!("asks for {name}"), Some(indicators::of(IndicatorKind::Domain, name))))
            }
            What::FlowStart { remote, name: None, inbound: false, .. } => {
                all.push((at, format!("connects to {remote}"), Some(indicators::of(IndicatorKind::Address, remote))))
            }
            _ => {}
        }
        if all.len() >= DOINGS_MAX {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit_in, miss};

    fn shifted() -> Run {
        let mut run = Run::new();
        run.head().run = "2".to_owned();
        run.head().clock_shift_seconds = 90 * 86_400;
        run
    }

    #[test]
    fn a_program_that_only_runs_later() {
        let mut later = shifted();
        later.spawn(1, "/opt/payload", &["payload"]);
        hit_in(&BEHAVIOUR, vec![Run::new(), later], Weight::Fact, "90 days later: runs /opt/payload");
    }

    #[test]
    fn a_host_that_is_only_asked_for_later() {
        let mut later = shifted();
        later.dns(1, "c2.example", "A", &["203.0.113.1"]);
        hit_in(&BEHAVIOUR, vec![Run::new(), later], Weight::Fact, "asks for c2.example");
    }

    #[test]
    fn the_same_on_both_dates_is_none() {
        miss(&BEHAVIOUR, shifted());
        let found = crate::testing::found_in(&BEHAVIOUR, vec![Run::new(), shifted()]);
        assert_eq!(found, Vec::new());
    }

    #[test]
    fn without_a_plain_run_nothing_is_compared() {
        let mut later = shifted();
        later.spawn(1, "/opt/payload", &["payload"]);
        assert_eq!(crate::testing::found_in(&BEHAVIOUR, vec![later]), Vec::new());
    }
}
