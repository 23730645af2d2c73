//! Texts written as lists of numbers: `String.fromCharCode(99,117,…)`, `bytes([99, …])`, `chr(99).chr(117)`, `[char]99+…`.
//!
//! - Sees: lists of at least eight numbers below 256 that mean text, as they are or XORed with a number that the file XORs with.
//! - Misses: other arithmetic.

use std::collections::BTreeSet;

use model::FileKind;

use super::{Decoder, Stages, worth};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder {
    id: "char-codes",
    kinds: &[FileKind::Text],
    literals: &[
        "fromcharcode",
        "fromcodepoint",
        "bytes([",
        "bytearray([",
        "map(chr",
        "chr(1",
        "chr(9",
        "chr(0x",
        ".chr(",
        "chr(ord(",
        "chr(c",
        "[char]",
        "[char[]]",
        "pack('c*",
        "pack(\"c*",
        "buffer.from([",
        "uint8array([",
    ],
    decode,
};

/// Shorter lists are colours and versions.
const NUMBERS_MIN: usize = 8;
/// Most bytes between two numbers: `).chr(`, `,String.fromCharCode(`.
const GLUE_BYTES_MAX: usize = 28;
/// Most different keys that are tried.
const KEYS_MAX: usize = 8;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let bytes = sample.bytes;
    let keys: Vec<u8> = xor_keys(bytes).into_iter().collect();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = at + found;
        let (list, end) = list(bytes, start);
        at = end.max(start + 1);
        if list.len() < NUMBERS_MIN {
            continue;
        }
        let keyed = keys.iter().map(|&key| list.iter().map(|byte| byte ^ key).collect::<Vec<u8>>());
        if let Some(text) = std::iter::once(list.clone()).chain(keyed).find(|text| is_language(text)) {
            stages.keep("char-codes", start, text);
        }
    }
}

/// The bytes of a list that starts at `start`, and where it ends.
fn list(bytes: &[u8], start: usize) -> (Vec<u8>, usize) {
    let (mut list, mut at) = (Vec::new(), start);
    while let Some((value, length)) = number(bytes, at) {
        list.push(value);
        at += length;
        let rest = bytes.get(at..).unwrap_or_default();
        let rest = rest.get(..GLUE_BYTES_MAX).unwrap_or(rest);
        let glue = rest.iter().take_while(|&&byte| !byte.is_ascii_digit()).count();
        let is_glue = rest.get(..glue).is_some_and(is_glue);
        if glue == 0 || glue == rest.len() || !is_glue {
            break;
        }
        at += glue;
    }
    (list, at)
}

/// Whether nothing stands there but punctuation and the names of functions that make a character.
fn is_glue(glue: &[u8]) -> bool {
    let is_mark = |byte: &u8| byte.is_ascii_whitespace() || b",()[]+.&\"'".contains(byte);
    glue.split(is_mark).filter(|word| !word.is_empty()).all(|word| {
        [&b"chr"[..], b"char", b"string", b"fromcharcode", b"chrw", b"unichr"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    })
}

/// A number below 256 at `at`, decimal or hexadecimal, and how long it is.
fn number(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let rest = rest.get(..8).unwrap_or(rest);
    let (radix, skipped) = if rest.starts_with(b"0x") || rest.starts_with(b"0X") { (16, 2) } else { (10, 0) };
    let digits = rest.get(skipped..)?.iter().take_while(|&&byte| char::from(byte).is_digit(radix)).count();
    let text = str::from_utf8(rest.get(skipped..skipped + digits)?).ok()?;
    Some((u8::from_str_radix(text, radix).ok()?, skipped + digits))
}

/// Numbers that the file XORs with: behind `^` or `-bxor`.
pub(super) fn xor_keys(bytes: &[u8]) -> BTreeSet<u8> {
    let mut keys = BTreeSet::new();
    let marks = memchr::memchr_iter(b'^', bytes).map(|at| at + 1);
    let words = memchr::memmem::find_iter(bytes, b"-bxor").map(|at| at + 5);
    for at in marks.chain(words) {
        let rest = bytes.get(at..).unwrap_or_default();
        let blanks = rest.iter().take(3).take_while(|&&byte| matches!(byte, b' ' | b'=' | b'(')).count();
        if let Some((key, _)) = number(bytes, at + blanks)
            && key != 0
        {
            keys.insert(key);
            if keys.len() == KEYS_MAX {
                break;
            }
        }
    }
    keys
}

/// Whether all of it is text and most of that letters: tables of characters and of small numbers are not.
fn is_language(text: &[u8]) -> bool {
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    text.iter().all(|&byte| worth::is_plain(byte))
        && letters * 2 > text.len()
        && !text.array_windows::<2>().all(|[left, right]| left <= right)
}

#[cfg(test)]
mod tests {
    use super::DECODER;
    use crate::decode::testing::check;

    #[test]
    fn lists_of_numbers_are_read() {
        let numbers: Vec<String> = b"curl http://x".iter().map(u8::to_string).collect();
        for packed in [
            format!("eval(String.fromCharCode({}))", numbers.join(",")),
            format!("exec(bytes([{}]))", numbers.join(", ")),
            format!("system(chr({}));", numbers.join(").chr(")),
            format!("$a = [char]{};", numbers.join("+[char]")),
            format!("a=[{}];b=String.fromCharCode.apply(null,a)", numbers.join(",\n")),
        ] {
            let at = packed.find("99").expect("the first number");
            check(&DECODER, &packed, &[(&format!("char-codes@{at}"), "curl http://x")]);
        }
        let keyed: Vec<String> = b"curl http://x".iter().map(|byte| format!("0x{:02x}", byte ^ 0x22)).collect();
        let packed = format!("''.join(chr(c ^ 0x22) for c in [{}])", keyed.join(", "));
        check(&DECODER, packed, &[("char-codes@32", "curl http://x")]);
    }

    #[test]
    fn tables_are_left_alone() {
        for text in [
            "String.fromCharCode(65,66,67,68,69,70,71,72,73,74)",
            "fromCharCode(x); t=[0,1,2,3,4,5,6,7,8,9,10,11,12,13]",
            "bytes([255, 216, 255, 224, 0, 16, 74, 70, 73, 70])",
        ] {
            check(&DECODER, text, &[]);
        }
    }
}
