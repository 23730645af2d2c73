//! Imitates a CPU miner: its words, its protocol and, faintly, its load.
//!
//! `standin-miner --url stratum+tcp://127.0.0.1:PORT --user WALLET [--seconds N]`
//!
//! It subscribes and logs in to a Stratum pool, reads what the pool sends, and keeps one core busy for less than a
//! fifth of the time, for 5 s unless told otherwise and at most 20 s.
//!
//! Never: it hashes nothing, submits no share, starts no thread per core, and holds no wallet of its own. The pool must be
//! on loopback. It ends by itself.

use std::{
    hint::{black_box, spin_loop},
    io::{BufRead, BufReader, Read, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use standins::{Arguments, begin, connect};

/// What strings(1) finds in a miner. Kept in the binary by [`main`].
const WORDS: [&str; 32] = [
    "rx/0",
    "rx/wow",
    "rx/arq",
    "cn/r",
    "cn/half",
    "cn-heavy/xhv",
    "cn-lite/1",
    "cn-pico",
    "randomx",
    "kawpow",
    "ethash",
    "argon2/chukwa",
    "ghostrider",
    "stratum+tcp://",
    "stratum+ssl://",
    "mining.subscribe",
    "mining.authorize",
    "mining.set_difficulty",
    "mining.notify",
    "mining.submit",
    "keepalived",
    "getjob",
    "nicehash",
    "donate-level",
    "max-cpu-usage",
    "cpu-affinity",
    "huge-pages",
    "rig-id",
    "algo-perf",
    "pool url",
    "hashrate",
    "accepted share",
];
const SECONDS_DEFAULT: u64 = 5;
const SECONDS_MAX: u64 = 20;
const ANSWER_BYTES_MAX: u64 = 16 << 10;
const BUSY: Duration = Duration::from_millis(8);
const IDLE: Duration = Duration::from_millis(52);

fn main() -> ExitCode {
    black_box(WORDS);
    begin(mine)
}

fn mine(arguments: &Arguments) -> Result<String, String> {
    let pool = arguments.loopback("url")?;
    let wallet: String = arguments.get("user")?.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let seconds = arguments.number("seconds", SECONDS_DEFAULT, SECONDS_MAX)?;

    let mut stream = connect(pool)?;
    let hello = format!(
        "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"standin-miner/1\"]}}\n\
         {{\"id\":2,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{{\"login\":\"{wallet}\",\"pass\":\"x\",\
         \"agent\":\"standin-miner/1\",\"algo\":[\"rx/0\",\"cn/r\"]}}}}\n"
    );
    stream.write_all(hello.as_bytes()).map_err(|error| error.to_string())?;
    let answers = BufReader::new((&stream).take(ANSWER_BYTES_MAX)).lines().take(2).map_while(Result::ok).count();

    warm(Duration::from_secs(seconds));
    Ok(format!("{answers} answers, no share"))
}

/// Less than a fifth of one core.
#[expect(clippy::disallowed_methods, reason = "the load is bounded by the clock")]
fn warm(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        let round = Instant::now();
        while round.elapsed() < BUSY {
            spin_loop();
        }
        thread::sleep(IDLE);
    }
}
