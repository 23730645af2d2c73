//! Redis without a password, as worms look for it: takes every command, records it, keeps nothing.
//!
//! Source: the RESP specification of redis.io, version 2; inline commands.

use super::super::service::{Kind, Service, Talk, line};

pub(in super::super) const KIND: Kind = Kind {
    name: "redis",
    ports: &[6379, 6380, 7000],
    greets: false,
    insists: false,
    knows: |first| {
        first.first() == Some(&b'*') && first.get(1).is_some_and(u8::is_ascii_digit) && first.contains(&b'$')
    },
    open: || Box::new(Server),
};

const LINE_BYTES_MAX: usize = 64 << 10;
const WORDS_MAX: usize = 1_024;
const WORD_BYTES_MAX: usize = 512 << 10;

struct Server;

impl Service for Server {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        loop {
            match command(input) {
                Parsed::Partial => return,
                Parsed::Bad => {
                    talk.say("-ERR Protocol error\r\n");
                    *talk.close = true;
                    return;
                }
                Parsed::Command(words) => serve(&words, talk),
            }
            if *talk.close {
                return;
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Partial,
    Bad,
    Command(Vec<String>),
}

/// Takes the next command out of `input`.
fn command(input: &mut Vec<u8>) -> Parsed {
    if input.first() != Some(&b'*') {
        return match line(input, LINE_BYTES_MAX) {
            Some(text) => Parsed::Command(text.split_ascii_whitespace().map(str::to_owned).collect()),
            None => Parsed::Partial,
        };
    }
    let mut at = 0;
    let number = |at: &mut usize, mark: u8| -> Result<Option<usize>, ()> {
        let rest = input.get(*at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if rest.len() > 32 { Err(()) } else { Ok(None) };
        };
        let text = rest.get(..end).and_then(|text| text.strip_prefix(&[mark])).ok_or(())?;
        *at += end + 1;
        std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).map(Some).ok_or(())
    };
    let count = match number(&mut at, b'*') {
        Ok(Some(count)) if count <= WORDS_MAX => count,
        Ok(None) => return Parsed::Partial,
        _ => return Parsed::Bad,
    };
    let mut words = Vec::new();
    for _ in 0..count {
        let length = match number(&mut at, b'$') {
            Ok(Some(length)) if length <= WORD_BYTES_MAX => length,
            Ok(None) => return Parsed::Partial,
            _ => return Parsed::Bad,
        };
        let Some(word) = input.get(at..at + length + 2) else { return Parsed::Partial };
        words.push(String::from_utf8_lossy(word.get(..length).unwrap_or_default()).into_owned());
        at += length + 2;
    }
    input.drain(..at);
    Parsed::Command(words)
}

fn serve(words: &[String], talk: &mut Talk<'_>) {
    let name = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let first = words.get(1).map(String::as_str).unwrap_or_default();
    if name.is_empty() {
        return;
    }
    talk.message("redis", &words.join(" "));
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let answer = match name.as_str() {
        "PING" if first.is_empty() => "+PONG\r\n".to_owned(),
        "PING" | "ECHO" => bulk(first),
        "AUTH" => {
            let (user, password) = match words.get(2) {
                Some(password) => (first, password.as_str()),
                None => ("", first),
            };
            talk.login("redis", user, password, true);
            "+OK\r\n".to_owned()
        }
        "INFO" => bulk(
            "# Server\r\nredis_version:5.0.7\r\nredis_mode:standalone\r\nos:Linux 5.4.0-42-generic x86_64\r\narch_bits:64\r\ntcp_port:6379\r\n\
             uptime_in_seconds:864213\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n",
        ),
        "CONFIG" if first.eq_ignore_ascii_case("get") => {
            let key = words.get(2).map(String::as_str).unwrap_or_default();
            let value = match key {
                "dir" => "/var/lib/redis",
                "dbfilename" => "dump.rdb",
                _ => "",
            };
            format!("*2\r\n{}{}", bulk(key), bulk(value))
        }
        "GET" | "HGET" | "LPOP" | "RPOP" => "$-1\r\n".to_owned(),
        "KEYS" => format!("*2\r\n{}{}", bulk("session:1"), bulk("cache:front")),
        "COMMAND" | "HGETALL" | "SMEMBERS" | "LRANGE" => "*0\r\n".to_owned(),
        "EVAL" | "EVALSHA" => "$-1\r\n".to_owned(),
        "DEL" | "EXISTS" | "INCR" | "LPUSH" | "RPUSH" | "SADD" | "HSET" | "EXPIRE" | "DBSIZE" => ":1\r\n".to_owned(),
        "HELLO" => "-ERR unknown command `HELLO`\r\n".to_owned(),
        "QUIT" => {
            *talk.close = true;
            "+OK\r\n".to_owned()
        }
        _ => "+OK\r\n".to_owned(),
    };
    talk.say(answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_a_part_waits() {
        let whole = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$5\r\n\n\n* *\r\n";
        let mut input = [&whole[..], b"PING\r\n"].concat();
        assert_eq!(command(&mut input), Parsed::Command(vec!["SET".into(), "x".into(), "\n\n* *".into()]));
        assert_eq!(command(&mut input), Parsed::Command(vec!["PING".into()]));
        for length in 0..whole.len() {
            assert_eq!(command(&mut whole[..length].to_vec()), Parsed::Partial, "{length}");
        }
        assert_eq!(command(&mut b"*99999999999\r\n".to_vec()), Parsed::Bad);
        assert_eq!(command(&mut b"*1\r\n$99999999\r\n".to_vec()), Parsed::Bad);
    }

    #[test]
    fn a_worms_commands_are_recorded() {
        use crate::internet::testing::{run, shell};
        let (events, _) = run(|_| {
            let said = shell(
                "redis-cli -h 203.0.113.7 config set dir /var/spool/cron; redis-cli -h 203.0.113.7 set x '* * * * * true'; redis-cli -h 203.0.113.7 -a guess save 2>/dev/null; redis-cli -h 203.0.113.7 info",
            );
            assert!(said.starts_with("OK\nOK\nOK\n") && said.contains("redis_version:5.0.7"), "{said}");
        });
        let said = |line: &str| {
            events.iter().any(|event| matches!(event, model::What::Message { service, text, .. } if service == "redis" && text == line))
        };
        assert!(said("config set dir /var/spool/cron") && said("set x * * * * * true"), "{events:#?}");
        assert!(events.iter().any(|event| matches!(event, model::What::Login { password, .. } if password == "guess")));
    }
}
