//! Recognises programs that mine, whatever they are called.
//!
//! A miner names its algorithms, speaks a mining dialogue and has a miner's options and messages. Each group alone is in
//! honest programs (hash libraries, node software, protocol dissectors); all three together are a miner.
//!
//! - Sees: ELF and PE programs that hold strings of all three groups in clear.
//! - Misses: packed or encrypted miners, miners with their strings stripped, other languages.
//! - False alarms: pool servers and mining proxies (they belong to the trade too). Node software has no Stratum dialogue,
//!   dissectors and security tools have no miner's options.
//! - Source: Stratum v1 and the JSON-RPC login dialogue of CryptoNote pools; option lists of common miners; ATT&CK T1496.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "miner-binary",
        title: "Program that mines cryptocurrency",
        category: Category::Cryptominer,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1496"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::MachO],
        literals: &[
            "stratum+",
            "mining.subscribe",
            "mining.submit",
            "mining.authorize",
            "\"method\":\"login\"",
            "\"method\": \"login\"",
            "donate-level",
            "eth_submitLogin",
        ],
    },
    inspect,
};

const ALGORITHMS: &[&str] = &[
    "cryptonight",
    "randomx",
    "RandomX",
    "rx/0",
    "cn/r",
    "cn-heavy",
    "argon2/chukwa",
    "astrobwt",
    "ghostrider",
    "kawpow",
    "ethash",
    "etchash",
    "autolykos",
    "yescrypt",
    "yespower",
    "lyra2",
    "sha256d",
    "equihash",
    "verushash",
    "progpow",
    "cuckatoo",
    "cuckaroo",
    "beamhash",
    "kheavyhash",
    "x16r",
    "neoscrypt",
    "scrypt:",
];
/// Only somebody who talks to a pool has these.
const DIALOGUE: &[&str] = &[
    "mining.subscribe",
    "mining.authorize",
    "mining.submit",
    "mining.notify",
    "mining.set_difficulty",
    "mining.set_extranonce",
    "mining.extranonce.subscribe",
    "mining.configure",
    "stratum+tcp",
    "stratum+ssl",
    "stratum+tls",
    "stratum2+",
    "\"method\":\"login\"",
    "\"method\": \"login\"",
    "\"method\":\"submit\"",
    "\"method\": \"submit\"",
    "\"keepalived\"",
    "job_id",
    "eth_submitLogin",
    "eth_submitWork",
    "eth_submitHashrate",
];
const OPTIONS: &[&str] = &[
    "donate-level",
    "donate level",
    "hashrate",
    "Hashrate",
    "H/s",
    "cpu-priority",
    "cpu-affinity",
    "max-threads-hint",
    "max-cpu-usage",
    "huge-pages",
    "huge pages",
    "rig-id",
    "nicehash",
    "retry-pause",
    "print-time",
    "no-longpoll",
    "coinbase-addr",
    "--algo",
    "algo=",
    "accepted",
    "low difficulty",
    "extranonce",
    "diff ",
    "--worker",
    "gpu-threads",
    "intensity",
    "new job from",
    "pool-address",
    "randomx-init",
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let algorithms = held(sample.bytes, ALGORITHMS);
    let dialogue = held(sample.bytes, DIALOGUE);
    let options = held(sample.bytes, OPTIONS);
    let weight = match (algorithms.len(), dialogue.len(), options.len()) {
        (1.., 2.., 4..) => None,
        (1.., 2.., 2..) | (0, 3.., 4..) => Some(Weight::Sign),
        _ => return Vec::new(),
    };
    let some = |words: &[&str]| words.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let summary = format!("algorithms {}; dialogue {}; options {}", some(&algorithms), some(&dialogue), some(&options));
    let mut found = Match::new(summary, sample.hits.first().map(|hit| hit.offset));
    found.weight = weight;
    if weight.is_some() {
        found.severity = Some(Severity::Medium);
        found.confidence = Some(Confidence::Medium);
    }
    vec![found]
}

/// Those of `words` that are in `bytes`. One pass for each: only files that passed the literals come here.
fn held(bytes: &[u8], words: &[&'static str]) -> Vec<&'static str> {
    words.iter().copied().filter(|word| memmem::find(bytes, word.as_bytes()).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    fn elf(strings: &[&str]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes.extend(strings.join("\0").as_bytes());
        bytes
    }

    const TALK: [&str; 3] = ["mining.subscribe", "mining.submit", "job_id"];

    #[test]
    fn all_three_groups_are_a_miner() {
        let mut strings = vec!["rx/0", "cn/r", "donate-level", "%.1f H/s", "huge pages", "rig-id"];
        strings.extend(TALK);
        let found = run(&DETECTOR, "usr/bin/nginx", 0o755, &elf(&strings));
        assert_eq!(found.iter().map(|found| found.weight).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn a_dissector_a_library_and_a_name_are_not() {
        check(&DETECTOR, "xmrig", &elf(&["xmrig", "XMRig 6.0", "stratum+tcp"]), &[]);
        check(&DETECTOR, "libndpi.so", &elf(&TALK), &[]);
        check(&DETECTOR, "librandomx.so", &elf(&["randomx", "huge pages", "RandomX\x03"]), &[]);
    }

    #[test]
    fn fewer_options_are_a_sign() {
        let found =
            run(&DETECTOR, "a", 0o755, &elf(&["ethash", "mining.submit", "mining.notify", "hashrate", "intensity"]));
        assert_eq!(found[0].weight, Some(Weight::Sign));
    }
}
