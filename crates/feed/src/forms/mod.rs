//! One source of truth, many forms: what each kind of consumer reads as it is, written from the same [`State`].
//!
//! Every form is the full state; what changed lately is beside it (`changes.jsonl`, `csv/recent.csv`, `changes.atom`), and TAXII and
//! `/v1/changes` tell the rest. A form is a function of its [`State`] alone, and none holds the time it was written at: what did not
//! change is byte-equal to the release before, which can link it. Forms that grow with the feed are sharded by the digest's first byte,
//! so that one new entry rewrites a 256th of them, and [`Sink::keep`] spares even the writing of the rest.
//!
//! Whatever an image's author wrote (references) is escaped in each form's own way: [`text`] says how.
//!
//! Forms that block on their own and cannot be told a channel (policies, `registries.conf`) hold `stable` entries alone; forms that
//! inform hold both channels and say which.
//!
//! | form | file |
//! |---|---|
//! | what it looks like to its reader | one file each, listed in [`FORMS`] |
//! | [`chunks`] | how many objects a list is cut into |
//! | [`text`] | escaping |
//! | [`uuid`] | names for things that need a UUID |

mod atom;
mod chunks;
#[cfg(test)]
pub(crate) mod clients;
mod containers_policy;
mod csv;
mod falco;
mod gatekeeper;
mod json_lines;
mod kyverno;
mod misp;
mod osv;
mod plain;
mod registries_conf;
mod shards;
mod stix;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod uuid;
mod validating_admission_policy;
mod warning_list;
mod zot;

use std::io;

use model::Digest;

use crate::entry::{Change, Channel, Entry, List, Role, Status};

pub(crate) use csv::HEADER as CSV_HEADER;
pub use json_lines::read_entries;
pub use shards::listed;
pub(crate) use uuid::Uuid;

/// Raised whenever the bytes of a form change for equal state: a publisher that keeps files of the release before must not keep
/// those of another version.
pub const FORMS_VERSION: u32 = 1;

/// What is published.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// Every entry whatever its status, sorted by digest and role.
    pub entries: &'a [Entry],
    /// The latest changes, newest last; how many there are is the publisher's choice.
    pub changes: &'a [Change],
    /// Digests that must never be blocked: guard rails and the known-good set. Sorted.
    pub never: &'a [Digest],
    /// Number of changes so far.
    pub sequence: u64,
    /// Seconds since 1970.
    pub now: u64,
    /// The feed's name, for people.
    pub name: &'a str,
    /// Where it will be served, without `/` at the end: `https://feed.example.org`. Entry ids and UUIDs differ between feeds by it.
    pub base_url: &'a str,
}

/// Where files go.
pub trait Sink {
    /// Takes a whole file. `path` is relative to the published folder, of `/`-separated parts of `[a-z0-9._-]`; none comes twice.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn file(&mut self, path: &str, bytes: Vec<u8>) -> io::Result<()>;

    /// Whether `path` stays as it is in the release before, so that it is not written again. May say so only if the release before
    /// has that file, was written by the same [`FORMS_VERSION`] for the same name and base URL, and no entry whose digest begins
    /// with the hex digits `prefix` differs since.
    ///
    /// # Errors
    ///
    /// When the file cannot be carried over.
    fn keep(&mut self, path: &str, prefix: &str) -> io::Result<bool> {
        let _ = (path, prefix);
        Ok(false)
    }
}

/// One form: its name, who reads it, and what writes its files.
pub struct Form {
    /// As in `feed.json` and on the command line.
    pub name: &'static str,
    /// Whom it is for, in one line.
    pub title: &'static str,
    /// Where its files begin, for people who look for them.
    pub path: &'static str,
    /// Writes all its files.
    pub files: fn(&State<'_>, &mut dyn Sink) -> io::Result<()>,
}

/// Every form.
pub const FORMS: &[Form] = &[
    atom::FORM,
    containers_policy::FORM,
    csv::FORM,
    falco::FORM,
    gatekeeper::FORM,
    json_lines::FORM,
    kyverno::FORM,
    misp::FORM,
    osv::FORM,
    plain::FORM,
    registries_conf::FORM,
    shards::FORM,
    stix::FORM,
    validating_admission_policy::FORM,
    warning_list::FORM,
    zot::FORM,
];

/// Writes all forms.
///
/// # Errors
///
/// The sink's.
pub fn write_all(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    FORMS.iter().try_for_each(|form| (form.files)(state, out))
}

impl<'a> State<'a> {
    /// The entries whose digest begins with the hex digits `prefix` (at most 64).
    pub(crate) fn with_prefix(&self, prefix: &str) -> &'a [Entry] {
        let (first, last) = bounds(prefix);
        let start = self.entries.partition_point(|entry| *entry.digest.as_bytes() < first);
        let end = self.entries.partition_point(|entry| *entry.digest.as_bytes() <= last);
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Namespace of the feed's UUIDs.
    pub(crate) fn namespace(&self) -> Uuid {
        Uuid::feed(self.base_url)
    }

    /// Writes one file for each first byte, `path` made of its two hex digits.
    pub(crate) fn sharded(
        &self,
        out: &mut dyn Sink,
        path: impl Fn(&str) -> String,
        bytes: impl Fn(&str, &[Entry]) -> Vec<u8>,
    ) -> io::Result<()> {
        for shard in 0..=u8::MAX {
            let prefix = format!("{shard:02x}");
            let path = path(&prefix);
            if !out.keep(&path, &prefix)? {
                out.file(&path, bytes(&prefix, self.with_prefix(&prefix)))?;
            }
        }
        Ok(())
    }
}

/// Lowest and highest digest that begin with `prefix`.
fn bounds(prefix: &str) -> ([u8; 32], [u8; 32]) {
    let filled = |with: char| {
        let mut bytes = [0; 32];
        let text: String = prefix.chars().chain(std::iter::repeat(with)).take(64).collect();
        // What is no hex names no digest: an empty range, from the lowest to the lowest.
        let _ = hex::decode_to_slice(text, &mut bytes);
        bytes
    };
    (filled('0'), filled('f'))
}

impl Entry {
    /// Whether nobody should run it.
    pub(crate) fn blocks(&self) -> bool {
        self.status == Status::Active && self.list == List::Block
    }

    /// As [`Entry::blocks`], by evidence that suffices to stop somebody who cannot choose.
    pub(crate) fn blocks_for_sure(&self) -> bool {
        self.blocks() && self.channel == Channel::Stable
    }

    /// Whether it can stand in an image's reference.
    pub(crate) fn is_pulled(&self) -> bool {
        matches!(self.role, Role::Index | Role::Manifest)
    }

    /// Its categories, joined.
    pub(crate) fn categories_joined(&self, by: &str) -> String {
        self.categories.iter().map(|category| category.word()).collect::<Vec<_>>().join(by)
    }

    /// `LZ-2026-17: cryptominer (manifest)`.
    pub(crate) fn headline(&self) -> String {
        format!("{}: {} ({})", self.id, self.categories_joined(", "), self.role)
    }
}

/// The digests a policy stops by itself: of images, stable, without repetition, sorted. Which of them begin with `prefix`.
pub(crate) fn surely_blocked(entries: &[Entry]) -> Vec<&Entry> {
    let mut listed: Vec<_> = entries.iter().filter(|entry| entry.blocks_for_sure() && entry.is_pulled()).collect();
    listed.dedup_by_key(|entry| entry.digest);
    listed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{testing::*, *};

    #[test]
    fn equal_state_gives_equal_bytes_and_no_path_comes_twice() {
        let world = World::hostile();
        let (one, two) = (world.write(), world.write());
        assert!(one.files.len() > 1_000, "{}", one.files.len());
        assert_eq!(one.files, two.files);
        assert_eq!(one.twice, Vec::<String>::new());
        for path in one.files.keys() {
            let wrong = path.split('/').any(|part| {
                part.is_empty()
                    || part.starts_with('.')
                    || !part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            });
            assert!(!wrong, "{path}");
        }
    }

    #[test]
    fn time_alone_changes_nothing_but_the_day_of_the_warning_list() {
        let world = World::hostile();
        let later = World { now: world.now + 86_400, sequence: world.sequence + 1, ..World::hostile() };
        let (one, two) = (world.write(), later.write());
        let changed: Vec<_> = one.files.iter().filter(|(path, bytes)| two.files.get(*path) != Some(bytes)).collect();
        assert_eq!(changed.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["misp-warninglist/list.json"]);
    }

    #[test]
    fn one_more_entry_rewrites_little() {
        let world = World::of(3_000);
        let mut more = World::of(3_000);
        let mut entry = more.entries[0].clone();
        entry.digest = Digest::of(b"one more");
        entry.id.number = 99_999;
        more.entries.push(entry);
        more.sort();
        let (one, two) = (world.write(), more.write());
        let rewritten: Vec<_> = two.files.iter().filter(|(path, bytes)| one.files.get(*path) != Some(bytes)).collect();
        let bytes: usize = rewritten.iter().map(|(_, bytes)| bytes.len()).sum();
        let all: usize = two.files.values().map(Vec::len).sum();
        assert!(rewritten.len() < 30, "{:?}", rewritten.iter().map(|(path, _)| path).collect::<Vec<_>>());
        assert!(bytes * 5 < all, "{bytes} of {all}");
    }

    #[test]
    fn what_is_kept_is_not_written() {
        struct Keeps(Vec<String>);
        impl Sink for Keeps {
            fn file(&mut self, path: &str, _: Vec<u8>) -> io::Result<()> {
                self.0.push(path.to_owned());
                Ok(())
            }
            fn keep(&mut self, _: &str, prefix: &str) -> io::Result<bool> {
                Ok(prefix.len() == 2 && prefix != "07")
            }
        }
        let world = World::of(1_000);
        let mut out = Keeps(Vec::new());
        write_all(&world.state(), &mut out).expect("writes");
        assert!(out.0.contains(&"csv/07.csv".to_owned()) && !out.0.contains(&"csv/08.csv".to_owned()), "{:?}", out.0);
        assert!(out.0.len() < 60, "{}", out.0.len());
    }

    #[test]
    fn every_form_has_its_own_name_and_writes_where_it_says() {
        let world = World::of(50);
        let names: BTreeSet<_> = FORMS.iter().map(|form| form.name).collect();
        assert_eq!(names.len(), FORMS.len());
        for form in FORMS {
            let mut out = Memory::default();
            (form.files)(&world.state(), &mut out).expect("writes");
            assert!(out.files.keys().any(|path| path.starts_with(form.path)), "{} at {}", form.name, form.path);
        }
    }

    #[test]
    fn a_prefix_finds_its_entries() {
        let world = World::of(500);
        let state = world.state();
        for prefix in ["", "0", "a", "ff", "00", "abc"] {
            let expected: Vec<_> =
                world.entries.iter().filter(|entry| entry.digest.hex().starts_with(prefix)).map(|e| e.id).collect();
            assert_eq!(state.with_prefix(prefix).iter().map(|e| e.id).collect::<Vec<_>>(), expected, "{prefix}");
        }
    }
}
