//! Recognises programs that mine, whatever they are called.
//!
//! A miner computes a proof of work, takes jobs from a pool and reports what it earns; it also tunes the machine. Each of
//! these alone is in honest programs (hash libraries, node software, protocol dissectors). Texts fall into five groups that
//! an editor of one group leaves alone: algorithms (names, and the constants they cannot work without), the dialogue,
//! the fields of a job, messages and options, tuning of pages, registers and graphics cards. Three groups, one of them
//! of a pool's talk, are a miner; two are a sign.
//!
//! - Sees: programs that hold texts of three groups in clear, also with names, options or URL schemes edited away.
//! - Misses: packed or encrypted miners, miners with all of their texts hidden, single-purpose kernels.
//! - False alarms: pool servers and mining proxies (they belong to the trade too). Node software and wallets have the
//!   constants and no job; dissectors and security tools have the dialogue and nothing to say about hash rates. A library of
//!   a hundred megabytes holds every short word by chance: words that others use count only beside one of the same group that nobody else does.
//! - Source: Stratum v1 and the JSON-RPC login dialogue of CryptoNote pools; EIP-1571; RandomX `configuration.h`; Zcash and
//!   Kaspa protocol texts (`ZcashPoW`, `ProofOfWorkHash`); option lists of common miners; ATT&CK T1496.

use std::{collections::HashSet, sync::LazyLock};

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::words::Words;

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
            "mining.notify",
            "mining.set_",
            "\"method\":\"login\"",
            "\"method\": \"login\"",
            "donate-level",
            "eth_submitLogin",
            "eth_submitWork",
            "RandomX\x03",
            "ProofOfWorkHash",
            "ZcashPoW",
            "cryptonight",
            "seed_hash",
            "rig_id",
        ],
    },
    inspect,
};

/// Names of algorithms; letters of either case.
const ALGORITHMS: &[&str] = &[
    "cryptonight",
    "randomx",
    "rx/0",
    "rx/wow",
    "rx/arq",
    "cn/half",
    "cn-heavy",
    "cn-pico",
    "argon2/chukwa",
    "astrobwt",
    "ghostrider",
    "kawpow",
    "ethash",
    "etchash",
    "autolykos",
    "yescrypt",
    "yespower",
    "lyra2re",
    "lyra2z",
    "equihash",
    "verushash",
    "progpow",
    "firopow",
    "cuckatoo",
    "cuckaroo",
    "beamhash",
    "kheavyhash",
    "karlsenhash",
    "x16r",
    "neoscrypt",
    "minotaurx",
];
/// Names that are also parts of other words and other trades' words: they count beside one that is not.
const COMMON_ALGORITHMS: &[&str] = &["cn/r", "octopus", "allium"];
/// What an algorithm cannot work without, and what nobody else has: salts and personalisation texts. Source: RandomX
/// `configuration.h` (`RANDOMX_ARGON_SALT` of it and its forks), Equihash and BeamHash personalisation, the domains of
/// kHeavyHash, yespower personalisation of coins, the words KawPow seeds its state with.
const CONSTANTS: &[&[u8]] = &[
    b"RandomX\x03",
    b"RandomWOW\x01",
    b"RandomARQ\x01",
    b"RandomXL\x12",
    b"RandomSFX\x01",
    b"RandomKV\x03",
    b"DefyXScala\x13",
    b"ZcashPoW",
    b"BgoldPoW",
    b"ZERO_PoW",
    b"Beam-PoW",
    b"ProofOfWorkHash",
    b"CpuPower: The number of CPU working or available for proof-of-work mining",
    b"r\0\0\0A\0\0\0V\0\0\0E\0\0\0N\0\0\0C\0\0\0O\0\0\0I\0\0\0N\0\0\0",
];
/// Only somebody who talks to a pool has these.
const DIALOGUE: &[&str] = &[
    "mining.subscribe",
    "mining.authorize",
    "mining.submit",
    "mining.notify",
    "mining.set_difficulty",
    "mining.set_target",
    "mining.set_extranonce",
    "mining.extranonce.subscribe",
    "mining.configure",
    "stratum+tcp",
    "stratum+ssl",
    "stratum+tls",
    "stratum2+",
    "ethereumstratum/",
    "\"method\":\"login\"",
    "\"method\": \"login\"",
    "\"method\":\"submit\"",
    "\"method\": \"submit\"",
    "\"method\":\"keepalived\"",
    "client.reconnect",
    "client.show_message",
    "eth_submitlogin",
    "eth_submitwork",
    "eth_submithashrate",
    "getwork ws",
    "low difficulty share",
];
/// Of the same dialogue, and of others: they count beside one that is not.
const COMMON_DIALOGUE: &[&str] = &["keepalived", "unauthenticated"];
/// Fields of a job or a login.
const FIELDS: &[&str] = &[
    "job_id",
    "seed_hash",
    "next_seed_hash",
    "\"rigid\"",
    "rigid",
    "rig-id",
    "rig_id",
    "algo-perf",
    "extranonce",
    "worker_name",
    "\"nonce\"",
    "\"blob\"",
    "coinbase1",
    "nicehash",
    "mbl_blob",
];
/// What a miner tells and asks.
const MESSAGES: &[&str] = &[
    "donate-level",
    "donate level",
    "dev fee",
    "devfee",
    "hashrate",
    "hash rate",
    "cpu-priority",
    "cpu-affinity",
    "max-threads-hint",
    "max-cpu-usage",
    "retry-pause",
    "print-time",
    "no-longpoll",
    "coinbase-addr",
    "--algo",
    "algo=",
    "low difficulty",
    "--worker",
    "new job from",
    "pool-address",
    "stale share",
    "duplicate share",
    "no active pools",
    "share found",
    "found share",
    "dataset ready",
    "init dataset",
    "initializing dataset",
    "allocated dag",
    "generating dag",
    "--mining-threads",
    "--daemon-rpc-address",
    "miniblocks",
];
/// Words that miners say and everybody else too: they count beside one that nobody else says.
const COMMON_MESSAGES: &[&str] = &["h/s", "accepted", "rejected", "new job", "intensity"];
/// How a miner tunes the machine it works on.
const TUNING: &[&str] = &[
    "huge pages",
    "huge-pages",
    "hugepages",
    "1gb-pages",
    "1gb pages",
    "/msr",
    "wrmsr",
    "l3 cache",
    "cpu affinity",
    "gpu-threads",
    "clbuildprogram",
    "nvrtccompileprogram",
    "nvmldevicegettemperature",
    "__kernel",
    "get_global_id",
    "cudevicegetattribute",
    "scratchpad",
];

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    Words::new(&[ALGORITHMS, COMMON_ALGORITHMS, DIALOGUE, COMMON_DIALOGUE, FIELDS, MESSAGES, COMMON_MESSAGES, TUNING])
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let present = WORDS.held(sample.bytes);
    let algorithms = held_beside(&present, ALGORITHMS, COMMON_ALGORITHMS);
    let constants = CONSTANTS.iter().filter(|text| memmem::find(sample.bytes, text).is_some()).count();
    let dialogue = held_beside(&present, DIALOGUE, COMMON_DIALOGUE);
    let fields = held(&present, FIELDS);
    let messages = held_beside(&present, MESSAGES, COMMON_MESSAGES);
    let tuning = held(&present, TUNING);

    let computes = constants > 0 || algorithms.len() >= 2;
    let talks = dialogue.len() >= 2;
    let takes_jobs = fields.len() >= 3;
    let tells = messages.len() >= 4;
    let tunes = tuning.len() >= 2;
    let names_one = !algorithms.is_empty();
    let groups = [computes, talks, takes_jobs, tells, tunes].into_iter().filter(|group| *group).count();
    let works = computes || (names_one && messages.len() >= 3);
    let said = messages.len() + tuning.len() + fields.len();
    let weight = if works && talks && messages.len() >= 2 && said >= 4 || works && takes_jobs && groups >= 4
        // Bitcoin's and Litecoin's miners hash what everybody hashes: the trade is in what they say.
        || dialogue.len() >= 4 && messages.len() >= 5 && fields.len() >= 2
    {
        None
    } else if names_one && talks && messages.len() >= 2 || dialogue.len() >= 3 && tells || works && takes_jobs && tunes
    {
        Some(Weight::Sign)
    } else {
        return Vec::new();
    };
    let some = |words: &[&str]| words.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let summary = format!(
        "algorithms {} ({constants} by constant); dialogue {}; job {}; messages {}; tuning {}",
        some(&algorithms),
        some(&dialogue),
        some(&fields),
        some(&messages),
        some(&tuning)
    );
    let mut found = Match::new(summary, sample.hits.first().map(|hit| hit.offset));
    found.weight = weight;
    if weight.is_some() {
        found.severity = Some(Severity::Medium);
        found.confidence = Some(Confidence::Medium);
    }
    vec![found]
}

/// Those of `words` that are in `lower`. One pass for each: only files that passed the literals come here.
fn held(present: &HashSet<&'static str>, words: &[&'static str]) -> Vec<&'static str> {
    words.iter().copied().filter(|word| present.contains(word)).collect()
}

/// Those of `words` and, if there are any, of `common`.
fn held_beside(present: &HashSet<&'static str>, words: &[&'static str], common: &[&'static str]) -> Vec<&'static str> {
    let mut found = held(present, words);
    if !found.is_empty() {
        found.extend(held(present, common));
    }
    found
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

    /// A miner from source with its name, URL scheme and options edited: the protocol and the constants stay.
    #[test]
    fn an_edited_miner_is_still_one() {
        let strings = [
            "RandomX\x03",
            "seed_hash",
            "job_id",
            "algo-perf",
            "keepalived",
            "low difficulty share",
            "new job",
            "accepted",
            "rejected",
            "%s H/s",
            "huge pages",
            "/dev/cpu/%d/msr",
        ];
        let found = run(&DETECTOR, "usr/bin/nginx", 0o755, &elf(&strings));
        assert_eq!(found.iter().map(|found| found.weight).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn a_node_and_a_wallet_are_none() {
        let node = [
            "RandomX\x03",
            "randomx",
            "cryptonight",
            "seed_hash",
            "next_seed_hash",
            "huge pages",
            "hash rate",
            "start_mining",
            "rejected",
        ];
        check(&DETECTOR, "monerod", &elf(&node), &[]);
        check(&DETECTOR, "wallet.so", &elf(&["RandomX\x03", "seed_hash", "cryptonight", "accepted"]), &[]);
    }

    #[test]
    fn a_dissector_a_library_and_a_name_are_not() {
        check(&DETECTOR, "xmrig", &elf(&["xmrig", "XMRig 6.0", "stratum+tcp"]), &[]);
        check(&DETECTOR, "libndpi.so", &elf(&TALK), &[]);
        check(&DETECTOR, "librandomx.so", &elf(&["randomx", "huge pages", "RandomX\x03"]), &[]);
    }

    /// Short words that one library of dissectors for everything holds by chance, all in one window.
    #[test]
    fn common_words_of_every_group_are_nothing() {
        let words = ["cn/r", "octopus", "keepalived", "unauthenticated", "job_id", "rigid", "rig_id", "H/s"];
        let more = ["accepted", "rejected", "new job", "intensity", "/msr", "cpu affinity", "scratchpad", "hash rate"];
        check(&DETECTOR, "libwireshark.so", &elf(&[&words[..], &more[..]].concat()), &[]);
    }

    #[test]
    fn a_solo_miner_is_one() {
        let strings = ["astrobwt", "mining.subscribe", "getwork ws connection %s", "jobid", "mbl_blob"];
        let more = ["--mining-threads=", "--daemon-rpc-address=", "MiniBlocks %d", "Network Hashrate %s"];
        let found = run(&DETECTOR, "pause", 0o755, &elf(&[&strings[..], &more[..]].concat()));
        assert_eq!(found.iter().map(|found| found.weight).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn fewer_options_are_a_sign() {
        let found =
            run(&DETECTOR, "a", 0o755, &elf(&["ethash", "mining.submit", "mining.notify", "hashrate", "intensity"]));
        assert_eq!(found[0].weight, Some(Weight::Sign));
    }
}
