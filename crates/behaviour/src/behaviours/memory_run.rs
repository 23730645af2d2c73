//! Sees a program run that has no file: from memory only, or deleted before it began.
//!
//! - Sees: execution of a memory file, and of a written file that had no name any more.
//! - Misses: code mapped into a running program; a library loaded from memory.
//! - False alarms: container runtimes run a sealed copy of themselves from memory (told by the name they give it and by being in the image); programs
//!   replaced while they are started.
//! - Source: memfd_create(2), fexecve(3); runc `libcontainer/nsenter/cloned_binary.c`; ATT&CK T1620, T1027.011.

use std::collections::HashSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, programs::Program, provenance::Provenance, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "memory-run",
        title: "Runs a program from memory",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1620", "T1027.011"],
    },
    judge: Judge::Run(judge),
};

/// Runtimes that protect their own binary, and what they call the copy.
const SEALED: &[(&str, &str)] = &[
    ("runc", "runc_cloned"),
    ("crun", "crun"),
    ("youki", "youki"),
    ("lxc-start", "lxc"),
    ("sysbox-runc", "runc_cloned"),
    ("systemd", "systemd"),
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs() {
        let memory = program.path.starts_with("memfd:") || program.path.contains("/memfd:");
        if !program.nameless && !memory {
            continue;
        }
        let Some(life) = story.life_at(program.at) else { continue };
        let maker = story.life(life).and_then(|of| of.execs.iter().rev().find(|at| **at < program.at).copied());
        let before = maker.and_then(|at| story.program(at)).or_else(|| story.parent_program(life));
        let sealed = before.is_some_and(|before| {
            !before.written && SEALED.iter().any(|(tool, name)| before.tool() == *tool && program.path.contains(name))
        });
        let by = before.map_or(String::new(), |before| format!(", started by {}", before.tool()));
        let told = Match::new(
            program.at,
            format!("runs {} as {}{by}", program.path, model::text::shortened(&program.line(), 80)),
        )
        .with(indicators::of_life(story, life).into_iter().take(8));
        // A file of the image that was replaced while it was started is none.
        let name = program.path.trim_end_matches(" (deleted)");
        let own = story.was_made(name, program.at)
            && !matches!(
                story.provenance(name),
                Provenance::Installed | Provenance::Compiled(_) | Provenance::CompiledDecoded(_)
            );
        found.push(if !sealed && (memory || own) { told } else { told.fact() });
    }
    found.extend(scripts(story));
    if found.is_empty() {
        let made = story.events().find_map(|(at, event)| match &event.what {
            What::Memfd { name, result: 0.. } => Some((at, name)),
            _ => None,
        });
        found.extend(made.map(|(at, name)| Match::new(at, format!("makes a file in memory, {name}")).fact()));
    }
    found
}

/// A script that an interpreter reads out of a memory file: `sh /proc/self/fd/3`.
fn scripts(story: &Story<'_>) -> Vec<Match> {
    let memory: HashSet<usize> = story
        .events()
        .filter(|(_, event)| matches!(event.what, What::Memfd { result: 0.., .. }))
        .filter_map(|(at, _)| story.life_at(at))
        .collect();
    let of_memory = |program: &Program<'_>| {
        let path = program.script().is_some_and(|script| script.starts_with("/proc/") && script.contains("/fd/"));
        path && story
            .life_at(program.at)
            .is_some_and(|life| story.line_of(life).take(4).any(|above| memory.contains(&above)))
    };
    let told = |program: Program<'_>| {
        let line = model::text::shortened(&program.line(), 80).into_owned();
        Match::new(program.at, format!("runs a script from memory: {line}"))
    };
    if memory.is_empty() { Vec::new() } else { story.programs().filter(of_memory).take(8).map(told).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_memory_file_that_runs() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.push(1, What::Memfd { name: "x".to_owned(), result: 3 });
        run.spawn_written(1, "memfd:x", &["[kworker/0:1]"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "runs memfd:x");
    }

    #[test]
    fn a_written_file_that_was_deleted_first() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.write(1, "/tmp/a", b"\x7fELF");
        run.unlink(1, "/tmp/a");
        let at = run.exec(1, "/tmp/a (deleted)", &["a"]);
        run.change(at, |what| {
            if let What::Exec { written, nameless, .. } = what {
                (*written, *nameless) = (true, true);
            }
        });
        hit(&BEHAVIOUR, run, Weight::Proof, "(deleted)");
    }

    #[test]
    fn a_service_replaced_by_an_upgrade_is_none() {
        let mut run = Run::of("/usr/sbin/daemon", &["daemon"]);
        let dpkg = run.spawn(1, "/usr/bin/dpkg", &["dpkg", "--unpack", "daemon.deb"]);
        run.write(dpkg, "/usr/sbin/daemon", b"\x7fELF");
        let at = run.exec(1, "/usr/sbin/daemon (deleted)", &["daemon"]);
        run.change(at, |what| {
            if let What::Exec { written, nameless, .. } = what {
                (*written, *nameless) = (true, true);
            }
        });
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_script_in_a_memory_file() {
        let mut run = Run::of("/usr/bin/perl", &["perl", "/app/m.pl"]);
        run.push(1, What::Memfd { name: "x".to_owned(), result: 3 });
        run.spawn(1, "/bin/dash", &["/bin/sh", "/proc/self/fd/3"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "runs a script from memory: /bin/sh /proc/self/fd/3");
    }

    #[test]
    fn memory_files_for_data_and_code_generators_are_none() {
        let mut run = Run::of("/usr/bin/node", &["node", "/app/server.js"]);
        run.push(1, What::Memfd { name: "wayland-cursor".to_owned(), result: 3 });
        run.push(1, What::ExecutableMemory { call: "mprotect".to_owned(), bytes: 1 << 20, result: 0 });
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_container_runtime_that_seals_itself_is_none() {
        let mut run = Run::of("/usr/bin/runc", &["runc", "init"]);
        run.push(1, What::Memfd { name: "runc_cloned:/proc/self/exe".to_owned(), result: 3 });
        let at = run.exec(1, "memfd:runc_cloned:/proc/self/exe", &["runc", "init"]);
        run.change(at, |what| {
            if let What::Exec { nameless, .. } = what {
                *nameless = true;
            }
        });
        miss(&BEHAVIOUR, run);
    }
}
