//! Finds all literals of all detectors in one pass.
//!
//! Grams are four bytes, and only those at even positions of a file are looked up. A literal is represented by two: the rarest at its
//! even and the rarest at its odd offsets, one of which is at an even position wherever the literal is. One of four bytes has no gram at
//! an odd offset; there its first three bytes stand, behind any byte.
//!
//! A table of 2^20 bits (128 KiB: it stays in the second-level cache; with 1,800 literals 2^18 bits in the first one cost more
//! comparisons than they save) says for the hash of any gram whether it can be a literal's; four positions share one branch. Only where a
//! bit is set are the literals compared. Bytes and grams are folded with `| 0x20`, which joins upper and lower case (and a few bytes that
//! have nothing in common: the comparison sorts them out).
//!
//! Measured against `aho-corasick` with a forced DFA by `examples/prefilter_speed.rs`; the same crate is the oracle of
//! the property test below.

/// Shortest literal: one gram.
pub const LITERAL_BYTES_MIN: usize = 4;
/// Most hits kept in one window.
pub const HITS_MAX: usize = 262_144;
/// Most hits kept of one literal, so that a flood of one does not hide the others.
pub const HITS_PER_LITERAL_MAX: u32 = 65_536;

/// Hash bits of the table.
const TABLE_BITS: u32 = 20;
/// Hash bits of the buckets that lead from a gram to its literals.
const BUCKET_BITS: u32 = 12;
const TABLE_WORDS: usize = 1 << (TABLE_BITS - 6);
const FOLD: u64 = 0x2020_2020_2020_2020;

/// The literals, ready to be looked for.
pub struct Prefilter {
    table: Box<[u64; TABLE_WORDS]>,
    grams: Buckets,
    /// Of literals of four bytes at odd positions: their first three bytes.
    behind_any: Buckets,
    literals: Vec<Box<[u8]>>,
}

/// Literals by the gram that leads to them.
struct Buckets {
    /// Where the entries of a bucket start; one more at the end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
}

/// One literal in its bucket.
struct Entry {
    /// Folded.
    gram: u32,
    literal: u32,
    /// How far behind the literal's start the gram's position is; -1 for the byte before it.
    at: i32,
}

/// What one pass found. Keep it for many passes: it is emptied, not freed.
#[derive(Default)]
pub struct Hits {
    /// `(offset, literal)`, ascending.
    pub found: Vec<(usize, usize)>,
    /// Set if a ceiling was reached: where the first hit that was not kept is.
    pub unseen_from: Option<usize>,
    /// Literals that reached their own ceiling, and where the first hit of each that was not kept is.
    pub flooded: Vec<(usize, usize)>,
    counts: Vec<u32>,
}

impl Prefilter {
    /// Prepares `literals`; a hit names their index. ASCII case is ignored.
    ///
    /// # Panics
    ///
    /// If one is shorter than [`LITERAL_BYTES_MIN`]: detectors are our own, and the corpus test builds them all.
    #[must_use]
    pub fn new(literals: &[&str]) -> Self {
        let mut table = Box::new([0; TABLE_WORDS]);
        let (mut grams, mut behind_any) = (Vec::new(), Vec::new());
        for (text, literal) in literals.iter().zip(0_u32..) {
            assert!(text.len() >= LITERAL_BYTES_MIN, "literal {text:?} is shorter than {LITERAL_BYTES_MIN} bytes");
            for odd in 0..2 {
                if let Some((at, gram)) = rarest_gram(text.as_bytes(), odd) {
                    set(&mut table, slot(gram));
                    grams.push(Entry { gram, literal, at });
                } else if let Some(first) = text.as_bytes().first_chunk::<3>() {
                    let [a, b, c] = *first;
                    (0..=u8::MAX).for_each(|any| set(&mut table, slot(fold([any, a, b, c]))));
                    behind_any.push(Entry { gram: behind(fold([0, a, b, c])), literal, at: -1 });
                }
            }
        }
        let (grams, behind_any) = (Buckets::new(grams), Buckets::new(behind_any));
        let literals = literals.iter().map(|text| text.to_ascii_lowercase().into_bytes().into_boxed_slice()).collect();
        Self { table, grams, behind_any, literals }
    }

    /// The text of a literal, in lower case.
    pub(crate) fn literal(&self, literal: usize) -> &str {
        std::str::from_utf8(&self.literals[literal]).unwrap_or_default()
    }

    /// Finds every literal that `wanted` names (by index) in `bytes`. One pass, linear.
    pub fn scan(&self, bytes: &[u8], wanted: &[bool], hits: &mut Hits) {
        hits.found.clear();
        hits.unseen_from = None;
        hits.flooded.clear();
        hits.counts.clear();
        hits.counts.resize(self.literals.len(), 0);
        if self.literals.is_empty() {
            return;
        }
        let (chunks, _) = bytes.as_chunks::<8>();
        let mut position = 0;
        if let Some((first, rest)) = chunks.split_first() {
            let mut previous = u64::from_le_bytes(*first) | FOLD;
            for chunk in rest {
                let next = u64::from_le_bytes(*chunk) | FOLD;
                if self.any_of_four(previous, next) {
                    self.look(bytes, position, position + 8, wanted, hits);
                }
                previous = next;
                position += 8;
            }
        }
        self.look(bytes, position, bytes.len(), wanted, hits);
        hits.found.sort_unstable();
    }

    /// Whether one of the four grams that begin at even places of `first` (folded, little-endian) can be a literal's.
    #[inline(always)]
    fn any_of_four(&self, first: u64, next: u64) -> bool {
        let mut seen = 0;
        for gram in [first, first >> 16, first >> 32, (first >> 48) | (next << 16)] {
            let slot = slot(gram as u32);
            seen |= self.table[(slot >> 6) as usize] >> (slot & 63);
        }
        seen & 1 != 0
    }

    /// Compares at every even position from `from`, which is even, up to `to`.
    #[inline(never)]
    fn look(&self, bytes: &[u8], from: usize, to: usize, wanted: &[bool], hits: &mut Hits) {
        let grams = bytes.get(from..).unwrap_or_default().array_windows::<4>().step_by(2);
        for (gram, position) in grams.zip((from..to).step_by(2)) {
            let gram = fold(*gram);
            let slot = slot(gram);
            if self.table[(slot >> 6) as usize] >> (slot & 63) & 1 == 0 {
                continue;
            }
            for entry in self.grams.of(gram).iter().chain(self.behind_any.of(behind(gram))) {
                if wanted.get(entry.literal as usize).is_some_and(|&wanted| wanted) {
                    self.compare(bytes, position, entry, hits);
                }
            }
        }
    }

    fn compare(&self, bytes: &[u8], position: usize, entry: &Entry, hits: &mut Hits) {
        let literal = entry.literal as usize;
        let text = &self.literals[literal];
        let Some(start) = position.checked_add_signed(-(entry.at as isize)) else { return };
        if !bytes.get(start..start + text.len()).is_some_and(|piece| piece.eq_ignore_ascii_case(text)) {
            return;
        }
        if hits.counts[literal] < HITS_PER_LITERAL_MAX && hits.found.len() < HITS_MAX {
            hits.counts[literal] += 1;
            hits.found.push((start, literal));
        } else {
            if hits.unseen_from.is_none_or(|unseen| start < unseen) {
                hits.unseen_from = Some(start);
            }
            if !hits.flooded.iter().any(|(flooded, _)| *flooded == literal) {
                hits.flooded.push((literal, start));
            }
        }
    }
}

/// Four bytes, folded.
fn fold(gram: [u8; 4]) -> u32 {
    u32::from_le_bytes(gram) | FOLD as u32
}

/// Where in the table a folded gram is. Fibonacci hashing: the upper bits of the product are the well-mixed ones.
#[inline(always)]
fn slot(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)
}

impl Buckets {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (bucket(entry.gram), entry.gram, entry.literal));
        let starts = (0..=1 << BUCKET_BITS)
            .map(|number| entries.partition_point(|entry| bucket(entry.gram) < number) as u32)
            .collect();
        Self { starts, entries }
    }

    /// What has exactly this gram.
    fn of(&self, gram: u32) -> &[Entry] {
        let bucket = bucket(gram) as usize;
        let entries = &self.entries[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
        let start = entries.partition_point(|entry| entry.gram < gram);
        let end = entries.partition_point(|entry| entry.gram <= gram);
        &entries[start..end]
    }
}

/// The bucket of a folded gram: the upper bits of its slot.
fn bucket(gram: u32) -> u32 {
    slot(gram) >> (TABLE_BITS - BUCKET_BITS)
}

/// A folded gram without its first byte.
fn behind(gram: u32) -> u32 {
    gram >> 8
}

fn set(table: &mut [u64; TABLE_WORDS], slot: u32) {
    table[(slot >> 6) as usize] |= 1 << (slot & 63);
}

/// The gram of `literal` at even offsets (or odd ones, for `odd` 1) that other files hold least, folded, and where it is.
fn rarest_gram(literal: &[u8], odd: usize) -> Option<(i32, u32)> {
    let grams = literal.array_windows::<4>().zip(0_i32..).skip(odd).step_by(2);
    let (gram, at) = grams.min_by_key(|(gram, _)| commonness(gram))?;
    Some((at, fold(*gram)))
}

/// How often four bytes are met in the files of an image, on a rough logarithmic scale.
///
/// Letters by their frequency in English text and symbol names, digits and the punctuation of paths and URLs as often
/// as middling letters, other punctuation rare. Frequent pairs count extra, and so do the bytes that fold together
/// with NUL, which are everywhere in binaries.
fn commonness(gram: &[u8; 4]) -> u32 {
    const PAIRS: &[u8] = b"thheinerreonanatenndtiestoornteedisitalarstngseha\
        ouleasveconttppsecomoru//:/wwm/w..clibus/u/lsr/bbinet__gprusamme";
    const GRAMS: [&[u8; 4]; 12] =
        [b"http", b"ttps", b"tp:/", b"ps:/", b"s://", b"p://", b"tion", b"ment", b"name", b"/usr", b"/lib", b"data"];
    let lower = gram.map(|byte| byte.to_ascii_lowercase());
    let bytes: u32 = lower.iter().map(|&byte| byte_commonness(byte)).sum();
    let pairs = lower.array_windows::<2>().filter(|pair| PAIRS.array_windows::<2>().any(|other| other == *pair));
    let whole = if GRAMS.contains(&&lower) { 20 } else { 0 };
    let same = if lower.array_windows::<2>().all(|[left, right]| left == right) { 20 } else { 0 };
    bytes + 3 * pairs.count() as u32 + whole + same
}

fn byte_commonness(byte: u8) -> u32 {
    match byte {
        0 | b' ' => 12,
        b'e' | b't' | b'a' | b'i' | b'n' | b'o' | b's' | b'r' => 9,
        b'l' | b'd' | b'c' | b'_' => 8,
        b'u' | b'p' | b'm' | b'f' | b'h' | b'/' | b'.' | b'-' | b'0' | b'1' | b'=' | b'"' | b'\n' => 7,
        b'g' | b'b' | b'v' | b'y' | b'w' | b':' | b'2' | b'$' | b'(' | b')' | b',' => 6,
        b'k' | b'3'..=b'9' | b'@' | b'H' => 5,
        b'x' | b'\'' | b';' | b'<' | b'>' | b'#' | b'*' | b'+' => 4,
        b'z' | b'j' | b'q' | b'&' | b'|' | b'{' | b'}' | b'[' | b']' | b'\\' | b'%' | b'?' => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(literals: &[&str], bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut hits = Hits::default();
        Prefilter::new(literals).scan(bytes, &vec![true; literals.len()], &mut hits);
        hits.found
    }

    #[test]
    fn case_is_ignored_and_overlaps_are_all_found() {
        assert_eq!(found(&["aaaa", "Stratum"], b"aAAaaSTRATUMstratum"), [(0, 0), (1, 0), (5, 1), (12, 1)]);
        assert_eq!(found(&["stratum+tcp"], b"stratum+tc"), []);
        assert_eq!(found(&[], b"anything"), []);
        assert_eq!(found(&["abcd"], b""), []);
    }

    #[test]
    fn what_is_not_wanted_is_not_counted() {
        let mut hits = Hits::default();
        Prefilter::new(&["aaaa", "bbbb"]).scan(b"aaaabbbb", &[false, true], &mut hits);
        assert_eq!(hits.found, [(4, 1)]);
    }

    /// A flood of one literal costs its own answer and says from where on.
    #[test]
    fn a_flood_is_cut_and_reported_and_hides_no_other_literal() {
        let mut bytes = b"mine".repeat(HITS_PER_LITERAL_MAX as usize + 1);
        bytes.extend_from_slice(b"wallet");
        let mut hits = Hits::default();
        Prefilter::new(&["mine", "wallet"]).scan(&bytes, &[true, true], &mut hits);
        assert_eq!(hits.unseen_from, Some(4 * HITS_PER_LITERAL_MAX as usize));
        assert_eq!(hits.found.last(), Some(&(4 * HITS_PER_LITERAL_MAX as usize + 4, 1)));
    }

    proptest! {
        /// Few letters, so that literals overlap each other and the text.
        #[test]
        fn the_same_is_found_as_by_aho_corasick(
            literals in proptest::collection::vec("[aAbB@ ]{4,7}", 0..20),
            text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'B'), Just(b'@'), Just(0), Just(b'`')], 0..300),
            mut text_tail in "[aAbB@ ]{0,40}",
        ) {
            text_tail.insert_str(0, &String::from_utf8_lossy(&text));
            let text = text_tail.as_bytes();
            let literals: Vec<_> = literals.iter().map(String::as_str).collect();
            let oracle = aho_corasick::AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(&literals)
                .expect("few literals");
            let mut expected: Vec<_> =
                oracle.find_overlapping_iter(text).map(|hit| (hit.start(), hit.pattern().as_usize())).collect();
            expected.sort_unstable();
            prop_assert_eq!(found(&literals, text), expected);
        }
    }
}
