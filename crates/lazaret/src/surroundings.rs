//! The world as `main` found it, passed down: nothing below reads the environment, a clock or a terminal's state.

use std::sync::atomic::{AtomicBool, Ordering};

use anstream::ColorChoice;

use crate::{exit::Exit, progress::Meter, settings::Environment, words::ColorWhen};

/// What a role gets besides its arguments and settings.
pub struct Surroundings<'a> {
    /// Environment variables that clap does not read.
    pub environment: Environment,
    /// Seconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Monotonic seconds.
    pub seconds: &'a (dyn Fn() -> f64 + Sync),
    /// Set once somebody pressed Ctrl-C.
    pub stop: &'a AtomicBool,
    /// Shows what happens.
    pub meter: &'a Meter,
    /// Whether to colour what goes to standard output.
    pub color: ColorChoice,
    /// Columns of the terminal.
    pub width: usize,
    /// `-v` was given: show everything.
    pub verbose: bool,
}

impl Surroundings<'_> {
    /// [`Exit::Stopped`] once somebody pressed Ctrl-C, else `exit`.
    #[must_use]
    pub fn or_stopped(&self, exit: Exit) -> Exit {
        if self.stop.load(Ordering::SeqCst) { Exit::Stopped } else { exit }
    }
}

/// Whether to colour a stream: what was asked for before `NO_COLOR` before whether it is a terminal.
#[must_use]
pub const fn color_choice(when: ColorWhen, no_color: bool, is_terminal: bool) -> ColorChoice {
    match when {
        ColorWhen::Always => ColorChoice::AlwaysAnsi,
        ColorWhen::Never => ColorChoice::Never,
        ColorWhen::Auto if is_terminal && !no_color => ColorChoice::AlwaysAnsi,
        ColorWhen::Auto => ColorChoice::Never,
    }
}
