//! What every match of an expression contains, and how long a match can be: where to look for it.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::prefilter::LITERAL_BYTES_MIN;

/// Most literals of which every match contains one.
const LITERALS_MAX: usize = 64;
/// Longest literal that is put together.
const LITERAL_BYTES_MAX: usize = 64;
/// How far around a literal is looked for matches of unbounded length, before and behind.
const UNBOUNDED: (usize, usize) = (4 << 10, 64 << 10);

/// Where matches of an expression are.
pub(super) struct Reach {
    /// Every match contains one of these (lower case, ASCII case to be ignored); empty if nothing can be said. None is
    /// shorter than [`LITERAL_BYTES_MIN`].
    pub(super) literals: Vec<String>,
    /// How far before a literal a match can begin.
    pub(super) before: usize,
    /// How far behind the beginning of a literal a match can end.
    pub(super) behind: usize,
}

pub(super) fn reach(hir: &Hir) -> Reach {
    let literals = walk(hir).best().filter(|set| shortest(set) >= LITERAL_BYTES_MIN).unwrap_or_default();
    let literals = literals.into_iter().filter_map(|bytes| String::from_utf8(bytes).ok()).collect();
    let (before, behind) = match hir.properties().maximum_len() {
        Some(bytes) => (bytes.min(UNBOUNDED.0), bytes.saturating_add(1).min(UNBOUNDED.1)),
        None => UNBOUNDED,
    };
    Reach { literals, before, behind }
}

type Set = Vec<Vec<u8>>;

/// What is known of the matches of a part.
#[derive(Default)]
struct Known {
    /// They are exactly these.
    exact: Option<Set>,
    /// Each contains one of these.
    contained: Option<Set>,
}

impl Known {
    /// The better of the two: the one whose shortest literal is longer.
    fn best(self) -> Option<Set> {
        better(self.exact.filter(|set| shortest(set) > 0), self.contained)
    }
}

fn shortest(set: &Set) -> usize {
    set.iter().map(Vec::len).min().unwrap_or(0)
}

fn better(left: Option<Set>, right: Option<Set>) -> Option<Set> {
    match (left, right) {
        (Some(left), Some(right)) if shortest(&right) > shortest(&left) => Some(right),
        (Some(left), _) => Some(left),
        (None, right) => right,
    }
}

/// Depth is bounded by the parser's nest limit.
fn walk(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exactly(vec![Vec::new()]),
        HirKind::Literal(literal) if literal.0.is_ascii() && literal.0.len() <= LITERAL_BYTES_MAX => {
            exactly(vec![literal.0.to_ascii_lowercase()])
        }
        HirKind::Literal(_) => Known::default(),
        HirKind::Class(class) => class_bytes(class).map(exactly).unwrap_or_default(),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => {
            let part = walk(&repetition.sub);
            match (repetition.min, repetition.max) {
                (0, Some(1)) => Known {
                    exact: part.exact.map(|mut set| {
                        set.push(Vec::new());
                        set
                    }),
                    contained: None,
                },
                (0, _) => Known::default(),
                (1, Some(1)) => part,
                _ => Known { exact: None, contained: part.best() },
            }
        }
        HirKind::Concat(parts) => sequence(parts),
        HirKind::Alternation(parts) => {
            let known: Vec<Known> = parts.iter().map(walk).collect();
            let all_exact = known.iter().map(|known| known.exact.clone()).collect::<Option<Vec<_>>>();
            let exact = all_exact.map(|sets| sets.concat()).filter(|set| set.len() <= LITERALS_MAX);
            let bests = known.into_iter().map(Known::best).collect::<Option<Vec<_>>>();
            Known { exact, contained: bests.map(|sets| sets.concat()).filter(|set| set.len() <= LITERALS_MAX) }
        }
    }
}

fn exactly(set: Set) -> Known {
    Known { exact: Some(set), contained: None }
}

/// Parts that follow each other: as long as they are exact, their combinations are put together.
fn sequence(parts: &[Hir]) -> Known {
    let mut run: Set = vec![Vec::new()];
    let mut is_whole = true;
    let mut contained = None;
    for part in parts {
        let known = walk(part);
        let joined = known.exact.as_ref().and_then(|set| product(&run, set));
        if let Some(joined) = joined {
            run = joined;
            continue;
        }
        is_whole = false;
        contained = better(contained, Some(run).filter(|set| shortest(set) > 0));
        contained = better(contained, known.contained);
        run = known.exact.unwrap_or_else(|| vec![Vec::new()]);
    }
    if is_whole {
        return exactly(run);
    }
    Known { exact: None, contained: better(contained, Some(run).filter(|set| shortest(set) > 0)) }
}

fn product(left: &Set, right: &Set) -> Option<Set> {
    let mut joined: Set = Vec::new();
    for (head, tail) in left.iter().flat_map(|head| right.iter().map(move |tail| (head, tail))) {
        let both = [head.as_slice(), tail].concat();
        if both.len() > LITERAL_BYTES_MAX || joined.len() >= LITERALS_MAX {
            return None;
        }
        if !joined.contains(&both) {
            joined.push(both);
        }
    }
    Some(joined)
}

/// The few ASCII bytes of a class, in lower case.
fn class_bytes(class: &Class) -> Option<Set> {
    const MEMBERS_MAX: usize = 8;
    let ranges: Vec<(u32, u32)> = match class {
        Class::Bytes(class) => class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect(),
        Class::Unicode(class) => class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect(),
    };
    let mut set: Set = Vec::new();
    for (from, to) in ranges {
        if to >= 0x80 || to - from >= MEMBERS_MAX as u32 {
            return None;
        }
        for byte in (from..=to).filter_map(|byte| u8::try_from(byte).ok()) {
            let byte = vec![byte.to_ascii_lowercase()];
            if !set.contains(&byte) {
                set.push(byte);
            }
        }
    }
    (set.len() <= MEMBERS_MAX && !set.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<String> {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).expect("parses");
        let mut literals = reach(&hir).literals;
        literals.sort();
        literals
    }

    #[test]
    fn the_longest_certain_literals_are_taken() {
        assert_eq!(of(r"\b(gh[po]_[0-9a-z]{36})\b"), ["gho_", "ghp_"]);
        assert_eq!(of(r"(?i)[\w.-]{0,50}?(?:adafruit)(?:[ \t]{0,20})([a-z0-9_-]{32})"), ["adafruit"]);
        assert_eq!(of(r"(?:first|second)-(x|y)z"), ["first-xz", "first-yz", "second-xz", "second-yz"]);
        assert_eq!(of(r"(?:long|no|[0-9])+"), [""; 0]);
        assert_eq!(of(r"abcd?"), [""; 0]);
        assert_eq!(of(r"(?:abcd)+x"), ["abcd"]);
        assert_eq!(of(r".*"), [""; 0]);
    }

    #[test]
    fn the_length_of_a_match_bounds_where_it_is() {
        let hir = regex_syntax::Parser::new().parse("a{10}token[0-9]{5}").expect("parses");
        assert_eq!((reach(&hir).before, reach(&hir).behind), (20, 21));
        let hir = regex_syntax::Parser::new().parse("token.*").expect("parses");
        assert_eq!((reach(&hir).before, reach(&hir).behind), UNBOUNDED);
    }
}
