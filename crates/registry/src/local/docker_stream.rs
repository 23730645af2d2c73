//! A `docker save` archive from a stream that cannot be sought: standard input, or the Docker engine's answer.
//!
//! `manifest.json`, which says what is a layer, often comes last. So whatever looks like a layer is handed on as it
//! passes, and whatever looks like JSON is kept until the end.

use std::{
    io::{self, Read},
    thread,
};

use model::{Digest, EntryKind, Hasher};

use super::{
    docker_manifest::{Listed, claimed_digest, images, without_manifest},
    invalid,
    names::Names,
    pipe::{Pipe, send_members},
    tar_file::refuse_problems,
    while_reading,
};
use crate::{RegistryError, StreamMember, StreamedImage};

const NAME: &str = "the image archive";
/// Longest JSON member kept.
const JSON_BYTES_MAX: usize = 8 << 20;
/// All JSON members kept, and all configs given back.
const JSON_TOTAL_BYTES_MAX: usize = 64 << 20;
/// Enough to know a tar header.
const HEAD_BYTES: usize = 512;

/// What became of a member.
enum Passed {
    /// Handed on.
    Layer(Option<Digest>),
    /// Kept.
    Json(Vec<u8>),
    /// Neither, or too long.
    Skipped,
}

/// See [`crate::read_docker_stream`].
pub(crate) fn read(
    stream: &mut (dyn Read + Send),
    visit: &mut dyn FnMut(StreamMember<'_>),
) -> Result<Vec<StreamedImage>, RegistryError> {
    thread::scope(|scope| {
        let (sender, pipe) = Pipe::new();
        scope.spawn(move || send_members(stream, None, &sender));
        let names = pass(pipe, visit)?;
        streamed_images(&names)
    })
}

/// Takes the pipe, so that the sending thread ends when this does.
fn pass(mut pipe: Pipe, visit: &mut dyn FnMut(StreamMember<'_>)) -> Result<Names<Passed>, RegistryError> {
    let mut names = Names::new();
    let mut room = JSON_TOTAL_BYTES_MAX;
    loop {
        let entry = match pipe.next_member().map_err(|error| while_reading(NAME, error))? {
            Ok(entry) => entry,
            Err(problems) => {
                refuse_problems(NAME, &problems)?;
                return Ok(names);
            }
        };
        let noted = if entry.kind == EntryKind::File {
            let passed =
                member(&entry.path, &mut pipe, &mut room, visit).map_err(|error| while_reading(NAME, error))?;
            names.insert_file(&entry.path, passed)
        } else {
            names.insert_link(&entry)
        };
        noted.map_err(|text| invalid(NAME, text))?;
    }
}

fn member(
    path: &str,
    pipe: &mut Pipe,
    room: &mut usize,
    visit: &mut dyn FnMut(StreamMember<'_>),
) -> io::Result<Passed> {
    let head = read_up_to(pipe, HEAD_BYTES)?;
    if is_layer(&head) {
        let hasher = claimed_digest(path).map(|_| Hasher::new());
        let mut content = Tee { reader: head.as_slice().chain(pipe), hasher };
        visit(StreamMember::Layer { name: path, content: &mut content });
        io::copy(&mut content, &mut io::sink())?;
        return Ok(Passed::Layer(content.hasher.map(Hasher::finish)));
    }
    let is_json = head.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte));
    let bytes_max = JSON_BYTES_MAX.min(*room);
    if !is_json || head.len() > bytes_max {
        return Ok(Passed::Skipped);
    }
    let mut bytes = head;
    bytes.extend(read_up_to(pipe, bytes_max + 1 - bytes.len())?);
    if bytes.len() > bytes_max {
        return Ok(Passed::Skipped);
    }
    *room -= bytes.len();
    Ok(Passed::Json(bytes))
}

fn streamed_images(names: &Names<Passed>) -> Result<Vec<StreamedImage>, RegistryError> {
    let manifest_json = match names.find("manifest.json").map_err(|text| invalid(NAME, text))? {
        Some((_, Passed::Json(bytes))) => bytes,
        Some(_) => return Err(invalid(NAME, "its manifest.json is no JSON or too long")),
        None => return Err(without_manifest(NAME, names)),
    };
    let listed = images(NAME, manifest_json, names, |passed| match passed {
        Passed::Layer(digest) => *digest,
        Passed::Json(bytes) => Some(Digest::of(bytes)),
        Passed::Skipped => None,
    })?;
    let mut room = JSON_TOTAL_BYTES_MAX;
    listed.into_iter().map(|image| streamed_image(image, names, &mut room)).collect()
}

fn streamed_image(image: Listed, names: &Names<Passed>, room: &mut usize) -> Result<StreamedImage, RegistryError> {
    let find = |name: &str| names.find(name).ok().flatten().map(|(_, passed)| passed);
    if let Some(name) = image.layers.iter().find(|name| !matches!(find(name), Some(Passed::Layer(_)))) {
        return Err(invalid(NAME, format!("its layer {name:?} is neither tar, gzip nor zstd")));
    }
    let Some(Passed::Json(config)) = find(&image.config) else {
        return Err(invalid(NAME, format!("its config {:?} is no JSON or too long", image.config)));
    };
    *room = room
        .checked_sub(config.len())
        .ok_or_else(|| invalid(NAME, format!("its configs are longer than {JSON_TOTAL_BYTES_MAX} bytes")))?;
    Ok(StreamedImage {
        reference: image.tag.unwrap_or_else(|| "docker-archive:-".to_owned()),
        config: config.clone(),
        layer_names: image.layers,
    })
}

/// Hashes what passes, if its name claims a digest.
struct Tee<R> {
    reader: R,
    hasher: Option<Hasher>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

fn read_up_to(reader: &mut impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    reader.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a container engine would take this for a layer: compressed in any way Docker knows (those that `layer` does not
/// open are reported there), or a tar. A tar is known by its header's checksum, as Go's reader does, because
/// the oldest kind has no magic; an empty one is zeros.
fn is_layer(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];
    let is_skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    let is_tar = head.len() == HEAD_BYTES
        && (head.iter().all(|byte| *byte == 0) || head.get(257..262) == Some(b"ustar") || has_checksum(head));
    is_skippable || is_tar || MAGICS.iter().any(|magic| head.starts_with(magic))
}

/// The header's bytes, those of the checksum field (148 to 155) taken for spaces, sum up to it, unsigned or signed.
/// Source: POSIX.1-1988, "tar Interchange Format".
fn has_checksum(head: &[u8]) -> bool {
    let field = head.get(148..156).unwrap_or_default();
    let digits = field.iter().copied().skip_while(|byte| *byte == b' ').take_while(u8::is_ascii_digit);
    let claimed = digits.fold(0_i64, |sum, digit| sum * 8 + i64::from(digit - b'0'));
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let unsigned: i64 = head.iter().enumerate().map(byte).map(i64::from).sum();
    let signed: i64 = head.iter().enumerate().map(byte).map(|byte| i64::from(byte.cast_signed())).sum();
    claimed == unsigned || claimed == signed
}
