//! `feed.json`: what a published feed says of itself, and where in a folder it is.

use std::{
    fs, io,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Longest `feed.json` that is read.
const BYTES_MAX: u64 = 1 << 20;

/// What a decision needs of `feed.json`. Times in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many changes led to it: only ever grows.
    pub(crate) sequence: u64,
    /// When it was made.
    pub(crate) published_at: u64,
    /// When its publisher promised a newer one.
    pub(crate) expires_at: Option<u64>,
}

/// Which file it is, as far as one can tell without reading it: a hard link of an unchanged file is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
}

impl Identity {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        }
    }
}

/// The release that `folder` shows now: `folder/current` (a synced feed), `folder/public` (a publisher's), or itself. Links are
/// followed once, so that all files come from one release.
pub(crate) fn release(folder: &Path) -> io::Result<PathBuf> {
    let inside = ["current", "public"].map(|name| folder.join(name));
    let place = inside.iter().find(|place| place.join("feed.json").is_file()).map_or(folder, PathBuf::as_path);
    fs::canonicalize(place)
}

/// Reads `feed.json` of a release.
pub(crate) fn read(release: &Path) -> io::Result<(Head, Identity)> {
    let file = fs::File::open(release.join("feed.json"))?;
    let identity = Identity::of(&file.metadata()?);
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {BYTES_MAX} bytes")));
    }
    Ok((parse(&bytes)?, identity))
}

#[derive(Deserialize)]
struct Raw {
    sequence: u64,
    published_at: When,
    #[serde(default)]
    expires_at: Option<When>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum When {
    Seconds(u64),
    Text(String),
}

impl When {
    fn seconds(&self) -> io::Result<u64> {
        match self {
            Self::Seconds(seconds) => Ok(*seconds),
            Self::Text(text) => seconds(text).ok_or_else(|| io::Error::other(format!("{text:?} is no RFC 3339 time"))),
        }
    }
}

/// Seconds since 1970 of an RFC 3339 time; None for other texts and what lies before.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|time| u64::try_from(time.unix_timestamp()).ok())
}

fn parse(bytes: &[u8]) -> io::Result<Head> {
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Head {
        sequence: raw.sequence,
        published_at: raw.published_at.seconds()?,
        expires_at: raw.expires_at.as_ref().map(When::seconds).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_text_or_seconds() {
        let head = parse(br#"{"sequence":7,"published_at":"2026-01-02T03:04:05Z","expires_at":1800000000,"more":1}"#);
        let expected = Head { sequence: 7, published_at: 1_767_323_045, expires_at: Some(1_800_000_000) };
        assert_eq!(head.ok(), Some(expected));
        assert!(parse(br#"{"sequence":7,"published_at":"yesterday"}"#).is_err());
        assert!(parse(br#"{"sequence":-1,"published_at":1}"#).is_err());
    }

    #[test]
    fn a_synced_folder_shows_its_current_release() {
        let folder = tempfile::tempdir().expect("a folder");
        let release_1 = folder.path().join("releases/1");
        fs::create_dir_all(&release_1).expect("made");
        fs::write(release_1.join("feed.json"), "{}").expect("written");
        std::os::unix::fs::symlink("releases/1", folder.path().join("current")).expect("linked");
        let expected = fs::canonicalize(&release_1).ok();
        assert_eq!(release(folder.path()).ok(), expected);
        assert_eq!(release(&release_1).ok(), expected);
    }
}
