//! Sees other miners and bots killed to have the machine alone.
//!
//! - Sees: `pkill`, `killall`, `pgrep`, `grep` for names of known miners and bots.
//! - Misses: killing by number after reading every process.
//! - False alarms: a guard against miners does the same: one name is a sign of a draft.
//! - Source: lists of rivals in Kinsing's and TeamTNT's scripts as published; ATT&CK T1489, T1496.001.

use std::collections::BTreeSet;

use model::{Category, Confidence, Maturity, Severity, Weight};

use crate::{About, Behaviour, Judge, Match, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "rivals-killed",
        title: "Kills rival miners",
        category: Category::Cryptominer,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1489", "T1496.001"],
    },
    judge: Judge::Run(judge),
};

const RIVALS: &[&str] = &[
    "xmrig",
    "xmr-stak",
    "minerd",
    "cpuminer",
    "kinsing",
    "kdevtmpfsi",
    "cryptonight",
    "ddgs",
    "qw3xt",
    "watchbog",
    "sustes",
    "sysupdate",
    "networkservice",
    "xmrigdaemon",
    "xmrigminer",
    "minexmr",
    "nanopool",
    "monerohash",
    "dwarfpool",
    "crypto-pool",
    "stratum",
    "zigw",
    "tsunami",
    "mirai",
    "gafgyt",
    "kaiten",
    "pnscan",
    "masscan",
    "teamtnt",
    "sysrv",
    "dbused",
    "kerberods",
    "khugepageds",
    "rocke",
    "c3pool",
    "supportxmr",
    "moneroocean",
    "solrd",
    "atlas.x86",
    "biosetjenkins",
    "wnTKYg",
    "hashfish",
    "ccminer",
    "ethminer",
    "nbminer",
    "xig",
    "perfctl",
    "kthrotlds",
];
const KILLERS: &[&str] = &["pkill", "killall", "killall5", "skill", "pgrep", "fuser"];
const FINDERS: &[&str] = &["grep", "egrep", "awk"];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let (mut first, mut kills) = (None, false);
    for program in story.programs().filter(|program| program.is(KILLERS) || program.is(FINDERS)) {
        // A search through files is none for processes.
        if program.is(FINDERS) && program.input != Some(model::Stream::Pipe) {
            continue;
        }
        let line = program.line();
        let before = named.len();
        named.extend(RIVALS.iter().filter(|rival| line.contains(*rival)));
        if named.len() > before {
            first.get_or_insert(program.at);
        }
    }
    for program in story.programs() {
        kills |= program.is(&["kill", "pkill", "killall", "skill", "fuser"]);
    }
    kills |= story.events().any(|(_, event)| matches!(event.what, model::What::Kill { signal: 9 | 15, .. }));
    let Some(at) = first.filter(|_| kills) else { return Vec::new() };
    let shown: Vec<_> = named.iter().take(8).copied().collect();
    let told = Match::new(at, format!("looks for {} rivals to kill: {}", named.len(), shown.join(", ")));
    vec![if named.len() >= 3 { told } else { told.draft() }]
}

#[cfg(test)]
mod tests {
    use model::Stream;

    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn three_names() {
        let mut run = Run::new();
        for name in ["kinsing", "kdevtmpfsi", "xmrig"] {
            run.spawn(1, "/usr/bin/pkill", &["pkill", "-9", "-f", name]);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "looks for 3 rivals to kill: kdevtmpfsi, kinsing, xmrig");
    }

    #[test]
    fn by_way_of_a_pipe() {
        let mut run = Run::new();
        run.spawn_with(1, "/bin/grep", &["grep", "-E", "minerd|xmrig|stratum"], Stream::Pipe, Stream::Pipe);
        run.spawn(1, "/bin/kill", &["kill", "-9", "77"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "3 rivals");
    }

    #[test]
    fn ending_ones_own_is_none() {
        let mut run = Run::new();
        run.spawn(1, "/usr/bin/pkill", &["pkill", "-HUP", "nginx"]);
        run.spawn(1, "/usr/bin/killall", &["killall", "node"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_search_through_files_is_none() {
        let mut run = Run::new();
        run.spawn(1, "/bin/grep", &["grep", "-rE", "minerd|xmrig|stratum", "/srv"]);
        run.spawn(1, "/bin/kill", &["kill", "-HUP", "1"]);
        miss(&BEHAVIOUR, run);
    }
}
