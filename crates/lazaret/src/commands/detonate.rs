//! `lazaret detonate`: runs images where they cannot leave, and judges what they do.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use hunt::replayed;
use sandbox::sensor::replay;

use crate::{
    arguments::StationArguments,
    chamber::RunArguments,
    commands::scan::{self, Keep, ScanArguments, written},
    exit::{Exit, Failure, OrExit},
    output::{Row, destination::Destination},
    settings::ConfigFile,
    station::Station,
    surroundings::Surroundings,
    words::{FailOn, Format, PlatformChoice},
};

/// Runs images in a sandbox with a simulated internet, and judges what they are and what they do together.
///
/// Nothing of an image reaches a real network. The sandbox shares this machine's kernel: run images that may attack kernels on a
/// machine that holds nothing else. An image is named as for `scan`, but for streams.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret detonate oci:build/image
  lazaret detonate --budget 120 --format html --output run.html registry.example.org/app:1
  lazaret detonate --record run.jsonl --pcap run.pcapng docker-archive:app.tar
  lazaret detonate --replay run.jsonl")]
pub struct DetonateArguments {
    /// Images to run
    #[arg(required_unless_present = "replay", value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Platform of an index to run [default: linux on this processor]
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
    /// Write every event of every run, as JSON lines
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub record: Option<PathBuf>,
    /// Write the packets of every run, as pcapng
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub pcap: Option<PathBuf>,
    /// Judge a recording again, and run nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "record", "pcap"], help_heading = "Runs")]
    pub replay: Option<PathBuf>,
    /// How images are read and inspected.
    #[command(flatten)]
    pub station: StationArguments,
    /// How images are run.
    #[command(flatten)]
    pub runs: RunArguments,
}

/// Runs every image, or judges a recording.
///
/// # Errors
///
/// [`Failure`] for what concerns the whole run: references, rules, catalog, output, a recording that cannot be read.
pub fn run(
    arguments: DetonateArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    if let Some(path) = arguments.replay.clone() {
        return replayed_file(&path, &arguments, config, surroundings);
    }
    let keep = Keep { again: true, record: arguments.record, packets: arguments.pcap };
    let scan = ScanArguments {
        images: arguments.images,
        platform: arguments.platform,
        fail_on: arguments.fail_on,
        format: arguments.format,
        output: arguments.output,
        station: arguments.station,
        detonate: true,
        runs: arguments.runs,
    };
    scan::run_and_keep(&scan, &keep, config, surroundings)
}

fn replayed_file(
    path: &std::path::Path,
    arguments: &DetonateArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let threshold = arguments.fail_on.or(config.scan().fail_on).unwrap_or(FailOn::Malicious).threshold();
    let format = arguments.format.or(config.scan().format).unwrap_or(Format::Table);
    let context = || format!("read the recording {}", path.display());
    let file = std::fs::File::open(path).with_context(context).or_exit(Exit::Usage)?;
    let traces = replay::read_all(std::io::BufReader::new(file)).with_context(context).or_exit(Exit::Usage)?;
    if traces.is_empty() {
        return Err(anyhow!("the recording {} holds no run", path.display())).or_exit(Exit::Usage);
    }
    let settings = config.station(&arguments.station, &surroundings.environment).or_exit(Exit::Usage)?;
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;
    let station = match Station::open(settings, (surroundings.now)()) {
        Ok(station) => station,
        Err(failure) => {
            destination.give_up();
            return Err(failure);
        }
    };
    let report = replayed(&path.display().to_string(), traces, &station.context(surroundings));
    let exit = Exit::of(&report, threshold);
    let rows = [Row { reference: report.image.reference.clone(), result: Ok(report) }];
    destination.write(&written(format, &rows, surroundings))?;
    Ok(exit)
}
