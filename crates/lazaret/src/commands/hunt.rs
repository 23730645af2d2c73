//! `lazaret hunt`: inspects every image of a registry.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use hunt::{HuntPlan, HuntRow};
use model::{Disposition, text::visible};
use serde_json::json;

use crate::{
    arguments::StationArguments,
    chamber::{Chamber, RunArguments},
    commands::scan::exit_of,
    dates,
    exit::{Exit, Failure, OrExit},
    output::{
        Row, RowError,
        destination::Destination,
        html, json as json_output, reports, style, table,
        words::{bytes_shown, counted, duration_shown},
    },
    settings::{ConfigFile, platforms},
    station::Station,
    surroundings::Surroundings,
    words::{Count, FailOn, PlatformChoice, RegistryUrl},
};

/// Tags of one repository without `--tags-max`.
const TAGS_MAX: usize = 10;
/// Repositories of one registry without `--repositories-max`.
const REPOSITORIES_MAX: usize = 100_000;
/// Images side by side without `--at-once`.
const AT_ONCE: usize = 2;

/// Inspects every image of a registry: walks its catalogue and tags, all platforms by default.
///
/// Interrupted at any moment, it goes on where it stopped when it is called again with the same registry and filters.
/// What the catalog knows is not fetched again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret hunt --registry http://localhost:5000
  lazaret hunt --registry registry.example.org --repository 'team-*/*' --since 2026-01-01
  lazaret hunt --registry http://localhost:5000 --html pages --format json --output hunt.json
  lazaret hunt --registry http://localhost:5000 --detonate --budget 30 --at-once 4")]
pub struct HuntArguments {
    /// Registry to hunt, as URL or host
    #[arg(long, value_name = "URL", env = "LAZARET_REGISTRY", hide_env_values = true, help_heading = "What to hunt")]
    pub registry: RegistryUrl,
    /// Only repositories that match this (`*` and `?`); may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "What to hunt")]
    pub repository: Vec<String>,
    /// Only images said to be made at or after this: YYYY-MM-DD or RFC 3339
    #[arg(long, value_name = "DATE", value_parser = dates::parse, help_heading = "What to hunt")]
    pub since: Option<u64>,
    /// Only this platform, or `all` [default: all]; may be repeated
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What to hunt")]
    pub platform: Option<Vec<PlatformChoice>>,
    /// At most so many tags of a repository [default: 10]
    #[arg(long, value_name = "N", env = "LAZARET_TAGS_MAX", hide_env_values = true, help_heading = "What to hunt")]
    pub tags_max: Option<Count<1, 100_000>>,
    /// At most so many repositories [default: 100_000]
    #[arg(long, value_name = "N", env = "LAZARET_REPOSITORIES_MAX", hide_env_values = true)]
    #[arg(help_heading = "What to hunt")]
    pub repositories_max: Option<Count<1, 100_000_000>>,
    /// Images inspected side by side, 1 to 64 [default: 2]
    #[arg(long, value_name = "N", env = "LAZARET_AT_ONCE", hide_env_values = true, help_heading = "Inspection")]
    pub at_once: Option<Count<1, 64>>,
    /// Try again what failed in an earlier run
    #[arg(long, help_heading = "What to hunt")]
    pub retry_failed: bool,
    /// From which disposition on to end with code 1 [default: malicious]
    #[arg(long, value_name = "DISPOSITION", env = "LAZARET_FAIL_ON", hide_env_values = true)]
    #[arg(help_heading = "Output")]
    pub fail_on: Option<FailOn>,
    /// How to write the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: HuntFormat,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Folder for a page for every image and an index.html; made if it is not there
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub html: Option<PathBuf>,
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

/// How a hunt's result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HuntFormat {
    /// For people in a terminal.
    Table,
    /// `lazaret.hunt/1`, see docs/json.md.
    Json,
}

/// Hunts, then writes result and summary.
///
/// # Errors
///
/// [`Failure`] if the registry's catalogue cannot be read, or of rules, catalog and output.
pub fn run(arguments: HuntArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let section = config.hunt();
    let threshold = arguments.fail_on.or(config.scan().fail_on).unwrap_or(FailOn::Malicious).threshold();
    let settings = config.station(&arguments.station, &surroundings.environment).or_exit(Exit::Usage)?;
    let plan = HuntPlan {
        registry: arguments.registry.to_string(),
        repositories: arguments.repository,
        since: arguments.since,
        platforms: platforms(arguments.platform, section.platforms.as_ref()),
        tags_max: arguments.tags_max.or(section.tags_max).map_or(TAGS_MAX, Count::size),
        repositories_max: arguments.repositories_max.or(section.repositories_max).map_or(REPOSITORIES_MAX, Count::size),
        images_at_once: arguments.at_once.or(section.at_once).map_or(AT_ONCE, Count::size),
        retry_failed: arguments.retry_failed,
    };
    if let Some(folder) = &arguments.html {
        fs::create_dir_all(folder).with_context(|| format!("write into {}", folder.display())).or_exit(Exit::Output)?;
    }
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;
    let begun = (surroundings.seconds)();
    let hunted = Station::open(settings, (surroundings.now)()).and_then(|station| {
        let chamber = match arguments.detonate {
            true => Some(Chamber::open(&arguments.runs, station.store(), false, false, false, surroundings)?),
            false => None,
        };
        let detonating = chamber.as_ref().map(|chamber| chamber.detonating(false));
        let context = hunt::Context { detonating: detonating.as_ref(), ..station.context(surroundings) };
        hunt::hunt(&plan, &context).map_err(|error| Failure { exit: exit_of(&error), error: error.into() })
    });
    surroundings.meter.clear();
    let rows = match hunted {
        Ok(rows) => rows_of(rows),
        Err(failure) => {
            destination.give_up();
            return Err(failure);
        }
    };

    let exit = rows.iter().fold(Exit::Below, |exit, row| {
        exit.and(row.result.as_ref().map_or(Exit::Undecided, |report| Exit::of(report, threshold)))
    });
    let summary = Summary::of(&rows, (surroundings.seconds)() - begun);
    if let Some(folder) = &arguments.html {
        pages(&rows, &summary, folder).or_exit(Exit::Output)?;
    }
    let text = match arguments.format {
        HuntFormat::Table => table_of(&rows, &summary, surroundings),
        HuntFormat::Json => json_output::hunt(&rows, summary.json()),
    };
    destination.write(&text)?;
    Ok(surroundings.or_stopped(exit))
}

fn rows_of(rows: Vec<HuntRow>) -> Vec<Row> {
    rows.into_iter()
        .flat_map(|HuntRow { reference, reports, error }| {
            let failed = error.map(|message| RowError { kind: "failed", message });
            let results = reports.into_iter().map(Ok).chain(failed.map(Err));
            results.map(move |result| Row { reference: reference.clone(), result }).collect::<Vec<_>>()
        })
        .collect()
}

/// The figures a hunt ends with.
struct Summary {
    by_disposition: BTreeMap<Disposition, usize>,
    failed: usize,
    read_bytes: u64,
    remembered_bytes: u64,
    seconds: f64,
}

impl Summary {
    /// A layer that several images share counts once; read once, it counts as read.
    fn of(rows: &[Row], seconds: f64) -> Self {
        let mut by_disposition = BTreeMap::new();
        let mut layers = BTreeMap::new();
        for report in reports(rows) {
            *by_disposition.entry(report.verdict.disposition).or_default() += 1;
            for layer in &report.image.layers {
                let entry = layers.entry(layer.digest).or_insert((layer.packed_bytes, true));
                entry.1 &= layer.remembered || report.remembered;
            }
        }
        let sum = |wanted| {
            let sizes = layers.values().filter(|(_, remembered)| *remembered == wanted);
            sizes.map(|(bytes, _)| *bytes).fold(0, u64::saturating_add)
        };
        let failed = rows.iter().filter(|row| row.result.is_err()).count();
        Self { by_disposition, failed, read_bytes: sum(false), remembered_bytes: sum(true), seconds }
    }

    fn count(&self, disposition: Disposition) -> usize {
        self.by_disposition.get(&disposition).copied().unwrap_or(0)
    }

    fn line(&self) -> String {
        let images: usize = self.by_disposition.values().sum();
        let mut parts: Vec<_> = Disposition::ALL
            .iter()
            .rev()
            .filter(|disposition| self.count(**disposition) > 0)
            .map(|disposition| format!("{} {disposition}", self.count(*disposition)))
            .collect();
        if self.failed > 0 {
            parts.push(format!("{} not decided", self.failed));
        }
        format!(
            "{}: {} · {} of layers read, {} remembered · {}",
            counted(images + self.failed, "image"),
            if parts.is_empty() { "nothing to inspect".to_owned() } else { parts.join(", ") },
            bytes_shown(self.read_bytes),
            bytes_shown(self.remembered_bytes),
            duration_shown(self.seconds),
        )
    }

    fn json(&self) -> serde_json::Value {
        let counts: serde_json::Map<_, _> = Disposition::ALL
            .iter()
            .map(|disposition| (disposition.word().to_owned(), self.count(*disposition).into()))
            .collect();
        json!({
            "dispositions": counts,
            "failed": self.failed,
            "read_bytes": self.read_bytes,
            "remembered_bytes": self.remembered_bytes,
            "seconds": self.seconds,
        })
    }
}

/// With `-v` every report in full, then all images worst first, then the figures.
fn table_of(rows: &[Row], summary: &Summary, surroundings: &Surroundings<'_>) -> String {
    let layout = table::Layout { width: surroundings.width, verbose: false };
    let mut text = String::new();
    if surroundings.verbose {
        reports(rows).for_each(|report| text.push_str(&table::report(report, layout)));
    }
    text.push_str(&table::list(rows, layout));
    text.push_str(&format!("\n{}\n", style::paint(style::BOLD, summary.line())));
    let bad = reports(rows).find(|report| report.verdict.disposition == Disposition::Malicious);
    if let Some(report) = bad {
        let hint = format!("why: lazaret explain {}", report.image.subject());
        text.push_str(&format!("{}\n", style::paint(style::DIM, hint)));
    }
    text
}

/// A page an image, named by its subject digest, and an index. Nothing hostile is in a file's name.
fn pages(rows: &[Row], summary: &Summary, folder: &Path) -> anyhow::Result<()> {
    let mut written = BTreeSet::new();
    for row in rows {
        let Ok(report) = &row.result else { continue };
        let name = page_name(row);
        if written.insert(name.clone()) {
            let path = folder.join(&name);
            let page = html::scan(std::slice::from_ref(row));
            let context = || format!("write {} on {}", path.display(), visible(&report.image.reference));
            fs::write(&path, page).with_context(context)?;
        }
    }
    let index = folder.join("index.html");
    fs::write(&index, html::index(rows, &summary.line(), &|_, row| page_name(row)))
        .with_context(|| format!("write {}", index.display()))
}

fn page_name(row: &Row) -> String {
    row.result
        .as_ref()
        .map_or_else(|_| "index.html".to_owned(), |report| format!("{}.html", report.image.subject().hex()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn the_summary_counts_a_shared_layer_once() {
        let rows = testing::rows();
        let summary = Summary::of(&rows, 65.0);
        insta::assert_snapshot!(summary.line(), @"5 images: 2 malicious, 1 risky, 1 clean, 1 not decided · 657.0 MB of layers read, 26.0 MB remembered · 1 min 5 s");
        assert_eq!(summary.json()["dispositions"]["malicious"], 2);
    }

    #[test]
    fn pages_are_named_by_digest_and_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = testing::poisoned("/../../<script>");
        pages(&rows, &Summary::of(&rows, 0.0), folder.path()).expect("writes");
        let index = fs::read_to_string(folder.path().join("index.html")).expect("an index");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 5);
        for report in reports(&rows) {
            let name = format!("{}.html", report.image.subject().hex());
            assert!(index.contains(&name) && folder.path().join(&name).is_file(), "{name}");
        }
        assert!(!index.contains("<script"));
    }
}
