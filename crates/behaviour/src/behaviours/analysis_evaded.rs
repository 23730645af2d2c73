//! Sees the sample find out whether it is watched.
//!
//! - Sees: tracing itself to keep debuggers out, the machine's maker and hypervisor, the marks of a container, long waits: several kinds together.
//! - Misses: the clock read from memory, instruction timing.
//! - False alarms: each alone is ordinary: runtimes read their status, schedulers sleep, agents read the machine's maker. So it is a sign of a draft
//!   of no category that condemns.
//! - Source: ATT&CK T1497.001, T1497.003, T1622.

use model::{Category, Confidence, EndReason, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "analysis-evaded",
        title: "Finds out whether it is watched",
        category: Category::Other,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1497.001", "T1497.003", "T1622"],
    },
    judge: Judge::Run(judge),
};

/// A sleep that is longer than anybody watches, in milliseconds.
const LONG_MS: u64 = 25 * 60 * 1_000;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut note = |kind: &'static str, at: usize| {
        if kinds.iter().all(|(known, _)| *known != kind) {
            kinds.push((kind, at));
        }
    };
    for (at, event) in story.events() {
        match &event.what {
            What::Trace { call, request: 0, .. } if call == "ptrace" => note("traces itself", at),
            What::Open { path, .. } => match path.as_str() {
                "/.dockerenv" | "/run/.containerenv" => note("looks for the marks of a container", at),
                "/proc/self/status"
                    if story.program(at).is_some_and(|program| {
                        program.is(&["grep", "awk", "cat", "sed"]) && program.line().contains("TracerPid")
                            || program.written
                    }) =>
                {
                    note("looks for a debugger", at);
                }
                "/proc/scsi/scsi" | "/proc/ide/hd0/model" | "/sys/hypervisor/type" => {
                    note("looks for a virtual machine", at)
                }
                _ if path.contains("/dmi/id/")
                    && !story.program(at).is_some_and(|program| program.is(&["java", "lshw", "node_exporter"])) =>
                {
                    note("looks for a virtual machine", at);
                }
                _ => {}
            },
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                if program.is(&["systemd-detect-virt", "virt-what", "dmidecode", "lscpu"]) {
                    note("looks for a virtual machine", at);
                }
                if program.is(&["grep", "pgrep", "pidof", "ps"]) {
                    let line = program.line();
                    if line.contains("TracerPid") {
                        note("looks for a debugger", at);
                    }
                    if ["strace", "gdb", "tcpdump", "wireshark", "sysdig", "falco", "ltrace"]
                        .iter()
                        .any(|tool| line.contains(tool))
                    {
                        note("looks for analysts' tools", at);
                    }
                    if line.contains("hypervisor") || line.contains("docker") && line.contains("cgroup") {
                        note("looks for a virtual machine", at);
                    }
                }
            }
            What::Sleep { asked_ms, .. } if *asked_ms >= LONG_MS && *asked_ms < 30 * 24 * 3_600_000 => {
                let tool = story.program(at).is_some_and(|program| program.is(&["cron", "crond", "supercronic"]));
                if !tool {
                    note("waits long", at);
                }
            }
            _ => {}
        }
    }
    let Some((_, at)) = kinds.first().copied() else { return Vec::new() };
    let names: Vec<_> = kinds.iter().map(|(kind, _)| *kind).collect();
    let gives_up = matches!(story.trace.end.reason, EndReason::Exited { .. }) && story.trace.end.duration_ms < 5_000;
    let told = Match::new(at, format!("{}{}", names.join(", "), if gives_up { ", and ends" } else { "" }));
    vec![if names.len() >= 2 { told } else { told.fact() }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn several_questions_together() {
        let mut run = Run::of("/opt/x", &["x"]);
        run.push(1, What::Trace { call: "ptrace".into(), target: 0, request: 0, result: 0 });
        run.open(1, "/sys/class/dmi/id/product_name", 3);
        hit(&BEHAVIOUR, run, Weight::Sign, "traces itself, looks for a virtual machine");
    }

    #[test]
    fn a_mark_and_a_long_wait() {
        let mut run = Run::of("/opt/x", &["x"]);
        run.open(1, "/.dockerenv", 3);
        run.push(1, What::Sleep { call: "clock_nanosleep".into(), asked_ms: 3_600_000, skipped: true });
        hit(&BEHAVIOUR, run, Weight::Sign, "waits long");
    }

    #[test]
    fn a_loop_that_renews_twice_a_day_is_none() {
        let mut run = Run::new();
        let sleep = run.spawn(1, "/bin/sleep", &["sleep", "43200"]);
        run.push(sleep, What::Sleep { call: "clock_nanosleep".into(), asked_ms: 43_200_000, skipped: true });
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_agent_that_reads_the_machine_is_none() {
        let mut run = Run::of("/usr/bin/agent", &["agent"]);
        run.open(1, "/sys/class/dmi/id/product_uuid", 3);
        run.open(1, "/proc/self/status", 3);
        run.open(1, "/proc/cpuinfo", 3);
        miss(&BEHAVIOUR, run);
    }
}
