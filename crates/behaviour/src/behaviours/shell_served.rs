//! Sees a shell that waits for whoever connects.
//!
//! - Sees: a shell that takes its commands from a connection that was accepted, directly, through pipes of the program that
//!   accepted it, or on a terminal made by netcat or socat.
//! - Misses: doors nobody knocked at; doors that ask for a password we do not know.
//! - False alarms: SSH and telnet servers and web terminals let people in after a login (excused by being in the image and so called);
//!   handlers that socat and inetd start for each connection are given a script (a fact).
//! - Source: ATT&CK T1059.004, T1571, T1205.

use model::{Category, Confidence, Maturity, Severity, Stream, Weight, What};

use super::reverse_shell_opened::answers_id;
use crate::{About, Behaviour, Judge, Match, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "shell-served",
        title: "Gives a shell to whoever connects",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1571"],
    },
    judge: Judge::Run(judge),
};

/// Servers whose purpose is to let people in.
const LOGIN_SERVERS: &[&str] = &[
    "sshd",
    "sshd-session",
    "dropbear",
    "telnetd",
    "in.telnetd",
    "utelnetd",
    "login",
    "tinysshd",
    "ttyd",
    "gotty",
    "wetty",
    "shellinaboxd",
    "jupyter",
    "jupyter-lab",
    "jupyter-notebook",
    "code-server",
    "openvscode-server",
    "tmate",
    "mosh-server",
    "cockpit-bridge",
    "et",
    "etserver",
    "xrdp",
    "Xvnc",
    "rstudio-server",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs().filter(Program::is_interpreter) {
        let Some(life) = story.life_at(program.at) else { continue };
        let Some(server) = story
            .line_of(life)
            .take(6)
            .find(|above| story.life(*above).is_some_and(|of| of.accepts.iter().any(|at| *at < program.at)))
        else {
            continue;
        };
        let login = story.line_of(life).take(8).any(|above| {
            story.programs_of(above).any(|program| {
                (program.is(LOGIN_SERVERS)
                    || program.script().is_some_and(|script| LOGIN_SERVERS.contains(&crate::programs::base(script))))
                    && !program.written
            })
        });
        if login {
            continue;
        }
        let by = story.last_program(server).map_or("a program".to_owned(), |program| program.tool().to_owned());
        let netcat =
            story.line_of(life).take(3).any(|above| story.programs_of(above).any(|program| program.is_netcat()));
        let obeys = program.obeys_input() || program.has(&["-i"]);
        let socket = program.input == Some(Stream::Socket) || redirected(story, life, program.at);
        let pipes = matches!(program.input, Some(Stream::Pipe | Stream::UnixSocket));
        let handed = netcat && program.is_bare_shell();
        let told = Match::new(
            program.at,
            format!(
                "{} for a connection that {by} took{}",
                model::text::shortened(&program.line(), 80),
                port(story, server)
            ),
        );
        // A shell that accepted nothing itself stands between the pipes of a program that did.
        let fed = pipes
            && server != life
            && program.is_bare_shell()
            && called_from_outside(story, server, program.at)
            && !story.last_program(server).is_some_and(|program| program.is_shell());
        if program.is_shell() && obeys && (socket || handed) || fed {
            found.push(told);
        } else if socket && obeys {
            found.push(told.sign());
        } else if socket {
            found.push(told.fact());
        }
    }
    found.extend(answered(story));
    found
}

/// Whether the last connection it took was not of this machine itself.
fn called_from_outside(story: &Story<'_>, server: usize, before: usize) -> bool {
    let last = story.life(server).and_then(|of| of.accepts.iter().rev().find(|at| **at < before).copied());
    match last.and_then(|at| story.what(at)) {
        Some(What::Accept { from, .. }) => !crate::indicators::is_loopback(crate::story::host_of(from)),
        _ => false,
    }
}

/// Who answers our caller's `id` as a shell does.
fn answered(story: &Story<'_>) -> Option<Match> {
    story.events().find_map(|(at, event)| match &event.what {
        What::Message { service, text, .. } if service == "poke" && answers_id(text) => {
            let said = format!("answers a caller like a shell: {}", model::text::shortened(text.trim(), 80));
            Some(Match::new(at, said).sure(Confidence::Certain))
        }
        _ => None,
    })
}

fn redirected(story: &Story<'_>, life: usize, before: usize) -> bool {
    let of = story.life(life);
    of.is_some_and(|of| {
        of.redirects.iter().any(|at| *at < before && matches!(story.what(*at), Some(What::Redirect { onto: 0, .. })))
    })
}

/// Where the server waits.
fn port(story: &Story<'_>, server: usize) -> String {
    let at = story.events().find_map(|(at, event)| match &event.what {
        What::Listen { at: place, result: 0.. } | What::Bind { to: place, result: 0.. }
            if story.life_at(at) == Some(server) =>
        {
            Some(place)
        }
        _ => None,
    });
    at.map_or(String::new(), |place| format!(" on {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_listener_that_starts_a_shell_on_the_connection() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.push(1, What::Listen { at: "0.0.0.0:31337".to_owned(), result: 0 });
        run.accept(1, "172.17.0.1:50000");
        run.spawn_with(1, "/bin/dash", &["/bin/sh"], Stream::Socket, Stream::Socket);
        hit(&BEHAVIOUR, run, Weight::Proof, "that app took on 0.0.0.0:31337");
    }

    #[test]
    fn a_shell_behind_pipes_and_one_on_a_terminal() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.accept(1, "172.17.0.1:50000");
        run.spawn_with(1, "/bin/dash", &["/bin/sh"], Stream::Pipe, Stream::Pipe);
        hit(&BEHAVIOUR, run, Weight::Proof, "app took");
        let mut run = Run::of("/usr/bin/socat", &["socat", "TCP-LISTEN:4444,fork", "EXEC:bash,pty"]);
        run.accept(1, "172.17.0.1:50000");
        run.spawn_with(1, "/bin/bash", &["bash"], Stream::Terminal, Stream::Terminal);
        hit(&BEHAVIOUR, run, Weight::Proof, "socat took");
    }

    #[test]
    fn an_answer_to_id_on_the_wire() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.messages(1, "203.0.113.30:40001", "poke", &["uid=33(www-data) gid=33(www-data)"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "answers a caller like a shell: uid=33");
    }

    #[test]
    fn a_message_broker_that_starts_a_shell_for_itself_is_none() {
        let mut run = Run::of("/usr/lib/erlang/erts/bin/beam.smp", &["beam.smp"]);
        run.accept(1, "203.0.113.30:40001");
        let helper = run.spawn(1, "/usr/lib/erlang/erts/bin/erl_child_setup", &["erl_child_setup"]);
        run.spawn_with(helper, "/bin/dash", &["/bin/sh", "-s", "unix:cmd"], Stream::Pipe, Stream::Pipe);
        run.accept(1, "127.0.0.1:40002");
        run.spawn_with(helper, "/bin/bash", &["bash"], Stream::Pipe, Stream::Pipe);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn logins_over_ssh_and_web_terminals_are_none() {
        for server in ["/usr/sbin/sshd", "/usr/bin/ttyd", "/usr/sbin/dropbear"] {
            let mut run = Run::of(server, &[server]);
            run.accept(1, "172.17.0.1:50000");
            let session = run.child(1);
            run.spawn_with(session, "/bin/bash", &["-bash"], Stream::Terminal, Stream::Terminal);
            run.spawn_with(session, "/bin/bash", &["-bash"], Stream::Pipe, Stream::Pipe);
            miss(&BEHAVIOUR, run);
        }
    }

    #[test]
    fn a_web_server_that_runs_scripts_is_none() {
        let mut run = Run::of("/usr/bin/socat", &["socat", "TCP-LISTEN:8080,fork", "EXEC:/handler.sh"]);
        run.accept(1, "172.17.0.1:50000");
        run.spawn_with(1, "/bin/dash", &["/bin/sh", "/handler.sh"], Stream::Socket, Stream::Socket);
        miss(&BEHAVIOUR, run);
        let mut run = Run::of("/usr/bin/node", &["node", "/app/server.js"]);
        run.accept(1, "172.17.0.1:50000");
        run.spawn_with(1, "/bin/dash", &["/bin/sh", "-c", "convert a.png b.png"], Stream::Pipe, Stream::Pipe);
        miss(&BEHAVIOUR, run);
    }
}
