//! Builders for archives, well-formed and hostile, and a reader of what a layer gives.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its own part of it")]

use std::io::{Read, Write};

use layer::{Entry, Limits, Outcome};
use model::{Digest, EntryKind, ProblemKind};

/// What one entry turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    pub kind: EntryKind,
    pub mode: u32,
    pub size: u64,
    pub link: Option<String>,
    pub read: u64,
    pub sha256: Digest,
}

/// Streams `blob` and reads every content.
pub fn stream(blob: impl Read + Send, limits: &Limits) -> (Outcome, Vec<Seen>) {
    let mut all = Vec::new();
    let outcome = layer::stream_layer(blob, limits, &|| 0.0, |entry, content| all.push(see(entry, content)));
    (outcome, all)
}

pub fn see(entry: &Entry, content: &mut dyn Read) -> Seen {
    let mut hasher = model::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    let mut read = 0;
    loop {
        let bytes = content.read(&mut buffer).expect("contents do not fail");
        if bytes == 0 {
            break;
        }
        hasher.update(&buffer[..bytes]);
        read += bytes as u64;
    }
    Seen {
        path: entry.path.clone(),
        kind: entry.kind,
        mode: entry.mode,
        size: entry.size,
        link: entry.link.clone(),
        read,
        sha256: hasher.finish(),
    }
}

pub fn paths(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|entry| entry.path.as_str()).collect()
}

pub fn kinds(outcome: &Outcome) -> Vec<ProblemKind> {
    outcome.problems.iter().map(|problem| problem.kind).collect()
}

/// A header by hand: nothing is checked, so that anything can be wrong.
#[derive(Debug, Clone)]
pub struct Raw {
    pub block: [u8; 512],
}

impl Raw {
    /// A ustar header.
    pub fn new(name: &[u8], flag: u8, size: u64) -> Self {
        let mut raw = Self { block: [0; 512] };
        raw.put(0, name).put(100, b"0000644\0").put(108, b"0000000\0").put(116, b"0000000\0");
        raw.put(124, format!("{size:011o}\0").as_bytes()).put(136, b"00000000000\0");
        raw.put(156, &[flag]).put(257, b"ustar\x0000");
        raw
    }

    pub fn gnu(name: &[u8], flag: u8, size: u64) -> Self {
        let mut raw = Self::new(name, flag, size);
        raw.put(257, b"ustar  \0");
        raw
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.block[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Header with its checksum, and `content` padded.
    pub fn bytes(&self, content: &[u8]) -> Vec<u8> {
        let mut block = self.block;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut all = block.to_vec();
        all.extend_from_slice(content);
        all.resize(all.len().next_multiple_of(512), 0);
        all
    }
}

pub fn file(name: &str, content: &[u8]) -> Vec<u8> {
    Raw::new(name.as_bytes(), b'0', content.len() as u64).bytes(content)
}

pub fn folder(name: &str) -> Vec<u8> {
    Raw::new(name.as_bytes(), b'5', 0).bytes(b"")
}

pub fn link(name: &str, flag: u8, target: &str) -> Vec<u8> {
    Raw::new(name.as_bytes(), flag, 0).put(157, target.as_bytes()).bytes(b"")
}

/// An extension header of type `flag` with pax records.
pub fn pax(flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        let body = format!(" {key}={value}\n");
        let mut length = body.len() + 1;
        while length != body.len() + length.to_string().len() {
            length += 1;
        }
        text.extend_from_slice(format!("{length}{body}").as_bytes());
    }
    Raw::new(b"PaxHeaders/x", flag, text.len() as u64).bytes(&text)
}

/// Parts and the end marker.
pub fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut all = parts.concat();
    all.extend_from_slice(&[0; 1024]);
    all
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).expect("memory takes all");
    writer.finish().expect("memory takes all")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory takes all")
}
