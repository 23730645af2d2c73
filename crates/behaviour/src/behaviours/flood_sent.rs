//! Sees packets or requests poured over a target.
//!
//! The targets are in the program or were fetched by it, for nobody gave it any: the run had only what the image itself starts.
//!
//! - Sees: floods of UDP, SYN, ACK, ICMP and forged packets to few public targets; floods of HTTP requests by what is no load
//!   tool; the list that was fetched just before.
//! - Misses: slow attacks, reflection with one packet a server, floods that were cut to a few packets.
//! - False alarms: load tools that say so and media or measuring programs at work on their own network are `hacking-tool` at most.
//! - Source: ATT&CK T1498, T1498.001, T1499.002.

use std::collections::{BTreeMap, HashMap};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{
    About, Behaviour, Judge, Match, indicators,
    programs::Program,
    story::{Story, host_of},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "flood-sent",
        title: "Floods a target",
        category: Category::Ddos,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1498.001", "T1499.002"],
    },
    judge: Judge::Run(judge),
};

/// Most targets that are told of.
const FLOODS_MAX: usize = 128;
/// Fewest packets and fewest a second of a flood, by shape: resends and reconnects stay far below.
const PACKETS_MIN: u64 = 200;
const PER_SECOND_MIN: u64 = 30;
/// UDP is also what telemetry and media are: more of it.
const UDP_PACKETS_MIN: u64 = 500;
const UDP_PER_SECOND_MIN: u64 = 50;
/// Load and measuring tools, by what they are openly called.
const LOAD_TOOLS: &[&str] = &[
    "ab",
    "wrk",
    "wrk2",
    "siege",
    "hey",
    "vegeta",
    "k6",
    "locust",
    "jmeter",
    "bombardier",
    "autocannon",
    "httperf",
    "h2load",
    "gatling",
    "tsung",
    "oha",
    "artillery",
    "iperf",
    "iperf3",
    "netperf",
    "fortio",
    "drill",
    "boom",
    "ddosify",
    "cassowary",
    "ali",
    "plow",
    "dnsperf",
    "resperf",
    "flent",
    "memtier_benchmark",
    "redis-benchmark",
    "pgbench",
    "sysbench",
    "ycsb",
    "nuttcp",
    "trafgen",
    "fping",
    "ping",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let documented = story.trace.head.purpose.contains("documentation");
    let mut found = Vec::new();
    // A flood that goes on is told of again and again; the last says it all.
    let mut floods: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, event) in story.events() {
        if let What::Flood { shape, target, .. } = &event.what {
            floods.insert((shape, target), at);
        }
    }
    let mut callers: HashMap<&str, usize> = HashMap::new();
    for flow in story.flows() {
        if let Some(life) = flow.life {
            callers.insert(host_of(flow.remote), life);
            callers.insert(flow.host(), life);
        }
    }
    let mut requests: Vec<usize> = story.flows().flat_map(|flow| flow.requests.iter().copied()).collect();
    requests.sort_unstable();
    for at in floods.into_values().take(FLOODS_MAX) {
        let Some(What::Flood { shape, target, name, packets, over_ms, forged_sources, .. }) = story.what(at) else {
            continue;
        };
        // As the sample's own time has it: a request every ten seconds is no flood because the sleeps were skipped.
        let rate = packets * 1_000 / (*over_ms + skipped_ms(story, at, *over_ms)).max(1_000);
        let address = host_of(target);
        let place = name.as_deref().unwrap_or(target);
        let load_tool = tool(story, &callers, at, target);
        let (enough, fast) = match shape.as_str() {
            "udp" => (UDP_PACKETS_MIN, UDP_PER_SECOND_MIN),
            _ => (PACKETS_MIN, PER_SECOND_MIN),
        };
        // Name servers and clocks ask others at a rate of their own.
        let is_dns = shape == "udp"
            && *forged_sources == 0
            && matches!(port(target), 53 | 123 | 443 | 51_820 | 1_194 | 4_500 | 500);
        let forged = *forged_sources >= 8 && *packets >= 50;
        let told = |how: &str| {
            let forged = if *forged_sources > 0 { format!(", {forged_sources} forged sources") } else { String::new() };
            let list = fetched_before(story, &requests, at)
                .map_or(String::new(), |url| format!(", after fetching {}", model::text::shortened(url, 80)));
            Match::new(at, format!("{packets} {shape} packets to {place}, {rate} a second{forged}{how}{list}"))
                .with([indicators::target(target, name.as_deref())])
                .with(fetched_before(story, &requests, at).map(indicators::url))
        };
        let installs =
            life_of(story, &callers, at, target).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        if !forged && (*packets < enough || rate < fast || is_dns || installs) {
            found.push(told("").fact());
        } else if let Some(tool) = load_tool {
            found.push(told(&format!(", by {tool}")).is(Category::HackingTool).sign());
        } else if !indicators::is_public(address) && name.as_deref().is_none_or(|name| !name.contains('.')) {
            found.push(told(", on its own network").is(Category::HackingTool).sign());
        } else if documented {
            found.push(told(", with the arguments of its documentation").is(Category::HackingTool).sign());
        } else {
            found.push(told(""));
        }
    }
    found
}

/// By how much sleeps were cut in the `over_ms` before an event, as far as that was told each second or so.
fn skipped_ms(story: &Story<'_>, at: usize, over_ms: u64) -> u64 {
    let Some(ends_us) = story.trace.events.get(at).map(|event| event.at_us) else { return 0 };
    let begins_us = ends_us.saturating_sub(over_ms * 1_000);
    let told = |before_us: u64| {
        let usages = story.events().take_while(|(_, event)| event.at_us <= before_us);
        usages
            .filter_map(
                |(_, event)| if let What::Usage { skipped_ms, .. } = event.what { Some(skipped_ms) } else { None },
            )
            .last()
    };
    told(ends_us).unwrap_or(0).saturating_sub(told(begins_us).unwrap_or(0))
}

fn port(target: &str) -> u16 {
    target.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

/// The open load tool that sends it, if that is known. One that was brought in during the run is none.
fn tool<'a>(story: &Story<'a>, callers: &HashMap<&str, usize>, at: usize, target: &str) -> Option<&'a str> {
    let named = |program: &Program<'a>| {
        let script = program
            .script()
            .map(|script| crate::programs::base(script).trim_end_matches(".py").trim_end_matches(".sh"));
        let known = [Some(program.tool()), script].into_iter().flatten().find(|name| LOAD_TOOLS.contains(name));
        known.filter(|_| !program.written && !program.nameless)
    };
    let life = life_of(story, callers, at, target);
    match life {
        Some(life) => story.last_program(life).and_then(|program| named(&program)),
        // Nobody knows who sent it: only a run of nothing but such tools and shells excuses it.
        None => {
            let mut tools = story.programs().filter(|program| !program.is_shell());
            let first = tools.next().and_then(|program| named(&program))?;
            tools.all(|program| named(&program).is_some()).then_some(first)
        }
    }
}

/// Who sends it, if that is known.
fn life_of(story: &Story<'_>, callers: &HashMap<&str, usize>, at: usize, target: &str) -> Option<usize> {
    let named = match story.what(at) {
        Some(What::Flood { name: Some(name), .. }) => callers.get(name.as_str()).copied(),
        _ => None,
    };
    story.life_at(at).or_else(|| callers.get(host_of(target)).copied()).or(named)
}

/// The last text fetched before the flood: where targets come from.
fn fetched_before<'a>(story: &Story<'a>, requests: &[usize], at: usize) -> Option<&'a str> {
    let before = requests.partition_point(|request| *request < at).checked_sub(1)?;
    match story.what(*requests.get(before)?) {
        Some(What::Http { url, .. }) => Some(url.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, found, hit, miss};

    fn flood(shape: &str, target: &str, packets: u64, over_ms: u64, forged_sources: u64) -> What {
        What::Flood {
            shape: shape.to_owned(),
            target: target.to_owned(),
            name: None,
            packets,
            bytes: packets * 64,
            over_ms,
            forged_sources,
        }
    }

    #[test]
    fn udp_to_one_host_after_a_list_was_fetched() {
        let mut run = Run::new();
        let bot = run.spawn(1, "/opt/app", &["app"]);
        run.http(bot, "GET", "http://c2.example/targets.txt", "text");
        run.push(0, flood("udp", "203.0.113.9:80", 20_000, 4_000, 0));
        hit(&BEHAVIOUR, run, Weight::Proof, "after fetching http://c2.example/targets.txt");
    }

    #[test]
    fn forged_sources_need_few_packets() {
        let mut run = Run::new();
        run.push(0, flood("syn", "203.0.113.9:80", 90, 60_000, 90));
        hit(&BEHAVIOUR, run, Weight::Proof, "90 forged sources");
    }

    #[test]
    fn http_requests_by_an_unknown_program() {
        let mut run = Run::of("/usr/bin/python3.11", &["python3", "/app/main.py"]);
        run.push(1, flood("http", "203.0.113.9:80", 3_000, 10_000, 0));
        hit(&BEHAVIOUR, run, Weight::Proof, "http packets");
    }

    #[test]
    fn a_probe_every_five_seconds_is_none_because_we_skipped_the_sleeps() {
        let probed = |skipped_ms| {
            let mut run = Run::of("/bin/busybox", &["sh", "/probe"]);
            let usage = |skipped_ms| What::Usage { cpu_ms: 1, memory_bytes: 1, tasks: 1, skipped_ms };
            run.push(0, usage(0));
            let after = run.push(0, usage(skipped_ms));
            run.set_time(after, 30_000_000);
            let told = run.push(0, flood("http", "203.0.113.9:80", 1_093, 30_000, 0));
            run.set_time(told, 30_000_500);
            run
        };
        hit(&BEHAVIOUR, probed(0), Weight::Proof, "36 a second");
        hit(&BEHAVIOUR, probed(1_093 * 5_000), Weight::Fact, "0 a second");
    }

    #[test]
    fn a_load_tool_is_a_tool() {
        let mut run = Run::new();
        let wrk = run.spawn(1, "/usr/bin/wrk", &["wrk", "-d60", "http://shop.example/"]);
        run.push(wrk, flood("http", "203.0.113.9:80", 30_000, 10_000, 0));
        let seen = found(&BEHAVIOUR, run);
        assert_eq!((seen[0].category, seen[0].weight), (Some(Category::HackingTool), Some(Weight::Sign)));
    }

    #[test]
    fn a_package_manager_at_its_mirror_is_none() {
        let mut run = Run::new();
        let apt = run.spawn(1, "/usr/bin/apt-get", &["apt-get", "upgrade"]);
        let method = run.spawn(apt, "/usr/lib/apt/methods/http", &["http"]);
        run.http(method, "GET", "http://203.0.113.9/pool/a.deb", "package");
        run.push(0, flood("http", "203.0.113.9:80", 900, 4_000, 0));
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_client_that_tries_again_and_again_is_none() {
        let mut run = Run::new();
        run.push(1, flood("syn", "203.0.113.9:5432", 400, 60_000, 0));
        run.push(1, flood("udp", "203.0.113.9:8125", 600, 60_000, 0));
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_name_server_that_asks_the_roots_is_none() {
        let mut run = Run::of("/usr/sbin/unbound", &["unbound", "-d"]);
        run.push(1, flood("udp", "198.41.0.4:53", 9_000, 10_000, 0));
        miss(&BEHAVIOUR, run);
    }
}
