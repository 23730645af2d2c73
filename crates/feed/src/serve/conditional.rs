//! What `If-None-Match`, `If-Modified-Since`, `Range` and `If-Range` ask for. Source: RFC 9110, sections 8.8, 13 and 14.

use std::time::SystemTime;

use model::Digest;

use super::{asked::Asked, encoding::Encoding};

/// The strong tag of content, and of its encoding: other bytes, another tag.
pub(crate) fn tag_of(content: &Digest, encoding: Option<Encoding>) -> String {
    let hex = content.hex();
    format!("\"{}{}\"", &hex[..32], encoding.map_or("", Encoding::suffix))
}

/// Whether the client has this already. A tag outranks a time.
pub(crate) fn is_unchanged(asked: &Asked, tag: &str, modified: Option<SystemTime>) -> bool {
    if let Some(known) = asked.header("if-none-match") {
        return known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag);
    }
    let since = asked.header("if-modified-since").and_then(|text| httpdate::parse_http_date(text).ok());
    matches!((since, modified), (Some(since), Some(modified)) if whole_seconds(modified) <= since)
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

/// What part of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: no range, one we do not serve (several, other units), or one of a version that is gone.
    Whole,
    /// From a byte on, how many.
    Some { from: u64, bytes: u64 },
    /// Nothing of it: it is shorter.
    Outside,
}

/// The part of `length` bytes with the tag `tag` that `asked` wants.
pub(crate) fn part(asked: &Asked, length: u64, tag: &str) -> Part {
    let Some(ranges) = asked.header("range").and_then(|range| range.strip_prefix("bytes=")) else { return Part::Whole };
    if asked.header("if-range").is_some_and(|version| version != tag) {
        return Part::Whole;
    }
    let Some((first, last)) = ranges.split_once('-').filter(|_| !ranges.contains(',')) else { return Part::Whole };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (from, to) = match (first.trim(), last.trim()) {
        ("", "") => return Part::Whole,
        ("", count) => match number(count) {
            Some(0) => return Part::Outside,
            Some(count) => (length.saturating_sub(count), length.saturating_sub(1)),
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(from) => (from, length.saturating_sub(1)),
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(from), Some(to)) if from <= to => (from, to.min(length.saturating_sub(1))),
            _ => return Part::Whole,
        },
    };
    if from >= length { Part::Outside } else { Part::Some { from, bytes: to - from + 1 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> Asked {
        Asked::new("GET", "/", "", headers.iter().copied())
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let of = |range| part(&asked(&[("range", range)]), 100, "\"t\"");
        assert_eq!(of("bytes=0-9"), Part::Some { from: 0, bytes: 10 });
        assert_eq!(of("bytes=90-"), Part::Some { from: 90, bytes: 10 });
        assert_eq!(of("bytes=-5"), Part::Some { from: 95, bytes: 5 });
        assert_eq!(of("bytes=-500"), Part::Some { from: 0, bytes: 100 });
        assert_eq!(of("bytes=95-1000"), Part::Some { from: 95, bytes: 5 });
        assert_eq!(of("bytes=100-"), Part::Outside);
        assert_eq!(of("bytes=-0"), Part::Outside);
        for whole in [
            "bytes=5-4",
            "bytes=0-1,5-6",
            "lines=1-2",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(whole), Part::Whole, "{whole}");
        }
        assert_eq!(part(&asked(&[("range", "bytes=0-9"), ("if-range", "\"old\"")]), 100, "\"t\""), Part::Whole);
        assert_eq!(part(&asked(&[("range", "bytes=0-0")]), 0, "\"t\""), Part::Outside);
    }

    #[test]
    fn a_tag_outranks_a_time() {
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_000_500);
        let on = "Thu, 01 Jan 1970 00:16:40 GMT";
        assert!(is_unchanged(&asked(&[("if-modified-since", on)]), "\"t\"", Some(modified)));
        assert!(!is_unchanged(
            &asked(&[("if-modified-since", on), ("if-none-match", "\"u\"")]),
            "\"t\"",
            Some(modified)
        ));
        assert!(is_unchanged(&asked(&[("if-none-match", "\"u\", W/\"t\"")]), "\"t\"", None));
        assert!(is_unchanged(&asked(&[("if-none-match", "*")]), "\"t\"", None));
        assert!(!is_unchanged(&asked(&[("if-modified-since", "yesterday")]), "\"t\"", Some(modified)));
    }
}
