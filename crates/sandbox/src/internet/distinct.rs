//! Counts how many different things there were, in bounded memory: exactly while they are few, about when they are many.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Up to here the count is exact.
const EXACT_MAX: usize = 64;
/// Bits of the estimate: 8 KiB a counter, within 2 % up to twice as many things.
const BITS: usize = 1 << 16;

/// A counter of different things.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    few: HashSet<u64>,
    many: Option<Box<[u64; BITS / 64]>>,
    ones: u64,
}

impl Distinct {
    pub(super) fn add(&mut self, thing: impl Hash) {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(many) = &mut self.many {
            self.ones += set(many, hash);
        } else {
            self.few.insert(hash);
            if self.few.len() > EXACT_MAX {
                let mut many = Box::new([0; BITS / 64]);
                self.ones = self.few.drain().map(|hash| set(&mut many, hash)).sum();
                self.few = HashSet::new();
                self.many = Some(many);
            }
        }
    }

    /// Exact up to 64, then by linear counting (Whang et al., 1990).
    pub(super) fn count(&self) -> u64 {
        if self.many.is_none() {
            return self.few.len() as u64;
        }
        let bits = BITS as f64;
        let zeros = (bits - self.ones as f64).max(1.0);
        (-bits * (zeros / bits).ln()).round() as u64
    }
}

fn set(many: &mut [u64; BITS / 64], hash: u64) -> u64 {
    let bit = hash as usize % BITS;
    let Some(word) = many.get_mut(bit / 64) else { return 0 };
    let fresh = *word >> (bit % 64) & 1 == 0;
    *word |= 1 << (bit % 64);
    u64::from(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_exact_and_many_are_close() {
        for many in [0_u64, 1, 64, 65, 1_000, 60_000] {
            let mut distinct = Distinct::default();
            for number in 0..many {
                distinct.add(number);
                distinct.add(number);
            }
            let count = distinct.count();
            assert!(count.abs_diff(many) <= many / 40 + if many > 64 { 3 } else { 0 }, "{count} of {many}");
        }
    }
}
