//! Lists that an attacker can make long: by pushing one image under a hundred thousand names, say.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher as _},
};

/// Most values of one list of an entry.
pub const LISTED_MAX: usize = 100;

/// The first [`LISTED_MAX`] values in their order, whatever order they came in. Of the rest, 8 bytes each are kept so that
/// one that comes twice is counted once.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    kept: BTreeSet<T>,
    rest: BTreeSet<u64>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { kept: BTreeSet::new(), rest: BTreeSet::new() }
    }
}

impl<T: Ord + Hash> Bounded<T> {
    pub(crate) fn insert(&mut self, value: T) {
        self.kept.insert(value);
        if self.kept.len() > LISTED_MAX
            && let Some(last) = self.kept.pop_last()
        {
            let mut hasher = DefaultHasher::new();
            last.hash(&mut hasher);
            self.rest.insert(hasher.finish());
        }
    }

    /// The values, and how many more there are.
    pub(crate) fn finish(self) -> (BTreeSet<T>, usize) {
        (self.kept, self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_they_come_in_does_not_matter() {
        let finished = |numbers: &mut dyn Iterator<Item = usize>| {
            let mut bounded = Bounded::default();
            numbers.for_each(|number| bounded.insert(number));
            bounded.finish()
        };
        let expected = ((0..LISTED_MAX).collect(), 50);
        assert_eq!(finished(&mut (0..LISTED_MAX + 50)), expected);
        assert_eq!(finished(&mut (0..LISTED_MAX + 50).rev()), expected);
        assert_eq!(finished(&mut (0..LISTED_MAX + 50).chain(0..LISTED_MAX + 50)), expected, "each once");
        assert_eq!(finished(&mut (0..LISTED_MAX)), ((0..LISTED_MAX).collect(), 0));
    }
}
