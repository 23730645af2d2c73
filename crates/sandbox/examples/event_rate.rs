//! How many events a second the BPF sensor takes, and what it loses. As root:
//! `cargo run --release -p sandbox --example event_rate -- [EVENTS A SECOND] [SECONDS]`, 100,000 and 10 if not said.
//!
//! A generator in a cgroup of its own deletes files that are not there, at that rate, and counts them itself. Bounded: ten million
//! events, 60 seconds.
#![expect(clippy::disallowed_methods, reason = "a measurement: starts a program and reads the clock")]
#![expect(clippy::print_stdout, reason = "a measurement's result")]

#[path = "../tests/cell/mod.rs"]
mod cell;

use std::{
    env, fs,
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cell::Cell;
use sandbox::{
    Recorder,
    sensor::{SensorCounts, bpf},
};

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |otherwise: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    if env::var("LAZARET_GENERATE").is_ok() {
        return generate(number(0), number(0));
    }
    let (rate, seconds) = (number(100_000).min(1_000_000), number(10).min(60));
    let asked = (rate * seconds).min(10_000_000);
    let (start, _, _) = run(0, rate);
    let (counts, generated, took) = run(asked, rate);
    assert!(generated.ends_with(&asked.to_string()), "the generator did not finish: {generated}");
    let seen = counts.seen - start.seen;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (share, real_rate) = (counts.lost as f64 * 100.0 / counts.seen as f64, asked as f64 / took.as_secs_f64());
    println!("generated {asked} in {:.2} s ({real_rate:.0}/s)", took.as_secs_f64());
    println!("seen {seen}, difference {}", seen.abs_diff(asked));
    println!("lost {} ({share:.4} %)", counts.lost);
}

fn run(events: u64, rate: u64) -> (SensorCounts, String, Duration) {
    let cell = Cell::new();
    let recorder = Arc::new(Recorder::new(None));
    let sensor = bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    let own = env::current_exe().expect("a path");
    let mut command = cell.command(own.to_str().expect("text"));
    command.env("LAZARET_GENERATE", "1").args([events.to_string(), rate.to_string()]).stdout(Stdio::piped());
    let start = Instant::now();
    let output = command.output().expect("runs");
    let took = start.elapsed();
    (sensor.finish(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), took)
}

/// In steps of a millisecond; what a step is late for, the next makes up.
fn generate(events: u64, rate: u64) {
    let start = Instant::now();
    let mut done = 0;
    while done < events && start.elapsed() < Duration::from_secs(120) {
        let due = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_mul(rate) / 1_000_000;
        while done < due.min(events) {
            let _ = fs::remove_file("/lazaret/is/not/there");
            done += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    println!("{done}");
}
