//! The clock the sample sees: the real one, ahead by the shift and by the sleeps that were skipped.

use std::collections::HashMap;

use super::process::Task;
use crate::sensor::Tricks;

/// Sleeps shorter than this are slept.
pub(super) const SLEEP_NS_MIN: i128 = 100_000_000;
/// What is left of a long wait that may be for more than the time.
pub(super) const WAIT_NS_LEFT: i128 = 1_000_000_000;
/// Waits shorter than this are left alone.
pub(super) const WAIT_NS_MIN: i128 = 5_000_000_000;
/// Sleeps of the run that are skipped altogether, and how long those after it take: a loop that sleeps must not become one that does not.
const SKIPPED_MAX: u32 = 200;
const SHORT_NS: i128 = 10_000_000;
/// Sleeps of the run until they take ten times as long.
const SHORTENED_MAX: u32 = 2_000;
/// Waits that are remembered.
const WAITS_MAX: usize = 4_096;

/// What a sleep is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Let it be done.
    Done,
    /// Let it be done, by this time limit: nanoseconds, as the kernel counts them.
    DoneUntil(i128),
    /// Say it is over.
    Over,
}

/// What came of a sleep or a wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slept {
    pub(super) answer: Answer,
    /// What it asked for, from now on, in nanoseconds.
    pub(super) left: i128,
    /// Whether it gets less.
    pub(super) skipped: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    skip: bool,
    /// Whether clocks are answered: only then does skipped time show.
    answered: bool,
    ahead_ns: i128,
    skipped_ns: i128,
    skipped: u32,
    /// Waits that were shortened: when they end, and until when they were to last on the sample's clock. The clock moves when the thread is seen to
    /// go on after that: then the wait ran out, and was not ended by what it waited for.
    waits: HashMap<u32, (i128, i128)>,
}

impl Clock {
    pub(super) fn new(tricks: Tricks) -> Self {
        Self {
            skip: tricks.skip_sleeps,
            answered: tricks.clock_shift_seconds != 0,
            ahead_ns: i128::from(tricks.clock_shift_seconds) * 1_000_000_000,
            skipped_ns: 0,
            skipped: 0,
            waits: HashMap::new(),
        }
    }

    /// By how much a clock is ahead for the sample, in nanoseconds: those with a date by the shift too.
    fn ahead(&self, clock: u64) -> i128 {
        let dated = matches!(clock, 0 | 5 | 11);
        if !self.answered {
            return 0;
        }
        self.skipped_ns + if dated { self.ahead_ns } else { 0 }
    }

    /// A clock as the sample sees it, in nanoseconds.
    pub(super) fn now(&self, clock: u64) -> i128 {
        real(clock) + self.ahead(clock)
    }

    /// A thread goes on: a shortened wait of it that is over moves the clock, but not past the end of a wait beside it.
    pub(super) fn goes_on(&mut self, task: Task) {
        let Some((_, until)) = self.waits.remove(&task.0).filter(|(ends, _)| real(1) >= *ends) else { return };
        let now = self.now(1);
        let first = self.waits.values().map(|(_, until)| *until).filter(|until| *until > now).min();
        self.skipped_ns += (first.map_or(until, |first| until.min(first)) - now).max(0);
    }

    /// A wait of a thread begins, that we end after [`WAIT_NS_LEFT`] unless something comes of it.
    pub(super) fn waits(&mut self, task: Task, left: i128) {
        if self.waits.len() < WAITS_MAX {
            self.waits.insert(task.0, (real(1) + WAIT_NS_LEFT, self.now(1) + left));
        }
    }

    /// Something came of it.
    pub(super) fn woke(&mut self, task: Task) {
        self.waits.remove(&task.0);
    }

    /// Whether waits that something else can end are shortened: not where skipped time does not show, they would begin again and again.
    pub(super) fn shortens(&self) -> bool {
        self.skip && self.answered
    }

    /// A sleep for nothing but the time. `limit` is in nanoseconds: how long, or, if `absolute`, until when on `clock`. `fixed`: the limit
    /// cannot be changed.
    pub(super) fn sleep(&mut self, clock: u64, limit: i128, absolute: bool, fixed: bool) -> Slept {
        let left = if absolute { limit - self.now(clock) } else { limit };
        if left <= 0 {
            return Slept { answer: if absolute { Answer::Over } else { Answer::Done }, left: 0, skipped: false };
        }
        if !self.skip || left < SLEEP_NS_MIN {
            return Slept { answer: self.as_real(clock, limit, absolute), left, skipped: false };
        }
        let short = match self.skipped {
            skipped if skipped < SKIPPED_MAX => 0,
            skipped if skipped < SHORTENED_MAX => SHORT_NS,
            _ => SHORT_NS * 10,
        };
        if fixed && short > 0 {
            return Slept { answer: Answer::Done, left, skipped: false };
        }
        self.skipped += 1;
        self.skipped_ns += left - short;
        let answer = match short {
            0 => Answer::Over,
            _ => Answer::DoneUntil(if absolute { real(clock) + short } else { short }),
        };
        Slept { answer, left, skipped: true }
    }

    /// A wait with a time limit, that something else can end.
    pub(super) fn wait(&mut self, task: Task, clock: u64, limit: i128, absolute: bool) -> Slept {
        let left = if absolute { limit - self.now(clock) } else { limit };
        if self.shortens() && left >= WAIT_NS_MIN {
            self.waits(task, left);
            let until = if absolute { real(clock) + WAIT_NS_LEFT } else { WAIT_NS_LEFT };
            return Slept { answer: Answer::DoneUntil(until), left, skipped: true };
        }
        Slept { answer: self.as_real(clock, limit, absolute), left, skipped: false }
    }

    /// A time limit on the sample's clock, as the kernel's clock has it.
    fn as_real(&self, clock: u64, limit: i128, absolute: bool) -> Answer {
        let ahead = self.ahead(clock);
        if absolute && ahead != 0 { Answer::DoneUntil((limit - ahead).max(0)) } else { Answer::Done }
    }
}

/// The kernel's clock, in nanoseconds.
pub(super) fn real(clock: u64) -> i128 {
    let id = i32::try_from(clock).unwrap_or(0);
    nix::time::clock_gettime(nix::time::ClockId::from_raw(id))
        .map_or(0, |now| i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec()))
}

/// A `struct timespec`, or `timeval` with `unit` 1000, in nanoseconds.
pub(super) fn read_time(bytes: &[u8], unit: i128) -> Option<i128> {
    let seconds = i64::from_ne_bytes(*bytes.first_chunk()?);
    let rest = i64::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(rest) * unit)
}

/// The reverse of [`read_time`].
pub(super) fn write_time(nanoseconds: i128, unit: i128) -> [u8; 16] {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    let rest = i64::try_from(nanoseconds.rem_euclid(1_000_000_000) / unit).unwrap_or(0);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..].copy_from_slice(&rest.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i128 = 3_600_000_000_000;
    const DAY: i64 = 86_400;

    #[test]
    fn a_skipped_sleep_shows_on_every_clock_that_is_answered() {
        let mut clock = Clock::new(Tricks { skip_sleeps: true, clock_shift_seconds: DAY });
        let (date, up) = (clock.now(0), clock.now(1));
        assert!(date - real(0) > HOUR * 23 && up - real(1) < HOUR);
        assert_eq!(clock.sleep(1, HOUR, false, false), Slept { answer: Answer::Over, left: HOUR, skipped: true });
        assert!(clock.now(0) - date >= HOUR && clock.now(1) - up >= HOUR);
        assert_eq!(clock.sleep(1, 1_000, false, false).answer, Answer::Done, "a short sleep is slept");
    }

    #[test]
    fn a_time_limit_on_the_shifted_clock_is_given_to_the_kernel_on_its_own() {
        let mut clock = Clock::new(Tricks { skip_sleeps: false, clock_shift_seconds: DAY });
        let limit = clock.now(0) + 1_000_000_000;
        let Answer::DoneUntil(until) = clock.wait(Task(1), 0, limit, true).answer else { panic!("must be changed") };
        assert!((until - real(0)) <= 1_000_000_000);
        assert_eq!(clock.wait(Task(1), 1, limit, false).answer, Answer::Done);
    }

    #[test]
    fn a_shortened_wait_moves_the_clock_only_when_it_ran_out() {
        let mut clock = Clock::new(Tricks { skip_sleeps: true, clock_shift_seconds: DAY });
        assert_eq!(clock.wait(Task(1), 1, HOUR, false).answer, Answer::DoneUntil(WAIT_NS_LEFT));
        let before = clock.skipped_ns;
        clock.goes_on(Task(1));
        assert_eq!(clock.skipped_ns, before, "something else woke it");
        let until = clock.now(1) + HOUR;
        clock.waits.insert(2, (0, until));
        clock.waits.insert(3, (0, until));
        clock.goes_on(Task(2));
        clock.goes_on(Task(3));
        let moved = clock.skipped_ns - before;
        assert!((HOUR - SLEEP_NS_MIN..=HOUR).contains(&moved), "two waits beside each other: {moved}");

        let day = clock.now(1) + 24 * HOUR;
        clock.waits.insert(2, (0, day));
        clock.waits.insert(3, (0, clock.now(1) + HOUR));
        let before = clock.skipped_ns;
        clock.goes_on(Task(2));
        assert!(clock.skipped_ns - before <= HOUR, "not past the other's end");
    }

    #[test]
    fn a_loop_that_sleeps_still_sleeps_a_little() {
        let mut clock = Clock::new(Tricks { skip_sleeps: true, clock_shift_seconds: 0 });
        for _ in 0..SKIPPED_MAX {
            assert_eq!(clock.sleep(0, HOUR, false, false).answer, Answer::Over);
        }
        assert_eq!(clock.sleep(0, HOUR, false, false).answer, Answer::DoneUntil(SHORT_NS));
        assert_eq!(clock.sleep(0, HOUR, false, true).answer, Answer::Done, "its limit cannot be changed");
    }

    #[test]
    fn times_are_read_as_they_were_written() {
        assert_eq!(read_time(&write_time(1_500_000_000, 1), 1), Some(1_500_000_000));
        assert_eq!(read_time(&write_time(1_500_000_000, 1_000), 1_000), Some(1_500_000_000));
        assert_eq!(read_time(&[0; 15], 1), None);
    }
}
