//! `lazaret intel`: what others know of hosts and files, imported for the scans to come.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use inspect::intel::{
    self, IntelSet,
    import::{self, Format as IntelFormat, Imported, Options},
};
use model::{Category, Digest, IntelEntry, IntelSource, IntelValue, Standing, text::visible};
use serde_json::json;
use store::Catalog;

use crate::{
    arguments::StoreArguments,
    dates,
    exit::{Exit, Failure, OrExit},
    output::{
        destination::Destination,
        json,
        style::{self, paint},
        words::counted,
    },
    settings::ConfigFile,
    station::open_catalog,
    surroundings::Surroundings,
};

/// Name and version of the JSON of `intel list` and `intel check`.
const SCHEMA: &str = "lazaret.intel/1";
/// Longest input.
const INPUT_BYTES_MAX: u64 = 1 << 30;
/// Most files of a folder.
const FILES_MAX: usize = 100_000;
/// Notes shown of an import; the catalog keeps more.
const NOTES_SHOWN: usize = 20;

/// What to do with intelligence.
#[derive(Debug, Subcommand)]
pub enum IntelRole {
    /// Read a list, in place of what was imported under the same name
    Import(ImportArguments),
    /// List what was imported
    List(ListArguments),
    /// Forget what was imported under a name
    Remove(RemoveArguments),
    /// Show what is known of URLs, domains, addresses and files
    Check(CheckArguments),
}

/// Reads domains, URLs, addresses and SHA-256 of files from a list that somebody publishes. Images are judged by it from
/// the next scan on, without being pulled again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Formats, told by their content unless named:
  urlhaus            CSV of abuse.ch URLhaus             stix    STIX 2.1 bundle
  threatfox          CSV of abuse.ch ThreatFox           hosts   hosts file that blocks names
  misp               events of a MISP feed, a folder     plain   a value a line, defanged or not
  misp-warning-list  an allow list                       domain-age  domain,date of registration

Archives (gzip, zip, …) are opened. A line that cannot be read is told and the rest is kept.

Examples:
  lazaret intel import urlhaus.csv.zip
  lazaret intel import --name feed misp-feed/
  lazaret intel import --registered 2026-11-20 registered-2026-11-20.txt
  lazaret intel import --allow our-hosts.txt")]
pub struct ImportArguments {
    /// The list; a folder of them; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How it is written
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<IntelFormat>,
    /// What to call it [default: the file's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What its entries are bad for, in place of what the format says
    #[arg(long, value_name = "CATEGORY", conflicts_with_all = ["allow", "registered"])]
    pub category: Option<Category>,
    /// Its entries are fine: what other lists say of them does not count
    #[arg(long)]
    pub allow: bool,
    /// Its domains were registered on that day (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", conflicts_with = "allow", value_parser = dates::parse)]
    pub registered: Option<u64>,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Lists what was imported: name, format, number of entries, age, and what was refused.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Forgets what was imported under a name.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The name
    pub name: String,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Shows what is known of values. Ends with 1 if one of them is listed.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// A URL, domain, address or SHA-256, defanged or not
    #[arg(value_name = "VALUE", required = true)]
    pub values: Vec<String>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

fn format(word: &str) -> Result<IntelFormat, String> {
    let words: Vec<_> = IntelFormat::ALL.iter().map(|format| format.word()).collect();
    let known = IntelFormat::ALL.iter().copied().find(|format| format.word() == word);
    known.ok_or_else(|| format!("{word:?} is none of {}", words.join(", ")))
}

/// Does it.
///
/// # Errors
///
/// [`Failure`] of input, catalog and output.
pub fn run(role: &IntelRole, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let arguments = match role {
        IntelRole::Import(arguments) => &arguments.store,
        IntelRole::List(arguments) => &arguments.store,
        IntelRole::Remove(arguments) => &arguments.store,
        IntelRole::Check(arguments) => &arguments.store,
    };
    let folder = config.store(arguments, &surroundings.environment).or_exit(Exit::Usage)?;
    let catalog = open_catalog(&folder)?;
    let (text, exit) = match role {
        IntelRole::Import(arguments) => (import_list(arguments, catalog.as_ref(), surroundings)?, Exit::Below),
        IntelRole::List(arguments) => (list(arguments, catalog.as_ref(), surroundings)?, Exit::Below),
        IntelRole::Remove(arguments) => {
            if !catalog.remove_intel(&arguments.name).or_exit(Exit::Internal)? {
                let error =
                    anyhow!("nothing was imported as {:?}: `lazaret intel list` shows what was", arguments.name);
                return Err(error).or_exit(Exit::Usage);
            }
            (String::new(), Exit::Below)
        }
        IntelRole::Check(arguments) => check(arguments, catalog.as_ref(), surroundings)?,
    };
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(exit)
}

fn import_list(
    arguments: &ImportArguments,
    catalog: &dyn Catalog,
    surroundings: &Surroundings<'_>,
) -> Result<String, Failure> {
    let now = (surroundings.now)();
    let options =
        Options { category: arguments.category, is_allow_list: arguments.allow, registered: arguments.registered, now };
    let mut all = Imported::default();
    let mut formats = Vec::new();
    for_each_input(&arguments.file, &mut |name, bytes| {
        let format = arguments.format.unwrap_or_else(|| IntelFormat::of(bytes));
        let read = import::import(bytes, format, &options);
        if !formats.contains(&format.word()) {
            formats.push(format.word());
        }
        let room = import::ENTRIES_MAX.saturating_sub(all.entries.len());
        all.entries.extend(read.entries.into_iter().take(room));
        all.refused += read.refused;
        all.notes.extend(read.notes.into_iter().map(|note| format!("{name}: {note}")));
        all.notes.truncate(1_000);
    })
    .or_exit(Exit::Usage)?;
    if all.entries.is_empty() {
        let why = all.notes.first().map_or_else(|| "it says nothing".to_owned(), |note| visible(note).into_owned());
        let place = arguments.file.display();
        return Err(anyhow!("{place} has no entry that can be used, and nothing was changed: {why}"))
            .or_exit(Exit::Usage);
    }
    let stem = arguments.file.file_name().filter(|name| *name != "-").map(|name| name.to_string_lossy().into_owned());
    let name = arguments.name.clone().or(stem).ok_or_else(|| anyhow!("give it a --name")).or_exit(Exit::Usage)?;
    let source = IntelSource {
        name,
        format: formats.join(", "),
        imported_at: now,
        entries: all.entries.len() as u64,
        refused: all.refused,
        notes: all.notes,
        digest: digest(&all.entries),
        is_dated: all.entries.iter().any(|it| it.until.is_some() || matches!(it.standing, Standing::Registered(_))),
    };
    catalog.put_intel(&source, &all.entries).or_exit(Exit::Internal)?;
    for note in source.notes.iter().take(NOTES_SHOWN) {
        tracing::warn!("{}", visible(note));
    }
    if source.notes.len() > NOTES_SHOWN {
        tracing::warn!("and {} notes more: `lazaret intel list --json` shows them", source.notes.len() - NOTES_SHOWN);
    }
    Ok(format!("{}\n", line(&source)))
}

/// Hands every file of `place` to `visit` by name: itself, what is in it if it is an archive, the `.json`, `.csv` and `.txt`
/// files of a folder in the order of their names.
fn for_each_input(place: &Path, visit: &mut dyn FnMut(&str, &[u8])) -> anyhow::Result<()> {
    if place == Path::new("-") {
        return for_each_member("-", &bounded(&mut std::io::stdin(), "standard input")?, visit);
    }
    let context = || format!("read {}", place.display());
    let mut files = vec![place.to_owned()];
    if fs::metadata(place).with_context(context)?.is_dir() {
        files.clear();
        for entry in fs::read_dir(place).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let is_list = path.extension().is_some_and(|end| end == "json" || end == "csv" || end == "txt");
            // The list of a MISP feed's events, without what they say.
            if is_list && path.file_name().is_none_or(|name| name != "manifest.json") {
                files.push(path);
            }
        }
        if files.is_empty() || files.len() > FILES_MAX {
            bail!("{} holds {} .json, .csv and .txt files; expected 1 to {FILES_MAX}", place.display(), files.len());
        }
        files.sort();
    }
    for file in files {
        let context = || format!("read {}", file.display());
        let bytes = bounded(&mut fs::File::open(&file).with_context(context)?, &file.display().to_string())?;
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        for_each_member(&name, &bytes, visit)?;
    }
    Ok(())
}

/// An archive's files, or the bytes themselves.
fn for_each_member(name: &str, bytes: &[u8], visit: &mut dyn FnMut(&str, &[u8])) -> anyhow::Result<()> {
    if !layer::is_archive(bytes) {
        visit(name, bytes);
        return Ok(());
    }
    let limits = layer::NestedLimits {
        unpacked_bytes_max: INPUT_BYTES_MAX,
        file_bytes_max: INPUT_BYTES_MAX,
        ..layer::NestedLimits::default()
    };
    let problems = layer::expand(bytes, &limits, &mut |inner, bytes| visit(&format!("{name}!{inner}"), bytes));
    match problems.iter().find(|problem| problem.kind.hides_content()) {
        Some(problem) => bail!("{name}: {} {}", visible(&problem.place), visible(&problem.detail)),
        None => Ok(()),
    }
}

fn bounded(from: &mut dyn Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
    from.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("read {name}"))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("{name} is longer than {INPUT_BYTES_MAX} bytes: split it");
    }
    Ok(bytes)
}

/// Over what is said, so that a list that was fetched again without a change asks nothing anew.
fn digest(entries: &[IntelEntry]) -> Digest {
    let mut hasher = model::Hasher::new();
    for entry in entries {
        hasher.update(format!("{entry:?}\n").as_bytes());
    }
    hasher.finish()
}

fn line(source: &IntelSource) -> String {
    let refused = match source.refused {
        0 => String::new(),
        some => format!(", {some} refused"),
    };
    let noun = if source.entries == 1 { "entry" } else { "entries" };
    format!("{}  {}  {} {noun}{refused}", visible(&source.name), source.format, source.entries)
}

fn list(arguments: &ListArguments, catalog: &dyn Catalog, surroundings: &Surroundings<'_>) -> Result<String, Failure> {
    let sources = catalog.intel_sources().or_exit(Exit::Internal)?;
    if arguments.json {
        let sources: Vec<_> = sources
            .iter()
            .map(|source| {
                json!({
                    "name": source.name, "format": source.format, "imported_at": source.imported_at,
                    "entries": source.entries, "refused": source.refused, "notes": source.notes, "digest": source.digest,
                })
            })
            .collect();
        return Ok(json::written(&json!({"schema": SCHEMA, "sources": sources})));
    }
    let mut text = String::new();
    for source in &sources {
        let days = (surroundings.now)().saturating_sub(source.imported_at) / 86_400;
        let age = paint(
            style::DIM,
            format!(
                "  imported {}, {} ago",
                dates::shown(source.imported_at),
                counted(usize::try_from(days).unwrap_or(usize::MAX), "day")
            ),
        );
        text.push_str(&format!("{}{age}\n", line(source)));
        for note in source.notes.iter().filter(|_| surroundings.verbose) {
            text.push_str(&format!("    {}\n", visible(note)));
        }
    }
    if sources.is_empty() {
        text.push_str("nothing was imported: see `lazaret intel import --help`\n");
    }
    Ok(text)
}

fn check(
    arguments: &CheckArguments,
    catalog: &dyn Catalog,
    surroundings: &Surroundings<'_>,
) -> Result<(String, Exit), Failure> {
    let values: Vec<(&str, IntelValue)> = arguments
        .values
        .iter()
        .map(|written| match intel::read(written) {
            Ok(value) => Ok((written.as_str(), value)),
            Err(why) => Err(anyhow!("{written:?}: {why}")),
        })
        .collect::<anyhow::Result<_>>()
        .or_exit(Exit::Usage)?;
    let known = hunt::Intelligence::open(catalog, (surroundings.now)()).or_exit(Exit::Internal)?;
    let set = known.set(catalog).or_exit(Exit::Internal)?;
    let is_listed = values.iter().any(|(_, value)| !set.listings(value).is_empty());
    let text = if arguments.json {
        let values: Vec<_> = values.iter().map(|(written, value)| checked_json(set, written, value)).collect();
        json::written(&json!({"schema": SCHEMA, "values": values}))
    } else {
        values.iter().map(|(written, value)| checked(set, written, value)).collect()
    };
    Ok((text, if is_listed { Exit::Found } else { Exit::Below }))
}

fn host(value: &IntelValue) -> &str {
    match value {
        IntelValue::Domain(domain) => domain,
        IntelValue::Url(url) | IntelValue::UrlPrefix(url) => intel::host_of(url),
        _ => "",
    }
}

fn checked(set: &IntelSet, written: &str, value: &IntelValue) -> String {
    let mut text = format!("{}\n", visible(written));
    for listing in set.listings(value) {
        let how = if listing.only_site { "only its site" } else { listing.category.word() };
        let seen = listing.first_seen.map_or(String::new(), |seen| format!(" since {}", &dates::shown(seen)[..10]));
        let line = format!(
            "  {} {how}: {} listed by {}{seen}, confidence {} {}",
            paint(style::severity(model::Severity::High), "!"),
            visible(&listing.matched),
            visible(listing.source),
            listing.confidence,
            visible(listing.label),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some((date, source)) = set.registered(host(value)) {
        text.push_str(&format!("  registered {} ({})\n", &dates::shown(date)[..10], visible(source)));
    }
    for source in set.allowed_by(value) {
        text.push_str(&format!("  allowed by {}\n", visible(source)));
    }
    if text.lines().count() == 1 {
        text.push_str("  nothing is known\n");
    }
    text
}

fn checked_json(set: &IntelSet, written: &str, value: &IntelValue) -> serde_json::Value {
    let listings: Vec<_> = set
        .listings(value)
        .iter()
        .map(|it| {
            json!({
                "source": it.source, "matched": it.matched, "category": it.category, "label": it.label,
                "confidence": it.confidence, "first_seen": it.first_seen, "only_site": it.only_site,
            })
        })
        .collect();
    json!({
        "value": written,
        "listings": listings,
        "registered": set.registered(host(value)).map(|(date, _)| date),
        "allowed_by": set.allowed_by(value),
    })
}
