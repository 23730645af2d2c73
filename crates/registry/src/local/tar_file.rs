//! An image archive in a file: an index of its members, and the content of any of them.
//!
//! One pass over the file notes where each member is, and its digest where that is wanted. After it, members of a plain
//! tar are read by seeking; those of a compressed one by inflating again from the start, which costs a
//! pass per member but neither disk nor memory.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    thread,
};

use layer::for_each_member;
use model::{Digest, EntryKind, Hasher, Problem};

use super::{
    invalid,
    layout::Layout,
    names::Names,
    pipe::{Pipe, limits, send_members},
    unreadable, while_reading,
};
use crate::RegistryError;

/// Members no longer than this are kept in memory: indexes, manifests, configs.
const KEPT_BYTES_MAX: u64 = 256 << 10;
/// All that is kept.
const KEPT_TOTAL_BYTES_MAX: u64 = 32 << 20;

/// Which members' digests are computed while the archive is indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Nothing,
    Everything,
}

/// An archive and where its members are.
pub(super) struct TarFile {
    name: String,
    path: PathBuf,
    is_plain: bool,
    pub(super) names: Names<Stored>,
}

/// A regular file in the archive.
pub(super) struct Stored {
    /// Of its content in the uncompressed archive.
    pub(super) offset: u64,
    pub(super) size: u64,
    /// As computed by us, if it was wanted.
    pub(super) digest: Option<Digest>,
    kept: Option<Vec<u8>>,
}

impl TarFile {
    /// Reads the archive once. `name` is what messages call it.
    pub(super) fn open(path: &Path, name: String, hash: Hash) -> Result<Self, RegistryError> {
        let file = open_regular(path, &name)?;
        let mut names = Names::new();
        let mut wrong = None;
        let mut room = KEPT_TOTAL_BYTES_MAX;
        let result = for_each_member(file, &limits(), |entry, offset, content| {
            let noted = if entry.kind == EntryKind::File {
                let stored = store(offset, entry.size, content, hash, &mut room)?;
                names.insert_file(&entry.path, stored)
            } else {
                names.insert_link(entry)
            };
            noted.map_err(|text| {
                wrong = Some(text);
                io::Error::from(io::ErrorKind::InvalidData)
            })
        });
        if let Some(text) = wrong {
            return Err(invalid(name, text));
        }
        let (is_plain, problems) = result.map_err(|error| while_reading(&name, error))?;
        refuse_problems(&name, &problems)?;
        if !is_plain {
            tracing::info!("{name} is compressed: each blob is read by inflating it from its start again");
        }
        Ok(Self { name, path: path.to_owned(), is_plain, names })
    }

    /// Content of a member, unverified.
    pub(super) fn content<'a>(&'a self, stored: &'a Stored) -> Result<Box<dyn Read + Send + 'a>, RegistryError> {
        if let Some(bytes) = &stored.kept {
            return Ok(Box::new(bytes.as_slice()));
        }
        let mut file = open_regular(&self.path, &self.name)?;
        if self.is_plain {
            file.seek(SeekFrom::Start(stored.offset)).map_err(|error| unreadable(&self.name, &self.path, &error))?;
            return Ok(Box::new(file.take(stored.size)));
        }
        let offset = stored.offset;
        let (sender, mut pipe) = Pipe::new();
        thread::spawn(move || send_members(BufReader::with_capacity(1 << 20, file), Some(offset), &sender));
        match pipe.next_member().map_err(|error| while_reading(&self.name, error))? {
            Ok(_) => Ok(Box::new(pipe)),
            Err(_) => Err(invalid(&self.name, "it changed while it was read")),
        }
    }
}

impl Layout for TarFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn file(&self, path: &str) -> Result<Option<Box<dyn Read + Send + '_>>, RegistryError> {
        match self.names.find(path).map_err(|text| invalid(&self.name, text))? {
            Some((_, stored)) => self.content(stored).map(Some),
            None => Ok(None),
        }
    }
}

fn store(offset: u64, size: u64, content: &mut dyn Read, hash: Hash, room: &mut u64) -> io::Result<Stored> {
    if size <= KEPT_BYTES_MAX && size <= *room {
        *room -= size;
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        content.take(size).read_to_end(&mut bytes)?;
        let digest = (hash == Hash::Everything).then(|| Digest::of(&bytes));
        return Ok(Stored { offset, size, digest, kept: Some(bytes) });
    }
    let digest = if hash == Hash::Everything { Some(digest_of(content)?) } else { None };
    Ok(Stored { offset, size, digest, kept: None })
}

/// Of all that `content` still gives.
pub(super) fn digest_of(content: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// An archive that could be read in two ways, or not to its end, is none we say anything about.
pub(super) fn refuse_problems(name: &str, problems: &[Problem]) -> Result<(), RegistryError> {
    match problems.first() {
        None => Ok(()),
        Some(problem) if problem.place.is_empty() => Err(invalid(name, &problem.detail)),
        Some(problem) => Err(invalid(name, format!("{}: {}", problem.place, problem.detail))),
    }
}

fn open_regular(path: &Path, name: &str) -> Result<File, RegistryError> {
    let facts = path.metadata().map_err(|error| unreadable(name, path, &error))?;
    if facts.is_dir() {
        return Err(invalid(name, "it is a folder; for an OCI layout in a folder write oci:FOLDER"));
    }
    if !facts.is_file() {
        return Err(invalid(name, "it is no regular file; to read from a pipe write docker-archive:-"));
    }
    if facts.len() == 0 {
        return Err(invalid(name, "it is empty"));
    }
    File::open(path).map_err(|error| unreadable(name, path, &error))
}
