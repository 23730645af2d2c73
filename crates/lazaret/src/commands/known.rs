//! `lazaret known`: the images that the operator vouches for.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use model::{
    Disposition, KnownImage, Locator, ScanReport,
    known::{IMAGES_MAX, LINE_BYTES_MAX, is_name},
    text,
};
use store::Catalog;
use unicode_width::UnicodeWidthStr;

use crate::{
    arguments::{StationArguments, StoreArguments},
    commands::scan::exit_of,
    dates,
    exit::{Exit, Failure, OrExit},
    output::{destination::Destination, words::counted},
    settings::{ConfigFile, one_platform},
    station::{Station, open_catalog},
    surroundings::Surroundings,
    words::PlatformChoice,
};

/// Most wrong lines that are named one by one.
const WRONG_LINES_MAX: usize = 100;

/// What to do with the known-good set.
#[derive(Debug, Subcommand)]
pub enum KnownRole {
    /// Read images that you trust and vouch for them
    Add(Box<AddArguments>),
    /// List the images that are vouched for
    List(ListArguments),
    /// No longer vouch for a name
    Remove(RemoveArguments),
    /// Write the set as JSON lines, to share it
    Export(ExportArguments),
    /// Add a set that somebody exported
    Import(ImportArguments),
}

/// Reads images that you trust and vouches for them.
///
/// An image that says it is `nginx` is then told from the real one by its layers and programs, findings on files of an
/// image you vouch for count no more, and the feed never lists its layers. An image judged suspicious or worse, or not
/// read whole, is refused.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret known add nginx:1.27 redis:7
  lazaret known add --as our-base registry.example.org/base/debian@sha256:…")]
pub struct AddArguments {
    /// Images to vouch for, named as for `lazaret scan`
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// What they are, as the last part of a repository [default: that of the image]
    #[arg(long = "as", value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Vouch also for an image that is judged suspicious or malicious
    #[arg(long)]
    pub force: bool,
    /// Platform of an index to read, or `all` [default: linux on this processor]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", env = "LAZARET_PLATFORM", hide_env_values = true)]
    pub platform: Option<PlatformChoice>,
    /// How images are read and inspected.
    #[command(flatten)]
    pub station: StationArguments,
}

/// Lists the images that are vouched for.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// No longer vouches for a name.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The name, as `lazaret known list` shows it
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Writes the set as JSON lines (`lazaret.known/1`), to share it.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Where to write it [default: standard output]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Adds a set that somebody exported. A wrong line is named and left out; the others are added.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// What `lazaret known export` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

fn name(text: &str) -> Result<String, String> {
    let rule = || format!("{text:?} is no name: lower-case letters and digits, joined by `.`, `_`, `-`");
    is_name(text).then(|| text.to_owned()).ok_or_else(rule)
}

/// Does it.
///
/// # Errors
///
/// [`Failure`] of references, images, files, catalog and output.
pub fn run(role: KnownRole, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let open =
        |store: &StoreArguments| open_catalog(&config.store(store, &surroundings.environment).or_exit(Exit::Usage)?);
    match role {
        KnownRole::Add(arguments) => add(&arguments, config, surroundings),
        KnownRole::List(arguments) => {
            let images = open(&arguments.store)?.known().or_exit(Exit::Internal)?;
            Destination::open(None, surroundings.color)?.write(&listed(&images))?;
            Ok(Exit::Below)
        }
        KnownRole::Remove(arguments) => remove(open(&arguments.store)?.as_ref(), &arguments.name),
        KnownRole::Export(arguments) => {
            let images = open(&arguments.store)?.known().or_exit(Exit::Internal)?;
            let mut text = String::new();
            for image in &images {
                text.push_str(&image.line().or_exit(Exit::Internal)?);
                text.push('\n');
            }
            Destination::open(arguments.file.as_deref(), surroundings.color)?.write(&text)?;
            Ok(Exit::Below)
        }
        KnownRole::Import(arguments) => import(&arguments, || open(&arguments.store)),
    }
}

fn add(arguments: &AddArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let locators: Vec<Locator> =
        arguments.images.iter().map(|image| image.parse()).collect::<Result<_, _>>().or_exit(Exit::Usage)?;
    let names: Vec<String> = locators.iter().map(|locator| named(locator, arguments)).collect::<Result<_, _>>()?;
    let platform = one_platform(arguments.platform.as_ref(), config.scan().platform.as_ref());
    let settings = config.station(&arguments.station, &surroundings.environment).or_exit(Exit::Usage)?;
    if settings.store.is_none() {
        return Err(anyhow!("the known-good set is kept in the catalog: leave out --no-store")).or_exit(Exit::Usage);
    }
    let station = Station::open(settings, (surroundings.now)())?;
    let context = station.context(surroundings);
    let mut images = Vec::new();
    for (locator, name) in locators.iter().zip(&names) {
        let scanned = hunt::scan(locator, platform.as_ref(), &context)
            .map_err(|error| Failure { exit: exit_of(&error), error: error.into() })?;
        if let Some(error) = scanned.error {
            return Err(Failure { exit: exit_of(&error), error: error.into() });
        }
        for report in &scanned.reports {
            check(report, arguments.force)?;
            images.push(hunt::vouch(report, name, &context).or_exit(Exit::Undecided)?);
        }
    }
    // All or none: who names several means a set.
    station.catalog().put_known(&images).or_exit(Exit::Internal)?;
    surroundings.meter.clear();
    for image in &images {
        if image.names.is_empty() {
            tracing::warn!(
                "{}: no file in it is called after {}, so that descent from it cannot be judged; findings are still subtracted",
                text::visible(&image.reference),
                image.name
            );
        }
        tracing::info!("known: {} is {}", text::visible(&image.reference), image.name);
    }
    Ok(Exit::Below)
}

/// What an image is: as said, else by its repository.
fn named(locator: &Locator, arguments: &AddArguments) -> Result<String, Failure> {
    let by_repository = || match locator {
        Locator::Registry(reference) => reference.repository.rsplit('/').next().map(str::to_owned),
        _ => None,
    };
    arguments
        .name
        .clone()
        .or_else(by_repository)
        .ok_or_else(|| anyhow!("{locator} is in no registry and so has no name: say what it is with --as NAME"))
        .or_exit(Exit::Usage)
}

/// Refuses what our own scan would warn of.
fn check(report: &ScanReport, force: bool) -> Result<(), Failure> {
    let (reference, disposition) = (text::visible(&report.image.reference), report.verdict.disposition);
    match disposition {
        Disposition::Suspicious | Disposition::Malicious if !force => {
            let advice = "see `lazaret scan`, and use --force if you know better";
            Err(anyhow!("{reference} is judged {disposition}, so nobody should vouch for it: {advice}"))
                .or_exit(Exit::Found)
        }
        Disposition::Undetermined => {
            Err(anyhow!("{reference} was not read whole: nobody can vouch for what was not seen"))
                .or_exit(Exit::Undecided)
        }
        _ => Ok(()),
    }
}

/// One image a line: name, reference, files, date.
fn listed(images: &[KnownImage]) -> String {
    let names = images.iter().map(|image| image.name.width()).max().unwrap_or(0);
    let mut text = String::new();
    for image in images {
        let line = format!(
            "{:<names$}  {}  {}  {}, {}  {}\n",
            image.name,
            image.config.short(),
            text::visible(&image.reference),
            counted(image.layers.len(), "layer"),
            counted(image.files.len(), "file"),
            dates::shown(image.added_at),
        );
        text.push_str(&line);
    }
    text
}

fn remove(catalog: &dyn Catalog, name: &str) -> Result<Exit, Failure> {
    let removed = catalog.remove_known(name).or_exit(Exit::Internal)?;
    if removed == 0 {
        return Err(anyhow!("nothing vouches for {name}: see `lazaret known list`")).or_exit(Exit::Undecided);
    }
    tracing::info!("known: {} of {name} removed", counted(removed, "image"));
    Ok(Exit::Below)
}

fn import(
    arguments: &ImportArguments,
    open: impl FnOnce() -> Result<Box<dyn Catalog>, Failure>,
) -> Result<Exit, Failure> {
    let context = || format!("read {}", arguments.file.display());
    let file = File::open(&arguments.file).with_context(context).or_exit(Exit::Usage)?;
    let (images, wrong) =
        read_lines(&arguments.file, BufReader::new(file)).with_context(context).or_exit(Exit::Usage)?;
    for line in wrong.iter().skip(1).take(WRONG_LINES_MAX) {
        tracing::error!("{}", text::visible(line));
    }
    open()?.put_known(&images).or_exit(Exit::Internal)?;
    tracing::info!("known: {} imported", counted(images.len(), "image"));
    if wrong.is_empty() {
        return Ok(Exit::Below);
    }
    let first = wrong.first().map(String::as_str).unwrap_or_default();
    let more = if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() };
    Err(anyhow!("{} left out: {first}{more}", counted(wrong.len(), "wrong line"))).or_exit(Exit::Usage)
}

/// The images, and of each line that is none `FILE:LINE: why`.
fn read_lines(path: &Path, mut lines: impl BufRead) -> std::io::Result<(Vec<KnownImage>, Vec<String>)> {
    let (mut images, mut wrong) = (Vec::new(), Vec::new());
    for number in 1_usize.. {
        let mut line = Vec::new();
        (&mut lines).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let mut is_wrong = |why: String| wrong.push(format!("{}:{number}: {why}", path.display()));
        if line.len() as u64 > LINE_BYTES_MAX {
            is_wrong(format!("longer than {LINE_BYTES_MAX} bytes; what follows is not read"));
            break;
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if images.len() == IMAGES_MAX {
            is_wrong(format!("more than {IMAGES_MAX} images; what follows is not read"));
            break;
        }
        match KnownImage::parse(line) {
            Ok(image) => images.push(image),
            Err(error) => is_wrong(error.to_string()),
        }
    }
    Ok((images, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_are_named_and_the_others_kept() {
        let digest = model::Digest::of(b"");
        let line = format!(
            r#"{{"schema":"lazaret.known/1","name":"a","reference":"a:1","manifest":null,"config":"{digest}","layers":[{{"digest":"{digest}","diff_id":"{digest}","own":true}}],"names":[],"programs":"","files":"","added_at":1}}"#
        );
        let text = format!("{line}\n\nnonsense\n{line}");
        let (images, wrong) = read_lines(Path::new("set.jsonl"), text.as_bytes()).expect("in memory");
        assert_eq!((images.len(), wrong.len()), (2, 1));
        assert!(wrong[0].starts_with("set.jsonl:3: "), "{wrong:?}");

        let long = vec![b'x'; 9 << 20];
        let (images, wrong) = read_lines(Path::new("set.jsonl"), &long[..]).expect("in memory");
        assert!(images.is_empty() && wrong.len() == 1 && wrong[0].contains("longer than 8388608"), "{wrong:?}");
    }
}
