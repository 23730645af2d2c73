//! Records wallet addresses whose checksum holds.
//!
//! A wallet links the images of one campaign better than anything else, and what was paid to it can be counted. That
//! an address is there says nothing bad by itself: projects ask for donations.
//!
//! - Sees: the addresses of some thirty coins (`crate::wallet`), in files that also hold a word of that trade. An address of
//!   a coin that processors mine (Monero and its likes, Ravencoin, Ergo, Kaspa) that stands as the login of a worker, in a
//!   file that is no document, is a sign.
//! - Misses: coins without a checksum (Solana, lower-case Ethereum); addresses split or encoded; files without such a word.
//! - False alarms: none by chance (30 checksum bits and more); addresses in documents and tests are reported as what they
//!   are; a shop that names its Monero wallet `WALLET=` gets a sign it does not deserve.
//! - Source: `crate::wallet`.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::{
    shell::text,
    wallet::{self, Wallet},
};

/// Most indicators kept of one file: more is a list of examples or a data set.
const INDICATORS_MAX: usize = 16;
/// More addresses than one miner pays.
const OF_ONE_MINER_MAX: usize = 4;
/// Coins that are mined with processors and graphics cards, by strangers' ones too.
const MINED: &[&str] =
    &["XMR", "WOW", "ARQ", "SUMO", "GRFT", "AEON", "XHV", "ZEPH", "SAL", "CN", "RVN", "ERG", "KAS", "NIM", "DERO"];

/// What stands directly before the login of a worker: an option, a field or a variable.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)(?:(?:^|[\s"'\[,])(?:-u|-wal|-ewal|--(?:user(?:name)?|wallet|walletaddress|address|login))["']?[\s=,]+["']?|["']?\b(?:user|login|wallet|[a-z]*_?wallet_?(?:addr(?:ess)?)?|pool_?user|xmr_?addr(?:ess)?|mining_?address|miner_?addr(?:ess)?)["']?\s*(?:[:=]|:=|=>)\s*["']?)(?:[a-z]{2,8}:)?$"#,
    )
    .expect("the pattern is a constant, and a test runs it")
});

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
    let login = found.iter().find(|wallet| found.len() <= OF_ONE_MINER_MAX && is_login(sample, wallet));
    if let Some(wallet) = login {
        one.summary = format!("a worker logs in as {} {}{more}", wallet.coin, wallet.address);
        one.offset = Some(wallet.offset);
        one.weight = Some(Weight::Sign);
        one.severity = Some(Severity::Medium);
        one.confidence = Some(Confidence::Medium);
    }
    found.truncate(INDICATORS_MAX);
    one.indicators = found.iter().map(wallet::Wallet::indicator).collect();
    vec![one]
}

/// Whether an address stands where a worker's login does, in a file that something runs or reads.
fn is_login(sample: &Sample<'_>, wallet: &Wallet) -> bool {
    let (_, before) = sample.around(wallet.offset, 48, 0);
    MINED.contains(&wallet.coin)
        && text::stands_in_text(sample, wallet.offset)
        && !text::is_document(sample, wallet.offset)
        && !before.to_ascii_lowercase().windows(5).any(|word| word == b"donat")
        && LOGIN.is_match(&String::from_utf8_lossy(before))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::{
        detectors::testing::{check, run},
        wallet::tests::invented_monero,
    };

    #[test]
    fn an_address_needs_a_word_of_the_trade_and_its_checksum() {
        let address = invented_monero(18, 0x33);
        check(
            &DETECTOR,
            "a",
            format!("a wallet: {address} is\n").as_bytes(),
            &[&format!("a worker logs in as XMR {address}")],
        );
        check(&DETECTOR, "a", format!("wallet of {address}\n").as_bytes(), &[&format!("XMR {address}")]);
        check(&DETECTOR, "a", format!("digest={address}\n").as_bytes(), &[]);
        let wrong = address.replace(&address[40..44], "1111");
        check(&DETECTOR, "a", format!("wallet={wrong}\n").as_bytes(), &[]);
    }

    #[test]
    fn a_login_is_a_sign_and_a_donation_is_none() {
        let address = invented_monero(18, 0x35);
        let weight = |text: String| run(&DETECTOR, "a", 0o644, text.as_bytes()).first().and_then(|found| found.weight);
        assert_eq!(weight(format!("XMR_WALLET={address}.rig7\n")), Some(Weight::Sign));
        assert_eq!(weight(format!("[\"--wallet\", \"{address}\"]\n")), Some(Weight::Sign));
        assert_eq!(weight(format!("donation_wallet = {address}\n")), None);
        assert_eq!(weight(format!("Send monero to {address}\n")), None);
    }
}
