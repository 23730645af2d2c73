//! Records wallet addresses whose checksum holds.
//!
//! A wallet links the images of one campaign better than anything else, and what was paid to it can be counted. That
//! an address is there says nothing bad by itself: projects ask for donations.
//!
//! - Sees: Monero, Bitcoin, Litecoin, Dogecoin, Dash, Zcash (transparent), Ravencoin and Ethereum (mixed case), in files
//!   that also hold a word of that trade.
//! - Misses: coins without a checksum (Solana, lower-case Ethereum); addresses split or encoded; files without such a word.
//! - False alarms: none by chance (32 checksum bits and more); addresses in documents and tests are reported as what they are.
//! - Source: `crate::wallet`.

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::wallet;

/// Most indicators kept of one file: more is a list of examples or a data set.
const INDICATORS_MAX: usize = 16;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "wallet",
        title: "Wallet address with a valid checksum",
        category: Category::Cryptominer,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: &[],
    },
    scope: Scope::Content {
        kinds: &[],
        literals: &[
            "wallet",
            "stratum+",
            "donate",
            "donation",
            "monero",
            "bitcoin",
            "ethereum",
            "litecoin",
            "dogecoin",
            "\"user\":",
            "--user",
            " -u 4",
            " -u 8",
            "randomx",
            "cryptonight",
            "mining_address",
            "xmrig",
        ],
    },
    inspect,
};

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found = wallet::find(sample.bytes);
    let Some(first) = found.first() else { return Vec::new() };
    let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    let mut one = Match::new(format!("{} {}{more}", first.coin, first.address), first.offset);
    found.truncate(INDICATORS_MAX);
    one.indicators = found.iter().map(wallet::Wallet::indicator).collect();
    vec![one]
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::{detectors::testing::check, wallet::tests::invented_monero};

    #[test]
    fn an_address_needs_a_word_of_the_trade_and_its_checksum() {
        let address = invented_monero(18, 0x33);
        check(&DETECTOR, "a", format!("wallet={address}\n").as_bytes(), &[&format!("XMR {address}")]);
        check(&DETECTOR, "a", format!("digest={address}\n").as_bytes(), &[]);
        let wrong = address.replace(&address[40..44], "1111");
        check(&DETECTOR, "a", format!("wallet={wrong}\n").as_bytes(), &[]);
    }
}
