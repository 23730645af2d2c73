//! One compressed piece of a file, inflated in memory: what a script or packed program unpacks by itself.

use std::io::{self, Read};

/// Memory an xz or lzma decoder may ask for, and the largest zstd window: what the command-line tools write at most.
const DECODER_BYTES_MAX: u64 = 128 << 20;

/// How a piece is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, all members.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 1951, without any header.
    Deflate,
    /// The xz container, all streams.
    Xz,
    /// The older `.lzma` with its header of 13 bytes.
    Lzma,
    /// bzip2, all streams.
    Bzip2,
    /// RFC 8878, all frames.
    Zstd,
}

impl Compression {
    /// What the first bytes say; never [`Deflate`](Self::Deflate), which has none.
    ///
    /// Zlib has two header bytes and `.lzma` hardly any: what they seem to say may be chance.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Bzip2,
            // Window of at most 32 KiB, deflate, no dictionary, and the check of RFC 1950.
            [method, flags, ..]
                if matches!(method, 0x08 | 0x18 | 0x28 | 0x38 | 0x48 | 0x58 | 0x68 | 0x78)
                    && flags & 0x20 == 0
                    && (u32::from(*method) * 256 + u32::from(*flags)).is_multiple_of(31) =>
            {
                Self::Zlib
            }
            // Properties of the default, a dictionary of whole 64 KiB, and a size that is unknown or below 2^32.
            [0x5d, 0, 0, _, _, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..]
            | [0x5d, 0, 0, _, _, _, _, _, _, 0, 0, 0, 0, ..] => Self::Lzma,
            _ => return None,
        })
    }

    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }
}

/// What [`inflate`] gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflated {
    /// At most as many bytes as were allowed; all there are before a damage.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub end: InflateEnd,
}

/// How inflating ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateEnd {
    /// At the end of the compressed stream.
    Complete,
    /// At the ceiling: there is more.
    Cut,
    /// At something that is not what its format says, or at the end of the bytes.
    Damaged,
}

/// Inflates `packed` to at most `bytes_max` bytes, which is also about the memory it takes. What is behind the end of the
/// stream is ignored.
#[must_use]
pub fn inflate(compression: Compression, packed: &[u8], bytes_max: usize) -> Inflated {
    let mut bytes = Vec::new();
    let end = match decoder(compression, packed) {
        Ok(mut decoder) => {
            #[expect(clippy::disallowed_methods, reason = "bounded by take()")]
            let read = decoder.by_ref().take(bytes_max as u64).read_to_end(&mut bytes);
            match read {
                Err(_) => InflateEnd::Damaged,
                Ok(_) if bytes.len() == bytes_max && decoder.read(&mut [0]).is_ok_and(|count| count > 0) => {
                    InflateEnd::Cut
                }
                Ok(_) => InflateEnd::Complete,
            }
        }
        Err(_) => InflateEnd::Damaged,
    };
    Inflated { bytes, end }
}

/// A decoder that reads every member or stream of the format, as the command-line tools do.
#[expect(clippy::disallowed_types, reason = "this crate is the one that inflates")]
pub(crate) fn decoder<'b>(compression: Compression, packed: &'b [u8]) -> io::Result<Box<dyn Read + 'b>> {
    use liblzma::stream::{CONCATENATED, Stream};
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Compression::Zlib => Box::new(flate2::read::ZlibDecoder::new(packed)),
        Compression::Deflate => Box::new(flate2::read::DeflateDecoder::new(packed)),
        Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(DECODER_BYTES_MAX, CONCATENATED).map_err(io::Error::other)?;
            Box::new(liblzma::read::XzDecoder::new_stream(packed, stream))
        }
        Compression::Lzma => {
            let stream = Stream::new_lzma_decoder(DECODER_BYTES_MAX).map_err(io::Error::other)?;
            Box::new(liblzma::read::XzDecoder::new_stream(packed, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(DECODER_BYTES_MAX.ilog2())?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hello` as each tool writes it.
    const HELLO: [(Compression, &str); 7] = [
        (Compression::Zlib, "789ccb48cdc9c90700062c0215"),
        (Compression::Deflate, "cb48cdc9c90700"),
        (Compression::Gzip, "1f8b0800000000000203cb48cdc9c9070086a6103605000000"),
        (Compression::Bzip2, "425a68393141592653591931653d00000081000244a000219a68334d07338bb9229c28480c98b29e80"),
        (Compression::Lzma, "5d00008000ffffffffffffffff00341949ee8e6821ffffffb9e00000"),
        (
            Compression::Xz,
            "fd377a585a000004e6d6b4460200210116000000742fe5a301000468656c6c6f00000000b137b9dbe5da1e9b00011d05b82d80af\
             1fb6f37d010000000004595a",
        ),
        (Compression::Zstd, "28b52ffd045829000068656c6c6fa36d9f88"),
    ];

    fn packed(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|byte| byte.to_digit(16)).map(|digit| digit as u8).collect();
        digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
    }

    #[test]
    fn every_compression_is_known_and_inflated() {
        for (compression, hex) in HELLO {
            let packed = packed(hex);
            if compression != Compression::Deflate {
                assert_eq!(Compression::of(&packed), Some(compression));
            }
            let inflated = inflate(compression, &packed, 100);
            assert_eq!(inflated, Inflated { bytes: b"hello".to_vec(), end: InflateEnd::Complete }, "{compression:?}");
        }
    }

    #[test]
    fn the_ceiling_and_a_damage_are_told() {
        let zlib = packed(HELLO[0].1);
        assert_eq!(inflate(Compression::Zlib, &zlib, 4), Inflated { bytes: b"hell".to_vec(), end: InflateEnd::Cut });
        assert_eq!(inflate(Compression::Zlib, &zlib[..6], 100).end, InflateEnd::Damaged);
        assert_eq!(Compression::of(b"x is text"), None);
    }
}
