//! `/v1/range/{prefix}`: every listed digest that begins with 2 to 5 hex digits, so that a client learns whether its image is listed
//! without telling which image it has. More digits are refused: they would tell.
//!
//! A line each, sorted: the digest's remaining digits, role, list, channel, severity, entry id and categories, between spaces. As JSON
//! with `Accept: application/json`.

use std::io;

use model::Digest;
use serde_json::json;

use super::{Served, answer::Answer, asked::Asked, release::Release};
use crate::shard::{Listed, RECORD_BYTES, RECORDS_MAX, decode};

/// Longest shard that is read.
const SHARD_BYTES_MAX: u64 = RECORDS_MAX * RECORD_BYTES as u64 + 16;

pub(super) fn answer(_: &Served, asked: &Asked, release: &Release, prefix: &str) -> io::Result<Answer> {
    let digits = prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !digits || !(2..=5).contains(&prefix.len()) {
        let message =
            "ask for the first 2 to 5 hex digits of a digest, in lower case: more would tell which image you have";
        return Ok(Answer::error(400, message));
    }
    let path = format!("shards/{}.bin", &prefix[..2]);
    let shard = u8::from_str_radix(&prefix[..2], 16).map_err(io::Error::other)?;
    let bytes = release.file(&path)?.read(SHARD_BYTES_MAX)?;
    let records = decode(shard, &bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let found = records.iter().filter_map(|(digest, meta)| Some((rest(digest, prefix)?, meta.listed()?)));
    if asked.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        let found: Vec<_> = found.map(|(rest, listed)| json(&rest, &listed)).collect();
        let body = format!("{}\n", json!({ "prefix": prefix, "digests": found }));
        return Ok(Answer::fresh(asked, "application/json", body.into_bytes(), 60).header("vary", "accept"));
    }
    let mut text = String::new();
    for (rest, listed) in found {
        let Listed { id, role, list, channel, severity, .. } = &listed;
        text.push_str(&format!("{rest} {role} {list} {channel} {severity} {id} {}\n", categories(&listed).join(",")));
    }
    Ok(Answer::fresh(asked, "text/plain; charset=utf-8", text.into_bytes(), 60).header("vary", "accept"))
}

/// The digits after `prefix`, if the digest begins with it.
fn rest(digest: &Digest, prefix: &str) -> Option<String> {
    digest.hex().strip_prefix(prefix).map(str::to_owned)
}

fn categories(listed: &Listed) -> Vec<&'static str> {
    listed.categories.iter().map(|category| category.word()).collect()
}

fn json(rest: &str, listed: &Listed) -> serde_json::Value {
    json!({
        "rest": rest, "role": listed.role, "list": listed.list, "channel": listed.channel, "severity": listed.severity,
        "confidence": listed.confidence, "id": listed.id, "categories": categories(listed),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::*;
    use crate::entry::Status;

    #[test]
    fn a_range_holds_exactly_what_begins_so() {
        let site = Site::of(2_000);
        for prefix in ["00", "a1", "ff0", "3c7f", "12345"] {
            let got = site.get(&format!("/v1/range/{prefix}"), &[]);
            assert_eq!(got.status, 200);
            let text = String::from_utf8(got.body).expect("text");
            let found: BTreeSet<_> =
                text.lines().map(|line| format!("{prefix}{}", &line[..64 - prefix.len()])).collect();
            let active = site.world.entries.iter().filter(|entry| entry.status == Status::Active);
            let expected: BTreeSet<_> =
                active.map(|entry| entry.digest.hex()).filter(|hex| hex.starts_with(prefix)).collect();
            assert_eq!(found, expected, "{prefix}");
            let as_json = site.get(&format!("/v1/range/{prefix}"), &[("accept", "application/json")]);
            let as_json: serde_json::Value = serde_json::from_slice(&as_json.body).expect("JSON");
            assert_eq!(as_json["digests"].as_array().map(Vec::len), Some(expected.len()));
        }
    }

    #[test]
    fn nobody_is_let_tell_too_much() {
        let site = Site::of(10);
        for prefix in ["a", "abcdef", &"a".repeat(64), "AB", "zz", "..", "a b"] {
            let status = site.get(&format!("/v1/range/{}", prefix.replace(' ', "%20")), &[]).status;
            assert_eq!(status, 400, "{prefix}");
        }
    }
}
