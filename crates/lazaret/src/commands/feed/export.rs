//! `lazaret feed export`: what the catalog would list, unsigned.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    output::{destination::Destination, words::counted},
    settings::ConfigFile,
    station::open_catalog,
    surroundings::Surroundings,
};

/// Writes the digests of every image with the verdict `malicious`: index, manifest, config, and the layers that carry
/// the evidence themselves.
///
/// Equal catalogs give equal bytes.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed export --output feed.jsonl
  lazaret feed export --format plain | sort | comm -12 - my-digests.txt")]
pub struct ExportArguments {
    /// How to write it
    #[arg(short, long, value_name = "FORMAT", default_value = "jsonl", help_heading = "Output")]
    pub format: FeedFormat,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// How the feed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FeedFormat {
    /// A JSON object a digest, with role, categories, first seen and evidence ids.
    Jsonl,
    /// A digest a line, sorted.
    Plain,
}

/// Writes them.
///
/// # Errors
///
/// [`Failure`] of catalog and output.
pub fn run(arguments: &ExportArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let folder = config.store(&arguments.store, &surroundings.environment).or_exit(Exit::Usage)?;
    let catalog = open_catalog(&folder)?;
    // In memory first: the list is small (32 bytes a digest matter, not these), and a half one must never be published.
    let mut bytes = Vec::new();
    let digests = match arguments.format {
        FeedFormat::Jsonl => feed::export_json_lines(catalog.as_ref(), &mut bytes),
        FeedFormat::Plain => feed::export_plain(catalog.as_ref(), &mut bytes),
    }
    .or_exit(Exit::Internal)?;
    let text = String::from_utf8(bytes).context("the feed is not UTF-8").or_exit(Exit::Internal)?;
    Destination::open(arguments.output.as_deref(), surroundings.color)?.write(&text)?;
    tracing::info!(digests, "feed: {} written", counted(digests, "digest"));
    Ok(Exit::Below)
}
