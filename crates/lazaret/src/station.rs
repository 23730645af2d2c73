//! Opens what `scan` and `hunt` work with: rules and catalog.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use inspect::{RuleFile, RulePack};
use model::Known;
use store::Catalog;

use crate::{
    exit::{Exit, Failure, OrExit},
    settings::StationSettings,
    surroundings::Surroundings,
};

/// Longest rule file.
const RULE_BYTES_MAX: u64 = 16 << 20;
/// Most rule files of one folder.
const RULE_FILES_MAX: usize = 10_000;

/// Settings with everything opened.
pub struct Station {
    settings: StationSettings,
    rules: RulePack,
    catalog: Box<dyn Catalog>,
    intel: hunt::Intelligence,
    known: Known,
}

impl Station {
    /// Reads the rules and opens the catalog, at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for rules that cannot be read or compiled, [`Exit::Internal`] if the catalog cannot be opened.
    pub fn open(settings: StationSettings, now: u64) -> Result<Self, Failure> {
        let places: Vec<_> = settings.rules.iter().map(|place| place.display().to_string()).collect();
        let files = rule_files(&settings.rules).or_exit(Exit::Usage)?;
        let rules = RulePack::new(files).with_context(|| format!("compile {}", places.join(", ")));
        let rules = rules.or_exit(Exit::Usage)?;
        tell(rules.notes());
        let catalog = match &settings.store {
            Some(folder) => open_catalog(folder)?,
            None => store::in_memory().or_exit(Exit::Internal)?,
        };
        let intel = hunt::Intelligence::open(catalog.as_ref(), now).or_exit(Exit::Internal)?;
        let known = Known::new(catalog.known().or_exit(Exit::Internal)?);
        Ok(Self { settings, rules, catalog, intel, known })
    }

    /// Folder of the catalog; none where nothing is remembered.
    #[must_use]
    pub fn store(&self) -> Option<&Path> {
        self.settings.store.as_deref()
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &dyn Catalog {
        self.catalog.as_ref()
    }

    /// What every stage of the pipeline needs.
    #[must_use]
    pub fn context<'a>(&'a self, surroundings: &'a Surroundings<'_>) -> hunt::Context<'a> {
        hunt::Context {
            rules: &self.rules,
            catalog: self.catalog.as_ref(),
            intel: &self.intel,
            known: &self.known,
            registry: &self.settings.registry,
            limits: &self.settings.limits,
            workers: self.settings.workers,
            now: surroundings.now,
            seconds: surroundings.seconds,
            progress: surroundings.meter,
            stop: surroundings.stop,
            rescan: self.settings.rescan,
            detonating: None,
        }
    }
}

/// Opens the catalog in `folder`, which is made if need be.
///
/// # Errors
///
/// [`Exit::Internal`]: nothing can be decided or kept without it.
pub fn open_catalog(folder: &Path) -> Result<Box<dyn Catalog>, Failure> {
    fs::create_dir_all(folder)
        .with_context(|| format!("create the catalog's folder {}", folder.display()))
        .or_exit(Exit::Internal)?;
    store::open(folder).or_exit(Exit::Internal)
}

/// Most notes on rules that are told one by one.
const NOTES_MAX: usize = 50;

/// What of the user's rules is left out: the scan goes on without it, and says so.
fn tell(notes: &[String]) {
    for note in notes.iter().take(NOTES_MAX) {
        tracing::warn!("rules: {note}");
    }
    if notes.len() > NOTES_MAX {
        tracing::warn!("rules: {} more notes like these", notes.len() - NOTES_MAX);
    }
}

/// Reads rule files; of a folder those that end in `.yar`, `.yara` or `.toml`, sorted by name, without going deeper.
///
/// # Errors
///
/// One line that names the file or folder; also for a folder without rules, which is surely not what was meant.
pub fn rule_files(places: &[PathBuf]) -> anyhow::Result<Vec<RuleFile>> {
    let mut files = Vec::new();
    for place in places {
        let context = || format!("read rules {}", place.display());
        if !fs::metadata(place).with_context(context)?.is_dir() {
            files.push(rule_file(place)?);
            continue;
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(place).with_context(context)? {
            let path = entry.with_context(context)?.path();
            if path.extension().is_some_and(|extension| ["yar", "yara", "toml"].iter().any(|known| extension == *known))
            {
                paths.push(path);
            }
        }
        if paths.is_empty() || paths.len() > RULE_FILES_MAX {
            let count = paths.len();
            bail!("{} holds {count} .yar, .yara and .toml files; expected 1 to {RULE_FILES_MAX}", place.display());
        }
        paths.sort();
        for path in paths {
            files.push(rule_file(&path)?);
        }
    }
    Ok(files)
}

/// Named as it is called, because the end of the name says what it is.
fn rule_file(path: &Path) -> anyhow::Result<RuleFile> {
    let mut text = String::new();
    let file = fs::File::open(path).with_context(|| format!("read rules {}", path.display()))?;
    #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
    file.take(RULE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("read rules {}", path.display()))?;
    if text.len() as u64 > RULE_BYTES_MAX {
        bail!("rules {} are longer than {RULE_BYTES_MAX} bytes: split them", path.display());
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(RuleFile { name, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_rules_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.yara", "c.toml", "a.yar", "notes.txt"] {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        let files = rule_files(&[folder.path().to_owned()]).expect("rules");
        let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
        assert_eq!(names, [("a.yar", "a.yar"), ("b.yara", "b.yara"), ("c.toml", "c.toml")]);
    }

    #[test]
    fn rules_that_are_not_there_are_an_error_that_names_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let message = |place: PathBuf| rule_files(&[place]).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(message("/nowhere/x.yar".into()).contains("/nowhere/x.yar"));
        assert!(message(folder.path().to_owned()).contains("holds 0 .yar, .yara and .toml files"));
    }
}
