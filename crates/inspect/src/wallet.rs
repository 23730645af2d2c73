//! Finds wallet addresses whose checksum holds. What has no checksum (Solana, all-lower-case Ethereum) is not seen.
//!
//! | notation | coins |
//! |---|---|
//! | CryptoNote base58, Keccak-256 | Monero (standard, integrated, subaddress), Wownero, ArQmA, Sumokoin, Graft, Aeon, Haven, Zephyr, and any other by its checksum |
//! | base58check | Bitcoin, Litecoin, Dogecoin, Dash, Zcash and Flux (transparent), Ravencoin and what shares its byte, Neoxa, Vertcoin, Horizen, Tron; Ripple in its own alphabet |
//! | base58, BLAKE2b | Ergo |
//! | bech32, bech32m | Bitcoin, Litecoin, Cardano, Chia, Nervos, Zilliqa, DERO, Zcash (sapling), Vertcoin, DigiByte |
//! | cashaddr | Bitcoin Cash, eCash, Kaspa and its likes |
//! | hexadecimal, EIP-55 | Ethereum, Ethereum Classic |
//! | IBAN's modulus 97 | Nimiq |
//!
//! Donation addresses of miners' authors (`rules/intel/donation_addresses.txt`) are nobody's loot and are left out.
//!
//! Sources: Monero `src/common/base58.cpp` and `cryptonote_config.h` (network bytes 18, 19, 42; Keccak-256), xmrig
//! `WalletAddress.cpp` for the tags of its likes; version bytes of each coin's `chainparams.cpp`; BIP-173 and BIP-350;
//! the cashaddr specification; EIP-55; Ergo's `Address`; Nimiq's `Address.fromUserFriendlyAddress`; XRP Ledger "base58 encodings".

mod checks;

use crate::intel;
use checks::{base58check, bech32_coin, cashaddr, cryptonote, is_ergo, is_ethereum, is_nimiq, is_ripple};

/// Most addresses returned for one piece of bytes.
pub(crate) const WALLETS_MAX: usize = 64;

/// Length of the shortest and longest address: base58check, CryptoNote integrated with a long tag.
const ADDRESS_BYTES_MIN: usize = 26;
const ADDRESS_BYTES_MAX: usize = 112;

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
        if found.iter().all(|known| known.address != word) && !is_donation(word) {
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

/// Whether it is a miner's author's own, published with the miner.
pub(crate) fn is_donation(word: &str) -> bool {
    intel::DONATION_ADDRESSES.contains(&word)
}

/// The coin of an address, if the checksum holds.
pub(crate) fn coin(word: &str) -> Option<&'static str> {
    match (word.len(), *word.as_bytes().first()?) {
        (94..=ADDRESS_BYTES_MAX, _) => cryptonote(word.as_bytes()).or_else(|| bech32_coin(word)),
        (42, b'0') if word.starts_with("0x") => is_ethereum(word).then_some("ETH"),
        (36, b'N') if word.starts_with("NQ") => is_nimiq(word).then_some("NIM"),
        (51, b'9') => is_ergo(word).then_some("ERG"),
        (42 | 61 | 63, b'q' | b'p') => cashaddr(word),
        (40.., _) if word.contains('1') => bech32_coin(word),
        (26..=35, b'r') if is_ripple(word) => Some("XRP"),
        (26..=36, _) => base58check(word),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use sha3::{Digest as _, Keccak256};

    use super::{
        checks::{CASH_PREFIXES, VERSIONS, cash_checksum},
        *,
    };

    const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    /// A standard Monero address over keys nobody holds: 64 bytes of `fill`.
    pub(crate) fn invented_monero(network: u8, fill: u8) -> String {
        invented_cryptonote(&[network], fill, if network == 19 { 72 } else { 64 })
    }

    fn invented_cryptonote(tag: &[u8], fill: u8, key_bytes: usize) -> String {
        let mut bytes = tag.to_vec();
        bytes.extend(std::iter::repeat_n(fill, key_bytes));
        let checksum = Keccak256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..4]);
        bytes.chunks(8).map(encoded).collect()
    }

    fn encoded(block: &[u8]) -> String {
        let mut value = block.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
        let mut digits = vec![b'1'; [0, 2, 3, 5, 6, 7, 9, 10, 11][block.len()]];
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
    fn coins_like_monero_are_known_by_tag_and_checksum() {
        for (tag, expected) in
            [(&[0xb2, 0x20][..], "WOW"), (&[0xca, 0x59], "ARQ"), (&[0x9a, 0xe7, 0xae, 1], "SUMO"), (&[0xd1, 1], "CN")]
        {
            assert_eq!(coin(&invented_cryptonote(tag, 0x21, 64)), Some(expected), "{tag:?}");
        }
        assert_eq!(coin(&invented_monero(53, 0x21)), None, "a test network's");
    }

    /// Examples that the coins' own specifications print, or invented ones.
    #[test]
    fn other_notations_are_known() {
        for (word, expected) in [
            ("qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "BCH"),
            ("NQ0700000000000000000000000000000000", "NIM"),
            ("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "XRP"),
            ("9fRAWhdxEsTcdb8PhGNrZfwqa65zfkuYHAMmkQLcic1gdLSV5vA", "ERG"),
        ] {
            assert_eq!(coin(word), Some(expected), "{word}");
        }
        let payload = [vec![0_u8; 1], vec![7; 52]].concat();
        let prefix = CASH_PREFIXES[2].0.bytes().map(|letter| letter & 31).chain([0]);
        let sum = cash_checksum(prefix.chain(payload.iter().copied()).chain([0; 8]));
        let digits = payload.iter().copied().chain((0..8).rev().map(|at| (sum >> (5 * at) & 31) as u8));
        let word: String =
            digits.map(|digit| char::from(b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[usize::from(digit)])).collect();
        assert_eq!(coin(&word), Some("KAS"), "kaspa:{word}");
        let tron = bs58::encode([0x41_u8].into_iter().chain([9; 20]).collect::<Vec<_>>()).with_check().into_string();
        assert!(tron.starts_with('T') && coin(&tron) == Some("TRX"), "{tron}");
        let chia =
            bech32::encode::<bech32::Bech32m>(bech32::Hrp::parse("xch").expect("letters"), &[3; 32]).expect("short");
        assert_eq!(coin(&chia), Some("XCH"), "{chia}");
        let cardano =
            bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("addr").expect("letters"), &[3; 57]).expect("short");
        assert_eq!(coin(&cardano), Some("ADA"), "{cardano}");
    }

    #[test]
    fn authors_donation_addresses_are_left_out() {
        for address in crate::intel::DONATION_ADDRESSES {
            assert_eq!(find(address.as_bytes()), [], "{address}");
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
