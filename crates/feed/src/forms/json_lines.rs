//! Whole entries as JSON lines, `entries/00.jsonl` to `entries/ff.jsonl` by the digest's first byte, and `changes.jsonl`: the latest
//! changes, oldest first. What TUF signs, and what everything else can be made of.

use std::io;

use serde::Serialize;

use super::{Form, Sink, State};
use crate::entry::Entry;

pub(super) const FORM: Form =
    Form { name: "json-lines", title: "Whole entries as JSON lines, for programs", path: "entries/", files };

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    state.sharded(out, |shard| format!("entries/{shard}.jsonl"), |_, entries| lines(entries))?;
    out.file("changes.jsonl", lines(state.changes))
}

/// A JSON object a line. An [`Entry`] has nothing that JSON cannot say.
pub(crate) fn lines<T: Serialize>(values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        serde_json::to_writer(&mut bytes, value).expect("text and numbers into memory");
        bytes.push(b'\n');
    }
    bytes
}

/// Reads what [`lines`] wrote of entries.
///
/// # Errors
///
/// The first line that is none.
pub fn read_entries(bytes: &[u8]) -> Result<Vec<Entry>, serde_json::Error> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn what_is_written_comes_back() {
        let world = World::hostile();
        let written = world.write();
        let shards = (0..=u8::MAX)
            .flat_map(|shard| read_entries(&written.files[&format!("entries/{shard:02x}.jsonl")]).expect("reads"));
        assert_eq!(shards.collect::<Vec<_>>(), world.entries);
    }
}
