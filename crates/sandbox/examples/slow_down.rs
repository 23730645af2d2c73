//! What the BPF sensor costs a build job: the same job with and without it, in turns, in one run. As root:
//! `cargo run --release -p sandbox --example slow_down -- [TURNS]`, 8 if not said. Needs `cc` and `make`.
//!
//! Told are the job's own CPU time with the sensor beside without, and what the sensor's thread used.
#![expect(clippy::disallowed_methods, reason = "a measurement: starts a program and reads the clock")]
#![expect(clippy::print_stdout, reason = "a measurement's result")]

#[path = "../tests/cell/mod.rs"]
mod cell;

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cell::Cell;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use sandbox::{Recorder, sensor::bpf};

const FILES: usize = 24;

fn main() {
    let turns = env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8_u32).clamp(1, 100);
    let folder = env::temp_dir().join(format!("lazaret-slow-down-{}", std::process::id()));
    write_sources(&folder);
    build(&folder, false);
    let mut jobs = [Vec::new(), Vec::new()];
    let (mut own, mut events, mut lost) = (Duration::ZERO, 0, 0);
    for turn in 0..turns * 2 {
        // Without, with, with, without: what drifts falls on both.
        let watched = matches!(turn % 4, 1 | 2);
        let job = build(&folder, watched);
        jobs[usize::from(watched)].push(job.cpu);
        own += job.own;
        events += job.events;
        lost += job.lost;
    }
    let _ = fs::remove_dir_all(&folder);
    let [without, with] = jobs.map(|mut job| {
        job.sort();
        job[job.len() / 2]
    });
    println!("job without sensor  {:>7.1} ms CPU (median of {turns})", without.as_secs_f64() * 1e3);
    println!("job with sensor     {:>7.1} ms CPU", with.as_secs_f64() * 1e3);
    println!("slow-down           {:>7.2} %", (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0);
    println!("sensor's own        {:>7.1} ms CPU a job", own.as_secs_f64() * 1e3 / f64::from(turns));
    println!("events              {:>7} a job, {lost} lost", events / u64::from(turns));
}

struct Job {
    cpu: Duration,
    own: Duration,
    events: u64,
    lost: u64,
}

fn build(folder: &Path, watched: bool) -> Job {
    let cell = Cell::new();
    let sensor = watched.then(|| bpf::attach(cell.id(), Arc::new(Recorder::new(None))).expect("attaches"));
    let before = (used(UsageWho::RUSAGE_CHILDREN), used(UsageWho::RUSAGE_SELF));
    let start = Instant::now();
    let output = cell.command("make").current_dir(folder).args(["-s", "-B", "-j2"]).output().expect("make runs");
    assert!(output.status.success() && start.elapsed() < Duration::from_secs(120), "{output:?}");
    let after = (used(UsageWho::RUSAGE_CHILDREN), used(UsageWho::RUSAGE_SELF));
    let counts = sensor.map(|sensor| sensor.finish()).unwrap_or_default();
    let own = if watched { after.1 - before.1 } else { Duration::ZERO };
    Job { cpu: after.0 - before.0, own, events: counts.seen, lost: counts.lost }
}

fn used(who: UsageWho) -> Duration {
    let usage: Usage = getrusage(who).expect("always works");
    let microseconds = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
    };
    microseconds(usage.user_time()) + microseconds(usage.system_time())
}

/// Small C files with the usual headers, and a makefile.
fn write_sources(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let objects: Vec<_> = (0..FILES).map(|number| format!("part{number}.o")).collect();
    let rules = format!("whole: {0}\n\tcc -o $@ {0}\n%.o: %.c\n\tcc -O1 -c $<\n", objects.join(" "));
    fs::write(folder.join("Makefile"), rules).expect("writes");
    for number in 0..FILES {
        let main = if number == 0 { "int main(void) { return 0; }\n" } else { "" };
        let text = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n#include <time.h>\n\
             int part{number}(int n) {{ int s = 0; for (int i = 0; i < n; i++) s += i * {number}; return s; }}\n{main}"
        );
        fs::write(folder.join(format!("part{number}.c")), text).expect("writes");
    }
}
