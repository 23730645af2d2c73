//! Sees another process taken hold of: its memory read or written, its descriptors taken.
//!
//! - Sees: `ptrace` that writes, `process_vm_writev`, `pidfd_getfd`, and writes to another's `/proc/PID/mem`, by what is no debugger and not its parent.
//! - Misses: what is shared from birth.
//! - False alarms: debuggers, profilers, crash reporters, sandboxes that trace what they started themselves.
//! - Source: ptrace(2); ATT&CK T1055.008, T1055.009, T1003.007.

use std::collections::HashSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "process-injected",
        title: "Takes hold of another process",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1055.008", "T1055.009", "T1003.007"],
    },
    judge: Judge::Run(judge),
};

const DEBUGGERS: &[&str] = &[
    "gdb",
    "gdbserver",
    "strace",
    "ltrace",
    "lldb",
    "lldb-server",
    "dlv",
    "rr",
    "perf",
    "valgrind",
    "py-spy",
    "rbspy",
    "criu",
    "reptyr",
    "gcore",
    "eu-stack",
    "pstack",
    "crashpad_handler",
    "jstack",
    "jmap",
    "jcmd",
    "jhsdb",
    "bpftrace",
    "proot",
    "runc",
    "crun",
    "dumb-init",
    "catatonit",
    "fakeroot-ng",
    "uftrace",
    "radare2",
    "r2",
    "frida",
    "sanitizer",
    "pyrasite",
    "nginx-debug",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut asked: HashSet<(usize, u32, &str)> = HashSet::new();
    for (at, event) in story.events() {
        let (target, call, grave) = match &event.what {
            What::Trace { call, target, request, .. } => match (call.as_str(), request) {
                // POKETEXT, POKEDATA, SETREGS, SETREGSET: what puts something in.
                ("ptrace", 4 | 5 | 13 | 0x4205) => (*target, "writes into it with ptrace", true),
                ("ptrace", 16 | 0x4206) => (*target, "attaches with ptrace", false),
                ("process_vm_writev", _) => (*target, "writes into its memory", true),
                ("process_vm_readv", _) => (*target, "reads its memory", false),
                ("pidfd_getfd", _) => (*target, "takes its descriptors", false),
                _ => continue,
            },
            What::Open { path, write, .. } => {
                let Some(pid) = path
                    .strip_prefix("/proc/")
                    .and_then(|rest| rest.strip_suffix("/mem"))
                    .and_then(|pid| pid.parse::<i64>().ok())
                else {
                    continue;
                };
                (pid, if *write { "opens its memory for writing" } else { "opens its memory" }, *write)
            }
            _ => continue,
        };
        let Some(life) = story.life_at(at) else { continue };
        let Ok(target) = u32::try_from(target) else { continue };
        if target == event.process || target == 0 || !asked.insert((life, target, call)) {
            continue;
        }
        let debugs = |program: Program<'_>| program.is(DEBUGGERS) && !program.written;
        let excused = story.line_of(life).take(3).any(|above| story.own_programs(above).any(debugs));
        // What it started itself it may trace: sandboxes, shells for tests.
        let own_child = story.life(life).is_some_and(|of| {
            of.children.iter().take(512).any(|child| {
                story.life(*child).is_some_and(|child| {
                    child.pid == target
                        || child
                            .children
                            .iter()
                            .any(|grand| story.life(*grand).is_some_and(|grand| grand.pid == target))
                })
            })
        });
        if excused || own_child {
            continue;
        }
        let who = story.program(at).map_or("a program", |program| program.tool());
        let seen = Match::new(at, format!("{who} takes hold of process {target}: {call}"));
        found.push(if grave { seen } else { seen.draft() });
        if found.len() >= 8 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    fn trace(run: &mut Run, pid: u32, call: &str, target: i64, request: u64) {
        run.push(pid, What::Trace { call: call.into(), target, request, result: 0 });
    }

    #[test]
    fn code_written_into_a_stranger() {
        let mut run = Run::new();
        let victim = run.spawn(1, "/usr/sbin/nginx", &["nginx"]);
        let other = run.spawn(1, "/opt/x", &["x"]);
        trace(&mut run, other, "ptrace", i64::from(victim), 5);
        hit(&BEHAVIOUR, run, Weight::Sign, "writes into it with ptrace");
    }

    #[test]
    fn memory_written_through_its_file() {
        let mut run = Run::new();
        let victim = run.spawn(1, "/usr/sbin/nginx", &["nginx"]);
        let other = run.spawn(1, "/opt/x", &["x"]);
        run.open_write(other, &format!("/proc/{victim}/mem"));
        hit(&BEHAVIOUR, run, Weight::Sign, "opens its memory for writing");
    }

    #[test]
    fn a_debugger_is_none() {
        let mut run = Run::new();
        let victim = run.spawn(1, "/usr/sbin/nginx", &["nginx"]);
        let gdb = run.spawn(1, "/usr/bin/gdb", &["gdb", "-p", "4"]);
        trace(&mut run, gdb, "ptrace", i64::from(victim), 16);
        trace(&mut run, gdb, "ptrace", i64::from(victim), 5);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn tracing_what_was_started_is_none() {
        let mut run = Run::of("/opt/tests", &["tests"]);
        let child = run.child(1);
        trace(&mut run, 1, "ptrace", i64::from(child), 5);
        trace(&mut run, child, "ptrace", 0, 0);
        trace(&mut run, 1, "process_vm_readv", i64::from(child), 0);
        miss(&BEHAVIOUR, run);
    }
}
