//! Publishing: what the catalog says, beside what the ledger remembers, becomes changes; the ledger becomes a folder of files.
//!
//! Changes are on disk before a release is made of them. Whoever dies in between leaves the release before shown, and the next
//! publication makes the one that is due.

mod elsewhere;
mod info;
mod person;
mod plan;
mod release;

use std::{
    io,
    path::{Path, PathBuf},
};

use store::{Catalog, StoreError};

use crate::{
    entry::{Change, EvidenceKind, Status},
    folder::{Folder, FolderError},
    guard::Rules,
    ledger::{Ledger, LedgerError, State},
    listing,
    trust::{Keys, LogError, TufError},
};

pub use elsewhere::elsewhere;
pub use info::{Info, LogInfo, SCHEMA as INFO_SCHEMA};
pub use person::{Named, PersonError, approve, withdraw};
pub use plan::{Plan, WITHDRAWN_MAX, plan};
pub use release::Release;

/// Why nothing was published. What was published before is shown still.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The feed's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The catalog.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// TUF.
    #[error(transparent)]
    Tuf(#[from] TufError),
    /// A person asked for what cannot be.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// A file.
    #[error("{}: cannot {verb} it; what was published before is shown still", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl PublishError {
    fn io(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, verb, source }
    }
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What changed, what did not and why.
    pub plan: Plan,
    /// Where it is shown.
    pub release: Release,
}

/// The guard rails, with what people approved.
fn rules(folder: &Folder, state: &State) -> Result<Rules, FolderError> {
    let by_person = state
        .entries()
        .filter(|entry| entry.status == Status::Active && entry.kinds.contains(&EvidenceKind::Person))
        .map(|entry| entry.digest);
    Ok(Rules { approved: by_person.collect(), ..folder.rules()? })
}

/// What [`publish`] would change; nothing is written.
///
/// # Errors
///
/// [`PublishError`] of folder, ledger and catalog.
pub fn preview(folder: &Folder, catalog: &dyn Catalog, now: u64, mass_withdrawal: bool) -> Result<Plan, PublishError> {
    let ledger = folder.ledger();
    let state = if ledger.exists() { Ledger::read(&ledger)?.state().clone() } else { State::default() };
    let found = listing::find(catalog, &rules(folder, &state)?)?;
    Ok(plan(&state, &found, &mut |entry| elsewhere(catalog, entry), now, mass_withdrawal)?)
}

/// Publishes what the catalog says now; where nothing changed, the same again with a new date.
///
/// # Errors
///
/// [`PublishError`].
pub fn publish(
    folder: &Folder,
    catalog: &dyn Catalog,
    keys: &Keys,
    now: u64,
    mass_withdrawal: bool,
) -> Result<Published, PublishError> {
    let ledger = Ledger::open(&folder.ledger())?;
    let found = listing::find(catalog, &rules(folder, ledger.state())?)?;
    let plan = plan(ledger.state(), &found, &mut |entry| elsewhere(catalog, entry), now, mass_withdrawal)?;
    folder.remember_forbidden(found.forbidden.into_keys())?;
    let ledger = ledger.append(&plan.changes)?;
    let release = release::release(folder, ledger, keys, now)?;
    Ok(Published { plan, release })
}

/// Publishes what a person decided. `decide` is given the entries and the guard rails.
///
/// # Errors
///
/// [`PublishError`], also of `decide`.
pub fn decided(
    folder: &Folder,
    keys: &Keys,
    now: u64,
    decide: impl FnOnce(&State, Rules) -> Result<Vec<Change>, PublishError>,
) -> Result<Published, PublishError> {
    let ledger = Ledger::open(&folder.ledger())?;
    let changes = decide(ledger.state(), rules(folder, ledger.state())?)?;
    let ledger = ledger.append(&changes)?;
    let release = release::release(folder, ledger, keys, now)?;
    Ok(Published { plan: Plan { changes, ..Plan::default() }, release })
}
