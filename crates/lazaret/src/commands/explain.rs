//! `lazaret explain`: everything the catalog knows about a digest, offline.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use model::{Digest, text};

use crate::{
    arguments::StoreArguments,
    commands::scan::written,
    dates,
    exit::{Exit, Failure, OrExit},
    output::{Row, destination::Destination, style, table::Layout},
    settings::ConfigFile,
    station::open_catalog,
    surroundings::Surroundings,
    words::Format,
};

/// Shows the verdict on every image that a digest belongs to, with all its evidence, from the catalog alone.
///
/// The digest may be that of an index, manifest, config, layer or file. Nothing is fetched.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret explain sha256:…                 why an image is listed
  lazaret explain --format html --output why.html sha256:…")]
pub struct ExplainArguments {
    /// `sha256:` and 64 hex digits, or the digits alone
    #[arg(value_name = "DIGEST", value_parser = digest)]
    pub digest: Digest,
    /// How to write it [default: table]
    #[arg(short, long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

fn digest(text: &str) -> Result<Digest, String> {
    let text = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    text.parse().map_err(|error: model::digest::DigestError| error.to_string())
}

/// Writes what is known, or ends as undecided if that is nothing.
///
/// # Errors
///
/// [`Failure`] of catalog and output.
pub fn run(
    arguments: &ExplainArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let folder = config.store(&arguments.store, &surroundings.environment).or_exit(Exit::Usage)?;
    let catalog = open_catalog(&folder)?;
    let digest = arguments.digest;
    let reports = catalog.reports_with(&digest).or_exit(Exit::Internal)?;
    if reports.is_empty() {
        let advice = "scan an image that holds it first, or name another catalog with --store";
        return Err(anyhow!("{digest} is in no image that the catalog {} knows: {advice}", folder.display()))
            .or_exit(Exit::Undecided);
    }
    let mut text = String::new();
    let format = arguments.format.unwrap_or(Format::Table);
    if format == Format::Table {
        for report in &reports {
            let layout = Layout { width: surroundings.width, verbose: true };
            text.push_str(&crate::output::table::report(report, layout));
            let subject = report.image.subject();
            for (reference, first, last) in catalog.sightings(&subject).or_exit(Exit::Internal)? {
                let seen = format!("{} to {}", dates::shown(first), dates::shown(last));
                let line = format!("  seen as {}, {seen}", text::visible(&reference));
                text.push_str(&style::paint(style::DIM, line));
                text.push('\n');
            }
            text.push('\n');
        }
    } else {
        let row = |report: model::ScanReport| Row { reference: report.image.reference.clone(), result: Ok(report) };
        let rows: Vec<_> = reports.into_iter().map(row).collect();
        text = written(format, &rows, surroundings);
    }
    Destination::open(arguments.output.as_deref(), surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_may_be_given_without_its_algorithm() {
        let known = Digest::of(b"");
        assert_eq!(digest(&known.to_string()), Ok(known));
        assert_eq!(digest(&known.hex()), Ok(known));
        assert!(digest(&known.hex()[..12]).is_err());
        assert!(digest("sha512:00").is_err());
    }
}
