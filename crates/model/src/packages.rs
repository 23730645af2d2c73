//! What the package databases of a layer say. Written as `postcard`, as everything in `record` is.

use serde::{Deserialize, Serialize};

use crate::FileKind;

/// The databases of one layer, and what is needed to hold files against databases with other digests than ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPackages {
    /// In the order of their entries.
    pub databases: Vec<PackageDatabase>,
    /// Of files where programs live, whatever layer's database lists them; in the order of their entries.
    pub digests: Vec<EntryDigests>,
}

/// One file of a package manager's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDatabase {
    /// The database itself, in the layer's entries.
    pub entry: u32,
    /// Whose it is.
    pub manager: PackageManager,
    /// What is installed, as far as this file says.
    pub packages: Vec<PackageFacts>,
    /// dpkg only: paths at which the files of all packages but one were told to stand elsewhere.
    pub diversions: Vec<Diversion>,
    /// Why it was not read, or not to its end.
    pub unread: Option<String>,
}

/// Package managers whose databases are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// Debian and what comes from it.
    Dpkg,
    /// Alpine, Wolfi, Chainguard.
    Apk,
    /// Red Hat, Fedora, SUSE, Amazon Linux.
    Rpm,
    /// Python.
    Pip,
    /// Node.
    Npm,
}

/// One package. Hostile text, as everything in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// Without the architecture.
    pub name: String,
    /// As the database writes it; empty where another file of the database says it (dpkg: `status`).
    pub version: String,
    /// Its files, as far as this database lists them.
    pub files: Vec<PackagedFile>,
}

/// A file that a package brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagedFile {
    /// Where.
    pub path: ListedPath,
    /// What its content was when it was installed, if the database says.
    pub digest: Option<FileDigest>,
}

/// A path in a database: mostly that of an entry of the same layer, which is written shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedPath {
    /// Number of the entry in the layer of the database.
    Entry(u32),
    /// Not in that layer: from the root, without a leading `/`.
    Path(String),
}

/// The first 8 bytes of a digest. Another content for a given file that agrees in them takes 2^64 tries.
pub type DigestHead = [u8; 8];

/// The digest that a database gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileDigest {
    /// dpkg, old rpm.
    Md5(DigestHead),
    /// apk.
    Sha1(DigestHead),
    /// pip, rpm, apk 3.
    Sha256(DigestHead),
}

/// Digests of an entry other than our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDigests {
    /// Which.
    pub entry: u32,
    /// What the file is.
    pub kind: FileKind,
    /// As dpkg has it.
    pub md5: DigestHead,
    /// As apk has it.
    pub sha1: DigestHead,
}

/// dpkg-divert(1): the file `from` of every package but `by` stands at `to`. Paths from the root, without a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diversion {
    /// Where packages put it.
    pub from: String,
    /// Where it stands.
    pub to: String,
    /// The package whose file stands at `from`; `:` for the administrator's own.
    pub by: String,
}
