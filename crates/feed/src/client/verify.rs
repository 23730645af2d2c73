//! Checks a feed's folder as it lies there: a published one, a copy on a disk, or what `sync` made.

use std::{fs, path::Path};

use model::Digest;

use super::{
    FirstTrust, Origin, SyncError, SyncOptions, audit,
    fetch::{FEED_BYTES_MAX, FeedFile, ROOT_BYTES_MAX, follow_metadata, follow_roots},
    log::{self, CHECKPOINT},
    memory::given_root,
    origin::{Length, Source},
    release::{check_shard, wanted},
    trusted::Trusted,
};
use crate::trust::{
    FileError, files, minisign_verify,
    note::{Checkpoint, NOTE_BYTES_MAX, VerifierKey},
    proof::LogPolicy,
};

/// Deepest folder looked into for signatures, and most files.
const DEPTH_MAX: usize = 6;
const FILES_MAX: usize = 100_000;
/// Longest file that minisign signatures are checked of.
const SIGNED_BYTES_MAX: u64 = 1 << 31;

/// What to hold a folder against.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The root to believe. Without one: what `sync` remembered beside the folder, else the folder's own first root, which proves only that the
    /// folder agrees with itself.
    pub root: Option<FirstTrust>,
    /// Checkpoints of the same log that others were shown, or that you kept.
    pub checkpoints: Vec<String>,
    /// Witnesses that are trusted.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have signed the log's state.
    pub witnesses_min: usize,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The feed's name.
    pub origin: String,
    /// How many changes it is made of.
    pub sequence: u64,
    /// When it can no longer be believed: seconds since 1970.
    pub expires_at: u64,
    /// Digest of the newest root.
    pub root: Digest,
    /// Whether that root was vouched for by something else than the folder.
    pub root_was_given: bool,
    /// Files whose digest was compared.
    pub files: u64,
    /// Changes of the log that were read and added up; none if the folder has no log.
    pub changes: Option<u64>,
    /// minisign signatures that hold.
    pub signatures: u64,
    /// Others' checkpoints that this log agrees with.
    pub checkpoints: u64,
}

/// Checks the feed in `folder` (published, or made by [`sync`](super::sync())) at `now` (seconds since 1970). Opens no socket.
///
/// # Errors
///
/// The first thing that is wrong, as [`SyncError`].
pub fn verify(folder: &Path, now: u64, options: &VerifyOptions) -> Result<VerifyReport, SyncError> {
    let inside = ["current", "public"].iter().map(|name| folder.join(name)).find(|inside| inside.is_dir());
    let public = inside.unwrap_or_else(|| folder.to_owned());
    let mut source = Source::open(&Origin::Folder(public.clone()), &SyncOptions::new(FirstTrust::Memory))?;
    let mut fetch = |file: &str| source.get(file, Length::AtMost(ROOT_BYTES_MAX));
    let remembered = files::read(&folder.join("trusted/root.json"), ROOT_BYTES_MAX)?;
    let given = options.root.clone().or(remembered.map(FirstTrust::Root));
    let first = match &given {
        Some(given) => given_root(given, &mut fetch)?,
        None => fetch("metadata/1.root.json")?,
    };
    let mut trusted = Trusted::from_root(first)?;
    follow_roots(&mut trusted, &mut fetch, now)?;
    follow_metadata(&mut source, &mut trusted, now, &mut |_, _| Ok(()))?;

    let files = check_files(&public, &trusted)?;
    let (policy, checkpoint) = read_checkpoint(&public, &trusted, options)?;
    let feed = files::read(&public.join("feed.json"), FEED_BYTES_MAX)?.unwrap_or_default();
    FeedFile::read(&feed, &checkpoint)?;
    let has_log = public.join("log/tile").is_dir();
    if has_log {
        let folded = audit::read_log(&public, &checkpoint)?;
        audit::compare(&public, &folded)?;
    }
    for other in &options.checkpoints {
        let other = log::check(&LogPolicy::of_log(policy.log.clone()), other)?;
        log::goes_on(&other, &checkpoint, &mut |path, length| source.get(path, length))?;
    }
    let signatures = check_signatures(&public, &trusted.root.said.own.minisign)?;
    Ok(VerifyReport {
        origin: checkpoint.origin,
        sequence: checkpoint.size,
        expires_at: trusted.expires_at(),
        root: Digest::of(&trusted.root.bytes),
        root_was_given: given.is_some(),
        files,
        changes: has_log.then_some(checkpoint.size),
        signatures,
        checkpoints: options.checkpoints.len() as u64,
    })
}

/// Every file that the targets name and that is here; those that a gate needs must be.
fn check_files(public: &Path, trusted: &Trusted) -> Result<u64, SyncError> {
    let needed = wanted(trusted)?;
    let mut checked = 0;
    for (name, target) in trusted.files().into_iter().flatten() {
        let path = public.join(name);
        if !path.is_file() {
            match needed.contains_key(name.as_str()) {
                true => return Err(SyncError::Missing { file: name.clone() }),
                false => continue,
            }
        }
        let (digest, length) = files::digest(&path)?;
        if length < target.length {
            return Err(SyncError::Truncated { file: name.clone(), bytes: length });
        }
        if digest != target.hashes.sha256 {
            return Err(SyncError::Altered { file: name.clone() });
        }
        check_shard(name, &path)?;
        checked += 1;
    }
    Ok(checked)
}

fn read_checkpoint(
    public: &Path,
    trusted: &Trusted,
    options: &VerifyOptions,
) -> Result<(LogPolicy, Checkpoint), SyncError> {
    let malformed = |file: &str, what: String| SyncError::Malformed { file: file.to_owned(), what };
    let bytes = files::read(&public.join(CHECKPOINT), NOTE_BYTES_MAX as u64)?;
    let bytes = bytes.ok_or_else(|| SyncError::Missing { file: CHECKPOINT.to_owned() })?;
    let note = String::from_utf8(bytes).map_err(|_| malformed(CHECKPOINT, "it is not UTF-8".to_owned()))?;
    let log = trusted.root.said.own.log.parse().map_err(|what| malformed("root.json", what))?;
    let policy = LogPolicy { log, witnesses: options.witnesses.clone(), witnesses_min: options.witnesses_min };
    let checkpoint = log::check(&policy, &note)?;
    Ok((policy, checkpoint))
}

/// Every `NAME.minisig` is the feed's on `NAME`.
fn check_signatures(public: &Path, key: &str) -> Result<u64, SyncError> {
    let mut folders = vec![(public.to_owned(), 0)];
    let (mut seen, mut checked) = (0, 0);
    while let Some((folder, depth)) = folders.pop() {
        for item in fs::read_dir(&folder).map_err(FileError::of(&folder, "list"))? {
            let item = item.map_err(FileError::of(&folder, "list"))?;
            let (path, kind) = (item.path(), item.file_type().map_err(FileError::of(&folder, "list"))?);
            seen += 1;
            if seen > FILES_MAX {
                return Ok(checked);
            }
            if kind.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|end| end == "minisig") {
                let signature = files::read(&path, NOTE_BYTES_MAX as u64)?.unwrap_or_default();
                let signed = path.with_extension("");
                let file = || signed.strip_prefix(public).unwrap_or(&signed).display().to_string();
                let bytes =
                    files::read(&signed, SIGNED_BYTES_MAX)?.ok_or_else(|| SyncError::Missing { file: file() })?;
                if minisign_verify(key, &bytes, &String::from_utf8_lossy(&signature)).is_none() {
                    return Err(SyncError::WrongKey { file: format!("{}.minisig", file()) });
                }
                checked += 1;
            }
        }
    }
    Ok(checked)
}
