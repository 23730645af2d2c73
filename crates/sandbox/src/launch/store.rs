//! Unpacked layers by digest, shared by concurrent detonations, within a ceiling.
//!
//! ```text
//! FOLDER/layers/NAME/   one unpacked layer       FOLDER/partial/NAME-PID-N/   being unpacked
//! FOLDER/locks/NAME     locked while used; holds its size       FOLDER/mount/   empty: where a sandbox mounts, in its own namespace
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use layer::{Limits, stream_layer};
use model::{Digest, Hasher};

use super::{
    LaunchError,
    below::{self, Root},
    sweep,
    unpack::{UnpackLimits, Unpacker},
};

/// Hex digits of a digest that name a layer's folder: so many that two do not meet, so few that [`super::LAYERS_MAX`] of them fit `mount(2)`.
const NAME_DIGITS: usize = 24;
/// What all layers may hold, unless said otherwise.
const BYTES_MAX: u64 = 20 << 30;
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A folder of unpacked layers.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    bytes_max: u64,
}

/// One unpacked layer; while a copy of this lives, the layer stays.
#[derive(Debug, Clone)]
pub struct Layer {
    digest: Digest,
    path: PathBuf,
    problems: Arc<Vec<String>>,
    _lock: Arc<File>,
}

impl Layer {
    /// By what it was asked for.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What of it could not be unpacked, one line each; only known to whoever unpacked it.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> String {
        name(&self.digest)
    }

    /// The store's folder.
    pub(super) fn store(&self) -> &Path {
        self.path.parent().and_then(Path::parent).unwrap_or(Path::new("/"))
    }
}

fn name(digest: &Digest) -> String {
    digest.hex().chars().take(NAME_DIGITS).collect()
}

impl Store {
    /// Opens a folder, made where missing.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::open_bounded(folder, BYTES_MAX)
    }

    /// As [`Store::open`], with another ceiling on the bytes of all layers. Those in use are never removed for it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open_bounded(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        for part in ["layers", "partial", "locks", "mount"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let folder = folder.canonicalize()?;
        Ok(Self { folder, bytes_max })
    }

    /// Unpacks one layer unless it is there. `digest` is that of the compressed blob or of the tar (DiffID): the bytes are held against it.
    ///
    /// Concurrent callers of one layer wait for the first.
    ///
    /// # Errors
    ///
    /// [`LaunchError::Layer`] for a blob that cannot be read, is another one, or reaches a ceiling; [`LaunchError::Store`].
    pub fn layer<'b>(
        &self,
        digest: &Digest,
        blob: impl FnOnce() -> io::Result<Box<dyn Read + Send + 'b>>,
        limits: &UnpackLimits,
    ) -> Result<Layer, LaunchError> {
        let path = self.folder.join("layers").join(name(digest));
        let mut blob = Some(blob);
        let mut problems = Vec::new();
        loop {
            let lock = self.lock_file(&name(digest))?;
            lock.lock_shared()?;
            if path.is_dir() {
                let _ = lock.set_modified(now());
                return Ok(Layer { digest: *digest, path, problems: Arc::new(problems), _lock: Arc::new(lock) });
            }
            lock.unlock()?;
            lock.lock()?;
            if !path.is_dir() {
                let Some(blob) = blob.take() else {
                    return Err(LaunchError::Layer { digest: *digest, why: "it was removed while in use".to_owned() });
                };
                problems = self.unpack(digest, blob, limits, &path, &lock)?;
            }
        }
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(self.folder.join("locks").join(name))
    }

    fn unpack<'b>(
        &self,
        digest: &Digest,
        blob: impl FnOnce() -> io::Result<Box<dyn Read + Send + 'b>>,
        limits: &UnpackLimits,
        path: &Path,
        mut lock: &File,
    ) -> Result<Vec<String>, LaunchError> {
        let failed = |why: String| LaunchError::Layer { digest: *digest, why };
        self.make_room()?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join("partial").join(format!("{}-{}-{serial}", name(digest), sweep::owner()));
        fs::create_dir(&partial)?;
        let _remove = RemoveOnDrop(&partial);
        let mut unpacker = Unpacker::new(Root::open(&partial)?, limits);
        let blob = blob().map_err(|error| failed(error.to_string()))?;
        let hasher = Arc::new(Mutex::new(Hasher::new()));
        let hashed = Hashed { blob, hasher: Arc::clone(&hasher) };
        let bounds = Limits {
            unpacked_bytes_max: limits.bytes_max,
            entries_max: limits.entries_max,
            seconds_max: limits.seconds_max,
            ..Limits::default()
        };
        let seconds = || crate::record::boot_ns() as f64 / 1e9;
        let outcome = stream_layer(hashed, &bounds, &seconds, |entry, content| unpacker.entry(entry, content));
        unpacker.finish();
        if let Some(why) = unpacker.failed.take().or(outcome.read_error) {
            return Err(failed(why));
        }
        let packed = hasher.lock().map(|hasher| hasher.clone().finish()).ok();
        if outcome.diff_id != Some(*digest) && packed != Some(*digest) {
            let limit = outcome.problems.iter().find(|problem| problem.kind.hides_content());
            let why = limit.map_or("its bytes are not those of its digest".to_owned(), |limit| limit.detail.clone());
            return Err(failed(why));
        }
        // A blob that is whole, and holds what could not be read to its end, is run as far as it goes, as engines would not.
        let hidden = outcome.problems.iter().filter(|problem| problem.kind.hides_content());
        let mut problems = std::mem::take(&mut unpacker.problems);
        problems.extend(hidden.map(|problem| problem.detail.clone()));
        if unpacker.problems_more > 0 {
            problems.push(format!("and {} more", unpacker.problems_more));
        }
        lock.set_len(0)?;
        lock.write_all(outcome.unpacked_bytes.to_string().as_bytes())?;
        fs::rename(&partial, path)?;
        Ok(problems)
    }

    /// Removes the layers that were not used for longest, until there is room. What is in use or being unpacked stays.
    fn make_room(&self) -> io::Result<()> {
        let mut known = Vec::new();
        let mut sum = 0_u64;
        for entry in fs::read_dir(self.folder.join("locks"))?.take(100_000) {
            let entry = entry?;
            let bytes = below::read_text(entry.path()).unwrap_or_default().parse().unwrap_or(0_u64);
            sum = sum.saturating_add(bytes);
            known.push((entry.metadata()?.modified()?, bytes, entry.file_name()));
        }
        known.sort();
        for (_, bytes, file) in known {
            if sum <= self.bytes_max {
                break;
            }
            let lock = File::options().read(true).write(true).open(self.folder.join("locks").join(&file))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The lock file stays: whoever waits for it must not hold a lock on a file that has no name any more.
            let gone = self.folder.join("partial").join(format!(
                "gone-{}-{}",
                sweep::owner(),
                SERIAL.fetch_add(1, Ordering::Relaxed)
            ));
            let _ = fs::rename(self.folder.join("layers").join(&file), &gone);
            remove_tree(&gone);
            lock.set_len(0)?;
            sum = sum.saturating_sub(bytes);
        }
        Ok(())
    }
}

/// Removes a tree that we made, whatever modes the image gave its folders.
pub(super) fn remove_tree(path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    if let Ok(parent) = File::open(parent) {
        let _ = below::remove(&parent, name);
    }
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        if self.0.exists() {
            remove_tree(self.0);
        }
    }
}

/// Hashes what is read.
struct Hashed<'b> {
    blob: Box<dyn Read + Send + 'b>,
    hasher: Arc<Mutex<Hasher>>,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.blob.read(buffer)?;
        if let (Ok(mut hasher), Some(chunk)) = (self.hasher.lock(), buffer.get(..bytes)) {
            hasher.update(chunk);
        }
        Ok(bytes)
    }
}

#[expect(clippy::disallowed_methods, reason = "the time a layer was last used, for the file system")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, usize)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, size) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, &vec![b'x'; *size][..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn get(store: &Store, tar: &[u8]) -> Result<Layer, LaunchError> {
        let bytes = tar.to_vec();
        store.layer(&Digest::of(tar), || Ok(Box::new(io::Cursor::new(bytes))), &UnpackLimits::default())
    }

    #[test]
    fn a_layer_is_unpacked_once() {
        let at = tempfile::tempdir().unwrap();
        let store = Store::open(at.path()).unwrap();
        let tar = layer(&[("a/b", 10)]);
        let first = get(&store, &tar).unwrap();
        assert_eq!(fs::read(first.path().join("a/b")).unwrap(), b"xxxxxxxxxx");
        let again = store.layer(&Digest::of(&tar), || panic!("it is there"), &UnpackLimits::default()).unwrap();
        assert_eq!(again.path(), first.path());
    }

    #[test]
    fn other_bytes_than_the_digest_says_are_refused_and_leave_nothing() {
        let at = tempfile::tempdir().unwrap();
        let store = Store::open(at.path()).unwrap();
        let tar = layer(&[("a", 10)]);
        let result =
            store.layer(&Digest::of(b"another"), || Ok(Box::new(io::Cursor::new(tar))), &UnpackLimits::default());
        assert!(matches!(result, Err(LaunchError::Layer { .. })));
        for folder in ["layers", "partial"] {
            assert_eq!(fs::read_dir(at.path().join(folder)).unwrap().count(), 0, "{folder}");
        }
    }

    #[test]
    fn the_oldest_unused_layer_makes_room() {
        let at = tempfile::tempdir().unwrap();
        let store = Store::open_bounded(at.path(), 5_000).unwrap();
        let kept = get(&store, &layer(&[("kept", 4_000)])).unwrap();
        let path = get(&store, &layer(&[("unused", 4_000)])).unwrap().path().to_owned();
        let third = get(&store, &layer(&[("third", 1)])).unwrap();
        assert!(kept.path().exists() && third.path().exists());
        assert!(!path.exists());
    }
}
