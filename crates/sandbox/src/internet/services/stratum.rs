//! Mining pools: Monero's `login` dialect, Bitcoin's `mining.*`, Ethereum's `eth_*`. Deals a job with a target that anything meets, takes every share.
//!
//! The replies are those that XMRig 6 goes on with. Source: xmrig/xmrig-proxy doc/STRATUM.md; the Stratum V1 notes of slushpool; EIP-1571 and
//! the ethproxy of ethminer.

use model::{What, text::shortened};
use serde_json::{Value, json};

use super::super::service::{Kind, Service, Talk, line};

pub(in super::super) const KIND: Kind = Kind {
    name: "stratum",
    ports: &[3333, 4444, 5555, 7777, 14444, 45700],
    greets: false,
    insists: true,
    knows,
    open: || Box::new(Pool::default()),
};

const LINE_BYTES_MAX: usize = 64 << 10;
/// New jobs come about as often as blocks of a busy pool.
const QUIET_BEFORE_JOB: u32 = 30;
const NAME_CHARS_MAX: usize = 160;

fn knows(first: &[u8]) -> bool {
    let head = first.get(..first.len().min(2_048)).unwrap_or_default();
    head.starts_with(b"{") && {
        let text = String::from_utf8_lossy(head);
        let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        [
            "\"method\":\"login\"",
            "\"method\":\"mining.",
            "\"method\":\"eth_",
            "\"method\":\"keepalived\"",
            "\"method\":\"getjob\"",
        ]
        .iter()
        .any(|method| compact.contains(method))
    }
}

/// One miner's connection.
#[derive(Default)]
struct Pool {
    login: String,
    worker: String,
    agent: String,
    dialect: &'static str,
    jobs: u64,
    quiet: u32,
}

impl Service for Pool {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.quiet = 0;
        while let Some(text) = line(input, LINE_BYTES_MAX) {
            match serde_json::from_str::<Value>(&text) {
                Ok(message) => self.message(&message, talk),
                Err(_) => talk.message("stratum", &text),
            }
        }
    }

    fn quiet(&mut self, talk: &mut Talk<'_>) {
        self.quiet += 1;
        if self.quiet.is_multiple_of(QUIET_BEFORE_JOB) {
            match self.dialect {
                "login" => {
                    let job = self.monero_job(talk);
                    say(talk, &json!({"jsonrpc": "2.0", "method": "job", "params": job}));
                }
                "mining" => self.bitcoin_job(talk),
                _ => {}
            }
        }
    }
}

impl Pool {
    fn message(&mut self, message: &Value, talk: &mut Talk<'_>) {
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        let params = message.get("params").cloned().unwrap_or(Value::Null);
        let of = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or_default();
        let at = |place: usize| params.get(place).and_then(Value::as_str).unwrap_or_default();
        let mut share = false;
        match method.as_str() {
            "login" => {
                self.dialect = "login";
                (self.login, self.worker, self.agent) = (name(of("login")), name(of("rigid")), name(of("agent")));
                if self.worker.is_empty() {
                    self.worker = name(of("pass"));
                }
                let job = self.monero_job(talk);
                let result = json!({"id": "1be0b7b6-b15a-47be-a17d-46b2911cf7d0", "job": job, "extensions": ["algo", "keepalive"], "status": "OK"});
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "error": null, "result": result}));
            }
            "submit" => {
                share = true;
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "error": null, "result": {"status": "OK"}}));
            }
            "getjob" => {
                let job = self.monero_job(talk);
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "error": null, "result": job}));
            }
            "keepalived" => {
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "error": null, "result": {"status": "KEEPALIVED"}}));
            }
            "mining.subscribe" => {
                self.dialect = "mining";
                self.agent = name(at(0));
                let subscription = json!([[["mining.set_difficulty", "1"], ["mining.notify", "1"]], "08000002", 4]);
                say(talk, &json!({"id": id, "result": subscription, "error": null}));
            }
            "mining.authorize" => {
                self.dialect = "mining";
                let account = at(0);
                let (login, worker) = account.split_once('.').unwrap_or((account, ""));
                (self.login, self.worker) = (name(login), name(worker));
                say(talk, &json!({"id": id, "result": true, "error": null}));
                say(talk, &json!({"id": null, "method": "mining.set_difficulty", "params": [0.000_001]}));
                self.bitcoin_job(talk);
            }
            "mining.submit" => {
                share = true;
                say(talk, &json!({"id": id, "result": true, "error": null}));
            }
            "mining.configure" => {
                self.dialect = "mining";
                say(
                    talk,
                    &json!({"id": id, "result": {"version-rolling": true, "version-rolling.mask": "1fffe000"}, "error": null}),
                );
            }
            "mining.extranonce.subscribe" | "mining.suggest_difficulty" | "mining.suggest_target" => {
                say(talk, &json!({"id": id, "result": true, "error": null}));
            }
            "eth_submitLogin" | "eth_login" => {
                self.dialect = "ethproxy";
                let account = at(0);
                let (login, worker) = account.split_once('.').unwrap_or((account, at(1)));
                (self.login, self.worker) = (name(login), name(worker));
                if let Some(worker) = message.get("worker").and_then(Value::as_str) {
                    self.worker = name(worker);
                }
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "result": true}));
            }
            "eth_getWork" => {
                self.dialect = "ethproxy";
                let header = format!("0x{}", self.hash(talk, "header"));
                let work =
                    json!([header, format!("0x{}", "0".repeat(64)), format!("0x{}", "f".repeat(64)), "0x1000000"]);
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "result": work}));
            }
            "eth_submitWork" => {
                share = true;
                say(talk, &json!({"id": id, "jsonrpc": "2.0", "result": true}));
            }
            "eth_submitHashrate" => say(talk, &json!({"id": id, "jsonrpc": "2.0", "result": true})),
            // A reply to one of ours, or something else.
            "" => return,
            _ => say(
                talk,
                &json!({"id": id, "jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}}),
            ),
        }
        if self.dialect.is_empty() {
            self.dialect = if method.starts_with("mining.") { "mining" } else { "login" };
        }
        talk.world.event(What::Stratum {
            flow: talk.flow.id,
            dialect: self.dialect.to_owned(),
            method: name(&method),
            login: self.login.clone(),
            worker: self.worker.clone(),
            agent: self.agent.clone(),
            share,
        });
    }

    fn hash(&mut self, talk: &Talk<'_>, what: &str) -> String {
        (0..4).map(|part| format!("{:016x}", talk.world.draw(what, &format!("{} {part}", self.jobs)))).collect()
    }

    /// `ffffff7f` is met by every second hash: a share comes within seconds even of a slow miner.
    fn monero_job(&mut self, talk: &Talk<'_>) -> Value {
        self.jobs += 1;
        let block = self.hash(talk, "block");
        // Versions 14, a time, the hash before, a nonce of zeros, the root, one transaction: 76 bytes.
        let blob = format!("0e0e{:010x}{block}00000000{}01", talk.world.date(), self.hash(talk, "root"));
        json!({
            "blob": blob, "job_id": format!("{:x}", self.jobs), "target": "ffffff7f", "height": 3_180_000 + self.jobs,
            "seed_hash": "0".repeat(64), "algo": "rx/0",
        })
    }

    fn bitcoin_job(&mut self, talk: &mut Talk<'_>) {
        self.jobs += 1;
        let previous = self.hash(talk, "previous");
        let coinbase = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20";
        let params = json!([
            format!("{:x}", self.jobs),
            previous,
            coinbase,
            "ffffffff0100f2052a01000000",
            [],
            "20000000",
            "207fffff",
            format!("{:08x}", talk.world.date()),
            true,
        ]);
        say(talk, &json!({"id": null, "method": "mining.notify", "params": params}));
    }
}

fn name(text: &str) -> String {
    shortened(text, NAME_CHARS_MAX).into_owned()
}

fn say(talk: &mut Talk<'_>, message: &Value) {
    talk.say(format!("{message}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_is_known_by_its_first_bytes() {
        assert!(knows(br#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"#));
        assert!(knows(br#"{"params": ["x/1"], "id": 1, "method": "mining.subscribe"}"#));
        assert!(!knows(br#"{"method":"getblocktemplate"}"#));
        assert!(!knows(br#"{"hello":"world"}"#));
    }
}
