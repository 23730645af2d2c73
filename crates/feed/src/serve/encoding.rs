//! Compression: which the client takes, files that are there compressed, and a bounded memory of what was compressed here.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use axum::body::Bytes;

use super::asked::Asked;

/// Less is not worth it.
pub(crate) const BYTES_MIN: u64 = 1 << 10;
/// More is not compressed here: put a compressed file beside it.
pub(crate) const BYTES_MAX: u64 = 32 << 20;
/// What is remembered at most.
const REMEMBERED_BYTES_MAX: usize = 64 << 20;

/// How content is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Zstd,
    Gzip,
}

impl Encoding {
    /// Best first.
    pub(crate) const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// In `Content-Encoding`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Of a tag.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => "-zstd",
            Self::Gzip => "-gzip",
        }
    }

    /// Of a file that is there compressed.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    pub(crate) fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(bytes, 3),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// The best that the client takes. Source: RFC 9110, section 12.5.3.
pub(crate) fn wanted(asked: &Asked) -> Option<Encoding> {
    let accepted = asked.header("accept-encoding")?;
    let weight = |encoding: &Encoding| {
        let mut any = None;
        for one in accepted.split(',').take(32) {
            let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.parse::<f32>().ok()).unwrap_or(0.0);
            match name.trim() {
                name if name.eq_ignore_ascii_case(encoding.word()) => return Some(weight),
                "*" => any = Some(weight),
                _ => {}
            }
        }
        any
    };
    let weighed = Encoding::ALL.into_iter().filter_map(|encoding| Some((encoding, weight(&encoding)?)));
    // The first of the heaviest.
    let best =
        weighed.filter(|(_, weight)| *weight > 0.0).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(encoding, _)| encoding)
}

/// What was compressed, by tag; the oldest goes first.
#[derive(Default)]
pub(crate) struct Compressed(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    by_tag: HashMap<String, Bytes>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Compressed {
    /// `content` compressed; `tag` names both content and encoding.
    pub(crate) fn get(
        &self,
        tag: &str,
        encoding: Encoding,
        content: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Bytes> {
        if let Some(bytes) = self.0.lock().unwrap_or_else(PoisonError::into_inner).by_tag.get(tag) {
            return Ok(bytes.clone());
        }
        // Two that ask at once compress twice: rare, and cheaper than to wait.
        let bytes = Bytes::from(encoding.compress(&content()?)?);
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.by_tag.insert(tag.to_owned(), bytes.clone()).is_none() {
            memory.order.push_back(tag.to_owned());
            memory.bytes += bytes.len();
        }
        while memory.bytes > REMEMBERED_BYTES_MAX {
            let Some(oldest) = memory.order.pop_front() else { break };
            let gone = memory.by_tag.remove(&oldest).map_or(0, |bytes| bytes.len());
            memory.bytes = memory.bytes.saturating_sub(gone);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_is_taken_and_ours_breaks_ties() {
        let of = |header| wanted(&Asked::new("GET", "/", "", [("accept-encoding", header)].into_iter()));
        assert_eq!(of("gzip, deflate, br, zstd"), Some(Encoding::Zstd));
        assert_eq!(of("gzip;q=1.0, zstd;q=0.5"), Some(Encoding::Gzip));
        assert_eq!(of("*"), Some(Encoding::Zstd));
        assert_eq!(of("zstd;q=0, *;q=0.1"), Some(Encoding::Gzip));
        assert_eq!(of("identity"), None);
        assert_eq!(of("gzip;q=0"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let compressed = Compressed::default();
        // What does not compress.
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..8 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        for number in 0..12 {
            compressed.get(&number.to_string(), Encoding::Zstd, || Ok(noise.clone())).expect("compresses");
        }
        let memory = compressed.0.lock().expect("a lock");
        assert!(memory.bytes <= REMEMBERED_BYTES_MAX && memory.by_tag.len() == memory.order.len(), "{}", memory.bytes);
        assert!(memory.by_tag.contains_key("11") && !memory.by_tag.contains_key("0"));
    }
}
