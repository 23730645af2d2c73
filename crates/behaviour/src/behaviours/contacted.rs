//! Lists whom the sample talked to.
//!
//! - Sees: names asked for, addresses connected to, URLs requested.
//! - Misses: nothing of what was on the wire, but at most so many are listed.
//! - False alarms: none: it is a fact.
//! - Source: ATT&CK T1071, T1571.

use std::collections::BTreeSet;

use model::{Category, Confidence, Indicator, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "contacted",
        title: "Talks to other machines",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: &[],
    },
    judge: Judge::Run(judge),
};

/// Most hosts named in the line.
const NAMED_MAX: usize = 6;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut hosts: BTreeSet<Indicator> = BTreeSet::new();
    let mut all: Vec<Indicator> = Vec::new();
    let mut seen: BTreeSet<Indicator> = BTreeSet::new();
    let mut first = None;
    let mut bare = 0;
    for flow in story
        .flows()
        .filter(|flow| !flow.inbound && !flow.remote.is_empty() && flow.service != "dns" && flow.port() != 53)
    {
        let host = indicators::host(flow);
        first.get_or_insert(flow.start);
        if hosts.insert(host.clone()) {
            bare += usize::from(host.kind == IndicatorKind::Address && flow.is_public());
            all.push(host);
        }
    }
    for (at, event) in story.events() {
        let one = match &event.what {
            What::Http { url, .. } => indicators::url(url),
            What::Dns { name, answer, .. } if !answer.is_empty() => {
                indicators::of(IndicatorKind::Domain, name.trim_end_matches('.'))
            }
            _ => continue,
        };
        first.get_or_insert(at);
        if seen.len() < 256 && seen.insert(one.clone()) && !hosts.contains(&one) {
            all.push(one);
        }
    }
    let Some(first) = first else { return Vec::new() };
    let names: Vec<_> = hosts.iter().take(NAMED_MAX).map(|host| host.value.as_str()).collect();
    let more = if hosts.len() > NAMED_MAX { ", …" } else { "" };
    let without = if bare > 0 { format!(" ({bare} without asking for a name)") } else { String::new() };
    vec![Match::new(first, format!("{} hosts{without}: {}{more}", hosts.len(), names.join(", "))).with(all)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    #[test]
    fn hosts_and_urls_are_listed() {
        let mut run = Run::new();
        run.dns(1, "api.example", "A", &["198.51.100.4"]);
        run.http(1, "GET", "http://api.example/v1", "json");
        run.flow(1, "203.0.113.7:4444", None, "sink", b"x");
        let seen = found(&BEHAVIOUR, run);
        let values: Vec<_> = seen[0].indicators.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(values, ["api.example", "203.0.113.7:4444", "http://api.example/v1"]);
        assert_eq!(seen[0].summary, "2 hosts (1 without asking for a name): api.example, 203.0.113.7:4444");
    }

    #[test]
    fn a_name_alone_is_told() {
        let mut run = Run::new();
        run.dns(1, "api.example", "A", &["198.51.100.4"]);
        hit(&BEHAVIOUR, run, Weight::Fact, "0 hosts");
    }

    #[test]
    fn silence_and_callers_are_none() {
        let mut run = Run::new();
        run.accept(1, "172.17.0.1:5000");
        assert_eq!(found(&BEHAVIOUR, run), Vec::new());
        miss(&BEHAVIOUR, Run::new());
    }
}
