//! A release: the ledger as a folder of files that any web server can show.
//!
//! It is made under another name, flushed, renamed, and switched to by renaming a link over `public`: who looks sees the old one or the
//! new one. What has not changed since the one before is the same file (a hard link), so that one more entry costs little and caches
//! keep what they have.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    PublishError,
    info::{Info, LogInfo, SCHEMA},
};
use crate::{
    date,
    folder::Folder,
    forms::{self, FORMS, FORMS_VERSION, Sink},
    ledger::Ledger,
    trust::{
        self, Keys, TargetFile, files,
        witness::{self, WitnessAddress},
    },
};

/// How many of the latest changes forms tell; all are in the log.
const CHANGES_MAX: u64 = 1_000;
/// How long a witness may take.
const WITNESS_TIME_MAX: Duration = Duration::from_secs(10);
/// What wrote a release.
const GENERATOR: &str = concat!("lazaret ", env!("CARGO_PKG_VERSION"));

/// A release that was switched to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its number: `releases/N`.
    pub number: u64,
    /// What it says of itself.
    pub info: Info,
    /// Files written anew, without those of TUF and the log.
    pub written: usize,
    /// Files taken over from the release before.
    pub kept: usize,
    /// What each witness that did not sign said, or why it was not reached.
    pub unsigned: Vec<String>,
}

/// The release before.
struct Previous {
    path: PathBuf,
    /// None if this version cannot read it: nothing is kept then, but log and TUF go on.
    info: Option<Info>,
}

/// Makes a release of what the ledger says and switches to it, for a clock that shows `now` (seconds since 1970).
///
/// # Errors
///
/// [`PublishError`]: the release before is shown still.
pub(super) fn release(folder: &Folder, mut ledger: Ledger, keys: &Keys, now: u64) -> Result<Release, PublishError> {
    let releases = folder.releases();
    let io = PublishError::io;
    fs::create_dir_all(&releases).map_err(io(&releases, "make"))?;
    let number = tidy(&releases).map_err(io(&releases, "tidy"))?;
    let (partial, whole) = (releases.join(format!(".{number}.partial")), releases.join(number.to_string()));
    fs::create_dir(&partial).map_err(io(&partial, "make"))?;

    let made = fill(&partial, folder, &mut ledger, keys, now).and_then(|made| {
        flush(&partial).map_err(io(&partial, "flush"))?;
        fs::rename(&partial, &whole).map_err(io(&whole, "name"))?;
        switch(folder, number).map_err(io(&folder.public(), "switch"))?;
        Ok(made)
    });
    match made {
        Ok(Filled { info, written, kept, unsigned }) => {
            // What cannot be removed now is removed by the next one.
            let _ = prune(&releases, number);
            Ok(Release { number, info, written, kept, unsigned })
        }
        Err(error) => {
            // A full disk needs the room; what cannot be removed now is removed by the next one.
            let _ = fs::remove_dir_all(&partial);
            Err(error)
        }
    }
}

/// What was written: see [`Release`].
struct Filled {
    info: Info,
    written: usize,
    kept: usize,
    unsigned: Vec<String>,
}

/// Writes everything, and tells how many files were written and kept.
fn fill(partial: &Path, folder: &Folder, ledger: &mut Ledger, keys: &Keys, now: u64) -> Result<Filled, PublishError> {
    let settings = &folder.settings;
    let previous = previous(folder).map_err(PublishError::io(&folder.public(), "go on from"))?;
    let previous_path = previous.as_ref().map(|previous| previous.path.as_path());
    let sequence = ledger.state().sequence();
    // Signatures of a key that was replaced are not taken over.
    let key = keys.minisign_key();
    let signed =
        previous.as_ref().filter(|previous| previous.info.as_ref().is_some_and(|info| info.minisign_key == key));
    let base = signed.and_then(|previous| previous.info.as_ref()).filter(|info| {
        info.generator == generator() && info.base_url == settings.base_url && info.name == settings.name
    });
    let changed = base.map(|base| ledger.changes_from(base.sequence.min(sequence))).transpose()?;
    let changed = changed.map(|changes| changes.iter().map(|change| change.entry.digest.hex()).collect());
    let latest = ledger.changes_from(sequence.saturating_sub(CHANGES_MAX))?;
    let lines = ledger.bytes_from(0)?;
    let leaves = lines.split(|byte| *byte == b'\n').filter(|leaf| !leaf.is_empty());
    let checkpoint = trust::write_log(partial, previous_path, leaves, keys)?;
    drop(lines);
    let unsigned = ask_witnesses(partial, &settings.witnesses);

    let entries = ledger.take_entries();
    let mut info = Info {
        schema: SCHEMA.to_owned(),
        name: settings.name.clone(),
        base_url: settings.base_url.clone(),
        generator: generator(),
        sequence,
        published_at: date::rfc3339(now),
        expires_at: date::rfc3339(now + keys.lifetimes.timestamp),
        entries: 0,
        block: 0,
        advise: 0,
        log: LogInfo { size: checkpoint.size, root: checkpoint.root, key: keys.log_key().to_owned() },
        minisign_key: keys.minisign_key().to_owned(),
        forms: FORMS.iter().map(|form| form.name.to_owned()).collect(),
    };
    info.count(&entries);
    let never = folder.forbidden()?;
    let mut out = Writer {
        folder: partial,
        previous: signed.map(|previous| previous.path.as_path()),
        changed,
        keys,
        now,
        targets: Vec::new(),
        written: 0,
        kept: 0,
    };
    let state = forms::State {
        entries: &entries,
        changes: &latest,
        never: &never,
        sequence,
        now,
        name: &settings.name,
        base_url: &settings.base_url,
    };
    forms::write_all(&state, &mut out).map_err(PublishError::io(partial, "write forms to"))?;
    let json =
        serde_json::to_vec_pretty(&info).map_err(io::Error::other).map_err(PublishError::io(partial, "write"))?;
    out.file("feed.json", json).map_err(PublishError::io(partial, "write feed.json to"))?;

    let Writer { mut targets, written, kept, .. } = out;
    targets.extend(["feed.json", "log/checkpoint"].map(|name| TargetFile(name.to_owned())));
    trust::write_tuf(partial, previous_path, &targets, keys, now)?;
    Ok(Filled { info, written, kept, unsigned })
}

/// Has the witnesses sign the log's new state. One that is not there must not keep a verdict from being published: how many a client needs is
/// the client's to say.
fn ask_witnesses(release: &Path, witnesses: &[WitnessAddress]) -> Vec<String> {
    if witnesses.is_empty() {
        return Vec::new();
    }
    match witness::cosign(release, witnesses, WITNESS_TIME_MAX) {
        Ok(answers) => answers.into_iter().filter_map(|answer| Some(answer.err()?.to_string())).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn generator() -> String {
    format!("{GENERATOR}, forms {FORMS_VERSION}")
}

/// Where forms go.
struct Writer<'a> {
    folder: &'a Path,
    previous: Option<&'a Path>,
    /// Digests of entries that changed since the release before, in hex; none if everything may have.
    changed: Option<BTreeSet<String>>,
    keys: &'a Keys,
    now: u64,
    /// What clients fetch by TUF.
    targets: Vec<TargetFile>,
    written: usize,
    kept: usize,
}

impl Writer<'_> {
    /// Takes a file and its signature over from the release before; false if that has not both.
    fn take_over(&mut self, path: &str) -> io::Result<bool> {
        let Some(previous) = self.previous else { return Ok(false) };
        for name in [path.to_owned(), format!("{path}.minisig")] {
            let linked = files::link(&previous.join(&name), &self.folder.join(&name));
            if !linked.map_err(io::Error::other)? {
                return Ok(false);
            }
        }
        self.kept += 1;
        self.is_target(path);
        Ok(true)
    }

    fn is_target(&mut self, path: &str) {
        if path.starts_with("shards/") || path.starts_with("entries/") {
            self.targets.push(TargetFile(path.to_owned()));
        }
    }
}

impl Sink for Writer<'_> {
    fn file(&mut self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        let same = self.previous.is_some_and(|previous| holds(&previous.join(path), &bytes));
        if same && self.take_over(path)? {
            return Ok(());
        }
        let signature = trust::minisign(self.keys, &bytes, path, self.now);
        files::fill(&self.folder.join(path), &bytes).map_err(io::Error::other)?;
        files::fill(&self.folder.join(format!("{path}.minisig")), signature.as_bytes()).map_err(io::Error::other)?;
        self.written += 1;
        self.is_target(path);
        Ok(())
    }

    fn keep(&mut self, path: &str, prefix: &str) -> io::Result<bool> {
        let Some(changed) = &self.changed else { return Ok(false) };
        let first = changed.range(prefix.to_owned()..).next();
        if first.is_some_and(|digest| digest.starts_with(prefix)) {
            return Ok(false);
        }
        self.take_over(path)
    }
}

/// Whether a file of ours holds exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|it| it.len() == bytes.len() as u64) && fs::read(path).is_ok_and(|old| old == bytes)
}

/// The release to go on from. Versions of TUF only ever grow, so one that was shown must not be overlooked: without the link it is the
/// newest there is.
fn previous(folder: &Folder) -> io::Result<Option<Previous>> {
    let path = match fs::read_link(folder.public()) {
        Ok(link) => Some(folder.path().join(link)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let newest = numbers(&folder.releases())?.pop_last();
            newest.map(|number| folder.releases().join(number.to_string()))
        }
        Err(error) => return Err(error),
    };
    let Some(path) = path else { return Ok(None) };
    if !path.is_dir() {
        let advice = "restore it from a copy of what was shown; to begin anew, which mirrors refuse as a rollback, remove the link";
        return Err(io::Error::other(format!("it leads to {}, which is gone: {advice}", path.display())));
    }
    let info = Info::read(&path);
    Ok(Some(Previous { path, info }))
}

/// Numbers of the releases there are.
fn numbers(releases: &Path) -> io::Result<BTreeSet<u64>> {
    let names = fs::read_dir(releases)?.map(|entry| Ok(entry?.file_name()));
    let number = |name: io::Result<std::ffi::OsString>| name.map(|name| name.to_str()?.parse().ok()).transpose();
    names.filter_map(number).collect()
}

/// Removes what was cut short, and tells the next number.
fn tidy(releases: &Path) -> io::Result<u64> {
    let mut next = 1;
    for entry in fs::read_dir(releases)? {
        let entry = entry?;
        match entry.file_name().to_str().map(str::parse::<u64>) {
            Some(Ok(number)) => next = next.max(number.saturating_add(1)),
            Some(Err(_)) if entry.file_name().as_encoded_bytes().starts_with(b".") => fs::remove_dir_all(entry.path())?,
            _ => {}
        }
    }
    Ok(next)
}

/// Everything on disk: one call for thousands of files.
fn flush(folder: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(folder)?).map_err(io::Error::from)
}

/// Shows release `number`.
fn switch(folder: &Folder, number: u64) -> io::Result<()> {
    let (public, new) = (folder.public(), folder.path().join("public.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(Path::new("releases").join(number.to_string()), &new)?;
    fs::rename(&new, &public)?;
    File::open(folder.path())?.sync_all()?;
    File::open(folder.releases())?.sync_all()
}

/// Removes releases but `current` and the one before it, which somebody may be reading.
fn prune(releases: &Path, current: u64) -> io::Result<()> {
    let numbers = numbers(releases)?;
    let kept: Vec<u64> = numbers.range(..=current).rev().take(2).copied().collect();
    for number in numbers.iter().filter(|number| !kept.contains(number)) {
        fs::remove_dir_all(releases.join(number.to_string()))?;
    }
    Ok(())
}
