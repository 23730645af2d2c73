//! The Merkle tree of a log: roots and proofs.
//!
//! Source: RFC 6962, section 2.1 (hashes, audit paths, consistency proofs); RFC 9162, sections 2.1.3.2 and 2.1.4.2 (checking them).

use model::{Digest, digest::Hasher};

/// Most hashes of a proof: a path through 2^63 leaves.
pub const PROOF_MAX: usize = 63;

/// Hash of a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(leaf);
    hasher.finish()
}

/// Hash of a node.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    let halves = left.as_bytes().iter().chain(right.as_bytes());
    bytes.iter_mut().skip(1).zip(halves).for_each(|(to, from)| *to = *from);
    Digest::of(&bytes)
}

/// Root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// Root of a perfect tree over `hashes`, a power of two of them.
pub(crate) fn perfect_root(hashes: &[Digest]) -> Option<Digest> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .filter_map(|pair| pair.split_first())
            .map(|(left, rest)| match rest.first() {
                Some(right) => node_hash(left, right),
                None => *left,
            })
            .collect();
    }
    row.first().copied()
}

/// The right edge of a growing tree: all that is needed to append, and to know the root.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    /// Root of the perfect subtree of 2^i leaves at the edge, if bit i of `size` is set.
    subtrees: Vec<Option<Digest>>,
}

impl Edge {
    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut carry = leaf;
        self.size += 1;
        for slot in &mut self.subtrees {
            match slot.take() {
                Some(left) => carry = node_hash(&left, &carry),
                None => {
                    *slot = Some(carry);
                    return;
                }
            }
        }
        self.subtrees.push(Some(carry));
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        let known = self.subtrees.iter().flatten().copied();
        known.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// What a tree is read from: the roots of its perfect subtrees.
pub trait Nodes {
    /// What can go wrong.
    type Error;

    /// Root of the perfect subtree over the leaves `[index << height, (index + 1) << height)`.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn node(&mut self, height: u8, index: u64) -> Result<Digest, Self::Error>;
}

/// Root over the leaves `[from, to)`, `to > from`, where `from` is a multiple of the next power of two from `to - from`.
///
/// # Errors
///
/// Those of `nodes`.
pub fn range_root<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Digest, N::Error> {
    let count = to.saturating_sub(from);
    if count == 0 {
        return Ok(empty_root());
    }
    if count.is_power_of_two() {
        let height = u8::try_from(count.trailing_zeros()).unwrap_or(63);
        return nodes.node(height, from >> height);
    }
    let middle = from + split(count);
    let left = range_root(nodes, from, middle)?;
    Ok(node_hash(&left, &range_root(nodes, middle, to)?))
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Proof that leaf `index` is in the tree of `size` leaves (`index < size`).
///
/// # Errors
///
/// Those of `nodes`.
pub fn prove_inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range_root(nodes, from, middle)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proof that the tree of `new` leaves begins with that of `old` (`0 < old <= new`).
///
/// # Errors
///
/// Those of `nodes`.
pub fn prove_consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut from, mut to) = (0, new);
    let mut proof = Vec::new();
    while old > from && old < to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range_root(nodes, from, middle)?);
            from = middle;
        }
    }
    // The old tree ends at `to`. If it is all of it, its root is known to whoever checks.
    if from > 0 {
        proof.push(range_root(nodes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that a leaf with hash `leaf` is number `index` of the tree.
#[must_use]
pub fn check_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut index, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree `(new, new_root)` begins with the tree `(old, old_root)`.
#[must_use]
pub fn check_consistency(old: u64, old_root: &Digest, new: u64, new_root: &Digest, proof: &[Digest]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    if old > new {
        return false;
    }
    let mut rest = proof.iter();
    let start = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(start) = start else { return false };
    let (mut index, mut last) = (old - 1, new - 1);
    while index & 1 == 1 {
        index >>= 1;
        last >>= 1;
    }
    let (mut of_old, mut of_new) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            of_old = node_hash(hash, &of_old);
            of_new = node_hash(hash, &of_new);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node_hash(&of_new, hash);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == *old_root && of_new == *new_root
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    struct Leaves(Vec<Digest>);

    impl Nodes for Leaves {
        type Error = Infallible;

        fn node(&mut self, height: u8, index: u64) -> Result<Digest, Infallible> {
            let from = usize::try_from(index << height).expect("small");
            Ok(perfect_root(&self.0[from..from + (1 << height)]).expect("not empty"))
        }
    }

    fn tree(size: u64) -> (Leaves, Vec<Digest>) {
        let leaves: Vec<_> = (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut edge = Edge::default();
        let mut roots = vec![edge.root()];
        for leaf in &leaves {
            edge.push(*leaf);
            roots.push(edge.root());
        }
        (Leaves(leaves), roots)
    }

    /// Source: the roots of the test tree in certificate-transparency-go's `merkletree` tests.
    #[test]
    fn roots_are_those_of_the_known_test_tree() {
        let inputs =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let mut edge = Edge::default();
        assert_eq!(edge.root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for input in inputs {
            edge.push(leaf_hash(&hex::decode(input).expect("hex")));
        }
        assert_eq!(edge.root().hex(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_proof_holds_and_no_altered_one_does() {
        let (mut leaves, roots) = tree(70);
        for size in 1..=70_u64 {
            let root = &roots[usize::try_from(size).expect("small")];
            assert_eq!(range_root(&mut leaves, 0, size), Ok(*root));
            for index in 0..size {
                let leaf = leaves.0[usize::try_from(index).expect("small")];
                let proof = prove_inclusion(&mut leaves, index, size).expect("never fails");
                assert!(check_inclusion(&leaf, index, size, &proof, root), "{index} of {size}");
                assert!(!check_inclusion(&leaf, index + 1, size, &proof, root), "{index} of {size} elsewhere");
                assert!(!check_inclusion(root, index, size, &proof, root) || size == 1);
            }
            for old in 1..=size {
                let before = &roots[usize::try_from(old).expect("small")];
                let proof = prove_consistency(&mut leaves, old, size).expect("never fails");
                assert!(check_consistency(old, before, size, root, &proof), "{old} to {size}");
                let other = leaf_hash(b"another");
                assert!(!check_consistency(old, &other, size, root, &proof), "{old} to {size}");
                assert!(!check_consistency(old, before, size, &other, &proof), "{old} to {size}");
                for at in 0..proof.len() {
                    let mut altered = proof.clone();
                    altered[at] = other;
                    assert!(!check_consistency(old, before, size, root, &altered), "{old} to {size}, {at}");
                    altered.remove(at);
                    assert!(!check_consistency(old, before, size, root, &altered), "{old} to {size}, {at}");
                }
            }
        }
    }
}
