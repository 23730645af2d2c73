//! Which of many words a file holds, in one pass over it.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Words to look for, ASCII case ignored.
pub(crate) struct Words {
    automaton: AhoCorasick,
    words: Vec<&'static str>,
}

impl Words {
    /// Prepares the words of all lists.
    pub(crate) fn new(lists: &[&[&'static str]]) -> Self {
        let words: Vec<_> = lists.concat();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&words);
        Self { automaton: automaton.expect("a few hundred short words"), words }
    }

    /// Those that `bytes` holds.
    pub(crate) fn held(&self, bytes: &[u8]) -> HashSet<&'static str> {
        let mut left = self.words.len();
        let mut seen = vec![false; self.words.len()];
        for found in self.automaton.find_overlapping_iter(bytes) {
            let index = found.pattern().as_usize();
            if let Some(seen) = seen.get_mut(index).filter(|seen| !**seen) {
                *seen = true;
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        self.words.iter().zip(seen).filter(|(_, seen)| *seen).map(|(word, _)| *word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_within_words_are_held_too() {
        let words = Words::new(&[&["stratum", "rat"], &["job_id"]]);
        let held = words.held(b"a STRATUM of clay");
        assert!(held.contains("stratum") && held.contains("rat") && !held.contains("job_id"));
    }
}
