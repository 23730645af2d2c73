//! Sees how a miner prepares the machine and uses it.
//!
//! RandomX gains a few per cent from huge pages and from processor registers (MSR) that switch prefetching off; nobody else writes
//! both. A miner then computes on all cores and does little else.
//!
//! - Sees: writes to `vm.nr_hugepages`, opening `/dev/cpu/*/msr`, `modprobe msr`, `nmi_watchdog` off; all cores busy for most of the run
//!   with hardly a file touched; options only miners have (`--donate-level`, `stratum+tcp://`) on a command line.
//! - Misses: throttled miners; preparation done on the host.
//! - False alarms: packet processing and databases ask for huge pages, build and science jobs use all cores: each alone is a fact.
//! - Source: xmrig `scripts/enable_1gb_pages.sh`, `randomx_boost.sh`, and its `--help`; ATT&CK T1496.001.

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, story::Story, wallet};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "mining-profile",
        title: "Prepares and uses the machine as a miner does",
        category: Category::Cryptominer,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1496.001"],
    },
    judge: Judge::Run(judge),
};

const POOL_SCHEMES: &[&str] = &[
    "stratum+tcp://",
    "stratum+ssl://",
    "stratum+tls://",
    "stratum1+tcp://",
    "stratum2+tcp://",
    "ethproxy+tcp://",
    "daemon+http://",
];
const OPTIONS: &[&str] = &[
    "--donate-level",
    "--randomx-",
    "--cpu-max-threads-hint",
    "--rig-id",
    "--nicehash",
    "--huge-pages-jit",
    "--randomx-no-numa",
    "--cpu-no-yield",
    "--asm=ryzen",
    "--algo=rx",
    "--coin=monero",
    "--coin=xmr",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = command_lines(story);
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut note = |kind: &'static str, at: usize| {
        if kinds.iter().all(|(known, _)| *known != kind) {
            kinds.push((kind, at));
        }
    };
    for (at, event) in story.events() {
        match &event.what {
            What::Open { path, write, .. } | What::Open { path, create: write, .. }
                if path.ends_with("hugepages") && *write =>
            {
                note("huge pages", at);
            }
            What::Open { path, .. } if path.starts_with("/dev/cpu/") && path.ends_with("/msr") => {
                note("processor registers", at)
            }
            What::Open { path, write: true, .. } if path == "/proc/sys/kernel/nmi_watchdog" => note("watchdog off", at),
            What::Exec { .. } => {
                let Some(program) = story.program(at) else { continue };
                let line = program.line();
                if program.is(&["sysctl"]) && line.contains("nr_hugepages=") {
                    note("huge pages", at);
                } else if program.is(&["modprobe"]) && program.has(&["msr"]) || program.is(&["wrmsr"]) {
                    note("processor registers", at);
                } else if program.is(&["sysctl"]) && line.contains("nmi_watchdog=0") {
                    note("watchdog off", at);
                }
            }
            _ => {}
        }
    }
    if let Some(at) = busy(story) {
        note("all cores busy", at);
    }
    if let Some((_, at)) = kinds.first().copied() {
        let names: Vec<_> = kinds.iter().map(|(kind, _)| *kind).collect();
        let told = Match::new(at, names.join(", "));
        found.push(if kinds.len() >= 2 { told } else { told.fact() });
    }
    found
}

/// Where the run shows at least nine tenths of a core per second for most of it, with next to nothing on files.
fn busy(story: &Story<'_>) -> Option<usize> {
    const SECONDS_MIN: u64 = 10;
    let mut last: Option<(u64, u64)> = None;
    let (mut busy_us, mut seen_us, mut shown) = (0, 0, 0);
    for (at, event) in story.events() {
        let What::Usage { cpu_ms, .. } = &event.what else { continue };
        if let Some((then_us, then_ms)) = last {
            let wall = event.at_us.saturating_sub(then_us);
            seen_us += wall;
            if cpu_ms.saturating_sub(then_ms) * 1_000 >= wall / 10 * 9 {
                busy_us += wall;
                shown = at;
            }
        }
        last = Some((event.at_us, *cpu_ms));
    }
    let files = story.events().filter(|(_, event)| matches!(event.what, What::Open { .. } | What::Exec { .. })).count();
    let per_second = files as u64 / (seen_us / 1_000_000).max(1);
    (busy_us >= SECONDS_MIN * 1_000_000 && busy_us >= seen_us / 10 * 7 && per_second < 20).then_some(shown)
}

fn command_lines(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs() {
        let line = program.line();
        let lower = line.to_ascii_lowercase();
        let scheme = POOL_SCHEMES.iter().find_map(|scheme| lower.find(scheme).map(|from| from + scheme.len()));
        let options = OPTIONS.iter().filter(|option| lower.contains(*option)).count();
        // A pattern for `pgrep` or `grep` names what it looks for.
        let searches = program.is(&["grep", "pgrep", "pkill", "killall", "sed", "awk", "ps", "rg", "find"]);
        if searches || (scheme.is_none() && options == 0) {
            continue;
        }
        let mut seen = wallet::find(&line);
        if let Some(pool) = scheme.and_then(|from| line.get(from..)) {
            let pool = pool
                .split(|character: char| character.is_whitespace() || "\"'/,".contains(character))
                .next()
                .unwrap_or("");
            seen.push(indicators::of(IndicatorKind::Pool, pool.rsplit('@').next().unwrap_or(pool)));
        }
        let told = Match::new(program.at, format!("starts {}", model::text::shortened(&line, 160))).with(seen);
        let is_inline = program.inline().is_some();
        found.push(if scheme.is_some() || options >= 2 || !is_inline { told } else { told.fact() });
    }
    for (at, event) in story.events() {
        if let What::Write { path, head, .. } = &event.what
            && (path.ends_with(".json") || path.ends_with(".conf"))
            && head.len() > 40
        {
            let text = payload::text(head);
            if text.contains("\"donate-level\"") || (text.contains("\"randomx\"") && text.contains("\"pools\"")) {
                found.push(Match::new(at, format!("writes a miner's settings to {path}")).with(wallet::find(&text)));
            }
        }
    }
    found.truncate(8);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    fn usage(run: &mut Run, seconds: u64, cpu_ms: u64) {
        let at = run.push(1, What::Usage { cpu_ms, memory_bytes: 1 << 20, tasks: 4, skipped_ms: 0 });
        run.set_time(at, seconds * 1_000_000);
    }

    #[test]
    fn huge_pages_and_registers_are_a_sign() {
        let mut run = Run::new();
        run.spawn(1, "/sbin/sysctl", &["sysctl", "-w", "vm.nr_hugepages=1280"]);
        run.open(1, "/dev/cpu/0/msr", -2);
        hit(&BEHAVIOUR, run, Weight::Sign, "huge pages, processor registers");
    }

    #[test]
    fn huge_pages_and_busy_cores_are_a_sign() {
        let mut run = Run::new();
        run.open_write(1, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
        for second in 0..30 {
            usage(&mut run, second, second * 2_000);
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "all cores busy");
    }

    #[test]
    fn a_pool_on_a_command_line_is_a_sign() {
        let mut run = Run::new();
        run.spawn(1, "/tmp/x", &["x", "-o", "stratum+tcp://pool.example:3333", "-u", "w"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "starts x -o");
    }

    #[test]
    fn a_computation_alone_is_a_fact() {
        let mut run = Run::new();
        for second in 0..30 {
            usage(&mut run, second, second * 2_000);
        }
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_database_with_huge_pages_is_none() {
        let mut run = Run::new();
        run.read(1, "/proc/sys/vm/nr_hugepages");
        run.spawn(1, "/usr/sbin/sysctl", &["sysctl", "-w", "vm.nr_hugepages=64"]);
        run.spawn(1, "/usr/bin/pgrep", &["pgrep", "-f", "stratum+tcp://"]);
        miss(&BEHAVIOUR, run);
    }
}
