//! Recognises scripts that mine: they speak Stratum and hash until a number is small enough, or load a miner into a page.
//!
//! - Sees: scripts and web pages with a pool's dialogue, the fields of a job and a loop over nonces; the calls that start
//!   in-browser miners, with a site key.
//! - Misses: miners in byte code or WebAssembly alone.
//! - False alarms: pool servers and Stratum libraries have the dialogue and no loop (a sign); block lists, documents and
//!   rule files name the calls and make none.
//! - Source: Stratum v1; the JSON-RPC login dialogue of CryptoNote pools; public interfaces of in-browser miners; ATT&CK T1496.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope, miner_config};
use crate::shell::text;

/// Most bytes of a file that are read: a script that mines is no longer.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "miner-script",
        title: "Script that mines cryptocurrency",
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
            "mining.subscribe",
            "mining.authorize",
            "mining.submit",
            "mining.notify",
            "hash_accepted",
            "site_key",
            "keepalived",
            "job_id",
            "seed_hash",
            "eth_submitLogin",
            "eth_submitWork",
            ".Anonymous(",
            "startMining",
            "coinhive",
            "coinimp",
            "cryptoloot",
            "deepMiner",
            "webminepool",
            "cryptonight",
            "randomx",
        ],
    },
    inspect,
};

static DIALOGUE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"mining\.subscribe",
        r"mining\.authorize",
        r"mining\.submit",
        r"mining\.notify|mining\.set_(?:difficulty|target|extranonce)",
        r#"["']?method["']?\s*[:=]\s*["']login["']|eth_submitLogin"#,
        r#"["']?method["']?\s*[:=]\s*["']submit["']|eth_submitWork|eth_getWork"#,
        r#"["']keepalived["']"#,
    ])
});
/// The dialogue of in-browser miners: shares, a login with a site key. The others count beside the first.
static IN_BROWSER: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r#"["']hash_accepted["']"#,
        r#"\bsite_key["']?\s*:"#,
        r#"["']?\btype["']?\s*(?:[:=]|={2,3})\s*["'](?:authed|submit)["']"#,
    ])
});
static JOB: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"job_?id",
        r#"["'.\[](?:blob|seed_hash|prevhash|prev_hash|coinb1|coinbase1|merkle_?branch(?:es)?)\b"#,
        r"extra_?nonce",
        r"\bn_?bits\b|\btarget\b|\bdifficulty\b",
        r"\bn_?time\b|\bheight\b",
    ])
});
static HASHES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    all(&[
        r"(?i)sha256\s*\(\s*[^)\n]{0,40}sha256|hashlib\.(?:sha256|scrypt|blake2b)|createHash\(|Digest::SHA|hash\(\s*['\x22]sha256|cryptonight|randomx|yespower|yescrypt|scrypt|ethash|kawpow|verushash|WebAssembly|CryptonightWASM",
        r"(?i)\bnonce\s*(?:\+=|=\s*nonce\s*\+|\+\+)|\+\+\s*\$?nonce|for\s*\(?[^\n]{0,40}\bnonce\b|range\([^\n]{0,60}(?:2\s*\*\*\s*32|0x[fF]{8}|4294967295|nonce)|while[^\n]{0,60}nonce|randint\([^\n]{0,30}0x[fF]{6}",
        r"(?i)hash_?rate|\bH/s\b|hashes[ _/]?per|shares?[ _]?(?:accepted|found)|accepted[ _]?shares?",
        r"(?i)hardwareConcurrency|cpus\(\)\.length|cpu_count\(|\bthrottle\b|Worker\(|NumCPU\(|multiprocessing",
        r"(?i)socket\.(?:socket|create_connection|connect)|net\.(?:connect|createConnection|Socket|Dial)|new WebSocket|fsockopen|stream_socket_client|IO::Socket|TCPSocket",
    ])
});
/// In-browser miners that are started, with whom they pay.
static STARTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(?:coinhive|client|coinimp|cryptoloot|crloot|deepminer|miner|webmine[a-z]*|projectpoi|minero|jsecoin|perfektstart)\.(?:anonymous|user|token)\s*\(\s*['"][A-Za-z0-9]{16,106}['"]|\bstartMining\s*\(\s*['"][^'"]{3,80}['"]\s*,\s*['"][^'"]{20,110}['"]|\bPerfektStart\s*\(\s*['"]|EverythingIsLife\s*\(\s*['"][48]"#,
    )
});
/// Who answers miners instead of being one.
static SERVER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)case\s*['\x22]mining\.(?:subscribe|authorize|submit)['\x22]|(?:==|elif|if)[^\n]{0,40}['\x22]mining\.(?:subscribe|authorize|submit)['\x22]|createServer\(|\.listen\(|getblocktemplate|submitblock",
    )
});

fn all(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|pattern| regex(pattern)).collect()
}

/// ASCII only: fast over whole scripts.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant, and a test runs it")
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.first() else { return Vec::new() };
    if text::is_program(sample) || !text::stands_in_text(sample, first.offset) {
        return Vec::new();
    }
    let bytes = sample.bytes.get(..SCRIPT_BYTES_MAX).unwrap_or(sample.bytes);
    if let Some(started) = STARTED.find(bytes)
        && (!text::is_document(sample, started.start()) || in_page(sample, started.start()))
    {
        return vec![Match::new("starts an in-browser miner with an account", started.start())];
    }
    let count = |patterns: &[Regex]| patterns.iter().filter(|pattern| pattern.is_match(bytes)).count();
    let in_browser = IN_BROWSER.first().is_some_and(|shares| shares.is_match(bytes));
    let dialogue = count(&DIALOGUE) + if in_browser { count(&IN_BROWSER) } else { 0 };
    if dialogue < 2
        || text::is_document(sample, first.offset)
            && sample.hits.iter().all(|hit| text::is_document(sample, hit.offset))
    {
        return Vec::new();
    }
    if miner_config::is_c_source(&String::from_utf8_lossy(sample.around(first.offset, 3000, 3000).1)) {
        return Vec::new();
    }
    let (job, hashes) = (count(&JOB), count(&HASHES));
    let mut found = Match::new(
        format!("{dialogue} calls of a pool's dialogue, {job} fields of a job, {hashes} tells of hashing"),
        first.offset,
    );
    let serves = SERVER.is_match(bytes);
    if hashes >= 3 && job >= 2 && !serves {
        return vec![found];
    }
    if hashes >= 2 && job >= 2 || dialogue >= 3 && !serves && hashes >= 1 {
        found.weight = Some(Weight::Sign);
        found.severity = Some(Severity::Medium);
        return vec![found];
    }
    Vec::new()
}

/// Whether the place is in a `<script>` of a page: mark-up around it makes no document of it.
fn in_page(sample: &Sample<'_>, offset: usize) -> bool {
    let (_, before) = sample.around(offset, 2000, 0);
    let before = String::from_utf8_lossy(before).to_ascii_lowercase();
    let opened = before.rfind("<script");
    opened.is_some() && opened > before.rfind("</script") && !before.contains("<pre") && !before.contains("<code")
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    fn weight(text: &str) -> Option<Weight> {
        run(&DETECTOR, "x", 0o644, text.as_bytes()).first().map(|found| found.weight.unwrap_or(Weight::Proof))
    }

    const MINER: &str = "import socket, hashlib, json\ns = socket.create_connection((host, port))\n\
        send('mining.subscribe', [])\nsend('mining.authorize', [user, 'x'])\njob_id, prevhash, coinb1, coinb2 = params\n\
        for nonce in range(2**32):\n    h = hashlib.sha256(hashlib.sha256(header).digest()).digest()\n    if h < target:\n\
        \x20       send('mining.submit', [user, job_id, extranonce2, ntime, nonce])\n";

    #[test]
    fn a_script_that_hashes_for_a_pool_is_a_miner() {
        assert_eq!(weight(MINER), Some(Weight::Proof));
    }

    #[test]
    fn a_page_that_starts_a_miner_is_told() {
        let key = "K".repeat(32);
        let page =
            format!("<html><div>x</div><script>var m = new CoinHive.Anonymous('{key}'); m.start();</script></html>");
        assert_eq!(weight(&page), Some(Weight::Proof));
        let manual = format!("<html><pre>var m = new CoinHive.Anonymous('{key}')</pre></html>");
        assert_eq!(weight(&manual), None);
    }

    #[test]
    fn a_browser_miner_outside_a_browser_is_a_miner() {
        let miner = "const socket = new WebSocket(pool);\nsend({ type: 'auth', params: { site_key: key } });\n\
            if (m.type === 'job') job = m.params;\nif (m.type === 'hash_accepted') n += m.params.hashes;\n\
            new Worker('h.js', { blob: job.blob, target: job.target });\nWebAssembly.instantiate(module_);\n\
            send({ type: 'submit', params: { job_id: job.job_id, nonce: f.nonce } });\n";
        assert_eq!(weight(miner), Some(Weight::Proof));
        // A captcha has a site key, a job queue job ids and workers.
        let page = "render({ site_key: k });\nnew Worker('a.js'); socket = new WebSocket(u);\n\
            send({ type: 'submit', job_id: j, target: t, height: h });\n";
        assert_eq!(weight(page), None);
    }

    #[test]
    fn a_pool_is_at_most_a_sign_and_a_manual_nothing() {
        let pool = format!("{MINER}switch(m) {{ case 'mining.subscribe': x(); }}\nserver.listen(3333)\n");
        assert_eq!(weight(&pool), Some(Weight::Sign));
        check(
            &DETECTOR,
            "x",
            b"The client sends `mining.subscribe`, then `mining.authorize`.\n\n```\njob_id\n```\n",
            &[],
        );
    }
}
