//! How many objects a list of digests is cut into, for readers that bound the size of one object.
//!
//! The cut is by the digest's first hex digits, so that an entry more or less touches one object. How many digits follows from the
//! greatest part alone: a list that grows past the bound is cut anew, once.

use std::io;

use super::{Sink, State, surely_blocked};
use crate::entry::Entry;

/// Most hex digits: 65,536 objects.
const DIGITS_MAX: usize = 4;

/// The prefixes of the parts that `entries` (sorted, of one list) fall into so that none has more than `per_part_max`; parts without an
/// entry are left out. A part that no cut makes small enough stays as it is.
pub(crate) fn prefixes(entries: &[&Entry], per_part_max: usize) -> Vec<String> {
    for digits in 0..=DIGITS_MAX {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for entry in entries {
            let mut prefix = entry.digest.hex();
            prefix.truncate(digits);
            match parts.last_mut() {
                Some((last, count)) if *last == prefix => *count += 1,
                _ => parts.push((prefix, 1)),
            }
        }
        if digits == DIGITS_MAX || parts.iter().all(|(_, count)| *count <= per_part_max) {
            return parts.into_iter().map(|(prefix, _)| prefix).collect();
        }
    }
    Vec::new()
}

/// Writes one file for each part of what is [`surely_blocked`], `name` and `bytes` made of the part's prefix; with an empty list one
/// file of an empty part, so that applying it takes back what was there. The prefix is `all` where there is one part.
pub(crate) fn write(
    state: &State<'_>,
    per_part_max: usize,
    out: &mut dyn Sink,
    path: impl Fn(&str) -> String,
    bytes: impl Fn(&str, &[&Entry]) -> Vec<u8>,
) -> io::Result<()> {
    let listed = surely_blocked(state.entries);
    let mut parts = prefixes(&listed, per_part_max);
    if parts.is_empty() {
        parts.push(String::new());
    }
    for prefix in parts {
        let part = if prefix.is_empty() { "all" } else { prefix.as_str() };
        let path = path(part);
        if !out.keep(&path, &prefix)? {
            let listed = surely_blocked(state.with_prefix(&prefix));
            out.file(&path, bytes(part, &listed))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::testing::World, *};

    #[test]
    fn no_part_is_greater_than_asked() {
        let world = World::of(3_000);
        let all: Vec<_> = world.entries.iter().collect();
        assert_eq!(prefixes(&all, 3_000), [""]);
        assert_eq!(prefixes(&all, 300).len(), 16);
        assert_eq!(prefixes(&all, 50).len(), 256);
        assert_eq!(prefixes(&[], 50), Vec::<String>::new());
    }
}
