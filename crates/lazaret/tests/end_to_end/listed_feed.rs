//! What a gate reads of a feed, made by hand.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use model::{Category, Confidence, Digest, Severity};

/// A stable critical miner to block, `LZ-2026-number`.
pub(crate) fn listed(number: u32, role: Role) -> Listed {
    Listed {
        id: EntryId { year: 2026, number },
        role,
        list: List::Block,
        channel: Channel::Stable,
        categories: vec![Category::Cryptominer],
        severity: Severity::Critical,
        confidence: Confidence::Certain,
    }
}

/// Writes a feed of now.
pub(crate) fn write_feed(folder: &Path, sequence: u64, entries: &[(&str, Listed)]) {
    fs::create_dir_all(folder.join("shards")).expect("a folder");
    let entries: Vec<(Digest, Meta)> =
        entries.iter().map(|(digest, listed)| (digest.parse().expect("a digest"), Meta::from(listed))).collect();
    for number in 0..=u8::MAX {
        let records = entries.iter().filter(|(digest, _)| digest.as_bytes()[0] == number).copied();
        fs::write(folder.join(format!("shards/{number:02x}.bin")), shard::encode(records.collect())).expect("writes");
    }
    #[expect(clippy::disallowed_methods, reason = "the binary reads the same clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    fs::write(folder.join("feed.json"), format!("{{\"sequence\":{sequence},\"published_at\":{now}}}")).expect("writes");
}
