//! The exact list as machines load it: [`shard`](crate::shard), `shards/00.bin` to `shards/ff.bin`.

use std::io;

use super::{Form, Sink, State};
use crate::{
    entry::{Entry, Status},
    shard::{Listed, Meta, encode},
};

pub(super) const FORM: Form =
    Form { name: "shards", title: "The exact list in binary, for the gate", path: "shards/", files };

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    state.sharded(out, |shard| format!("shards/{shard}.bin"), |_, entries| binary(entries))
}

fn binary(entries: &[Entry]) -> Vec<u8> {
    let active = entries.iter().filter(|entry| entry.status == Status::Active);
    encode(active.map(|entry| (entry.digest, Meta::from(&listed(entry)))).collect())
}

/// What a decision needs of an entry.
#[must_use]
pub fn listed(entry: &Entry) -> Listed {
    Listed {
        id: entry.id,
        role: entry.role,
        list: entry.list,
        channel: entry.channel,
        categories: entry.categories.iter().copied().collect(),
        severity: entry.severity,
        confidence: entry.confidence,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::shard::decode;

    #[test]
    fn active_entries_come_back() {
        let world = World::hostile();
        let written = world.write();
        let mut found = Vec::new();
        for shard in 0..=u8::MAX {
            found.extend(decode(shard, &written.files[&format!("shards/{shard:02x}.bin")]).expect("whole"));
        }
        let mut expected: Vec<_> = world.entries.iter().filter(|entry| entry.status == Status::Active).collect();
        expected.sort_by_key(|entry| (entry.digest, Meta::from(&listed(entry))));
        assert_eq!(found.len(), expected.len());
        for ((digest, meta), entry) in found.iter().zip(expected) {
            assert_eq!((digest, meta.listed()), (&entry.digest, Some(listed(entry))));
        }
    }
}
