//! `lazaret feed publish`: from catalog to published folder.

use clap::{Args, ValueEnum};
use feed::{
    folder::Folder,
    publish::{self, Plan, Published},
    trust::Keys,
};
use store::Catalog;

use super::{FolderArguments, KeyArguments, published, shown, wait};
use crate::{
    arguments::StoreArguments,
    dates,
    exit::{Exit, Failure, OrExit},
    output::{destination::Destination, words::counted},
    settings::ConfigFile,
    station::open_catalog,
    surroundings::Surroundings,
    words::Count,
};

/// A running publisher signs anew at least each quarter of the timestamp's life.
const RENEWALS: u64 = 4;

/// Publishes what the catalog says: new entries, promotions and withdrawals go into the ledger, and a new release of it is
/// written, signed and switched to in one step, as FOLDER/public. Any web server can show that.
///
/// What guard rails refuse is listed with the reason. Without changes the same is signed again with a new date: do it at
/// least once a day, or consumers will believe that news is kept from them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed publish --dry-run                 what would change
  lazaret feed publish --every 30                publish each verdict within a minute
  rsync -a feed/public/ web:/srv/feed/

Exit codes: 3 if withdrawals are held back because they are too many at once (--mass-withdrawal).")]
pub struct PublishArguments {
    /// Only say what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Look again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", conflicts_with = "dry_run")]
    pub every: Option<Count<1, 86_400>>,
    /// Withdraw as many entries at once as the catalog says
    #[arg(long)]
    pub mass_withdrawal: bool,
    /// As if it were then, for a reproducible release: YYYY-MM-DD or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = dates::parse, conflicts_with = "every")]
    pub at: Option<u64>,
    /// How to tell what changed
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: ChangesFormat,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// How changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChangesFormat {
    /// A line each, for people.
    Table,
    /// A JSON object each.
    Jsonl,
}

/// Publishes.
///
/// # Errors
///
/// [`Failure`] of folder, keys, catalog, disk and output.
pub fn run(
    arguments: &PublishArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let folder = arguments.folder.open(&arguments.store, config, surroundings)?;
    let catalog = open_catalog(&config.store(&arguments.store, &surroundings.environment).or_exit(Exit::Usage)?)?;
    let now = || arguments.at.unwrap_or_else(surroundings.now);
    if arguments.dry_run {
        let plan = published(publish::preview(&folder, catalog.as_ref(), now(), arguments.mass_withdrawal))?;
        return told(&plan, arguments.format, surroundings);
    }
    let keys = arguments.keys.open(&folder, surroundings)?;
    let once = |now| published(publish::publish(&folder, catalog.as_ref(), &keys, now, arguments.mass_withdrawal));
    match arguments.every {
        None => {
            let done = once(now())?;
            report(&done);
            told(&done.plan, arguments.format, surroundings)
        }
        Some(every) => run_on(arguments, &folder, catalog.as_ref(), &keys, every.get(), surroundings),
    }
}

/// Publishes when something changed, and often enough that the timestamp never runs out.
fn run_on(
    arguments: &PublishArguments,
    folder: &Folder,
    catalog: &dyn Catalog,
    keys: &Keys,
    every: u64,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let mut signed_at: Option<u64> = None;
    loop {
        let now = (surroundings.now)();
        let renew = signed_at.is_none_or(|at| now.saturating_sub(at) >= keys.lifetimes.timestamp / RENEWALS);
        let changed =
            || publish::preview(folder, catalog, now, arguments.mass_withdrawal).map(|plan| !plan.changes.is_empty());
        let outcome = match if renew { Ok(true) } else { changed() } {
            Ok(false) => Ok(None),
            Ok(true) => publish::publish(folder, catalog, keys, now, arguments.mass_withdrawal).map(Some),
            Err(error) => Err(error),
        };
        match published(outcome) {
            Ok(None) => {}
            Ok(Some(done)) => {
                signed_at = Some(now);
                report(&done);
                told(&done.plan, arguments.format, surroundings)?;
            }
            // What was published before is shown still: a full disk, or a person who is withdrawing something, is no reason to end.
            Err(failure) if signed_at.is_some() => tracing::error!("{}", crate::exit::one_line(&failure.error)),
            Err(failure) => return Err(failure),
        }
        if !wait(every, surroundings) {
            return Ok(Exit::Below);
        }
    }
}

/// One line of what is shown now.
pub(super) fn report(done: &Published) {
    let (info, release) = (&done.release.info, done.release.number);
    tracing::info!(
        sequence = info.sequence,
        release,
        "feed: {} changed; {} to block, {} to advise on; valid until {}",
        counted(done.plan.changes.len(), "entry").replace("entrys", "entries"),
        info.block,
        info.advise,
        info.expires_at
    );
}

/// Writes what changed.
pub(super) fn told(plan: &Plan, format: ChangesFormat, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let text = match format {
        ChangesFormat::Table => shown::changes(&plan.changes) + &shown::refused(&plan.refused, surroundings.verbose),
        ChangesFormat::Jsonl => {
            let lines = plan.changes.iter().map(serde_json::to_string);
            lines.collect::<Result<Vec<_>, _>>().or_exit(Exit::Internal)?.into_iter().map(|line| line + "\n").collect()
        }
    };
    if !text.is_empty() {
        Destination::open(None, surroundings.color)?.write(&text)?;
    }
    if plan.held_back > 0 {
        tracing::warn!(
            "{} held back: so many at once may be a mistake of the rules; look, and use --mass-withdrawal",
            counted(plan.held_back, "withdrawal")
        );
        return Ok(Exit::Undecided);
    }
    Ok(Exit::Below)
}
