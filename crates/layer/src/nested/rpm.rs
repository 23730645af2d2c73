//! RPM packages: a lead, a signature header, a header, and a compressed cpio archive.
//!
//! Source: rpm.org, "RPM V4 Package format". The `rpm` crate reads the same, with OpenPGP and a parser of every tag; the way to the
//! payload needs two lengths.

use model::ProblemKind;

use super::{Format, Opener, cpio, decoder, format_of};

const LEAD_BYTES: usize = 96;
const INTRO_BYTES: usize = 16;

pub(super) fn open(opener: &mut Opener<'_>, path: &str, bytes: &[u8], depth: u32) {
    let Some(payload) = payload(bytes) else {
        return opener.note(ProblemKind::Corrupt, path, "rpm header is not valid".to_owned(), bytes.len());
    };
    match format_of(payload) {
        Some(Format::Compressed(compression)) => match decoder(compression, payload) {
            Ok(mut reader) => cpio::open(opener, path, &mut reader, payload.len(), depth),
            Err(error) => opener.note(ProblemKind::Corrupt, path, error.to_string(), payload.len()),
        },
        _ if payload.starts_with(b"0707") => cpio::open(opener, path, &mut &payload[..], payload.len(), depth),
        _ => {
            let detail = "rpm payload is compressed in a way that is not opened".to_owned();
            opener.note(ProblemKind::Unsupported, path, detail, payload.len());
        }
    }
}

fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let signature = bytes.get(LEAD_BYTES..)?;
    let signature_bytes = header_bytes(signature)?;
    // The signature is padded to 8 bytes, the header is not.
    let header = signature.get(signature_bytes.checked_next_multiple_of(8)?..)?;
    header.get(header_bytes(header)?..)
}

/// Length of the header structure that `bytes` begins with.
fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if bytes.get(..3)? != b"\x8e\xad\xe8" {
        return None;
    }
    let (entries, data) = (usize::try_from(number(8)?).ok()?, usize::try_from(number(12)?).ok()?);
    INTRO_BYTES.checked_add(entries.checked_mul(16)?)?.checked_add(data)
}
