//! Recognises the configuration of a miner: where it connects, whom it pays, how it works.
//!
//! JSON of the xmrig family, `KEY=value` files, command lines in scripts and in the image's entry point. A miner that is
//! downloaded at run time still has to be told its pool and wallet.
//!
//! - Sees: a pool address close to a checksum-valid wallet or to a login with miner options.
//! - Misses: encrypted or fetched configuration; pool and wallet in different files.
//! - False alarms: examples with placeholders in place of a wallet, documents and long lists are facts.
//! - Source: xmrig, cpuminer, ccminer, lolMiner, T-Rex option lists; falcosecurity "Detect crypto miners using the Stratum protocol".

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::{
    intel, pool,
    shell::text,
    wallet::{self, Wallet},
};

/// How far pool, wallet and options may be apart.
const WINDOW_BYTES: usize = 2000;
/// Most windows looked at in one file.
const WINDOWS_MAX: usize = 64;
/// More wallets or pools in one window than one miner has: a list, a test suite.
const OF_ONE_MINER_MAX: usize = 8;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "miner-config",
        title: "Configuration of a cryptocurrency miner",
        category: Category::Cryptominer,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "stratum+",
            "stratum1+",
            "stratum2+",
            "stratum://",
            "donate-level",
            "donate_level",
            "rig-id",
            "randomx",
            "\"pools\"",
            "pool_address",
            "wallet_address",
            "cryptonight",
            "\"nicehash\"",
            "--nicehash",
            " -u 4",
            " -u 8",
            "-u\", \"4",
            "-u\",\"4",
            "-u\", \"8",
            "-u\",\"8",
            "--user 4",
            "--user 8",
            "--user=4",
            "--user=8",
            "--wallet",
            "-epool",
            "-ewal",
            "-wal ",
            "--pool ",
            "\"--pool",
            "--algo",
            "--coin",
            "walletaddress",
            "rigname",
            "mining_address",
            "pool_list",
            "--disable-gpu",
            "--proxywallet",
            "zilpool",
            "\"user\":",
            "nanopool.org",
            "2miners.com",
            "moneroocean",
            "supportxmr",
            "hashvault",
            "herominers",
            "c3pool",
            "unmineable",
            "nicehash.com",
            "f2pool.com",
            "ethermine.org",
        ],
    },
    inspect,
};

static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(?:(?:^|[\s"'\[])-(?:u|wal|ewal|wallet)["']?[\s,]+["']?|--(?:user(?:name)?|wallet(?:address)?|address|proxywallet)["']?[\s=,]+["']?|["']?\b(?:user|wallet|wallet_?address|mining_address|login|username|account)["']?\s*[:=]\s*["']?)[A-Za-z0-9]"#,
    )
});
static OPTIONS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"donate[-_](?:level|over)",
        r#"(?i)(?:-a|--algo(?:rithm)?|--coin|["']?(?:algo|coin)["']?)["']?\s*[\s=:,]\s*["']?(?:rx(?:/|\b)|cn(?:/|\b)|cryptonight|randomx|monero|xmr\b|ethash|etchash|kawpow|autolykos|verushash|ghostrider|yespower|yescrypt|argon2|scrypt|sha256d|equihash|lyra2|x11\b|x16r)"#,
        r"rig[-_]id",
        r#"["']?nicehash["']?\s*[:=]|--nicehash"#,
        r#"randomx|huge-pages|1gb-pages"#,
        r"cpu-(?:priority|max-threads-hint|affinity)|max-threads-hint|max-cpu-usage",
        r#"(?i)--disable-gpu|--proxy(?:wallet|pool)|rig_?name|pool_list|use_nicehash|["']intensity["']?\s*:|--cpu-threads|-epsw|-eworker|-mport|--worker\b|--devices?\b|--zil"#,
        r#"tls-fingerprint|print-time|retry-pause|keepalive|pause-on-battery|asm["']?\s*:"#,
    ]
    .iter()
    .map(|pattern| regex(pattern))
    .collect()
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut best: Option<Match> = None;
    let mut looked_until = 0;
    let mut windows = 0;
    for hit in sample.hits {
        if hit.offset < looked_until || windows == WINDOWS_MAX {
            continue;
        }
        windows += 1;
        looked_until = hit.offset + WINDOW_BYTES / 2;
        let (start, near) = sample.around(hit.offset, WINDOW_BYTES, WINDOW_BYTES);
        let Some(found) = judge(sample, start, hit.offset, near) else { continue };
        let rank = |one: &Match| one.weight.unwrap_or(DETECTOR.about.weight);
        if best.as_ref().is_none_or(|best| rank(&found) > rank(best)) {
            best = Some(found);
        }
    }
    best.into_iter().collect()
}

fn judge(sample: &Sample<'_>, start: usize, anchor: usize, near: &[u8]) -> Option<Match> {
    let text = String::from_utf8_lossy(near);
    let pools = pool::endpoints(&text);
    let first = pools
        .iter()
        .find(|pool| pool.is_known && pool.port.is_some())
        .or(pools.iter().find(|pool| pool.is_stratum))
        .or(pools.first())?;
    let wallets = wallet::find(near);
    let options = OPTIONS.iter().filter(|option| option.is_match(&text)).count();
    let has_login = LOGIN.is_match(&text);
    let is_firm = first.is_stratum || (first.is_known && first.port.is_some());
    let is_paid =
        pays(&text, &wallets) && (first.port.is_some() || first.is_stratum) && (is_firm || options > 0 || has_login);
    let is_set_up = first.is_known && is_firm && has_login && options >= 2 && !has_placeholder(&text);
    let weight = if is_paid || is_set_up {
        Weight::Proof
    } else if (is_firm && has_login) || (first.port.is_some() && has_login && options >= 2) {
        Weight::Sign
    } else if first.is_stratum {
        Weight::Fact
    } else {
        return None;
    };
    let is_list = pools.len() > OF_ONE_MINER_MAX || wallets.len() > OF_ONE_MINER_MAX;
    let is_example = wallets.is_empty() && has_placeholder(&text) || is_authors(&text, &wallets);
    let for_people = is_list || text::is_document(sample, anchor) || is_example || is_c_source(&text);
    let paid = wallets.first().map(|wallet| format!(" paying {} {}", wallet.coin, wallet.address)).unwrap_or_default();
    let mut found = Match::new(format!("mines at {}{paid}", first.written()), start.saturating_add(first.offset));
    found.indicators = pools
        .iter()
        .take(OF_ONE_MINER_MAX)
        .filter(|pool| pool.is_known || pool.is_stratum || !wallets.is_empty())
        .map(pool::Endpoint::indicator)
        .collect();
    found.indicators.extend(wallets.iter().take(OF_ONE_MINER_MAX).map(Wallet::indicator));
    if for_people {
        found.weight = Some(Weight::Fact);
        found.severity = Some(Severity::Info);
    } else if weight != DETECTOR.about.weight {
        found.weight = Some(weight);
        found.severity = Some(Severity::Medium);
    }
    Some(found)
}

/// Whether one of the wallets stands where a miner's login stands, and not as somebody's donation address.
fn pays(text: &str, wallets: &[Wallet]) -> bool {
    wallets.iter().any(|wallet| {
        let Some(at) = text.find(&wallet.address) else { return false };
        let before = text.get(..at).unwrap_or_default();
        let begin = before.char_indices().rev().nth(48).map_or(0, |(at, _)| at);
        let before = before.get(begin..).unwrap_or_default().to_ascii_lowercase();
        !before.contains("donat") || before.contains("user")
    })
}

/// Whether only miners' authors would be paid: an example of theirs.
fn is_authors(text: &str, wallets: &[Wallet]) -> bool {
    wallets.is_empty() && intel::DONATION_ADDRESSES.iter().any(|address| text.contains(address))
}

/// Source text of a compiled language: a miner's own, which pays nobody before it is built and told whom. Nothing that
/// a shell or an interpreter would run looks like this line after line.
pub(super) fn is_c_source(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let all = lines().count();
    let typical = |line: &str| {
        line.starts_with("//")
            || line.starts_with('*')
            || line.starts_with("/*")
            || line.ends_with(';') && line.contains(['(', '=']) && !line.starts_with('$')
            || matches!(line, "{" | "}" | "};" | "public:" | "private:")
            || line.starts_with("case ") && line.contains(':')
    };
    let declares = ["::", "->", "const char", "printf(", "static const", "return false;", "nullptr", "NULL"];
    all >= 12
        && declares.iter().filter(|word| text.contains(**word)).count() >= 2
        && lines().filter(|line| typical(line)).count() * 2 >= all
}

pub(super) fn has_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["your_", "your-", "your ", "<wallet", "${wallet", "$wallet", "wallet_address\"", "yourwallet", "{wallet", "%wal%"]
        .iter()
        .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::{
        detectors::testing::{check, run},
        wallet::tests::invented_monero,
    };

    fn weight(text: &str) -> Option<Weight> {
        run(&DETECTOR, "x", 0o644, text.as_bytes()).first().map(|found| found.weight.unwrap_or(Weight::Proof))
    }

    #[test]
    fn a_pool_and_a_wallet_that_is_paid_are_a_miner() {
        let wallet = invented_monero(18, 0x44);
        assert_eq!(weight(&format!("/app/worker -o 198.51.100.4:443 -u {wallet} -p x --tls")), Some(Weight::Proof));
        assert_eq!(
            weight(&format!("POOL=stratum+tcp://pool.hashvault.pro:3333\nWALLET={wallet}\n")),
            Some(Weight::Proof)
        );
        assert_eq!(
            weight(&format!(
                "{{\"pools\":[{{\"url\":\"xmr.somewhere.net:3333\",\"user\":\"{wallet}\",\"algo\":\"rx/0\"}}]}}"
            )),
            Some(Weight::Proof)
        );
    }

    #[test]
    fn an_example_is_a_fact() {
        let example = "{\"donate-level\":1,\"pools\":[{\"algo\":\"rx/0\",\"url\":\"gulf.moneroocean.stream:10128\",\"user\":\"YOUR_WALLET_ADDRESS\"}]}";
        assert_eq!(weight(example), Some(Weight::Fact));
        let wallet = invented_monero(18, 0x44);
        let manual = format!("# Mining\n\n```\nxmrig -o pool.supportxmr.com:3333 -u {wallet}\n```\n");
        assert_eq!(weight(&manual), Some(Weight::Fact));
    }

    #[test]
    fn a_donation_address_and_a_server_are_nothing() {
        let wallet = invented_monero(18, 0x44);
        check(&DETECTOR, "x", format!("{{\"user\": \"bob\", \"donate\": \"{wallet}\"}}").as_bytes(), &[]);
        check(&DETECTOR, "x", b"{\"user\": \"bob\", \"url\": \"db.somewhere.net:5432\"}", &[]);
    }
}
