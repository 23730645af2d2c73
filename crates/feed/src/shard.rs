//! The exact list as machines load it: 256 shards by the digest's first byte, each a sorted array of fixed records, so that one new
//! entry rewrites a 256th and a consumer fetches and swaps only what changed.
//!
//! A shard is a function of the active entries alone: equal entries give equal bytes. Withdrawn and superseded ones are absent.
//! Layout (all numbers little-endian): `LZSHARD1`, the count as `u64`, then per record the 32 bytes of the digest and 10 of [`Meta`].

use model::{Category, Confidence, Digest, Severity};

use crate::entry::{Channel, EntryId, List, Role};

/// First bytes of a shard.
pub const MAGIC: &[u8; 8] = b"LZSHARD1";
/// Bytes of one record.
pub const RECORD_BYTES: usize = 42;
/// How many shards there are.
pub const SHARDS: usize = 256;
/// Most records of one shard: 256 of them are four billion.
pub const RECORDS_MAX: u64 = 1 << 24;

/// What a decision needs of an entry, in 10 bytes: number (`u32`), year since 2000 (`u8`), role (3 bits), list (1) and channel (1), then
/// as `u32` categories (20 bits, in the order of [`Category::ALL`]), severity (3) and confidence (2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Meta(pub [u8; 10]);

/// [`Meta`], taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The entry.
    pub id: EntryId,
    /// As what it is listed.
    pub role: Role,
    /// To block, or to advise on.
    pub list: List,
    /// How settled it is.
    pub channel: Channel,
    /// What it is.
    pub categories: Vec<Category>,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
}

/// Why a shard cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShardError {
    /// Not a shard, cut short or too long.
    #[error("shard {shard:02x}: {what}")]
    Damaged {
        /// Which.
        shard: u8,
        /// What is wrong.
        what: &'static str,
    },
}

impl From<&Listed> for Meta {
    fn from(listed: &Listed) -> Self {
        let mut bytes = [0; 10];
        let [n0, n1, n2, n3] = listed.id.number.to_le_bytes();
        let year = u8::try_from(listed.id.year.saturating_sub(2000)).unwrap_or(u8::MAX);
        let flags = listed.role as u8 | (listed.list as u8) << 3 | (listed.channel as u8) << 4;
        let categories = listed.categories.iter().fold(0_u32, |all, category| all | 1 << (*category as u32));
        let packed = categories | (listed.severity as u32) << 20 | (listed.confidence as u32) << 23;
        let [p0, p1, p2, p3] = packed.to_le_bytes();
        bytes.copy_from_slice(&[n0, n1, n2, n3, year, flags, p0, p1, p2, p3]);
        Self(bytes)
    }
}

impl Meta {
    /// None if a later version wrote something this one does not know.
    #[must_use]
    pub fn listed(&self) -> Option<Listed> {
        let [n0, n1, n2, n3, year, flags, p0, p1, p2, p3] = self.0;
        let packed = u32::from_le_bytes([p0, p1, p2, p3]);
        let at = |bits: u32, width: u32| ((packed >> bits) & ((1 << width) - 1)) as usize;
        Some(Listed {
            id: EntryId { year: 2000 + u16::from(year), number: u32::from_le_bytes([n0, n1, n2, n3]) },
            role: *Role::ALL.get(usize::from(flags & 7))?,
            list: *List::ALL.get(usize::from(flags >> 3 & 1))?,
            channel: *Channel::ALL.get(usize::from(flags >> 4 & 1))?,
            categories: Category::ALL
                .iter()
                .copied()
                .filter(|category| packed >> (*category as u32) & 1 == 1)
                .collect(),
            severity: *Severity::ALL.get(at(20, 3))?,
            confidence: *Confidence::ALL.get(at(23, 2))?,
        })
    }
}

/// Writes one shard; `records` are sorted here.
#[must_use]
pub fn encode(mut records: Vec<(Digest, Meta)>) -> Vec<u8> {
    records.sort_unstable();
    records.dedup();
    let mut bytes = Vec::with_capacity(16 + records.len() * RECORD_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(records.len() as u64).to_le_bytes());
    for (digest, meta) in &records {
        bytes.extend_from_slice(digest.as_bytes());
        bytes.extend_from_slice(&meta.0);
    }
    bytes
}

/// The records of a shard, checked: right length, sorted, all of this shard's first byte.
///
/// # Errors
///
/// [`ShardError::Damaged`]; nothing of it is used then.
pub fn decode(shard: u8, bytes: &[u8]) -> Result<Vec<(Digest, Meta)>, ShardError> {
    let damaged = |what| ShardError::Damaged { shard, what };
    let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or_else(|| damaged("it is no shard of a version known here"))?;
    let (count, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut short"))?;
    let count = u64::from_le_bytes(*count);
    if count > RECORDS_MAX || rest.len() as u64 != count * RECORD_BYTES as u64 {
        return Err(damaged("its length is not what it says"));
    }
    let mut records: Vec<(Digest, Meta)> = Vec::with_capacity(rest.len() / RECORD_BYTES);
    for record in rest.chunks_exact(RECORD_BYTES) {
        let Some((digest, meta)) = record.split_first_chunk::<32>() else { continue };
        let Ok(meta) = <[u8; 10]>::try_from(meta) else { continue };
        let record = (Digest::from_bytes(*digest), Meta(meta));
        if digest[0] != shard {
            return Err(damaged("it holds digests of another shard"));
        }
        if records.last().is_some_and(|last| *last >= record) {
            return Err(damaged("it is not sorted"));
        }
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Listed {
        Listed {
            id: EntryId { year: 2026, number: 70_000 },
            role: Role::Layer,
            list: List::Advise,
            channel: Channel::Stable,
            categories: vec![Category::Cryptominer, Category::Other],
            severity: Severity::Critical,
            confidence: Confidence::Certain,
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        assert_eq!(Meta::from(&listed()).listed(), Some(listed()));
        assert!(
            Category::ALL.len() <= 20 && Role::ALL.len() <= 8 && Severity::ALL.len() <= 8 && Confidence::ALL.len() <= 4
        );
    }

    #[test]
    fn a_shard_comes_back_sorted_and_damage_is_seen() {
        let meta = Meta::from(&listed());
        let digest = |end: u8| {
            let mut bytes = [7; 32];
            bytes[31] = end;
            Digest::from_bytes(bytes)
        };
        let bytes = encode(vec![(digest(9), meta), (digest(1), meta), (digest(9), meta)]);
        assert_eq!(decode(7, &bytes), Ok(vec![(digest(1), meta), (digest(9), meta)]));
        assert_eq!(decode(8, &bytes), Err(ShardError::Damaged { shard: 8, what: "it holds digests of another shard" }));
        for cut in 0..bytes.len() {
            assert!(decode(7, &bytes[..cut]).is_err(), "{cut}");
        }
        let mut swapped = bytes[..16].to_vec();
        swapped.extend_from_slice(&bytes[16 + RECORD_BYTES..]);
        swapped.extend_from_slice(&bytes[16..16 + RECORD_BYTES]);
        assert_eq!(decode(7, &swapped), Err(ShardError::Damaged { shard: 7, what: "it is not sorted" }));
    }
}
