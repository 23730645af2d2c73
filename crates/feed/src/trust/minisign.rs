//! minisign signatures, for those who have `curl` and `minisign` and nothing of ours.
//!
//! Source: the minisign page, "Signature format" and "Public key format". The file is hashed first (`ED`), as minisign does by default.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b512, Digest as _};
use model::Digest;

use super::{
    key::{PublicKey, SIGNATURE_BYTES},
    keys::Keys,
};

/// Says which key, to whoever has several: of its hash, so that it needs no place of its own.
fn key_number(key: &PublicKey) -> [u8; 8] {
    let mut number = [0; 8];
    number.iter_mut().zip(Digest::of(&key.0).as_bytes()).for_each(|(to, from)| *to = *from);
    number
}

/// As `minisign -P` takes it.
pub(super) fn public_key(key: &PublicKey) -> String {
    STANDARD.encode([b"Ed".as_slice(), &key_number(key), &key.0].concat())
}

pub(super) fn parse_public_key(text: &str) -> Option<([u8; 8], PublicKey)> {
    let bytes = STANDARD.decode(text).ok()?;
    let rest = bytes.strip_prefix(b"Ed")?;
    let (number, key) = rest.split_first_chunk()?;
    Some((*number, PublicKey(key.try_into().ok()?)))
}

/// The content of `NAME.minisig`. `name` is shown to whoever verifies, and covered by the signature; so is `now`.
#[must_use]
pub fn minisign(keys: &Keys, file: &[u8], name: &str, now: u64) -> String {
    let key = &keys.minisign;
    let signature = key.sign(&Blake2b512::digest(file));
    let comment = format!("timestamp:{now}\tfile:{}\thashed", name.replace(char::is_control, "?"));
    let global = key.sign(&[signature.as_slice(), comment.as_bytes()].concat());
    let packet = STANDARD.encode([b"ED".as_slice(), &key_number(&key.public()), &signature].concat());
    let origin = keys.origin();
    format!("untrusted comment: {origin}\n{packet}\ntrusted comment: {comment}\n{}\n", STANDARD.encode(global))
}

/// Whether `signature` (a `.minisig`) is `public_key`'s on `file`; the trusted comment if so.
#[must_use]
pub fn minisign_verify<'a>(public_key: &str, file: &[u8], signature: &'a str) -> Option<&'a str> {
    let (number, key) = parse_public_key(public_key)?;
    let mut lines = signature.lines();
    lines.next()?.strip_prefix("untrusted comment: ")?;
    let packet = STANDARD.decode(lines.next()?).ok()?;
    let comment = lines.next()?.strip_prefix("trusted comment: ")?;
    let global = STANDARD.decode(lines.next()?).ok()?;
    let signature = packet.strip_prefix(b"ED")?.strip_prefix(&number)?;
    let whole = signature.len() == SIGNATURE_BYTES
        && key.verifies(&Blake2b512::digest(file), signature)
        && key.verifies(&[signature, comment.as_bytes()].concat(), &global);
    whole.then_some(comment)
}
