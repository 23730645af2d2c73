//! Compressed streams that are no archive by their mark: zlib and `.lzma`. A git object is one, and so is what a script
//! keeps in base64.

use layer::{Compression, InflateEnd};
use model::FileKind;

use super::{Decoder, Stages};
use crate::detectors::Sample;

pub(super) const DECODER: Decoder = Decoder { id: "inflate", kinds: &[FileKind::Binary], literals: &[], decode };

/// Two bytes of a mark are chance: what breaks off before so many bytes was none.
const BYTES_MIN: usize = 64;

fn decode(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let Some(compression @ (Compression::Zlib | Compression::Lzma)) = Compression::of(sample.bytes) else { return };
    let inflated = layer::inflate(compression, sample.bytes, stages.room());
    match inflated.end {
        InflateEnd::Damaged if inflated.bytes.len() < BYTES_MIN => return,
        InflateEnd::Cut => stages.missed(0),
        InflateEnd::Damaged | InflateEnd::Complete => {}
    }
    stages.keep(compression.name(), 0, inflated.bytes);
}

#[cfg(test)]
mod tests {
    use super::DECODER;
    use crate::decode::testing::check;

    #[test]
    fn a_zlib_stream_is_inflated() {
        let packed = hex::decode("789ccb48cdc9c95728cf2fca4901001a0b045d").expect("hex");
        check(&DECODER, packed, &[("zlib@0", "hello world")]);
        check(&DECODER, b"x\x9c\0\0\0\x07\x80\x81\x82\x83", &[]);
    }
}
