//! Looks for canaries' marks in what a sample sent: as they are, and inside base64, base32, hex, URL encoding and compression.

use std::{cell::Cell, collections::BTreeSet};

use aho_corasick::AhoCorasick;
use layer::{Compression, inflate};
use model::Canary;

/// Bytes of one conversation kept for the thorough search at its end.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Encodings within encodings.
const DEPTH_MAX: u32 = 4;
/// Decoded bytes of one search.
const WORK_BYTES_MAX: usize = 2 << 20;
/// Bytes one compressed piece may give.
const INFLATED_BYTES_MAX: usize = 1 << 20;
/// Shorter runs of an encoding's alphabet hold no mark.
const RUN_BYTES_MIN: usize = 20;

/// Decoded bytes of all searches of a run; after that only plain marks are found.
const RUN_BYTES_MAX: usize = 256 << 20;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Marks {
    canaries: Vec<Canary>,
    /// Numbers of patterns are places in `canaries`. None where there are no canaries.
    finder: Option<AhoCorasick>,
    longest: usize,
    work: Cell<usize>,
}

impl Marks {
    pub(super) fn new(canaries: Vec<Canary>) -> Self {
        let marks: Vec<&str> = canaries.iter().map(|canary| canary.mark.as_str()).collect();
        let finder = if marks.iter().any(|mark| !mark.is_empty()) { AhoCorasick::new(&marks).ok() } else { None };
        let longest = marks.iter().map(|mark| mark.len()).max().unwrap_or(0);
        Self { finder, longest, work: Cell::new(RUN_BYTES_MAX), canaries }
    }

    /// The mark of the first canary of a kind.
    pub(super) fn of(&self, kind: &str) -> Option<&str> {
        self.canaries.iter().find(|canary| canary.kind == kind).map(|canary| canary.mark.as_str())
    }

    fn plain(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        if let Some(finder) = &self.finder {
            found.extend(finder.find_iter(bytes).take(1_024).map(|found| found.pattern().as_usize()));
        }
    }

    fn search(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        if self.finder.is_some() {
            let allowed = self.work.get().min(WORK_BYTES_MAX);
            let mut work = allowed;
            self.deep(bytes, found, DEPTH_MAX, &mut work);
            self.work.set(self.work.get() - (allowed - work));
        }
    }

    fn deep(&self, bytes: &[u8], found: &mut BTreeSet<usize>, depth: u32, work: &mut usize) {
        self.plain(bytes, found);
        if depth == 0 || bytes.len() < RUN_BYTES_MIN || found.len() == self.canaries.len() {
            return;
        }
        let mut inside = |piece: &[u8]| {
            if *work >= piece.len() {
                *work -= piece.len();
                self.deep(piece, found, depth - 1, work);
            }
        };
        let gzips = bytes.windows(3).enumerate().filter(|(_, head)| *head == [0x1f, 0x8b, 8]).map(|(at, _)| at);
        for at in gzips.take(4) {
            inside(&inflate(Compression::Gzip, bytes.get(at..).unwrap_or_default(), INFLATED_BYTES_MAX).bytes);
        }
        if let Some(compression) = Compression::of(bytes).filter(|compression| *compression != Compression::Gzip) {
            inside(&inflate(compression, bytes, INFLATED_BYTES_MAX).bytes);
        }
        if bytes.contains(&b'%') {
            inside(&percent_decoded(bytes));
        }
        for (bits, skips, value) in [(6, 4, base64 as fn(u8) -> Option<u8>), (4, 2, hex), (5, 8, base32)] {
            for run in runs(bytes, value) {
                // Where the first group begins is not known: a path or a key may have run into it.
                for skip in 0..skips {
                    inside(&packed(run.get(skip..).unwrap_or_default(), bits));
                }
            }
        }
    }
}

/// What one conversation's sample side sent.
#[derive(Debug, Default)]
pub(super) struct Watch {
    kept: Vec<u8>,
    tail: Vec<u8>,
    found: BTreeSet<usize>,
}

impl Watch {
    /// Takes the next bytes of the stream.
    pub(super) fn sent(&mut self, bytes: &[u8], marks: &Marks) {
        let room = KEPT_BYTES_MAX.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
        if bytes.len() > room {
            // Behind what is kept only plain marks are found, over the seams too.
            self.tail.extend_from_slice(bytes);
            marks.plain(&self.tail, &mut self.found);
            self.tail.drain(..self.tail.len().saturating_sub(marks.longest));
        }
    }

    /// Searches one whole thing at once: a body freed from its framing.
    pub(super) fn examine(&mut self, bytes: &[u8], marks: &Marks) {
        marks.search(bytes, &mut self.found);
    }

    /// The kinds of canaries that were seen, after a thorough search of the kept bytes.
    pub(super) fn seen(&mut self, marks: &Marks) -> Vec<String> {
        marks.search(&self.kept, &mut self.found);
        self.kept = Vec::new();
        let canaries = self.found.iter().filter_map(|number| marks.canaries.get(*number));
        let kinds: BTreeSet<&str> = canaries.map(|canary| canary.kind.as_str()).collect();
        kinds.into_iter().map(str::to_owned).collect()
    }
}

fn base64(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn base32(byte: u8) -> Option<u8> {
    Some(match byte.to_ascii_lowercase() {
        byte @ b'a'..=b'z' => byte - b'a',
        byte @ b'2'..=b'7' => byte - b'2' + 26,
        _ => return None,
    })
}

/// The values of every long run of an alphabet; ends of lines belong to it.
fn runs(bytes: &[u8], value: fn(u8) -> Option<u8>) -> Vec<Vec<u8>> {
    bytes
        .split(|byte| value(*byte).is_none() && !matches!(byte, b'\r' | b'\n'))
        .map(|run| run.iter().filter_map(|byte| value(*byte)).collect::<Vec<u8>>())
        .filter(|run| run.len() >= RUN_BYTES_MIN)
        .take(256)
        .collect()
}

fn packed(values: &[u8], bits: u32) -> Vec<u8> {
    let (mut held, mut count) = (0_u32, 0);
    let mut bytes = Vec::with_capacity(values.len());
    for value in values {
        held = held << bits | u32::from(*value);
        count += bits;
        if count >= 8 {
            count -= 8;
            bytes.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
    }
    bytes
}

/// RFC 3986 percent decoding, `+` kept; a broken escape stays as it is.
pub(super) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                decoded.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = behind;
            }
            _ => decoded.push(*first),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use ::base64::prelude::*;

    use super::*;

    fn canaries() -> Vec<Canary> {
        vec![
            Canary { kind: "aws-key".into(), path: None, mark: "AKIAZ0INVENTED7QXMRK".into() },
            Canary { kind: "ssh-key".into(), path: None, mark: "bm90LWEta2V5LXhhcXI".into() },
        ]
    }

    fn seen(bytes: &[u8]) -> Vec<String> {
        let mut watch = Watch::default();
        let marks = Marks::new(canaries());
        for piece in bytes.chunks(7) {
            watch.sent(piece, &marks);
        }
        watch.seen(&marks)
    }

    #[test]
    fn a_mark_is_found_in_every_dress() {
        let text = b"[default]\naws_access_key_id = AKIAZ0INVENTED7QXMRK\nregion = eu-west-1\n";
        let base64 = BASE64_STANDARD.encode(text);
        let lines: String =
            base64.as_bytes().chunks(60).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        let hexed = ::hex::encode(text);
        let gzip = crate::internet::services::content::gzip(text);
        let percent: String = text.iter().map(|byte| format!("%{byte:02X}")).collect();
        for dress in [
            text.to_vec(),
            format!("POST /x/{base64}").into_bytes(),
            lines.into_bytes(),
            format!("data={hexed}&x").into_bytes(),
            percent.into_bytes(),
            [&b"PUT /loot HTTP/1.1\r\n\r\n"[..], &gzip].concat(),
            BASE64_STANDARD.encode(&gzip).into_bytes(),
            BASE64_URL_SAFE_NO_PAD.encode(hexed).into_bytes(),
            [vec![b'x'; 200_000], text.to_vec()].concat(),
        ] {
            assert_eq!(seen(&dress), ["aws-key"], "{}", String::from_utf8_lossy(&dress));
        }
        assert_eq!(seen(b"GET /AKIAZ0INVENTED HTTP/1.1"), [""; 0]);
    }

    #[test]
    fn endless_encoding_ends() {
        let nested = (0..6).fold(vec![b'A'; 60_000], |bytes, _| BASE64_STANDARD.encode(bytes).into_bytes());
        assert_eq!(seen(&nested), [""; 0]);
    }
}
