//! `lazaret scan`: inspects images and judges them.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::atomic::Ordering,
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use hunt::ScanError;
use model::{Locator, text};
use sandbox::sensor::replay;

use crate::{
    arguments::StationArguments,
    chamber::{Chamber, RunArguments},
    exit::{Exit, Failure, OrExit},
    output::{Row, RowError, destination::Destination, html, json, sarif, table},
    settings::{ConfigFile, one_platform},
    station::Station,
    surroundings::Surroundings,
    words::{FailOn, Format, PlatformChoice},
};

/// Inspects images layer by layer and judges them.
///
/// An image is named as for Docker (`nginx`, `ghcr.io/a/b:1`, `host:5000/a@sha256:…`), or as
/// `docker-archive:FILE` (what `docker save` wrote; `-` is standard input), `oci:FOLDER[:TAG]`,
/// `oci-archive:FILE[:TAG]` or `docker-daemon:NAME`. Nothing is run and nothing of it is written to disk. One image that
/// cannot be read costs its own row only.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret scan nginx
  lazaret scan --platform linux/arm64 --format html --output nginx.html nginx:1.27
  lazaret scan --fail-on suspicious registry.example.org/app@sha256:…
  docker save app | lazaret scan docker-archive:-
  lazaret scan --rules my-rules/ --format sarif oci:build/image")]
pub struct ScanArguments {
    /// Images to inspect
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Platform of an index to inspect, or `all` [default: linux on this processor]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", env = "LAZARET_PLATFORM", hide_env_values = true)]
    pub platform: Option<PlatformChoice>,
    /// From which disposition on to end with code 1 [default: malicious]
    #[arg(long, value_name = "DISPOSITION", env = "LAZARET_FAIL_ON", hide_env_values = true)]
    pub fail_on: Option<FailOn>,
    /// How to write the result [default: table]
    #[arg(short, long, value_name = "FORMAT", env = "LAZARET_FORMAT", hide_env_values = true, help_heading = "Output")]
    pub format: Option<Format>,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// How images are read and inspected.
    #[command(flatten)]
    pub station: StationArguments,
    /// Run each image as well, in a sandbox, and judge both together
    #[arg(long, help_heading = "Runs")]
    pub detonate: bool,
    /// How images are run.
    #[command(flatten)]
    pub runs: RunArguments,
}

/// Scans every image and writes one result.
///
/// # Errors
///
/// [`Failure`] for what concerns the whole run: references, rules, catalog, output.
pub fn run(arguments: &ScanArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    run_and_keep(arguments, &Keep::default(), config, surroundings)
}

/// What is written of the runs besides the result.
#[derive(Debug, Default)]
pub struct Keep {
    /// Run also what the catalog has a report on.
    pub again: bool,
    /// The traces, as JSON lines.
    pub record: Option<PathBuf>,
    /// The packets, as `pcapng`.
    pub packets: Option<PathBuf>,
}

/// As [`run`], and writes traces and packets.
///
/// # Errors
///
/// As [`run`].
pub fn run_and_keep(
    arguments: &ScanArguments,
    keep: &Keep,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let locators = locators(&arguments.images).or_exit(Exit::Usage)?;
    let platform = one_platform(arguments.platform.as_ref(), config.scan().platform.as_ref());
    let threshold = arguments.fail_on.or(config.scan().fail_on).unwrap_or(FailOn::Malicious).threshold();
    let format = arguments.format.or(config.scan().format).unwrap_or(Format::Table);
    let settings = config.station(&arguments.station, &surroundings.environment).or_exit(Exit::Usage)?;
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;
    let station = match Station::open(settings, (surroundings.now)()) {
        Ok(station) => station,
        Err(failure) => {
            destination.give_up();
            return Err(failure);
        }
    };
    let chamber = match arguments.detonate {
        true => Some(Chamber::open(
            &arguments.runs,
            station.store(),
            keep.record.is_some(),
            keep.packets.is_some(),
            true,
            surroundings,
        )?),
        false => None,
    };
    let detonating = chamber.as_ref().map(|chamber| chamber.detonating(keep.again));
    let context = hunt::Context { detonating: detonating.as_ref(), ..station.context(surroundings) };

    let layout = table::Layout { width: surroundings.width, verbose: surroundings.verbose };
    let mut rows = Vec::new();
    let mut shown = 0;
    let mut exit = Exit::Below;
    for locator in &locators {
        if surroundings.stop.load(Ordering::SeqCst) {
            break;
        }
        let (reports, error) = match hunt::scan(locator, platform.as_ref(), &context) {
            Ok(scanned) => (scanned.reports, scanned.error),
            Err(error) => (Vec::new(), Some(error)),
        };
        for report in reports {
            exit = exit.and(Exit::of(&report, threshold));
            rows.push(Row { reference: report.image.reference.clone(), result: Ok(report) });
        }
        if let Some(error) = error {
            let row = RowError::from(&error);
            tracing::error!("{}: {}", text::visible(&locator.to_string()), text::visible(&row.message));
            exit = exit.and(exit_of(&error));
            rows.push(Row { reference: locator.to_string(), result: Err(row) });
        }
        chamber.iter().for_each(Chamber::clear);
        // People see each result as soon as it is there.
        while format == Format::Table && shown < rows.len() {
            surroundings.meter.clear();
            if !destination.shows(&table::row(&rows[shown], layout))? {
                break;
            }
            shown += 1;
        }
    }
    surroundings.meter.clear();
    let text = if shown > 0 { table::end(&rows, layout) } else { written(format, &rows, surroundings) };
    destination.write(&text)?;
    if let Some(chamber) = &chamber {
        write_kept(chamber, keep)?;
    }
    Ok(surroundings.or_stopped(exit))
}

fn write_kept(chamber: &Chamber, keep: &Keep) -> Result<(), Failure> {
    if let Some(path) = &keep.record {
        let context = || format!("write the recording {}", path.display());
        let mut file = io::BufWriter::new(fs::File::create(path).with_context(context).or_exit(Exit::Output)?);
        for trace in chamber.take_traces() {
            replay::write(&trace, &mut file).with_context(context).or_exit(Exit::Output)?;
        }
        file.flush().with_context(context).or_exit(Exit::Output)?;
    }
    if let Some(path) = &keep.packets {
        // Sections of one pcapng file follow each other: one a run.
        let all: Vec<u8> = chamber.take_packets().into_iter().flat_map(|(_, bytes)| bytes).collect();
        fs::write(path, all).with_context(|| format!("write the packets {}", path.display())).or_exit(Exit::Output)?;
    }
    Ok(())
}

/// Reads every reference before the work begins, so that a typing mistake in the last one costs nothing.
fn locators(images: &[String]) -> anyhow::Result<Vec<Locator>> {
    let locators: Vec<Locator> =
        images.iter().map(|image| image.parse().map_err(anyhow::Error::new)).collect::<Result<_, _>>()?;
    let from_stdin = locators.iter().filter(|locator| matches!(locator, Locator::DockerArchive(None))).count();
    if from_stdin > 1 {
        return Err(anyhow!("standard input holds one archive: name docker-archive:- once"));
    }
    if from_stdin == 1 && std::io::stdin().is_terminal() {
        return Err(anyhow!(
            "docker-archive:- reads standard input, which is a terminal: try `docker save NAME | lazaret scan docker-archive:-`"
        ));
    }
    Ok(locators)
}

/// Whether it is the image or we that failed.
#[must_use]
pub const fn exit_of(error: &ScanError) -> Exit {
    match error {
        ScanError::Registry(_) => Exit::Undecided,
        ScanError::Store(_) => Exit::Internal,
        ScanError::Stopped(_) => Exit::Stopped,
    }
}

/// `rows` in `format`.
#[must_use]
pub fn written(format: Format, rows: &[Row], surroundings: &Surroundings<'_>) -> String {
    match format {
        Format::Table => table::scan(rows, table::Layout { width: surroundings.width, verbose: surroundings.verbose }),
        Format::Json => json::scan(rows),
        Format::Sarif => sarif::scan(rows),
        Format::Html => html::scan(rows),
    }
}
