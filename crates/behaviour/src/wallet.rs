//! Wallets a miner logs in with, where the checksum holds. The static side knows many more notations; these are what pools pay to most.
//!
//! Sources: Monero `src/common/base58.cpp` and `cryptonote_config.h` (network bytes 18, 19, 42; Keccak-256); the coins'
//! `chainparams.cpp`; EIP-55.

use model::{Indicator, IndicatorKind};
use sha3::{Digest, Keccak256};

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Bytes that a block of so many characters holds.
const BLOCK_BYTES: [usize; 12] = [0, 0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8];

/// Wallets in a login like `WALLET.worker+1000@x`, as `COIN:address`.
pub(crate) fn find(login: &str) -> Vec<Indicator> {
    let words = login
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| (26..=112).contains(&word.len()));
    words
        .filter_map(|word| Some((coin(word)?, word)))
        .map(|(coin, word)| Indicator { kind: IndicatorKind::Wallet, value: format!("{coin}:{word}") })
        .take(4)
        .collect()
}

fn coin(word: &str) -> Option<&'static str> {
    match word.len() {
        94..=112 => is_monero(word).then_some("XMR"),
        42 if word.starts_with("0x") => is_ethereum(word).then_some("ETH"),
        26..=36 => {
            let bytes = bs58::decode(word).with_check(None).into_vec().ok()?;
            match (bytes.len(), bytes.first()?) {
                (21, 0x00 | 0x05) => Some("BTC"),
                (21, 0x30 | 0x32) => Some("LTC"),
                (21, 0x1e | 0x16) => Some("DOGE"),
                (21, 0x3c) => Some("RVN"),
                (21, 0x4c) => Some("DASH"),
                (22, 0x1c) => Some("ZEC"),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_monero(word: &str) -> bool {
    let mut bytes = Vec::with_capacity(80);
    for block in word.as_bytes().chunks(11) {
        let size = BLOCK_BYTES.get(block.len()).copied().unwrap_or(0);
        let mut value: u128 = 0;
        for character in block {
            let Some(digit) = BASE58.iter().position(|known| known == character) else { return false };
            value = value * 58 + digit as u128;
        }
        let all = value.to_be_bytes();
        let Some((spill, low)) = all.split_at_checked(all.len() - size) else { return false };
        if size == 0 || spill.iter().any(|byte| *byte != 0) {
            return false;
        }
        bytes.extend_from_slice(low);
    }
    let Some((body, checksum)) = bytes.len().checked_sub(4).and_then(|at| bytes.split_at_checked(at)) else {
        return false;
    };
    matches!(body.first(), Some(18 | 19 | 42)) && Keccak256::digest(body).get(..4) == Some(checksum)
}

/// With the mixed case of EIP-55; all lower or all upper case says nothing.
fn is_ethereum(word: &str) -> bool {
    let Some(digits) = word.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    else {
        return false;
    };
    let hash = Keccak256::digest(digits.to_ascii_lowercase().as_bytes());
    let nibble =
        |at: usize| hash.get(at / 2).map_or(0, |byte| if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 });
    let mixed =
        digits.bytes().any(|byte| byte.is_ascii_lowercase()) && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    mixed
        && digits
            .bytes()
            .enumerate()
            .all(|(at, byte)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble(at) >= 8))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A Monero address over keys nobody holds: 64 bytes of `fill`.
    pub(crate) fn invented_monero(fill: u8) -> String {
        let mut bytes = vec![18];
        bytes.extend(std::iter::repeat_n(fill, 64));
        let checksum = Keccak256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..4]);
        let encoded = |block: &[u8]| {
            let mut value = block.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
            let mut digits = vec![b'1'; [0, 2, 3, 5, 6, 7, 9, 10, 11][block.len()]];
            for digit in digits.iter_mut().rev() {
                *digit = BASE58[(value % 58) as usize];
                value /= 58;
            }
            String::from_utf8(digits).expect("the alphabet is ASCII")
        };
        bytes.chunks(8).map(encoded).collect()
    }

    #[test]
    fn only_what_its_checksum_vouches_for() {
        let monero = invented_monero(7);
        assert_eq!(find(&format!("{monero}.rig+5000"))[0].value, format!("XMR:{monero}"));
        assert!(find(&monero.replace(&monero[20..21], if &monero[20..21] == "A" { "B" } else { "A" })).is_empty());
        assert_eq!(find("0x52908400098527886E0F7030069857D2E4169EE7").len(), 0); // all upper case says nothing
        assert_eq!(find("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").len(), 1); // the EIP's own example
        assert_eq!(find("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")[0].value, "BTC:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    }
}
