//! Sees a bot that takes its orders on IRC.
//!
//! - Sees: joining a channel, together with programs it then starts, floods, or a nick as bots have it; joining alone as a sign of a draft.
//! - Misses: other chat services.
//! - False alarms: chat bots, bouncers and bridges join and start nothing.
//! - Source: RFC 1459; Kaiten's and PerlBot's public sources; ATT&CK T1071.003, T1059.

use std::collections::BTreeMap;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "irc-commanded",
        title: "Takes orders on IRC",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1071.003", "T1059"],
    },
    judge: Judge::Run(judge),
};

const CLIENTS: &[&str] = &[
    "eggdrop",
    "znc",
    "irssi",
    "weechat",
    "limnoria",
    "supybot",
    "sopel",
    "thelounge",
    "matterbridge",
    "bitlbee",
    "hubot",
    "errbot",
    "quasselcore",
    "ergo",
    "inspircd",
    "ngircd",
    "unrealircd",
];

#[derive(Default)]
struct Session<'a> {
    at: usize,
    nick: &'a str,
    channel: Option<&'a str>,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut sessions: BTreeMap<u64, Session<'_>> = BTreeMap::new();
    for (at, event) in story.events() {
        match &event.what {
            What::Login { flow, service, user, .. } if service == "irc" => {
                let session = sessions.entry(*flow).or_default();
                (session.at, session.nick) = (at, user);
            }
            What::Message { flow, service, text } if service == "irc" => {
                let session = sessions.entry(*flow).or_default();
                let mut words = text.split_whitespace();
                match words.next().map(str::to_ascii_uppercase).as_deref() {
                    Some("NICK") => session.nick = words.next().unwrap_or(session.nick),
                    Some("JOIN") => (session.at, session.channel) = (at, words.next()),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let flood = story.events().find(|(_, event)| matches!(event.what, What::Flood { .. })).map(|(at, _)| at);
    let mut found = Vec::new();
    for (flow, session) in sessions {
        let (Some(flow), Some(channel)) = (story.flow(flow), session.channel) else { continue };
        let life = flow.life;
        let client = life.and_then(|life| story.last_program(life)).is_some_and(|program| {
            (program.is(CLIENTS)
                || program.script().is_some_and(|script| CLIENTS.contains(&crate::programs::base(script))))
                && !program.written
        });
        let starts = life.and_then(|life| story.life(life)).and_then(|of| {
            of.children.iter().find_map(|child| {
                story.own_programs(*child).find(|program| {
                    program.at > session.at
                        && story.life(*child).is_some_and(|child| !child.execs.is_empty())
                        && (program.is_shell() || program.is_downloader() || program.written)
                })
            })
        });
        let place = format!("{channel} at {} as {}", flow.remote, session.nick);
        let told =
            |at: usize, what: &str| Match::new(at, format!("joins {place}{what}")).with([indicators::host(flow)]);
        found.push(match (starts, flood.filter(|at| *at > session.at), client) {
            (Some(program), _, false) => {
                told(program.at, &format!(", then runs {}", model::text::shortened(&program.line(), 80)))
            }
            (None, Some(at), false) => told(at, ", then floods").is(Category::Ddos),
            (.., true) => told(session.at, "").fact(),
            _ if is_bot(session.nick) => told(session.at, "").sign(),
            _ => told(session.at, "").sign().draft(),
        });
    }
    found
}

/// `[LNX|x86]4711`, `x86|root|83412`: no person is called like that.
fn is_bot(nick: &str) -> bool {
    let digits = nick.bytes().filter(u8::is_ascii_digit).count();
    let marks = nick.contains('|') || nick.contains('[') && nick.contains(']');
    digits >= 3 && marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_bot_that_runs_what_it_is_told() {
        let mut run = Run::of("/usr/bin/perl", &["perl", "/opt/b.pl"]);
        run.messages(1, "203.0.113.7:6667", "irc", &["NICK abc", "USER abc 0 * :abc", "JOIN #chan key"]);
        run.spawn(1, "/bin/dash", &["sh", "-c", "uname -a"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "joins #chan at 203.0.113.7:6667 as abc, then runs sh -c uname -a");
    }

    #[test]
    fn the_nick_of_a_bot() {
        let mut run = Run::new();
        run.messages(1, "203.0.113.7:6667", "irc", &["NICK [LNX|x86]48213", "JOIN #x"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "[LNX|x86]48213");
    }

    #[test]
    fn a_bouncer_is_none() {
        let mut run = Run::of("/usr/bin/znc", &["znc", "-f"]);
        run.messages(1, "203.0.113.7:6667", "irc", &["NICK ada", "USER ada 0 * :Ada", "JOIN #rust"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_client_that_joins_nothing_is_none() {
        let mut run = Run::new();
        run.messages(1, "203.0.113.7:6667", "irc", &["NICK ada", "QUIT"]);
        miss(&BEHAVIOUR, run);
    }
}
