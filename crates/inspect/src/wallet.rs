//! Finds wallet addresses whose checksum holds. What has no checksum (Solana, all-lower-case Ethereum) is not seen.
//!
//! Sources: Monero `src/common/base58.cpp` and `cryptonote_config.h` (network bytes 18, 19, 42; Keccak-256);
//! Bitcoin base58check version bytes of each coin's `chainparams.cpp`; BIP-173 and BIP-350; EIP-55.

use sha3::{Digest as _, Keccak256};

/// Most addresses returned for one piece of bytes.
pub(crate) const WALLETS_MAX: usize = 64;

/// Length of the shortest and longest address: Bitcoin base58check, Monero integrated.
const ADDRESS_BYTES_MIN: usize = 26;
const ADDRESS_BYTES_MAX: usize = 106;

/// Base58check version bytes and the coin they stand for. Two-byte versions are Zcash's transparent addresses.
const VERSIONS: &[(&[u8], &str)] = &[
    (&[0x00], "BTC"),
    (&[0x05], "BTC"),
    (&[0x30], "LTC"),
    (&[0x32], "LTC"),
    (&[0x1e], "DOGE"),
    (&[0x4c], "DASH"),
    (&[0x3c], "RVN"),
    (&[0x1c, 0xb8], "ZEC"),
    (&[0x1c, 0xbd], "ZEC"),
];

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// An address with a valid checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wallet {
    /// Where it begins.
    pub(crate) offset: usize,
    /// Ticker of its coin.
    pub(crate) coin: &'static str,
    /// As written.
    pub(crate) address: String,
}

impl Wallet {
    /// As an indicator: `COIN:address`.
    pub(crate) fn indicator(&self) -> model::Indicator {
        model::Indicator { kind: model::IndicatorKind::Wallet, value: format!("{}:{}", self.coin, self.address) }
    }
}

/// Different addresses in `bytes`, in order of first appearance, at most [`WALLETS_MAX`]. Linear: each run of letters
/// and digits is judged by its length and first letter before anything is hashed.
pub(crate) fn find(bytes: &[u8]) -> Vec<Wallet> {
    let mut found: Vec<Wallet> = Vec::new();
    let mut start = 0;
    while let Some((offset, run)) = next_run(bytes, start) {
        start = offset + run.len() + 1;
        if run.len() > ADDRESS_BYTES_MAX {
            continue;
        }
        let Ok(word) = std::str::from_utf8(run) else { continue };
        let Some(coin) = coin(word) else { continue };
        if found.iter().all(|known| known.address != word) {
            found.push(Wallet { offset, coin, address: word.to_owned() });
            if found.len() == WALLETS_MAX {
                break;
            }
        }
    }
    found
}

/// The next run of at least [`ADDRESS_BYTES_MIN`] letters and digits at or behind `start`. Looks at the last byte a run
/// would need first, so that most bytes of most files are never looked at.
fn next_run(bytes: &[u8], mut start: usize) -> Option<(usize, &[u8])> {
    loop {
        let piece = bytes.get(start..start.checked_add(ADDRESS_BYTES_MIN)?)?;
        match piece.iter().rposition(|byte| !byte.is_ascii_alphanumeric()) {
            Some(gap) => start += gap + 1,
            None => {
                let rest = bytes.get(start..).unwrap_or_default();
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
                return Some((start, rest.get(..end).unwrap_or_default()));
            }
        }
    }
}

/// The coin of an address, if the checksum holds.
pub(crate) fn coin(word: &str) -> Option<&'static str> {
    match (word.len(), word.as_bytes().first()?) {
        (95 | 106, b'4' | b'8') => is_monero(word.as_bytes()).then_some("XMR"),
        (42, b'0') if word.starts_with("0x") => is_ethereum(word).then_some("ETH"),
        (42..=90, b'b' | b'l' | b'B' | b'L') => segwit(word),
        (26..=35, _) => base58check(word),
        _ => None,
    }
}

fn base58check(word: &str) -> Option<&'static str> {
    // Cheap refusals first: identifiers are runs too.
    if !word.bytes().any(|b| b.is_ascii_digit()) || !word.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let payload = bs58::decode(word).with_check(None).into_vec().ok()?;
    let (version, _) = payload.split_at_checked(payload.len().checked_sub(20)?)?;
    VERSIONS.iter().find(|(known, _)| *known == version).map(|&(_, coin)| coin)
}

fn segwit(word: &str) -> Option<&'static str> {
    let (prefix, _, _) = bech32::segwit::decode(word).ok()?;
    match prefix.to_lowercase().as_str() {
        "bc" => Some("BTC"),
        "ltc" => Some("LTC"),
        _ => None,
    }
}

/// EIP-55 with letters of both cases; one case alone carries no checksum.
fn is_ethereum(word: &str) -> bool {
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

/// Network byte 18 (standard), 19 (integrated) or 42 (subaddress), then the keys, then 4 bytes of Keccak-256.
fn is_monero(word: &[u8]) -> bool {
    let Some(bytes) = monero_base58(word) else { return false };
    let Some((body, checksum)) = bytes.split_last_chunk::<4>() else { return false };
    let network_fits = match body.first() {
        Some(18 | 42) => body.len() == 65,
        Some(19) => body.len() == 73,
        _ => false,
    };
    network_fits && Keccak256::digest(body).starts_with(checksum)
}

/// Monero's base58: blocks of 11 digits stand for 8 bytes each, a last block of 7 for 5 bytes.
fn monero_base58(word: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    for block in word.chunks(11) {
        let size = match block.len() {
            11 => 8,
            7 => 5,
            _ => return None,
        };
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
pub(crate) mod tests {
    use super::*;

    /// A standard Monero address over keys nobody holds: 64 bytes of `fill`.
    pub(crate) fn invented_monero(network: u8, fill: u8) -> String {
        let mut bytes = vec![network];
        bytes.extend(std::iter::repeat_n(fill, if network == 19 { 72 } else { 64 }));
        let checksum = Keccak256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..4]);
        bytes.chunks(8).map(encoded).collect()
    }

    fn encoded(block: &[u8]) -> String {
        let mut value = block.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
        let mut digits = vec![b'1'; if block.len() == 8 { 11 } else { 7 }];
        for digit in digits.iter_mut().rev() {
            *digit = BASE58[(value % 58) as usize];
            value /= 58;
        }
        String::from_utf8(digits).expect("the alphabet is ASCII")
    }

    proptest::proptest! {
        #[test]
        fn runs_are_those_of_a_plain_split(text in "[a-c1-3 ]{0,200}|[a-z]{20,60} [A-Z0-9]{24,30}[ .][a-z]{26}") {
            let mut expected = Vec::new();
            let mut start = 0;
            for run in text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()) {
                if run.len() >= ADDRESS_BYTES_MIN {
                    expected.push((start, run));
                }
                start += run.len() + 1;
            }
            let mut found = Vec::new();
            let mut start = 0;
            while let Some((offset, run)) = next_run(text.as_bytes(), start) {
                start = offset + run.len() + 1;
                found.push((offset, run));
            }
            proptest::prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn addresses_of_every_coin_are_known_by_their_checksum() {
        for (network, length) in [(18, 95), (42, 95), (19, 106)] {
            let address = invented_monero(network, 0x11);
            assert_eq!(address.len(), length);
            assert_eq!(coin(&address), Some("XMR"), "{address}");
        }
        // The genesis block's, BIP-173's and EIP-55's own examples.
        assert_eq!(coin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), Some("BTC"));
        assert_eq!(coin("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), Some("BTC"));
        assert_eq!(coin("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), Some("ETH"));
        for (version, expected) in VERSIONS {
            let mut payload = version.to_vec();
            payload.extend([7; 20]);
            let word = bs58::encode(payload).with_check().into_string();
            assert_eq!(coin(&word), Some(*expected), "{word}");
        }
    }

    #[test]
    fn one_wrong_letter_is_no_address() {
        let address = invented_monero(18, 0x22);
        let wrong = format!("{}{}", &address[..94], if address.ends_with('a') { 'b' } else { 'a' });
        assert_eq!(coin(&wrong), None);
        assert_eq!(coin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), None);
        assert_eq!(coin("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"), None);
        assert_eq!(coin("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), None);
    }

    #[test]
    fn an_address_is_found_once_and_in_its_place() {
        let found = find(b"pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa or \"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\"");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].offset, found[0].coin), (4, "BTC"));
    }
}
