//! Feeds for tests.

use std::{fs, path::Path};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use model::{Category, Confidence, Digest, Severity};

/// A stable critical miner to block, `LZ-2026-number`, listed as a manifest.
pub(crate) fn listed(number: u32) -> Listed {
    Listed {
        id: EntryId { year: 2026, number },
        role: Role::Manifest,
        list: List::Block,
        channel: Channel::Stable,
        categories: vec![Category::Cryptominer],
        severity: Severity::Critical,
        confidence: Confidence::Certain,
    }
}

/// Writes what the gate reads of a release. `published_at` in seconds since 1970.
pub(crate) fn write_feed(release: &Path, sequence: u64, published_at: u64, entries: &[(Digest, Listed)]) {
    fs::create_dir_all(release.join("shards")).expect("made");
    for number in 0..=u8::MAX {
        let records = entries.iter().filter(|(digest, _)| digest.as_bytes()[0] == number);
        let bytes = shard::encode(records.map(|(digest, listed)| (*digest, Meta::from(listed))).collect());
        fs::write(release.join(format!("shards/{number:02x}.bin")), bytes).expect("written");
    }
    let head = format!(r#"{{"sequence":{sequence},"published_at":{published_at}}}"#);
    fs::write(release.join("feed.json"), head).expect("written");
}
