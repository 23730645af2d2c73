//! The feed's own folder: settings, keys, ledger and what is published. Whoever holds it can sign.
//!
//! ```text
//! feed.toml       name, address, guard rails
//! never.txt       digests that are never listed, a line each: sha256:… why
//! forbidden.txt   what no publication may list, as the last one found it; for the warning list
//! keys/           see `trust`
//! ledger.jsonl    see `ledger`
//! public          -> releases/N, what a web server shows
//! releases/       the current release and the one before
//! ```

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use model::{Confidence, Digest};
use serde::{Deserialize, Serialize};

use crate::guard::{self, Rules};

/// Longest settings or list read.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Longest name of a feed, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// `feed.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What the feed is called, also in its log: `feed.example.org/images`. No blanks.
    pub name: String,
    /// Where it will be served, without `/` at the end.
    pub base_url: String,
    /// What the names of official images begin with, up to and with a `/`.
    #[serde(default = "official")]
    pub official: Vec<String>,
    /// See [`Rules::popular_owners`].
    #[serde(default = "popular_owners")]
    pub popular_owners: usize,
    /// See [`Rules::advise_from`].
    #[serde(default)]
    pub advise_from: AdviseFrom,
}

model::words! {
    /// From which confidence on a risky or suspicious image is advised on.
    #[derive(Default)]
    AdviseFrom {
        /// Not at all.
        Never = "never",
        /// `certain`.
        Certain = "certain",
        /// `high`.
        #[default]
        High = "high",
        /// `medium`.
        Medium = "medium",
        /// `low`.
        Low = "low",
    }
}

impl AdviseFrom {
    const fn confidence(self) -> Option<Confidence> {
        match self {
            Self::Never => None,
            Self::Certain => Some(Confidence::Certain),
            Self::High => Some(Confidence::High),
            Self::Medium => Some(Confidence::Medium),
            Self::Low => Some(Confidence::Low),
        }
    }
}

fn official() -> Vec<String> {
    guard::OFFICIAL.map(str::to_owned).to_vec()
}

fn popular_owners() -> usize {
    Rules::default().popular_owners
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is one already.
    #[error("{} is a feed already", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} is no feed: `lazaret feed init` makes one", .0.display())]
    None(PathBuf),
    /// Reading or writing failed.
    #[error("{}: cannot {verb} it", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A file says something that cannot be.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong, with the line.
        what: String,
    },
}

impl FolderError {
    pub(crate) fn io(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, verb, source }
    }
}

impl Settings {
    /// With everything else as usual.
    #[must_use]
    pub fn new(name: &str, base_url: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            official: official(),
            popular_owners: popular_owners(),
            advise_from: AdviseFrom::default(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/:".contains(&byte);
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.bytes().all(plain) {
            let rule = "letters, digits and .-_/: as in feed.example.org/images";
            return Err(format!("{:?} is no name for a feed: {rule}, at most {NAME_BYTES_MAX}", self.name));
        }
        let host = self.base_url.strip_prefix("https://").or_else(|| self.base_url.strip_prefix("http://"));
        let url = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}#?".contains(&byte);
        if host.is_none_or(|host| host.is_empty() || host.ends_with('/') || !host.bytes().all(url)) {
            return Err(format!("{:?} is no address: https://HOST/PATH without a / at the end", self.base_url));
        }
        if self.popular_owners < 2 {
            return Err("popular-owners must be at least 2".to_owned());
        }
        match self.official.iter().find(|prefix| !prefix.ends_with('/')) {
            Some(prefix) => {
                Err(format!("official: {prefix:?} must end with a /, or it is also the beginning of others' names"))
            }
            None => Ok(()),
        }
    }
}

/// An opened folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// What `feed.toml` says.
    pub settings: Settings,
}

impl Folder {
    /// Makes a folder for a new feed. `keys` is called with the folder its keys belong into; settings are written last, so that what is
    /// cut short is no feed.
    ///
    /// # Errors
    ///
    /// [`FolderError::Exists`], [`FolderError::Wrong`] for settings that cannot be, [`FolderError::Io`], and what `keys` returns.
    pub fn create<T, E: From<FolderError>>(
        path: &Path,
        settings: Settings,
        keys: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let file = path.join("feed.toml");
        let wrong = |what| FolderError::Wrong { path: file.clone(), what };
        settings.check().map_err(wrong)?;
        let text = toml::to_string(&settings).map_err(|error| wrong(error.to_string()))?;
        if file.exists() {
            return Err(FolderError::Exists(path.to_owned()).into());
        }
        fs::create_dir_all(path).map_err(FolderError::io(path, "make"))?;
        let folder = Self { path: path.to_owned(), settings };
        let made = keys(&folder.keys())?;
        let partial = path.join("feed.toml.partial");
        let write = || {
            let mut to = File::create(&partial)?;
            to.write_all(text.as_bytes())?;
            to.sync_all()?;
            fs::rename(&partial, &file)
        };
        write().map_err(FolderError::io(&file, "write"))?;
        Ok((folder, made))
    }

    /// Opens one.
    ///
    /// # Errors
    ///
    /// [`FolderError::None`], [`FolderError::Wrong`] with the line, [`FolderError::Io`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let file = path.join("feed.toml");
        let text = read(&file)?.ok_or_else(|| FolderError::None(path.to_owned()))?;
        let wrong = |what: String| FolderError::Wrong { path: file.clone(), what };
        let settings: Settings = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
            wrong(format!("line {line}: {}", error.message().replace('\n', " ")))
        })?;
        settings.check().map_err(wrong)?;
        Ok(Self { path: path.to_owned(), settings })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `ledger.jsonl`.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.jsonl")
    }

    /// `keys`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// `public`.
    #[must_use]
    pub fn public(&self) -> PathBuf {
        self.path.join("public")
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.path.join("releases")
    }

    /// The guard rails, with `never.txt`.
    ///
    /// # Errors
    ///
    /// [`FolderError::Wrong`] with the line: a list of what must not be blocked is never half-read.
    pub fn rules(&self) -> Result<Rules, FolderError> {
        let path = self.path.join("never.txt");
        let text = read(&path)?.unwrap_or_default();
        let mut never = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digest, why) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let wrong = |what| FolderError::Wrong { path: path.clone(), what: format!("line {number}: {what}") };
            let digest = digest.parse::<Digest>().map_err(|error| wrong(error.to_string()))?;
            let why = why.trim().trim_start_matches('#').trim();
            never.push((digest, if why.is_empty() { format!("line {number}") } else { why.to_owned() }));
        }
        Ok(Rules {
            official: self.settings.official.clone(),
            never,
            popular_owners: self.settings.popular_owners,
            advise_from: self.settings.advise_from.confidence(),
            ..Rules::default()
        })
    }

    /// Remembers what no publication may list.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`].
    pub fn remember_forbidden(&self, digests: impl IntoIterator<Item = Digest>) -> Result<(), FolderError> {
        let path = self.path.join("forbidden.txt");
        let text: String = digests.into_iter().map(|digest| format!("{digest}\n")).collect();
        let partial = self.path.join("forbidden.txt.partial");
        fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path)).map_err(FolderError::io(&path, "write"))
    }

    /// What [`Self::remember_forbidden`] was given, ascending. A torn line, which a machine without power may leave, is passed over.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`].
    pub fn forbidden(&self) -> Result<Vec<Digest>, FolderError> {
        let text = read(&self.path.join("forbidden.txt"))?.unwrap_or_default();
        let mut digests: Vec<Digest> = text.lines().filter_map(|line| line.parse().ok()).collect();
        digests.sort_unstable();
        digests.dedup();
        Ok(digests)
    }
}

/// None if there is no such file.
fn read(path: &Path) -> Result<Option<String>, FolderError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FolderError::io(path, "open")(error)),
    };
    let mut text = String::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(FolderError::io(path, "read"))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_keys(_: &Path) -> Result<(), FolderError> {
        Ok(())
    }

    fn made() -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::new("feed.example.org/images", "https://feed.example.org/");
        let made = Folder::create(&folder.path().join("feed"), settings, no_keys).expect("is made");
        (folder, made.0)
    }

    #[test]
    fn it_is_opened_as_it_was_made_and_never_made_twice() {
        let (_folder, made) = made();
        let opened = Folder::open(made.path()).expect("opens");
        assert_eq!(opened.settings, made.settings);
        assert_eq!(opened.settings.base_url, "https://feed.example.org");
        let again = Folder::create(made.path(), made.settings.clone(), no_keys);
        assert!(matches!(again, Err(FolderError::Exists(_))), "{again:?}");
        assert!(matches!(Folder::open(&made.path().join("else")), Err(FolderError::None(_))));
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        for (name, url) in [
            ("", "https://a"),
            ("two words", "https://a"),
            ("a+b", "https://a"),
            ("a", "ftp://a"),
            ("a", "https://"),
            ("a", "https://a\"b"),
        ] {
            assert!(Settings::new(name, url).check().is_err(), "{name:?} {url:?}");
        }
        let open = Settings { official: vec!["docker.io/library".to_owned()], ..Settings::new("a", "https://a") };
        assert!(open.check().is_err_and(|text| text.contains("others' names")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (_folder, made) = made();
        let check = |file: &str, text: &str, part: &str| {
            fs::write(made.path().join(file), text).expect("writes");
            let error = Folder::open(made.path()).and_then(|folder| folder.rules()).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        };
        check("never.txt", "# ours\n\nsha256:00 agent", "never.txt: line 3");
        check("feed.toml", "name = \"a\"\nbase-url = \"https://a\"\nofficals = []", "line 3: unknown field `officals`");
    }

    #[test]
    fn the_never_list_says_why() {
        let (_folder, made) = made();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        fs::write(made.path().join("never.txt"), format!("{one} # our agent\n{two}\n")).expect("writes");
        let never = made.rules().expect("reads").never;
        assert_eq!(never, [(one, "our agent".to_owned()), (two, "line 2".to_owned())]);
    }

    #[test]
    fn what_is_forbidden_is_remembered() {
        let (_folder, made) = made();
        assert_eq!(made.forbidden().expect("reads"), []);
        let mut digests = vec![Digest::of(b"one"), Digest::of(b"two")];
        made.remember_forbidden(digests.clone()).expect("writes");
        digests.sort();
        assert_eq!(made.forbidden().expect("reads"), digests);
    }
}
