//! The published folder, as one release: its files, their tags, and what `feed.json` says.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use model::{Digest, Hasher};
use serde::{Deserialize, Deserializer};

use crate::date;

/// Most tags that are remembered; then all are forgotten.
const TAGS_MAX: usize = 1 << 16;
/// Longest `feed.json`.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// One release. Its files do not change; a newer one is another folder.
#[derive(Clone)]
pub(crate) struct Release {
    folder: PathBuf,
}

/// What `feed.json` says, as far as it matters here. Times are seconds since 1970.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) sequence: u64,
    #[serde(deserialize_with = "time")]
    pub(crate) published_at: u64,
    #[serde(deserialize_with = "time")]
    pub(crate) expires_at: u64,
    pub(crate) entries: u64,
    pub(crate) block: u64,
    pub(crate) advise: u64,
}

/// RFC 3339 or seconds.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Seconds(u64),
        Text(String),
    }
    match Time::deserialize(from)? {
        Time::Seconds(seconds) => Ok(seconds),
        Time::Text(text) => date::seconds(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no time in RFC 3339, UTC"))),
    }
}

/// A file that is open.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    pub(crate) modified: Option<SystemTime>,
    key: Key,
}

/// Device, inode, seconds and nanoseconds of modification, length: a hard link of an unchanged file has the same.
pub(crate) type Key = (u64, u64, i64, i64, u64);

impl Opened {
    /// All of it, if it is not longer than `bytes_max`.
    pub(crate) fn read(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        if self.bytes > bytes_max {
            return Err(io::Error::other(format!("a file of {} bytes is longer than {bytes_max}", self.bytes)));
        }
        let mut bytes = vec![0; usize::try_from(self.bytes).map_err(io::Error::other)?];
        std::os::unix::fs::FileExt::read_exact_at(&self.file, &mut bytes, 0)?;
        Ok(bytes)
    }

    /// What tells it from another version.
    pub(crate) fn key(&self) -> Key {
        self.key
    }
}

impl Release {
    /// The release that `public` leads to now.
    pub(crate) fn open(public: &Path) -> io::Result<Self> {
        Ok(Self { folder: public.canonicalize()? })
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens a regular file by its path in the folder. Hidden files, and whatever a link leads out of the folder to, are not there.
    pub(crate) fn file(&self, path: &str) -> io::Result<Opened> {
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        let hidden = |part: &str| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0']);
        if path.split('/').any(hidden) {
            return Err(absent());
        }
        let path = self.folder.join(path).canonicalize().map_err(|_| absent())?;
        if !path.starts_with(&self.folder) {
            return Err(absent());
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(absent());
        }
        let key = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len());
        Ok(Opened { bytes: metadata.len(), modified: metadata.modified().ok(), key, file })
    }

    /// What `feed.json` says.
    pub(crate) fn head(&self) -> io::Result<Head> {
        let bytes = self.file("feed.json")?.read(HEAD_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|error| io::Error::other(format!("feed.json: {error}")))
    }
}

/// Digests of files that were asked for, so that each is hashed once.
#[derive(Default)]
pub(crate) struct Tags(Mutex<HashMap<Key, Digest>>);

impl Tags {
    /// The digest of a file's content.
    pub(crate) fn of(&self, opened: &Opened) -> io::Result<Digest> {
        if let Some(digest) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&opened.key) {
            return Ok(*digest);
        }
        let (mut hasher, mut piece, mut at) = (Hasher::new(), vec![0; 1 << 17], 0);
        while at < opened.bytes {
            let read = std::os::unix::fs::FileExt::read_at(&opened.file, &mut piece, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&piece[..read]);
            at += read as u64;
        }
        let digest = hasher.finish();
        let mut tags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tags.len() >= TAGS_MAX {
            tags.clear();
        }
        tags.insert(opened.key, digest);
        Ok(digest)
    }
}

/// The lines of a text, without their ends; one longer than `bytes_max` is an error.
pub(crate) fn lines(opened: &Opened, bytes_max: u64) -> io::Result<Vec<String>> {
    let mut text = String::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    (&opened.file).take(bytes_max).read_to_string(&mut text)?;
    Ok(text.lines().map(str::to_owned).collect())
}
