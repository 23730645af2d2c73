//! All listed digests, in memory: 256 sorted arrays of 42-byte records behind a lock each.
//!
//! Ten million records are 420 MB. Beside each array stands where its records begin by the digest's next bits, 4 bytes for each two
//! or three of them: a lookup reads one such place and a hundred bytes of records, where a binary search over all would wait for
//! main memory ten times.
//!
//! A new release replaces one shard after another, and only those whose file changed: the memory needed on top is two shards
//! (the file and its records). Until the last one is replaced decisions count as made on the older release.

use std::{
    fs, io,
    io::Read,
    path::Path,
    sync::{PoisonError, RwLock},
};

use feed::shard::{self, Meta, RECORD_BYTES, RECORDS_MAX, SHARDS};
use model::Digest;

use crate::head::Identity;

/// The digests of one release.
pub(crate) struct Index {
    shards: Vec<RwLock<Shard>>,
}

#[derive(Default)]
struct Shard {
    records: Vec<(Digest, Meta)>,
    /// Where the records of each bucket begin, and where the last ends. Empty if there are no records.
    starts: Vec<u32>,
    /// Of the file it was read from.
    identity: Option<Identity>,
}

/// Why an index cannot be loaded.
#[derive(Debug)]
pub(crate) struct LoadError {
    pub(crate) file: String,
    pub(crate) cause: String,
}

impl Index {
    /// No digests.
    pub(crate) fn empty() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// Those given, for tests.
    pub(crate) fn of(entries: impl IntoIterator<Item = (Digest, Meta)>) -> Self {
        let index = Self::empty();
        for (digest, meta) in entries {
            if let Some(shard) = index.shards.get(usize::from(digest.as_bytes()[0])) {
                shard.write().unwrap_or_else(PoisonError::into_inner).records.push((digest, meta));
            }
        }
        for shard in &index.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let mut records = std::mem::take(&mut shard.records);
            records.sort_unstable();
            *shard = Shard::new(records, None);
        }
        index
    }

    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).records.len()).sum()
    }

    /// Hands every record of `digest` to `found`: one for each role it is listed in.
    pub(crate) fn find(&self, digest: &Digest, mut found: impl FnMut(Meta)) {
        let Some(shard) = self.shards.get(usize::from(digest.as_bytes()[0])) else { return };
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let bucket = shard.bucket(digest);
        let first = bucket.partition_point(|(listed, _)| listed < digest);
        for (_, meta) in bucket.iter().skip(first).take_while(|(listed, _)| listed == digest) {
            found(*meta);
        }
    }

    /// Replaces the shards whose file changed by those of `release`. Returns how many were read.
    ///
    /// All changed files are checked before the first is replaced, unless nothing is loaded yet. An error while they are replaced
    /// leaves some new and some old: both were good, and the next call goes on.
    pub(crate) fn load(&self, release: &Path) -> Result<usize, LoadError> {
        let folder = release.join("shards");
        let mut changed = Vec::new();
        for number in 0..=u8::MAX {
            let path = folder.join(format!("{number:02x}.bin"));
            let metadata = fs::metadata(&path).map_err(|error| load_error(number, &error))?;
            if self.identity(number) != Some(Identity::of(&metadata)) {
                changed.push((number, path));
            }
        }
        if self.shards.iter().any(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).identity.is_some()) {
            for (number, path) in &changed {
                read(*number, path)?;
            }
        }
        for (number, path) in &changed {
            let new = read(*number, path)?;
            if let Some(shard) = self.shards.get(usize::from(*number)) {
                // The old records are freed after the lock is.
                let _old = std::mem::replace(&mut *shard.write().unwrap_or_else(PoisonError::into_inner), new);
            }
        }
        Ok(changed.len())
    }

    fn identity(&self, number: u8) -> Option<Identity> {
        self.shards.get(usize::from(number)).and_then(|s| s.read().unwrap_or_else(PoisonError::into_inner).identity)
    }
}

impl Shard {
    /// `records` are sorted.
    fn new(records: Vec<(Digest, Meta)>, identity: Option<Identity>) -> Self {
        let Some(bits) = bucket_bits(records.len()) else { return Self { records, starts: Vec::new(), identity } };
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (place, (digest, _)) in (0_u32..).zip(&records) {
            while starts.len() <= bucket_of(digest, bits) {
                starts.push(place);
            }
        }
        starts.resize((1 << bits) + 1, u32::try_from(records.len()).unwrap_or(u32::MAX));
        Self { records, starts, identity }
    }

    /// The records that share the first bits of `digest`.
    fn bucket(&self, digest: &Digest) -> &[(Digest, Meta)] {
        let Some(bits) = bucket_bits(self.records.len()) else { return &[] };
        let place = |bucket| self.starts.get(bucket).map_or(0, |place| *place as usize);
        let bucket = bucket_of(digest, bits);
        self.records.get(place(bucket)..place(bucket + 1)).unwrap_or_default()
    }
}

/// So many that two to four records share one; None for no records.
fn bucket_bits(records: usize) -> Option<u32> {
    (records > 0).then(|| records.next_power_of_two().trailing_zeros().saturating_sub(2))
}

/// By the bits after the first byte, which chose the shard. At most 22 are asked for: [`RECORDS_MAX`].
fn bucket_of(digest: &Digest, bits: u32) -> usize {
    let [_, b1, b2, b3, b4, ..] = *digest.as_bytes();
    (u64::from(u32::from_be_bytes([b1, b2, b3, b4])) >> (32 - bits)) as usize
}

fn read(number: u8, path: &Path) -> Result<Shard, LoadError> {
    let read = || -> io::Result<(Vec<u8>, Identity)> {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        let bytes_max = RECORDS_MAX * RECORD_BYTES as u64 + 16;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0) + 1);
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok((bytes, Identity::of(&metadata)))
    };
    let (bytes, identity) = read().map_err(|error| load_error(number, &error))?;
    let records = shard::decode(number, &bytes).map_err(|error| load_error(number, &error))?;
    Ok(Shard::new(records, Some(identity)))
}

fn load_error(number: u8, cause: &dyn std::error::Error) -> LoadError {
    LoadError { file: format!("shards/{number:02x}.bin"), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, listed};

    fn found(index: &Index, digest: &Digest) -> Vec<Meta> {
        let mut all = Vec::new();
        index.find(digest, |meta| all.push(meta));
        all
    }

    #[test]
    fn a_digest_is_found_in_every_role_and_others_are_not() {
        let digest = |number: u16| Digest::of(&number.to_le_bytes());
        let meta = |number: u32| Meta::from(&listed(number));
        let index =
            Index::of((0..2_000).map(|n| (digest(n), meta(u32::from(n) + 1))).chain([(digest(7), meta(9_000))]));
        assert_eq!(index.len(), 2_001);
        for number in 0..2_000 {
            assert!(found(&index, &digest(number)).contains(&meta(u32::from(number) + 1)), "{number}");
            assert_eq!(found(&index, &digest(number + 2_000)), [], "{number}");
        }
        assert_eq!(found(&index, &digest(7)).len(), 2);
    }

    #[test]
    fn a_shard_of_any_size_finds_its_ends() {
        let digest = |high: u8, low: u8| {
            let mut bytes = [0; 32];
            (bytes[0], bytes[1], bytes[31]) = (9, high, low);
            Digest::from_bytes(bytes)
        };
        for count in (0..40).chain([255]) {
            // All in a heap at either end, and spread.
            for place in [|_| 0, |_| 255, |number| number] as [fn(u8) -> u8; 3] {
                let index = Index::of((0..count).map(|n| (digest(place(n), n), Meta::from(&listed(1)))));
                assert!((0..count).all(|n| found(&index, &digest(place(n), n)).len() == 1), "{count}");
                assert_eq!(found(&index, &digest(128, 254)), [], "{count}");
            }
        }
    }

    #[test]
    fn only_changed_shards_are_read_again_and_a_damaged_one_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        testing::write_feed(folder.path(), 1, 0, &[(one, listed(1))]);
        let index = Index::empty();
        assert_eq!(index.load(folder.path()).ok(), Some(SHARDS));
        assert_eq!(index.load(folder.path()).ok(), Some(0));
        assert_eq!((found(&index, &one).len(), found(&index, &two).len()), (1, 0));

        let shards = folder.path().join("shards");
        fs::write(shards.join("01.bin"), shard::encode(Vec::new())).expect("written");
        fs::write(shards.join("02.bin"), b"LZSHARD1").expect("written");
        let error = index.load(folder.path()).expect_err("damaged");
        assert_eq!(error.file, "shards/02.bin");
        assert_eq!((found(&index, &one).len(), found(&index, &two).len()), (1, 0), "what was there stays");

        fs::write(shards.join("02.bin"), shard::encode(vec![(two, Meta::from(&listed(2)))])).expect("written");
        assert_eq!(index.load(folder.path()).ok(), Some(2));
        assert_eq!((found(&index, &one).len(), found(&index, &two).len()), (0, 1));
        fs::remove_file(shards.join("ff.bin")).expect("removed");
        assert!(index.load(folder.path()).is_err(), "a missing shard is no empty one");
    }
}
