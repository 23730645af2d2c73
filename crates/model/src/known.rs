//! The known-good set: images that the operator vouches for, and what of them is kept to recognise them again.
//!
//! An entry is shared as one JSON line: `{"schema":"lazaret.known/1","name":"nginx",…}`, digests as `sha256:…`, files as hex.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Digest, Hasher, image::LAYERS_MAX};

/// Name and version of the JSON line.
pub const SCHEMA: &str = "lazaret.known/1";
/// Longest line read.
pub const LINE_BYTES_MAX: u64 = 8 << 20;
/// Most images of a set.
pub const IMAGES_MAX: usize = 10_000;
/// Most files kept of one image.
pub const FILES_MAX: usize = 100_000;
/// Most programs kept of one image.
pub const PROGRAMS_MAX: usize = 4_096;
/// Most file names kept of one image.
pub const NAMES_MAX: usize = 512;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// An image that somebody vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownImage {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it vouches for, as the last part of a repository: `nginx`.
    pub name: String,
    /// What it was read from.
    pub reference: String,
    /// Its manifest; none for an archive without one.
    pub manifest: Option<Digest>,
    /// Its config.
    pub config: Digest,
    /// Lowest first.
    pub layers: Vec<KnownLayer>,
    /// Names of files that are the project's own (its name is in their path), without folders.
    pub names: Vec<String>,
    /// The project's own programs.
    pub programs: FileSet,
    /// All of its files, programs first where there are more than [`FILES_MAX`].
    pub files: FileSet,
    /// When it was added, seconds since 1970.
    pub added_at: u64,
}

/// A layer of a [`KnownImage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownLayer {
    /// Of the blob.
    pub digest: Digest,
    /// Of the tar.
    pub diff_id: Digest,
    /// Whether the project itself is in it, and not only what it stands on: a base proves no descent.
    pub own: bool,
}

/// Why a line is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

impl KnownImage {
    /// The JSON line, without a line end.
    ///
    /// # Errors
    ///
    /// [`LineError`] never, for what [`KnownImage::parse`] accepts.
    pub fn line(&self) -> Result<String, LineError> {
        serde_json::to_string(self).map_err(|error| LineError(error.to_string()))
    }

    /// Reads a JSON line.
    ///
    /// # Errors
    ///
    /// [`LineError`]: what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let read: Self = serde_json::from_slice(line).map_err(|error| LineError(error.to_string()))?;
        read.check().map_err(LineError)?;
        Ok(read)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is {:?}, this Lazaret reads {SCHEMA}", self.schema));
        }
        if !is_name(&self.name) {
            return Err(format!("{:?} is no name: lower-case letters and digits, joined by `.`, `_`, `-`", self.name));
        }
        let ceilings = [
            ("layers", self.layers.len(), LAYERS_MAX),
            ("names", self.names.len(), NAMES_MAX),
            ("programs", self.programs.0.len(), PROGRAMS_MAX),
            ("files", self.files.0.len(), FILES_MAX),
            ("bytes of reference", self.reference.len(), 4 * NAME_BYTES_MAX),
        ];
        for (what, count, max) in ceilings {
            if count > max {
                return Err(format!("{count} {what}, at most {max} are read"));
            }
        }
        if self.layers.is_empty() {
            return Err("it has no layers".to_owned());
        }
        if self.names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
            return Err(format!("a file name is empty or longer than {NAME_BYTES_MAX} bytes"));
        }
        Ok(())
    }
}

/// Whether a text can be the last part of a repository.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= NAME_BYTES_MAX
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

/// Files by the first half of their SHA-256. Half, because nobody can make another file with the same 16 bytes (8 they
/// could: 2^64 tries over many files), and a set is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSet(Vec<[u8; 16]>);

impl FileSet {
    /// Of these files.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = Digest>) -> Self {
        Self::of(files.into_iter().map(|file| half(&file)).collect())
    }

    fn of(mut halves: Vec<[u8; 16]>) -> Self {
        halves.sort_unstable();
        halves.dedup();
        Self(halves)
    }

    /// Whether a file is among them.
    #[must_use]
    pub fn contains(&self, file: &Digest) -> bool {
        self.0.binary_search(&half(file)).is_ok()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// 16 bytes each, ascending: as a catalog stores them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// From [`FileSet::as_bytes`]; none if the length is no multiple of 16.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (halves, rest) = bytes.as_chunks::<16>();
        rest.is_empty().then(|| Self::of(halves.to_vec()))
    }
}

fn half(digest: &Digest) -> [u8; 16] {
    let (halves, _) = digest.as_bytes().as_chunks::<16>();
    halves.first().copied().unwrap_or_default()
}

impl Serialize for FileSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for FileSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).map_err(|error| D::Error::custom(format!("files: {error}")))?;
        Self::from_bytes(&bytes).ok_or_else(|| D::Error::custom("files: 32 hex digits each are expected"))
    }
}

/// All images that are vouched for.
#[derive(Default)]
pub struct Known {
    images: Vec<KnownImage>,
    id: String,
}

impl Known {
    /// The set of these images, whatever their order.
    #[must_use]
    pub fn new(mut images: Vec<KnownImage>) -> Self {
        images.sort_by(|a, b| (&a.name, a.config).cmp(&(&b.name, b.config)));
        if images.is_empty() {
            return Self::default();
        }
        let mut hasher = Hasher::new();
        for image in &images {
            let mut head = format!("{} {} {:?} {:?}", image.name, image.config, image.manifest, image.reference);
            head.push_str(&format!("{:?} {:?} {}", image.layers, image.names, image.files.len()));
            hasher.update(format!("{} {head}", head.len()).as_bytes());
            hasher.update(image.programs.as_bytes());
            hasher.update(image.files.as_bytes());
        }
        let id = hasher.finish().hex().chars().take(16).collect();
        Self { images, id }
    }

    /// 16 hex digits that change with the set; empty for the empty set. Answers about images depend on it, those about
    /// layers and files never do.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// By name.
    #[must_use]
    pub fn images(&self) -> &[KnownImage] {
        &self.images
    }

    /// One that holds the file.
    #[must_use]
    pub fn with_file(&self, sha256: &Digest) -> Option<&KnownImage> {
        self.images.iter().find(|image| image.files.contains(sha256) || image.programs.contains(sha256))
    }

    /// One that has the layer, by the digest of its blob or of its tar as we computed it.
    #[must_use]
    pub fn with_layer(&self, digest: &Digest, diff_id: Option<&Digest>) -> Option<&KnownImage> {
        self.images.iter().find(|image| image.layers.iter().any(|layer| layer.is(digest, diff_id)))
    }
}

impl KnownLayer {
    /// Whether it is this one, by blob or by tar.
    #[must_use]
    pub fn is(&self, digest: &Digest, diff_id: Option<&Digest>) -> bool {
        self.digest == *digest || diff_id == Some(&self.diff_id)
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({} images, {:?})", self.images.len(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> KnownImage {
        let layer = |text: &str| KnownLayer {
            digest: Digest::of(text.as_bytes()),
            diff_id: Digest::of(format!("{text} tar").as_bytes()),
            own: text != "base",
        };
        let file = |text: &str| Digest::of(text.as_bytes());
        KnownImage {
            schema: SCHEMA.to_owned(),
            name: name.to_owned(),
            reference: format!("docker.io/library/{name}:1"),
            manifest: None,
            config: Digest::of(name.as_bytes()),
            layers: vec![layer("base"), layer(name)],
            names: vec!["nginx.conf".to_owned()],
            programs: FileSet::new([file("program")]),
            files: FileSet::new([file("program"), file("page"), file("page")]),
            added_at: 1,
        }
    }

    #[test]
    fn a_line_comes_back_as_it_was_written() {
        let line = image("nginx").line().expect("a line");
        assert_eq!(KnownImage::parse(line.as_bytes()), Ok(image("nginx")));
        assert!(line.starts_with(r#"{"schema":"lazaret.known/1","name":"nginx""#) && !line.contains('\n'), "{line}");
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        let line = image("nginx").line().expect("a line");
        let check = |from: &str, to: &str, part: &str| {
            let changed = line.replacen(from, to, 1);
            assert_ne!(changed, line, "{from}");
            let error = KnownImage::parse(changed.as_bytes()).expect_err(to).to_string();
            assert!(error.contains(part), "{error}");
        };
        check("known/1", "known/2", "this Lazaret reads lazaret.known/1");
        check("\"nginx\"", "\"Nginx x\"", "is no name");
        check("sha256:", "sha512:", "sha512");
        check("\"files\":\"", "\"files\":\"0", "files");
        check("added_at", "added", "added");
        for length in 0..line.len() {
            assert!(KnownImage::parse(&line.as_bytes()[..length]).is_err());
        }
    }

    #[test]
    fn the_id_follows_the_set_and_not_its_order() {
        let id = |images: &[KnownImage]| Known::new(images.to_vec()).id().to_owned();
        assert_eq!(id(&[]), "");
        assert_eq!(id(&[image("a"), image("b")]), id(&[image("b"), image("a")]));
        let more = KnownImage { files: FileSet::new([Digest::of(b"page")]), ..image("a") };
        assert_ne!(id(&[image("a")]), id(&[more]));
    }

    #[test]
    fn files_and_layers_are_found() {
        let known = Known::new(vec![image("a")]);
        assert!(known.with_file(&Digest::of(b"page")).is_some() && known.with_file(&Digest::of(b"else")).is_none());
        let (blob, tar, other) = (Digest::of(b"base"), Digest::of(b"base tar"), Digest::of(b"other"));
        assert!(known.with_layer(&blob, None).is_some() && known.with_layer(&other, Some(&tar)).is_some());
        assert!(known.with_layer(&other, Some(&other)).is_none());
    }
}
