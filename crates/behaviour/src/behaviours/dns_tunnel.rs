//! Sees data carried in names that are asked for.
//!
//! - Sees: many different long names below one domain.
//! - Misses: slow tunnels with short labels.
//! - False alarms: block lists of mail servers and virus scanners ask for hashes in names (excused by program); tunnels that say what they are make a tunnel
//!   (`proxy-avoidance`).
//! - Source: iodine's and dnscat2's protocol notes; ATT&CK T1071.004, T1048.003, T1572.

use std::collections::{BTreeMap, BTreeSet};

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "dns-tunnel",
        title: "Carries data in DNS names",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1071.004", "T1048.003", "T1572"],
    },
    judge: Judge::Run(judge),
};

/// Fewest different names below one domain, and their length below it on average.
const NAMES_MIN: usize = 12;
const LENGTH_MIN: usize = 24;
const TUNNELS: &[&str] = &[
    "iodine",
    "iodined",
    "dns2tcpc",
    "dns2tcp",
    "dnscat",
    "dnscat2",
    "dnstt-client",
    "ozymandns",
    "slipstream-client",
];
const LOOKERS: &[&str] = &[
    "rspamd",
    "spamd",
    "spamassassin",
    "clamd",
    "freshclam",
    "amavisd",
    "postfix",
    "smtpd",
    "exim4",
    "exim",
    "unbound",
    "named",
    "pdns_recursor",
    "dnsmasq",
    "coredns",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut below: BTreeMap<&str, (usize, BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for (at, event) in story.events() {
        let What::Dns { name, record, .. } = &event.what else { continue };
        let name = name.trim_end_matches('.');
        if name.ends_with(".arpa") {
            continue;
        }
        let domain = registered(name);
        let Some(rest) =
            name.strip_suffix(domain).map(|rest| rest.trim_end_matches('.')).filter(|rest| !rest.is_empty())
        else {
            continue;
        };
        let (last, names, records) = below.entry(domain).or_default();
        *last = at;
        if names.len() < 4_096 {
            names.insert(rest);
        }
        records.insert(record);
    }
    let excused = story.programs().any(|program| program.is(LOOKERS) && !program.written);
    let open = story.programs().find(|program| program.is(TUNNELS) && !program.written);
    let mut found = Vec::new();
    for (domain, (at, names, records)) in below {
        let length = names.iter().map(|name| name.len()).sum::<usize>() / names.len().max(1);
        let data = names.iter().filter(|name| is_data(name)).count();
        if names.len() < NAMES_MIN || length < LENGTH_MIN || data * 4 < names.len() * 3 {
            continue;
        }
        let records: Vec<_> = records.into_iter().collect();
        let told = Match::new(
            at,
            format!("{} names of {length} characters on average below {domain} ({})", names.len(), records.join(", ")),
        )
        .with([indicators::of(IndicatorKind::Domain, domain)]);
        found.push(match (open, excused) {
            (Some(_), _) => told.is(Category::ProxyAvoidance),
            (_, true) => told.fact(),
            _ => told,
        });
    }
    found
}

/// Whether what is asked for below a domain is data: a long label that is no word.
fn is_data(rest: &str) -> bool {
    let longest = rest.split('.').max_by_key(|label| label.len()).unwrap_or(rest);
    let digits = longest.bytes().filter(u8::is_ascii_digit).count();
    let vowels = longest.bytes().filter(|letter| b"aeiou".contains(letter)).count();
    // `ec2-203-0-113-9` and `ip-10-0-0-1` are names of machines.
    let named = longest.len() < 40 && longest.matches('-').count() >= 2;
    longest.len() >= 16 && !named && (digits * 12 >= longest.len() || vowels * 4 <= longest.len())
}

/// The last two labels, or three below `co.uk` and its likes.
fn registered(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return name };
    let short = last - second <= 4 && name.len() - last == 3;
    let from = if short { dots.next() } else { Some(second) };
    from.map_or(name, |from| name.get(from + 1..).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    fn pieces(run: &mut Run, domain: &str) {
        for number in 0_u64..40 {
            let label: String = (0_u64..32)
                .map(|at| {
                    char::from(b"0123456789abcdef"[((number * 7919 + at * 104_729 + at * at * number) % 16) as usize])
                })
                .collect();
            run.dns(0, &format!("{label}.{domain}"), "TXT", &["ok"]);
        }
    }

    #[test]
    fn files_in_names() {
        let mut run = Run::new();
        pieces(&mut run, "x.drop.example");
        hit(&BEHAVIOUR, run, Weight::Proof, "below drop.example (TXT)");
    }

    #[test]
    fn an_open_tunnel_is_a_tunnel() {
        let mut run = Run::of("/usr/sbin/iodine", &["iodine", "t.example"]);
        pieces(&mut run, "t.example");
        assert_eq!(found(&BEHAVIOUR, run)[0].category, Some(Category::ProxyAvoidance));
    }

    #[test]
    fn many_hosts_of_a_content_network_are_none() {
        let mut run = Run::new();
        for number in 0..60 {
            run.dns(1, &format!("ec2-203-0-113-{number}.eu-west-1.compute.amazonaws.com"), "A", &["203.0.113.1"]);
            run.dns(1, &format!("shard-{number:02}.cluster.mongodb.net"), "A", &["203.0.113.1"]);
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_mail_filter_that_asks_for_hashes_is_none() {
        let mut run = Run::of("/usr/bin/rspamd", &["rspamd", "-f"]);
        pieces(&mut run, "ebl.example.org");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn registered_domains() {
        assert_eq!(registered("a.b.example.com"), "example.com");
        assert_eq!(registered("a.example.co.uk"), "example.co.uk");
        assert_eq!(registered("localhost"), "localhost");
    }
}
