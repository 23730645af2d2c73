//! The tricks, on real programs.
#![expect(clippy::disallowed_methods, reason = "starts the programs that are tricked, and looks at the real clock")]

mod cell;

use std::{
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use cell::{Cell, run_notified};
use model::{Event, What};
use sandbox::{
    Recorder,
    sensor::{Tricks, bpf, notify},
};

const YEAR: i64 = 365 * 86_400;

fn tricked(tricks: Tricks, program: &str, arguments: &[&str]) -> (Output, Vec<Event>, Duration) {
    let recorder = Arc::new(Recorder::new(None));
    let filter = notify::filter(&tricks, false).expect("something to do");
    let mut command = Command::new(program);
    command.args(arguments).env("TZ", "UTC").env_remove("LD_LIBRARY_PATH");
    let start = Instant::now();
    let (output, sensor) =
        run_notified(command, filter, |listener| notify::serve(listener, tricks, false, Arc::clone(&recorder)));
    let took = start.elapsed();
    sensor.finish();
    (output, recorder.take(), took)
}

fn real_year() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    1970 + i64::try_from(now.as_secs()).expect("small") / 31_556_952
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Both what it says of the year now, which is the real one or, near its end, the next.
fn is_year(said: &str, year: i64) {
    let said: i64 = said.parse().unwrap_or_else(|_| panic!("a year, not {said:?}"));
    assert!((year..=year + 1).contains(&said), "{said} is not {year}");
}

#[test]
fn an_hour_of_sleep_is_over_at_once() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 0 };
    let (output, events, took) = tricked(tricks, "sleep", &["3600"]);
    said(&output);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let slept = |event: &Event| matches!(event.what, What::Sleep { asked_ms: 3_600_000, skipped: true, .. });
    assert!(events.iter().any(slept), "{events:?}");
}

#[test]
fn waits_for_nothing_but_the_time_are_over_at_once() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 0 };
    for wait in ["select.select([], [], [], 3600)", "select.poll().poll(3600000)", "time.sleep(3600)"] {
        let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", &format!("import select, time; {wait}")]);
        said(&output);
        assert!(took < Duration::from_secs(3), "{wait}: {took:?}");
    }
}

#[test]
fn the_shifted_date_is_seen_by_programs_of_all_kinds() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 5 * YEAR };
    let year = real_year() + 5;
    is_year(&said(&tricked(tricks, "date", &["+%Y"]).0), year);
    let script = "import time, datetime; print(datetime.datetime.now().year)";
    is_year(&said(&tricked(tricks, "/usr/bin/python3", &["-c", script]).0), year);
    is_year(&said(&tricked(tricks, "sh", &["-c", "date +%Y"]).0), year);
    is_year(&said(&tricked(tricks, "bash", &["-c", "printf '%(%Y)T'"]).0), year);
    is_year(&said(&tricked(tricks, "perl", &["-e", "sleep 3600; print 1900 + (gmtime)[5]"]).0), year);
}

#[test]
fn a_static_program_sees_the_shifted_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program) = (folder.path().join("year.c"), folder.path().join("year"));
    let text = r#"
#include <stdio.h>
#include <time.h>
#include <sys/time.h>
int main(void) {
    struct timespec a; struct timeval b; time_t c = time(0);
    clock_gettime(CLOCK_REALTIME, &a); gettimeofday(&b, 0);
    printf("%ld %ld %ld\n", 1970 + a.tv_sec / 31556952, 1970 + b.tv_sec / 31556952, 1970 + c / 31556952);
    return 0;
}"#;
    std::fs::write(&source, text).expect("writes");
    for kind in ["-static", "-O2"] {
        let built = Command::new("cc").arg(kind).arg("-o").arg(&program).arg(&source).status().expect("cc runs");
        assert!(built.success());
        let tricks = Tricks { skip_sleeps: false, clock_shift_seconds: 5 * YEAR };
        let (output, events, _) = tricked(tricks, program.to_str().expect("text"), &[]);
        for word in said(&output).split(' ') {
            is_year(word, real_year() + 5);
        }
        assert!(events.iter().any(|event| matches!(event.what, What::Clock { .. })));
    }
}

#[test]
fn a_skipped_sleep_shows_on_the_clock() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: YEAR };
    let script = "import time; a, b = time.time(), time.monotonic(); time.sleep(3600); \
                  print(round(time.time() - a), round(time.monotonic() - b))";
    let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", script]);
    assert_eq!(said(&output), "3600 3600");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// A deadline that the program takes from its shifted clock must not become a wait of years.
#[test]
fn a_deadline_on_the_shifted_clock_is_kept() {
    let tricks = Tricks { skip_sleeps: false, clock_shift_seconds: YEAR };
    let script = "import threading; print(threading.Event().wait(0.3))";
    let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", script]);
    assert_eq!(said(&output), "False");
    assert!(took > Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_long_wait_of_a_thread_is_shortened() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: YEAR };
    let script =
        "import threading, time; a = time.monotonic(); threading.Event().wait(600); print(round(time.monotonic() - a))";
    let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", script]);
    assert_eq!(said(&output), "600");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// As rootless: a user namespace, a process namespace, and a process that changes who it is.
#[test]
fn the_date_is_shifted_inside_a_user_namespace() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 5 * YEAR };
    let arguments = ["--user", "--map-root-user", "--pid", "--fork", "sh", "-c", "sleep 3600; date +%Y"];
    let (output, events, took) = tricked(tricks, "unshare", &arguments);
    is_year(&said(&output), real_year() + 5);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(events.iter().any(|event| matches!(event.what, What::Sleep { skipped: true, .. })));
}

/// Each turn is a process of its own: skipping them all would burn the whole time in forks.
#[test]
fn a_shell_that_sleeps_in_a_loop_is_not_made_a_busy_one() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: 0 };
    let script = "i=0; while [ $i -lt 250 ]; do sleep 60; i=$((i+1)); done; echo $i";
    let (output, events, took) = tricked(tricks, "sh", &["-c", script]);
    assert_eq!(said(&output), "250");
    assert!(took > Duration::from_millis(500), "50 of them take 10 ms each: {took:?}");
    let skipped = events.iter().filter(|event| matches!(event.what, What::Sleep { skipped: true, .. })).count();
    assert_eq!(skipped, 250);
}

/// As a run with root is watched: BPF sees, notification plays.
#[test]
fn beside_bpf_nothing_is_told_twice() {
    let (cell, recorder) = (Cell::new(), Arc::new(Recorder::new(None)));
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: YEAR };
    let filter = notify::filter(&tricks, false).expect("something to do");
    let sensor = bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    let mut command = cell.command("/bin/sh");
    command.args(["-c", "sleep 3600; rm -f /lazaret/none; exit 3"]);
    let (output, player) =
        run_notified(command, filter, |listener| notify::serve(listener, tricks, false, Arc::clone(&recorder)));
    assert_eq!(output.status.code(), Some(3));
    let (counts, played) = (sensor.finish(), player.finish());
    let events = recorder.take();
    let count = |which: &dyn Fn(&What) -> bool| events.iter().filter(|event| which(&event.what)).count();
    assert_eq!(count(&|what| matches!(what, What::Sleep { asked_ms: 3_600_000, skipped: true, .. })), 1);
    assert_eq!(count(&|what| matches!(what, What::Exec { .. })), 3);
    assert_eq!(count(&|what| matches!(what, What::Unlink { path, .. } if path == "/lazaret/none")), 1);
    assert_eq!((counts.lost, played.seen), (0, 0));
    // Both count processes alike.
    let sleeper = events.iter().find(|event| matches!(event.what, What::Sleep { .. })).expect("slept").process;
    let runs = |event: &Event| event.process == sleeper && matches!(event.what, What::Exec { .. });
    assert!(events.iter().any(runs), "{events:#?}");
}

/// Event loops wait for the next timer in epoll.
#[test]
fn a_timer_of_an_event_loop_comes_early_and_what_it_waits_for_in_time() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: YEAR };
    let script = r"
import os, select, threading, time
e = select.epoll(); r, w = os.pipe(); e.register(r, select.EPOLLIN); a = time.monotonic()
print(e.poll(600), round(time.monotonic() - a))
threading.Thread(target=lambda: (select.select([], [], [], 0.05), os.write(w, b'x'))).start()
print(len(e.poll(600)), round(time.monotonic() - a))
";
    let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", script]);
    assert_eq!(said(&output), "[] 600\n1 600");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// `select` asks the kernel for `pselect6`.
#[test]
fn a_wait_for_a_file_ends_early_and_what_it_waits_for_in_time() {
    let tricks = Tricks { skip_sleeps: true, clock_shift_seconds: YEAR };
    let script = r"
import os, select, threading, time
r, w = os.pipe(); a = time.monotonic()
print(len(select.select([r], [], [], 600)[0]), round(time.monotonic() - a))
threading.Timer(0.05, lambda: os.write(w, b'x')).start()
print(len(select.select([r], [], [], 600)[0]), round(time.monotonic() - a))
";
    let (output, _, took) = tricked(tricks, "/usr/bin/python3", &["-c", script]);
    assert_eq!(said(&output), "0 600\n1 600");
    assert!(took < Duration::from_secs(4), "{took:?}");
}
