//! The files of a release: fetched, or kept from the one before.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use model::Hasher;

use super::{
    SyncError, audit,
    fetch::{FEED_BYTES_MAX, FeedFile},
    log::CHECKPOINT,
    memory::{METADATA_BYTES_MAX, Memory},
    origin::{Length, Source},
    trusted::Trusted,
};
use crate::{
    shard,
    trust::{
        FileError, files,
        metadata::{Envelope, Signed as _, Target, Targets},
        note::Checkpoint,
        tuf::hashed_path,
    },
};

/// Longest file: of ten million entries the 256th part has some 60 MB.
const FILE_BYTES_MAX: u64 = 1 << 32;

pub(super) struct Made {
    pub(super) changed: bool,
    pub(super) files_kept: u64,
}

/// Whether the gate needs it.
fn is_wanted(name: &str) -> bool {
    name == "feed.json" || name == CHECKPOINT || name.starts_with("shards/") || name.starts_with("entries/")
}

/// The wanted files of the feed; all shards and entries must be among them.
pub(super) fn wanted(trusted: &Trusted) -> Result<BTreeMap<&str, &Target>, SyncError> {
    let files = trusted.files().into_iter().flatten();
    let wanted: BTreeMap<_, _> =
        files.map(|(name, target)| (name.as_str(), target)).filter(|(name, _)| is_wanted(name)).collect();
    let shards =
        (0..shard::SHARDS).flat_map(|shard| [format!("shards/{shard:02x}.bin"), format!("entries/{shard:02x}.jsonl")]);
    match shards.chain(["feed.json".to_owned()]).find(|name| !wanted.contains_key(name.as_str())) {
        Some(file) => Err(SyncError::Missing { file }),
        None => Ok(wanted),
    }
}

/// Makes the release that `trusted` names below `memory.incoming()`; nothing if the current one is it.
pub(super) fn make(
    source: &mut Source,
    trusted: &Trusted,
    memory: &Memory,
    checkpoint: &Checkpoint,
    with_log: bool,
) -> Result<Made, SyncError> {
    let current = memory.current();
    let wanted = wanted(trusted)?;
    let timestamp = trusted.timestamp.as_ref().map(|timestamp| timestamp.bytes.as_slice()).unwrap_or_default();
    let current_timestamp = files::read(&current.join("metadata/timestamp.json"), METADATA_BYTES_MAX)?;
    if current_timestamp.as_deref() == Some(timestamp)
        && (!with_log || current.join("log/tile").is_dir() || checkpoint.size == 0)
    {
        return Ok(Made { changed: false, files_kept: wanted.len() as u64 });
    }
    let incoming = memory.incoming()?;
    let before = targets_of(&current);
    let mut kept = 0;
    for (name, target) in wanted {
        let same = before.as_ref().is_some_and(|before| before.get(name) == Some(target));
        if same && files::link(&current.join(name), &incoming.join(name))? {
            kept += 1;
        } else {
            fetch(source, name, target, &incoming)?;
        }
        if with_log {
            // Whoever synchronises from here asks by digest.
            files::link(&incoming.join(name), &incoming.join(hashed_path(name, &target.hashes.sha256)))?;
        }
    }
    let feed = files::read(&incoming.join("feed.json"), FEED_BYTES_MAX)?.unwrap_or_default();
    FeedFile::read(&feed, checkpoint)?;
    write_metadata(source, trusted, &current, &incoming)?;
    if with_log {
        audit::mirror_log(source, &current, &incoming, checkpoint)?;
        let log = audit::read_log(&incoming, checkpoint)?;
        audit::compare(&incoming, &log)?;
    }
    Ok(Made { changed: true, files_kept: kept })
}

/// What the release at `current` was made of; it was believed then.
fn targets_of(current: &Path) -> Option<BTreeMap<String, Target>> {
    let bytes = files::read(&current.join("metadata/targets.json"), METADATA_BYTES_MAX).ok()??;
    Some(Envelope::parse(&bytes).ok()?.open::<Targets>().ok()?.targets)
}

/// Fetches a file by its digest, and has it on the disk before it counts.
fn fetch(source: &mut Source, name: &str, target: &Target, incoming: &Path) -> Result<(), SyncError> {
    if target.length > FILE_BYTES_MAX {
        return Err(SyncError::EndlessData { file: name.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    let path = incoming.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
    }
    let file = File::create(&path).map_err(FileError::of(&path, "write"))?;
    let mut hashed = Hashed { to: BufWriter::new(file), hasher: Hasher::new(), failed: None };
    let copied = source.copy(&hashed_path(name, &target.hashes.sha256), Length::Exactly(target.length), &mut hashed);
    if let Some(error) = hashed.failed.take() {
        return Err(FileError::of(&path, "write")(error).into());
    }
    copied?;
    let flushed = hashed.to.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    flushed.map_err(FileError::of(&path, "write"))?;
    if hashed.hasher.finish() != target.hashes.sha256 {
        return Err(SyncError::Altered { file: name.to_owned() });
    }
    check_shard(name, &path)
}

/// A shard that a gate could not load must not become current.
pub(super) fn check_shard(name: &str, path: &Path) -> Result<(), SyncError> {
    let number = name.strip_prefix("shards/").and_then(|name| name.strip_suffix(".bin"));
    let Some(number) = number.and_then(|number| u8::from_str_radix(number, 16).ok()) else { return Ok(()) };
    let bytes_max = 16 + shard::RECORDS_MAX * shard::RECORD_BYTES as u64;
    let bytes = files::read(path, bytes_max)?.unwrap_or_default();
    let what = |error: shard::ShardError| SyncError::Malformed { file: name.to_owned(), what: error.to_string() };
    shard::decode(number, &bytes).map(|_| ()).map_err(what)
}

struct Hashed {
    to: BufWriter<File>,
    hasher: Hasher,
    /// Our disk, not their server.
    failed: Option<io::Error>,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.to.write(bytes) {
            Ok(written) => {
                self.hasher.update(bytes.get(..written).unwrap_or_default());
                Ok(written)
            }
            Err(error) => {
                self.failed = Some(io::Error::from(error.kind()));
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The metadata under the names it is published by, so that the folder can be verified, and once more as `targets.json`, for the next run.
fn write_metadata(source: &mut Source, trusted: &Trusted, current: &Path, incoming: &Path) -> Result<(), SyncError> {
    let to = incoming.join("metadata");
    let root = trusted.root.said.version();
    for version in 1..root {
        let name = format!("{version}.root.json");
        if !files::link(&current.join("metadata").join(&name), &to.join(&name))? {
            // Needed by whoever verifies from the first root on; believed by nobody here.
            match source.get(&format!("metadata/{name}"), Length::AtMost(super::fetch::ROOT_BYTES_MAX)) {
                Ok(bytes) => files::write(&to.join(&name), &bytes)?,
                Err(SyncError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    files::write(&to.join(format!("{root}.root.json")), &trusted.root.bytes)?;
    if let (Some(timestamp), Some(snapshot), Some(targets)) = (&trusted.timestamp, &trusted.snapshot, &trusted.targets)
    {
        files::write(&to.join(format!("{}.snapshot.json", snapshot.said.version())), &snapshot.bytes)?;
        files::write(&to.join(format!("{}.targets.json", targets.said.version())), &targets.bytes)?;
        files::write(&to.join("targets.json"), &targets.bytes)?;
        files::write(&to.join("timestamp.json"), &timestamp.bytes)?;
    }
    Ok(())
}
