//! Whether one name is made to be taken for another.

use std::fmt;

/// Longest name compared; longer ones are taken for nothing.
const NAME_BYTES_MAX: usize = 64;
/// Shorter names are near too many words.
const EDIT_BYTES_MIN: usize = 5;
/// From here on two letters may differ.
const TWO_EDITS_BYTES_MIN: usize = 9;

/// How a name resembles another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// `nqinx`, `pyt0rch`, letters of other scripts.
    Letters,
    /// `mongoexpress`.
    Separators,
    /// `nginx-official`.
    Promise,
    /// `ngnix`.
    Swapped,
    /// `nginxx`, `casandra`.
    Doubled,
    /// `mongi`: as likely a word of its own.
    Near,
}

impl Likeness {
    /// Whether nobody comes by such a name without having the other in mind.
    pub(crate) fn is_made(self) -> bool {
        self != Self::Near
    }
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Letters => "has letters that look like those of",
            Self::Separators => "differs only in separators from",
            Self::Promise => "adds a promise to",
            Self::Swapped => "has two letters swapped of",
            Self::Doubled => "has a letter doubled or dropped of",
            Self::Near => "is one letter from",
        })
    }
}

/// Words that promise that it is the real one. `docker-nginx` or `nginx-image` promise nothing.
const PROMISES: &[&str] = &[
    "official",
    "offical",
    "oficial",
    "library",
    "latest",
    "original",
    "genuine",
    "real",
    "verified",
    "trusted",
    "authentic",
];

/// How `name` resembles `target` without being it; none if it does not. Time is bounded by [`NAME_BYTES_MAX`] squared.
pub(crate) fn likeness(name: &str, target: &str) -> Option<Likeness> {
    if name == target || name.len() > NAME_BYTES_MAX || target.len() > NAME_BYTES_MAX || target.is_empty() {
        return None;
    }
    let lower = name.to_lowercase();
    let (plain, wanted) = (joined(&lower), joined(target));
    if plain == wanted {
        return Some(if lower == target { Likeness::Letters } else { Likeness::Separators });
    }
    if skeleton(&plain) == skeleton(&wanted) {
        return Some(Likeness::Letters);
    }
    let rest: Vec<&str> = lower.split(['-', '_', '.']).filter(|word| !PROMISES.contains(word)).collect();
    let rest = rest.concat();
    if rest.len() < plain.len() && !rest.is_empty() && skeleton(&rest) == skeleton(&wanted) {
        return Some(Likeness::Promise);
    }
    // Shorter ones, and lengths too far apart, are words of their own.
    if target.len() < EDIT_BYTES_MIN || plain.len().abs_diff(wanted.len()) > 2 {
        return None;
    }
    if is_swapped(plain.as_bytes(), wanted.as_bytes()) {
        return Some(Likeness::Swapped);
    }
    if collapsed(&plain) == collapsed(&wanted) {
        return Some(Likeness::Doubled);
    }
    let edits_max = if wanted.len() >= TWO_EDITS_BYTES_MIN { 2 } else { 1 };
    (distance(plain.as_bytes(), wanted.as_bytes()) <= edits_max).then_some(Likeness::Near)
}

/// Without separators.
fn joined(name: &str) -> String {
    name.chars().filter(|letter| !"-_.".contains(*letter)).collect()
}

/// One spelling for all that look the same. Only compared, never shown.
pub(crate) fn skeleton(name: &str) -> String {
    let letters: String = name.chars().map(latin).collect();
    let pairs = letters.replace("rn", "m").replace("vv", "w").replace("cl", "d");
    pairs
        .chars()
        .map(|letter| match letter {
            '0' => 'o',
            '1' | 'i' | '|' => 'l',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            'q' | '9' => 'g',
            '2' => 'z',
            letter => letter,
        })
        .collect()
}

/// The Latin letter that a Cyrillic, Greek or full-width one looks like. Source: Unicode TR39, `confusables.txt`.
fn latin(letter: char) -> char {
    match letter {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' | 'ε' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'н' => 'h',
        'і' | 'ι' | 'ı' | 'ï' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' | 'ⅼ' => 'l',
        'м' => 'm',
        'п' | 'η' | 'ո' => 'n',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        'ｚ' => 'z',
        full @ 'ａ'..='ｙ' => char::from_u32(full as u32 - 'ａ' as u32 + 'a' as u32).unwrap_or(full),
        other => other,
    }
}

/// Whether two neighbouring letters change places, and nothing else.
fn is_swapped(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut differ = a.iter().zip(b).enumerate().filter(|(_, (left, right))| left != right);
    let (Some((first, (a1, b1))), Some((second, (a2, b2))), None) = (differ.next(), differ.next(), differ.next())
    else {
        return false;
    };
    second == first + 1 && a1 == b2 && a2 == b1
}

/// Every run of a letter as one.
fn collapsed(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    letters.dedup();
    letters.into_iter().collect()
}

/// Letters to add, drop, change or swap with a neighbour to get from one to the other (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let cost = usize::from(left != right);
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + cost).min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = column > 0 && row > 0 && a.get(row - 1) == Some(right) && b.get(column - 1) == Some(left);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, target: &str, expected: Option<Likeness>) {
        assert_eq!(likeness(name, target), expected, "{name} {target}");
    }

    #[test]
    fn made_names_are_told_from_near_ones() {
        check("nginx", "nginx", None);
        check("nqinx", "nginx", Some(Likeness::Letters));
        check("nginх", "nginx", Some(Likeness::Letters)); // a Cyrillic letter in it
        check("tensorf1ow", "tensorflow", Some(Likeness::Letters));
        check("mernca", "memca", Some(Likeness::Letters));
        check("mongoexpress", "mongo-express", Some(Likeness::Separators));
        check("mysql-official", "mysql", Some(Likeness::Promise));
        check("mysq1_latest", "mysql", Some(Likeness::Promise));
        check("rabbtimq", "rabbitmq", Some(Likeness::Swapped));
        check("casandra", "cassandra", Some(Likeness::Doubled));
        check("mango", "mongo", Some(Likeness::Near));
        check("elasticserch", "elasticsearch", Some(Likeness::Near));
        check("redi", "redis", Some(Likeness::Near));
        check("nginx-exporter", "nginx", None);
        check("docker-nginx", "nginx", None);
        check("nats2", "nats", None);
        check("official", "mysql", None);
        check(&"a".repeat(1_000_000), "nginx", None);
    }

    #[test]
    fn distance_counts_a_swap_once() {
        for (a, b, expected) in [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "", 3), ("", "ab", 2), ("ca", "abc", 3)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
