//! `lazaret`: parses a role and calls it. Everything the program takes from its surroundings is read here.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    panic,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anstream::ColorChoice;
use clap::Parser;
use lazaret::{
    arguments::{Arguments, Role, by_name},
    commands,
    exit::{Exit, Failure, OrExit, one_line},
    logging,
    progress::{Meter, Style},
    settings::{ConfigFile, Environment},
    surroundings::{Surroundings, color_choice},
};
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing::Level;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(by_name(std::env::args_os().collect())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and ends well, a mistake goes to standard error and ends as usage.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Below }.into();
        }
    };
    let last_panic = keep_last_panic();
    let outcome = panic::catch_unwind(|| run(arguments));
    let (exit, message) = match outcome {
        Ok(Ok(exit)) => return exit.into(),
        Ok(Err(failure)) => (failure.exit, one_line(&failure.error)),
        Err(_) => {
            let place = last_panic.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (Exit::Internal, format!("defect in lazaret ({place}): what is recorded stays; please report this line"))
        }
    };
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(io::stderr(), "lazaret: {message}");
    exit.into()
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let environment = environment();
    let config = ConfigFile::read(&arguments.common, &environment).or_exit(Exit::Usage)?;
    let when = config.color(&arguments.common);
    let color = |is_terminal| color_choice(when, environment.no_color, is_terminal);
    let stderr_is_terminal = io::stderr().is_terminal();

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second one finds it set and ends.
        signal_hook::flag::register_conditional_shutdown(signal, Exit::Stopped.code().into(), Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .or_exit(Exit::Internal)?;
    }

    #[expect(clippy::disallowed_methods, reason = "the program's only clocks")]
    let (started, now) = (Instant::now(), || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()));
    let seconds = move || started.elapsed().as_secs_f64();

    let style = match (arguments.common.quiet, stderr_is_terminal) {
        (true, _) => Style::Quiet,
        (false, true) => Style::Bars,
        (false, false) => Style::Lines,
    };
    let meter = Meter::new(style, Box::new(seconds));
    let level = match (arguments.common.quiet, arguments.common.verbose, style) {
        (true, ..) => Level::ERROR,
        (_, 0, Style::Bars) => Level::WARN,
        (_, 0, _) => Level::INFO,
        (_, 1, _) => Level::DEBUG,
        _ => Level::TRACE,
    };
    logging::start(level, meter.bars(), color(stderr_is_terminal) != ColorChoice::Never);

    let surroundings = Surroundings {
        now: &now,
        seconds: &seconds,
        stop: &stop,
        meter: &meter,
        color: color(io::stdout().is_terminal()),
        width: terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0)),
        verbose: arguments.common.verbose > 0,
        environment,
    };
    let outcome = match arguments.role {
        Role::Scan(scan) => commands::scan::run(&scan, &config, &surroundings),
        Role::Hunt(hunt) => commands::hunt::run(hunt, &config, &surroundings),
        Role::Detonate(detonate) => commands::detonate::run(*detonate, &config, &surroundings),
        Role::Doctor(doctor) => commands::doctor::run(&doctor, &config, &surroundings),
        Role::Detectors(detectors) => commands::detectors::run(&detectors, &surroundings),
        Role::Explain(explain) => commands::explain::run(&explain, &config, &surroundings),
        Role::Feed(feed) => commands::feed::run(&feed, &config, &surroundings),
        Role::Gate(gate) => commands::gate::run(&gate, &config, &surroundings),
        Role::Intel(intel) => commands::intel::run(&intel, &config, &surroundings),
        Role::Inventory(inventory) => commands::inventory::run(&inventory, &config, &surroundings),
        Role::Known(known) => commands::known::run(known, &config, &surroundings),
        Role::Completions(completions) => commands::completions::run(&completions),
        Role::Man(man) => commands::man::run(&man),
    };
    meter.clear();
    outcome
}

/// A panic prints nothing by itself: one that is caught further down costs one detector's answer and is reported
/// there; of one that arrives here, place and message are told in one line.
fn keep_last_panic() -> Arc<Mutex<String>> {
    let last = Arc::new(Mutex::new("unknown place".to_owned()));
    let kept = Arc::clone(&last);
    panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("no message");
        // What `std::thread::scope` says on behalf of a thread whose own panic was kept already.
        if message != "a scoped thread panicked" {
            let place = info.location().map_or(String::new(), ToString::to_string);
            let line = model::text::visible(&format!("{place}: {message}")).into_owned();
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }));
    last
}

#[expect(clippy::disallowed_methods, reason = "the program's only look at its environment besides clap's")]
fn environment() -> Environment {
    let path = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(Into::into);
    Environment {
        home: path("HOME"),
        config_home: path("XDG_CONFIG_HOME"),
        data_home: path("XDG_DATA_HOME"),
        docker_config: path("DOCKER_CONFIG"),
        docker_host: std::env::var("DOCKER_HOST").ok(),
        proxy: ["HTTPS_PROXY", "https_proxy"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok())
            .filter(|proxy| !proxy.is_empty())
            .map(registry::Secret::new),
        feed_passphrase: std::env::var("LAZARET_FEED_PASSPHRASE")
            .ok()
            .filter(|passphrase| !passphrase.is_empty())
            .map(feed::trust::Secret::new),
        no_color: path("NO_COLOR").is_some_and(|_: std::path::PathBuf| true),
        processors: std::thread::available_parallelism().map_or(1, Into::into),
    }
}
