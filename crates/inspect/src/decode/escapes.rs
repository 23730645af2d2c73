//! Lines of which escapes hide the text.
//!
//! - Sees: six escapes in a row that mean printable text, `\x63`, `\143`, `\u0063`, `%63` or `0x63,`: the line is given with
//!   all of its escapes replaced.
//! - Misses: escapes that mean no common letter; UTF-16 pairs.

use model::FileKind;

use super::{Decoder, Stages, codec};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder {
    id: "escapes",
    kinds: &[FileKind::Text],
    literals: &[
        r"\x61", r"\x65", r"\x6f", r"\x74", r"\141", r"\145", r"\157", r"\164", r"\u006", r"\u{6", "%61%", "%65%",
        "%6f%", "%74%", "0x61,", "0x65,", "0x6f,", "0x74,",
    ],
    decode,
};

/// Most bytes of a line whose escapes are replaced.
const LINE_BYTES_MAX: usize = 256 << 10;
/// How far around a literal the escapes are counted.
const NEAR_BYTES: usize = 48;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let mut done = 0;
    for hit in sample.hits {
        let (_, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        if hit.offset < done || !(0..8).any(|skip| near.get(skip..).is_some_and(codec::escapes::hides_text)) {
            continue;
        }
        let (line_start, line) = sample.line(hit.offset, LINE_BYTES_MAX);
        let line = line.get(..stages.room()).unwrap_or(line);
        stages.keep("escapes", line_start, codec::escapes::replaced(line));
        done = line_start + line.len();
    }
}

#[cfg(test)]
mod tests {
    use super::DECODER;
    use crate::decode::testing::check;

    #[test]
    fn lines_of_escapes_are_undone() {
        for (packed, plain) in [
            (r"\x63\x75\x72\x6c\x20\x68\x74\x74\x70 it", "curl http it"),
            (r"printf '\143\165\162\154\040\150\164\164\160'", "printf 'curl http'"),
            (r#"a="\u0063\u0075\u0072\u006c\u0020\u0068\u0074""#, "a=\"curl ht\""),
            (r#"a="\u{63}\u{75}\u{72}\u{6c}\u{20}\u{68}\u{74}\u{74}""#, "a=\"curl htt\""),
            ("eval(unescape('%63%75%72%6c%20%68%74%74%70'))", "eval(unescape('curl http'))"),
            ("[0x63, 0x75, 0x72, 0x6c, 0x20, 0x68, 0x74,0x74]", "[curl htt]"),
        ] {
            check(&DECODER, packed, &[("escapes@0", plain)]);
        }
    }

    #[test]
    fn tables_and_single_escapes_are_left_alone() {
        for text in [
            r"[\xaa\xb5\xba\xc0-\xd6\x61\xd8-\xf6\u02c1\u02c6-\u02d1]",
            r"he said \x61 and \x74, then \145",
            "0x00, 0x01, 0x65, 0x02, 0x74, 0x90, 0x61, 0xff",
            "https://host.invalid/?q=a%20b%65%20c",
        ] {
            check(&DECODER, text, &[]);
        }
    }
}
