//! Sees commands carried out for another machine, by a program that keeps a connection to it.
//!
//! - Sees: commands that look round (`id`, `uname`, `ps`, …) started by a program after a machine it called by address, in no known protocol, spoke to it;
//!   or one after the other, each between a question and a posted answer to the same web server.
//! - Misses: orders that look at nothing; several orders at once.
//! - False alarms: agents of monitoring and deployment do the same for a server they are told the name of: a sign of a draft. Over the web they gather first
//!   and send it together.
//! - Source: ATT&CK T1059.004, T1082, T1033, T1571.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "commands-obeyed",
        title: "Carries out commands of another machine",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1082", "T1571"],
    },
    judge: Judge::Run(judge),
};

const LOOKS_ROUND: &[&str] = &[
    "id", "whoami", "uname", "hostname", "ifconfig", "ip", "ps", "w", "who", "last", "netstat", "ss", "lscpu", "df",
    "mount", "env", "printenv", "pwd", "ls", "cat", "arp", "uptime", "free", "nproc", "groups",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, life) in story.lives().iter().enumerate() {
        if let Some(told) = asked_and_answered(story, index) {
            found.push(told);
            continue;
        }
        let flow = life.flows.iter().filter_map(|flow| story.flow(*flow)).find(|flow| {
            !flow.inbound
                && flow.protocol == "tcp"
                && flow.requests.is_empty()
                && flow.bytes_in > 0
                && flow.bytes_out > 0
                && matches!(flow.service, "sink" | "unknown" | "c2" | "generic")
        });
        let Some(flow) = flow else { continue };
        // A shell that connected by itself is `reverse-shell-opened`'s.
        if story.last_program(index).is_some_and(|program| program.is_shell() || program.is_netcat()) {
            continue;
        }
        let mut commands: BTreeSet<String> = BTreeSet::new();
        let mut first = None;
        for child in life.children.iter().take(256) {
            let Some(of) = story.life(*child) else { continue };
            if of.execs.is_empty() || of.first < flow.start {
                continue;
            }
            for program in story.own_programs(*child) {
                if let Some(command) = looks_round(&program) {
                    first.get_or_insert(program.at);
                    commands.insert(command);
                }
            }
        }
        let Some(at) = first.filter(|_| commands.len() >= 2) else { continue };
        let who = story.last_program(index).map_or("a program", |program| program.tool());
        let names: Vec<_> = commands.into_iter().take(6).collect();
        let told = Match::new(at, format!("{who} runs {} for {}", names.join(", "), flow.remote))
            .with([indicators::host(flow)]);
        found.push(if flow.name.is_none() && flow.is_public() { told } else { told.draft() });
    }
    found
}

/// One command between a question and an answer to the same server.
struct Round<'a> {
    at: usize,
    command: String,
    host: &'a str,
    flow: u64,
}

/// Question, command, answer, and again with another command: a beacon over HTTP.
fn asked_and_answered(story: &Story<'_>, index: usize) -> Option<Match> {
    let life = story.life(index)?;
    let request = |at: usize| match story.what(at) {
        Some(What::Http { flow, url, body_bytes, .. }) => {
            let host = url.split("://").nth(1)?.split(['/', '?', '#']).next()?;
            Some((at, *flow, host, *body_bytes > 0))
        }
        _ => None,
    };
    let requests: Vec<_> = life.requests.iter().take(256).filter_map(|at| request(*at)).collect();
    // By the question before: one with several commands behind it gathers.
    let mut rounds: BTreeMap<usize, Vec<Round<'_>>> = BTreeMap::new();
    for child in life.children.iter().take(256) {
        let programs = story.own_programs(*child).filter_map(|program| Some((program.at, looks_round(&program)?)));
        for (at, command) in programs.take(1) {
            let asked = requests.iter().rev().find(|(asked, ..)| *asked < at);
            let answered = requests.iter().find(|(answered, ..)| *answered > at);
            if let (Some((asked, _, host, false)), Some((_, flow, to, true))) = (asked, answered)
                && host == to
            {
                rounds.entry(*asked).or_default().push(Round { at, command, host, flow: *flow });
            }
        }
    }
    let rounds: Vec<Round<'_>> = rounds.into_values().filter(|round| round.len() == 1).flatten().collect();
    let commands: BTreeSet<&str> = rounds.iter().map(|round| round.command.as_str()).collect();
    let Round { at, host, flow, .. } = rounds.first().filter(|_| commands.len() >= 2)?;
    let who = story.last_program(index).map_or("a program", |program| program.tool());
    let names: Vec<_> = commands.into_iter().take(6).collect();
    let told = format!("{who} asks {host}, runs {} and posts each answer", names.join(", "));
    Some(Match::new(*at, told).with(story.flow(*flow).map(indicators::host)))
}

/// The command a shell is given, or that is run itself.
fn looks_round(program: &Program<'_>) -> Option<String> {
    let first = match program.inline() {
        Some(line) if program.is_shell() => {
            line.split(|character: char| character.is_whitespace() || ";|&".contains(character)).next()?
        }
        _ => program.tool(),
    };
    LOOKS_ROUND.contains(&crate::programs::base(first)).then(|| crate::programs::base(first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn an_agent_that_nobody_named() {
        let mut run = Run::of("/opt/agent", &["agent"]);
        run.flow(1, "203.0.113.7:8443", None, "sink", b"uid=0(root)");
        run.spawn(1, "/bin/dash", &["sh", "-c", "id"]);
        run.spawn(1, "/bin/dash", &["sh", "-c", "uname -a"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "agent runs id, uname for 203.0.113.7:8443");
    }

    #[test]
    fn commands_that_are_run_directly() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/a.py"]);
        run.flow(1, "203.0.113.7:8443", None, "sink", b"x");
        for tool in ["/usr/bin/whoami", "/bin/ps"] {
            run.spawn(1, tool, &[tool]);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "python runs ps, whoami");
    }

    #[test]
    fn a_service_that_looks_round_at_its_start_is_none() {
        let mut run = Run::of("/usr/bin/java", &["java", "-jar", "/app.jar"]);
        run.spawn(1, "/bin/uname", &["uname", "-a"]);
        run.spawn(1, "/bin/hostname", &["hostname"]);
        run.flow(1, "203.0.113.7:9092", None, "sink", b"x");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn orders_that_are_asked_for_one_by_one() {
        let mut run = Run::of("/usr/bin/flags", &["flags"]);
        for command in ["id", "uname -a"] {
            run.http(1, "GET", "http://api.example/v2/tasks", "json");
            run.spawn(1, "/bin/dash", &["sh", "-c", command]);
            run.http_with(1, "POST", "http://api.example/v2/results", "json", b"dWlkPTA=", None);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "flags asks api.example, runs id, uname and posts each answer");
    }

    #[test]
    fn an_agent_that_gathers_and_then_sends_is_none() {
        let mut run = Run::of("/usr/bin/agent", &["agent"]);
        for _ in 0..4 {
            run.http(1, "GET", "http://api.example/config", "json");
            for command in ["df -h", "free -m", "uptime"] {
                run.spawn(1, "/bin/dash", &["sh", "-c", command]);
            }
            run.http_with(1, "POST", "http://api.example/metrics", "json", b"{}", None);
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_web_service_that_runs_tools_is_none() {
        let mut run = Run::of("/usr/bin/node", &["node", "/app/server.js"]);
        run.http(1, "GET", "https://api.example/", "json");
        run.spawn(1, "/bin/dash", &["sh", "-c", "df -h"]);
        run.spawn(1, "/bin/dash", &["sh", "-c", "free -m"]);
        miss(&BEHAVIOUR, run);
    }
}
