//! Sees a mining dialogue on the wire.
//!
//! Whoever logs in to a pool, takes a job and sends a share that is accepted, mines. Pool and wallet are written in the dialogue.
//!
//! - Sees: Stratum in the dialects of Monero, Bitcoin and Ethereum, with a login or a share; the same words in the first bytes of a
//!   conversation that no service of ours recognised.
//! - Misses: dialogues inside an encryption that does not take our certificate; getwork over HTTP; a pool that is never reached.
//! - False alarms: a proxy or a checker of pools that logs in itself.
//! - Source: the Stratum protocols of Slush's pool and of xmrig's `doc/STRATUM.md`; ATT&CK T1496.001.

use std::collections::HashMap;

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "pool-dialogue",
        title: "Mines: speaks with a mining pool",
        category: Category::Cryptominer,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496.001", "T1071"],
    },
    judge: Judge::Run(judge),
};

/// What only a miner's first line says: all words of one row.
const FIRST_LINES: &[&[&str]] = &[
    &["\"mining.subscribe\""],
    &["\"mining.authorize\""],
    &["\"eth_submitlogin\""],
    &["\"method\":\"login\"", "\"agent\""],
    &["\"method\":\"login\"", "\"algo\""],
    &["\"method\":\"submit\"", "\"nonce\""],
];

#[derive(Default)]
struct Dialogue<'a> {
    at: usize,
    lines: usize,
    shares: usize,
    login: &'a str,
    worker: &'a str,
    agent: &'a str,
    dialect: &'a str,
    works: bool,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut dialogues: HashMap<u64, Dialogue<'_>> = HashMap::new();
    let mut order = Vec::new();
    for (at, event) in story.events() {
        let What::Stratum { flow, dialect, method, login, worker, agent, share } = &event.what else { continue };
        let dialogue = dialogues.entry(*flow).or_insert_with(|| {
            order.push(*flow);
            Dialogue { at, dialect, ..Dialogue::default() }
        });
        dialogue.lines += 1;
        dialogue.works |= !login.is_empty() || method.ends_with("submit") || method.contains("authorize");
        for (kept, said) in [(&mut dialogue.login, login), (&mut dialogue.worker, worker), (&mut dialogue.agent, agent)]
        {
            if kept.is_empty() {
                *kept = said;
            }
        }
        if *share {
            if dialogue.shares == 0 {
                dialogue.at = at;
            }
            dialogue.shares += 1;
        }
    }
    let mut found: Vec<Match> =
        order.iter().filter_map(|flow| Some(told(story, *flow, dialogues.get(flow)?))).collect();
    found.extend(unrecognised(story));
    found
}

fn told(story: &Story<'_>, flow: u64, dialogue: &Dialogue<'_>) -> Match {
    let mut seen = vec![];
    if let Some(flow) = story.flow(flow) {
        seen = indicators::pool(flow, dialogue.login);
    }
    let pool = seen.first().map_or("a pool".to_owned(), |pool| pool.value.clone());
    let Dialogue { at, shares, login, worker, agent, dialect, lines, works } = dialogue;
    let by = if agent.is_empty() { String::new() } else { format!(" by {}", short(agent)) };
    let rig = if worker.is_empty() { String::new() } else { format!(", worker {}", short(worker)) };
    let found = match (shares, works) {
        (1.., _) => {
            Match::new(*at, format!("{shares} shares taken by {pool} ({dialect}){by}, login {}{rig}", short(login)))
                .sure(Confidence::Certain)
        }
        (0, true) => Match::new(*at, format!("logs in to {pool} ({dialect}){by} as {}{rig}", short(login))),
        (0, false) => Match::new(*at, format!("{lines} lines of a mining dialogue ({dialect}) with {pool}{by}")).sign(),
    };
    found.with(seen)
}

/// Dialogues that no service of ours took part in.
fn unrecognised(story: &Story<'_>) -> Vec<Match> {
    let flows =
        story.flows().filter(|flow| !flow.inbound && flow.service != "stratum" && !flow.head.is_empty()).take(4_096);
    flows
        .filter_map(|flow| {
            let said = payload::text(flow.head).to_ascii_lowercase().replace("\": ", "\":");
            let is_miner = FIRST_LINES.iter().any(|words| words.iter().all(|word| said.contains(word)));
            let login =
                said.split("\"login\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("").to_owned();
            is_miner.then(|| {
                let seen = indicators::pool(flow, &login);
                let pool = seen
                    .iter()
                    .find(|one| one.kind == IndicatorKind::Pool)
                    .map_or(String::new(), |pool| pool.value.clone());
                Match::new(flow.end.unwrap_or(flow.start), format!("begins a mining dialogue with {pool}")).with(seen)
            })
        })
        .collect()
}

fn short(text: &str) -> std::borrow::Cow<'_, str> {
    model::text::shortened(text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    fn line(flow: u64, method: &str, login: &str, share: bool) -> What {
        What::Stratum {
            flow,
            dialect: "login".to_owned(),
            method: method.to_owned(),
            login: login.to_owned(),
            worker: "rig7".to_owned(),
            agent: "XMRig/6.16.0".to_owned(),
            share,
        }
    }

    #[test]
    fn a_share_is_proof_with_pool_and_wallet() {
        let wallet = crate::wallet::tests::invented_monero(9);
        let mut run = Run::new();
        let miner = run.spawn(1, "/usr/bin/python3", &["python3", "train.py"]);
        let flow = run.flow_open(miner, "198.51.100.9:3333", Some("pool.example"));
        run.push(0, line(flow, "login", &wallet, false));
        run.push(0, line(flow, "submit", "", true));
        let seen = found(&BEHAVIOUR, run);
        assert_eq!(seen[0].confidence, Some(Confidence::Certain));
        let values: Vec<_> = seen[0].indicators.iter().map(|one| one.value.clone()).collect();
        assert_eq!(values, ["pool.example:3333", "pool.example", &format!("XMR:{wallet}")]);
    }

    #[test]
    fn a_login_without_share_is_proof_too() {
        let mut run = Run::new();
        let flow = run.flow_open(1, "198.51.100.9:3333", None);
        run.push(0, line(flow, "login", "someone", false));
        hit(&BEHAVIOUR, run, Weight::Proof, "logs in to 198.51.100.9:3333");
    }

    #[test]
    fn the_first_line_to_an_unknown_service_counts() {
        let mut run = Run::new();
        run.flow(
            1,
            "198.51.100.9:9999",
            None,
            "sink",
            br#"{"id": 1, "method": "mining.subscribe", "params": ["x/1"]}"#,
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "198.51.100.9:9999");
    }

    #[test]
    fn other_json_protocols_are_none() {
        let mut run = Run::new();
        run.flow(
            1,
            "198.51.100.9:50001",
            None,
            "sink",
            br#"{"id":0,"method":"server.version","params":["electrum","1.4"]}"#,
        );
        run.flow(
            1,
            "198.51.100.9:8080",
            None,
            "sink",
            br#"{"jsonrpc":"2.0","method":"login","params":{"user":"a","password":"b"}}"#,
        );
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_server_that_is_spoken_to_mines_nothing() {
        let mut run = Run::new();
        run.accept(1, "198.51.100.1:40000");
        run.http(1, "GET", "http://status.example/mining.subscribe", "html");
        miss(&BEHAVIOUR, run);
    }
}
