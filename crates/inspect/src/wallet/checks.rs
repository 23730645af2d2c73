//! One check for every notation. Cheap refusals come first: identifiers and hashes are runs of letters too.

use sha3::{Digest as _, Keccak256};

/// Base58check version bytes and the coin they stand for. A coin that shares a byte with an older one bears its name:
/// DigiByte reads as Dogecoin, VerusCoin, Raptoreum and Komodo as Ravencoin, Flux as Zcash.
pub(super) const VERSIONS: &[(&[u8], &str)] = &[
    (&[0x00], "BTC"),
    (&[0x05], "BTC"),
    (&[0x30], "LTC"),
    (&[0x32], "LTC"),
    (&[0x1e], "DOGE"),
    (&[0x16], "DOGE"),
    (&[0x4c], "DASH"),
    (&[0x10], "DASH"),
    (&[0x3c], "RVN"),
    (&[0x7a], "RVN"),
    (&[0x26], "NEOX"),
    (&[0x47], "VTC"),
    (&[0x52], "FIRO"),
    (&[0x41], "TRX"),
    (&[0x1c, 0xb8], "ZEC"),
    (&[0x1c, 0xbd], "ZEC"),
    (&[0x20, 0x89], "ZEN"),
    (&[0x20, 0x96], "ZEN"),
];

/// Prefixes of cashaddr's like, in the order they are tried: Kaspa's descendants share its notation.
pub(super) const CASH_PREFIXES: &[(&str, &str)] = &[
    ("bitcoincash", "BCH"),
    ("ecash", "XEC"),
    ("kaspa", "KAS"),
    ("karlsen", "KLS"),
    ("pyrin", "PYI"),
    ("spectre", "SPR"),
    ("nexellia", "NXL"),
];

/// Human-readable parts of bech32 and bech32m.
const BECH32_PREFIXES: &[(&str, &str)] = &[
    ("bc", "BTC"),
    ("ltc", "LTC"),
    ("addr", "ADA"),
    ("xch", "XCH"),
    ("ckb", "CKB"),
    ("zil", "ZIL"),
    ("dero", "DERO"),
    ("deroi", "DERO"),
    ("zs", "ZEC"),
    ("vtc", "VTC"),
    ("dgb", "DGB"),
];

/// Tags of CryptoNote's main networks. Test networks are in [`TEST_TAGS`].
const TAGS: &[(u64, &str)] = &[
    (0x12, "XMR"),
    (0x13, "XMR"),
    (0x2a, "XMR"),
    (0x1032, "WOW"),
    (0x1a9a, "WOW"),
    (0x2fb0, "WOW"),
    (0x2cca, "ARQ"),
    (0x0011_6bc7, "ARQ"),
    (0x6847, "ARQ"),
    (0x002b_b39a, "SUMO"),
    (0x0029_339a, "SUMO"),
    (0x0008_319a, "SUMO"),
    (0x5a, "GRFT"),
    (0x5b, "GRFT"),
    (0x66, "GRFT"),
    (0xb2, "AEON"),
    (0x2733, "AEON"),
    (0x06b8, "AEON"),
];
/// How addresses of other coins begin.
const TAG_TEXTS: &[(&str, &str)] =
    &[("hvx", "XHV"), ("hvs", "XHV"), ("hvi", "XHV"), ("ZEPH", "ZEPH"), ("SaLv", "SAL"), ("SC1", "SAL")];
/// Monero's test and stage networks: worth nothing.
const TEST_TAGS: &[u64] = &[53, 54, 63, 24, 25, 36];

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

pub(super) fn base58check(word: &str) -> Option<&'static str> {
    if !word.bytes().any(|b| b.is_ascii_digit()) || !word.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let payload = bs58::decode(word).with_check(None).into_vec().ok()?;
    let (version, _) = payload.split_at_checked(payload.len().checked_sub(20)?)?;
    VERSIONS.iter().find(|(known, _)| *known == version).map(|&(_, coin)| coin)
}

/// Version 0 and 20 bytes of account, in an alphabet of its own.
pub(super) fn is_ripple(word: &str) -> bool {
    let decoded = bs58::decode(word).with_alphabet(bs58::Alphabet::RIPPLE).with_check(Some(0)).into_vec();
    word.bytes().any(|b| b.is_ascii_digit()) && decoded.is_ok_and(|payload| payload.len() == 21)
}

/// Bitcoin's and Litecoin's must be a valid witness program; of the others the checksum is asked.
pub(super) fn bech32_coin(word: &str) -> Option<&'static str> {
    let (prefix, _) = word.rsplit_once('1')?;
    let prefix = prefix.to_ascii_lowercase();
    let (_, coin) = *BECH32_PREFIXES.iter().find(|(known, _)| *known == prefix)?;
    if matches!(coin, "BTC" | "LTC") {
        return bech32::segwit::decode(word).is_ok().then_some(coin);
    }
    bech32::decode(word).is_ok_and(|(_, payload)| payload.len() >= 20).then_some(coin)
}

/// The prefix is part of the checksum and may be left out of the text, so each is tried.
pub(super) fn cashaddr(word: &str) -> Option<&'static str> {
    let digits = word
        .bytes()
        .map(|letter| BECH32.iter().position(|known| *known == letter))
        .map(|digit| digit.and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<Vec<u8>>>()?;
    let fits = |prefix: &str| {
        let prefix = prefix.bytes().map(|letter| letter & 31).chain([0]);
        cash_checksum(prefix.chain(digits.iter().copied())) == 0
    };
    // Kaspa and its likes have keys in their addresses, the others hashes.
    let has_key = word.len() > 42;
    let (_, coin) =
        CASH_PREFIXES.iter().find(|(prefix, coin)| has_key != matches!(*coin, "BCH" | "XEC") && fits(prefix))?;
    Some(coin)
}

/// The BCH code of cashaddr over values of 5 bits. Source: the cashaddr specification, "Checksum".
pub(super) fn cash_checksum(values: impl Iterator<Item = u8>) -> u64 {
    const GENERATOR: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let mut sum: u64 = 1;
    for value in values {
        let top = sum >> 35;
        sum = ((sum & 0x07_ffff_ffff) << 5) ^ u64::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum ^ 1
}

/// EIP-55 with letters of both cases; one case alone carries no checksum.
pub(super) fn is_ethereum(word: &str) -> bool {
    let Some(digits) = word.strip_prefix("0x") else { return false };
    let mixed = digits.bytes().any(|b| b.is_ascii_uppercase()) && digits.bytes().any(|b| b.is_ascii_lowercase());
    if !mixed || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return false;
    }
    let hash = Keccak256::digest(digits.to_ascii_lowercase().as_bytes());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .bytes()
        .zip(nibbles)
        .all(|(digit, nibble)| !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (nibble >= 8))
}

/// `NQ`, two check digits, 32 digits of base 32, as IBAN checks them. Source: ISO 13616.
pub(super) fn is_nimiq(word: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRSTUVXY";
    let (Some(check), Some(rest)) = (word.get(2..4), word.get(4..)) else { return false };
    if !check.bytes().all(|b| b.is_ascii_digit()) || !rest.chars().all(|c| ALPHABET.contains(c)) {
        return false;
    }
    let remainder = rest.bytes().chain(*b"NQ").chain(check.bytes()).fold(0_u32, |sum, letter| {
        let digit = u32::from(if letter.is_ascii_digit() { letter - b'0' } else { letter - b'A' + 10 });
        (if digit < 10 { sum * 10 + digit } else { sum * 100 + digit }) % 97
    });
    remainder == 1
}

/// Type 1 (a key on the main network), 33 bytes of compressed key, 4 bytes of BLAKE2b-256.
pub(super) fn is_ergo(word: &str) -> bool {
    let Ok(bytes) = bs58::decode(word).into_vec() else { return false };
    let Some((body, checksum)) = bytes.split_last_chunk::<4>() else { return false };
    let is_key = body.len() == 34 && body.first() == Some(&1) && matches!(body.get(1), Some(2 | 3));
    is_key && blake2b_256(body).starts_with(checksum)
}

/// BLAKE2b with 32 bytes of digest and no key, of a message that fits into one block. Source: RFC 7693.
fn blake2b_256(message: &[u8]) -> [u8; 32] {
    const IV: [u64; 8] = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    const SIGMA: [[usize; 16]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ];
    const LANES: [[usize; 4]; 8] = [
        [0, 4, 8, 12],
        [1, 5, 9, 13],
        [2, 6, 10, 14],
        [3, 7, 11, 15],
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ];
    let mut block = [0; 128];
    let length = message.len().min(block.len());
    block[..length].copy_from_slice(&message[..length]);
    let mut words = [0_u64; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let mut start = IV;
    start[0] ^= 0x0101_0000 ^ 32;
    let mut v = [0; 16];
    v[..8].copy_from_slice(&start);
    v[8..].copy_from_slice(&IV);
    v[12] ^= length as u64;
    v[14] = !v[14];
    for round in 0..12 {
        let order = SIGMA[round % 10];
        for (lane, [a, b, c, d]) in LANES.into_iter().enumerate() {
            for (word, turns) in [(order[2 * lane], [32, 24]), (order[2 * lane + 1], [16, 63])] {
                v[a] = v[a].wrapping_add(v[b]).wrapping_add(words[word]);
                v[d] = (v[d] ^ v[a]).rotate_right(turns[0]);
                v[c] = v[c].wrapping_add(v[d]);
                v[b] = (v[b] ^ v[c]).rotate_right(turns[1]);
            }
        }
    }
    let mut digest = [0; 32];
    for (at, out) in digest.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *out = (start[at] ^ v[at] ^ v[at + 8]).to_le_bytes();
    }
    digest
}

/// A tag (a varint), two keys, of an integrated address also 8 bytes of payment id, then 4 bytes of Keccak-256. A coin
/// that is not known by its tag is known by its checksum to be of this family: `CN`.
pub(super) fn cryptonote(word: &[u8]) -> Option<&'static str> {
    let bytes = cryptonote_base58(word)?;
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    let tag_bytes = body.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
    if !matches!(body.len().checked_sub(tag_bytes)?, 64 | 72) || !Keccak256::digest(body).starts_with(checksum) {
        return None;
    }
    let tag = body.iter().take(tag_bytes).rev().fold(0, |tag: u64, byte| tag << 7 | u64::from(byte & 0x7f));
    if TEST_TAGS.contains(&tag) {
        return None;
    }
    let by_tag = TAGS.iter().find(|(known, _)| *known == tag);
    let by_text = || TAG_TEXTS.iter().find(|(text, _)| word.starts_with(text.as_bytes())).map(|&(_, coin)| coin);
    Some(by_tag.map(|&(_, coin)| coin).or_else(by_text).unwrap_or("CN"))
}

/// Monero's base58: blocks of 11 digits stand for 8 bytes each, a shorter last block for fewer.
fn cryptonote_base58(word: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    for block in word.chunks(11) {
        let size = [0, 2, 3, 5, 6, 7, 9, 10, 11].iter().position(|digits| *digits == block.len())?;
        let mut value: u128 = 0;
        for digit in block {
            value = value * 58 + BASE58.iter().position(|known| known == digit)? as u128;
        }
        if value >> (8 * size) != 0 {
            return None;
        }
        bytes.extend_from_slice(value.to_be_bytes().get(16 - size..)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7693, appendix A has BLAKE2b-512; this is BLAKE2b-256 of "abc".
    #[test]
    fn blake_is_blake() {
        let expected = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
        assert_eq!(hex::encode(blake2b_256(b"abc")), expected);
    }
}
