//! `/v1/changes?since=N&limit=M`: the changes with the numbers N to N+M-1, oldest first. `since` is the `sequence` a client has, and
//! `next` in the answer what it asks with then; so 0 begins at the beginning.
//!
//! They are read from the transparency log's bundles, which hold all that ever changed; where a mirror has no log, from
//! `changes.jsonl`, which goes back a while (410 beyond that). A `since` beyond the newest is 409: the client has seen more than this
//! feed ever had, so one of the two was rolled back.

use std::io;

use super::{
    Served,
    answer::Answer,
    asked::Asked,
    release::{Release, lines},
};
use crate::trust::tiles::{TILE_WIDTH, leaves, tile_path};

/// Changes in one answer, unless fewer are asked for.
const CHANGES: u64 = 1_000;
/// Most that can be asked for.
const CHANGES_MAX: u64 = 10_000;
/// An answer ends with the change that passes this.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longest bundle: 256 leaves of 64 KiB.
const BUNDLE_BYTES_MAX: u64 = 256 << 16;
/// Longest checkpoint.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;
/// Longest `changes.jsonl`.
const LINES_BYTES_MAX: u64 = 256 << 20;

/// Some changes as they were written, and what is known of the rest.
struct Found {
    changes: Vec<Vec<u8>>,
    /// How many changes there are.
    sequence: u64,
    /// Number of the first that is still here.
    oldest: u64,
}

pub(super) fn answer(_: &Served, asked: &Asked, release: &Release) -> io::Result<Answer> {
    let number = |name: &str, default: u64| asked.query(name).map_or(Some(default), |text| text.parse().ok());
    let (Some(since), Some(limit)) = (number("since", 0), number("limit", CHANGES).filter(|limit| *limit > 0)) else {
        return Ok(Answer::error(
            400,
            "`since` is the number of changes that are known already, `limit` how many to tell: as in ?since=0&limit=100",
        ));
    };
    let limit = limit.min(CHANGES_MAX);
    let found = match release.file("log/checkpoint") {
        Ok(checkpoint) => from_log(release, &checkpoint.read(CHECKPOINT_BYTES_MAX)?, since, limit)?,
        Err(_) => from_lines(release, since, limit)?,
    };
    if since > found.sequence {
        let message =
            format!("there are {} changes here, not {since}: this feed is older than the one you know", found.sequence);
        return Ok(Answer::error(409, &message));
    }
    if since < found.oldest {
        let message = format!("changes before {} are not kept here: begin with entries/", found.oldest);
        return Ok(Answer::error(410, &message));
    }
    let next = since + found.changes.len() as u64;
    let mut body = format!(
        "{{\"since\":{since},\"next\":{next},\"sequence\":{},\"more\":{},\"changes\":[",
        found.sequence,
        next < found.sequence
    )
    .into_bytes();
    for (at, change) in found.changes.iter().enumerate() {
        body.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        body.extend_from_slice(change);
    }
    body.extend_from_slice(b"\n]}\n");
    Ok(Answer::fresh(asked, "application/json", body, 10))
}

fn from_log(release: &Release, checkpoint: &[u8], since: u64, limit: u64) -> io::Result<Found> {
    let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("log: {what}"));
    let text = std::str::from_utf8(checkpoint).map_err(|_| damaged("the checkpoint is no text".to_owned()))?;
    let checkpoint = crate::trust::Checkpoint::parse(text).map_err(|error| damaged(error.to_string()))?;
    let mut found = Found { changes: Vec::new(), sequence: checkpoint.size, oldest: 0 };
    let (mut at, end, mut bytes) = (since, since.saturating_add(limit).min(checkpoint.size), 0);
    while at < end && bytes < ANSWER_BYTES_MAX {
        let (index, skip) = (at / TILE_WIDTH, at % TILE_WIDTH);
        let width = (checkpoint.size - index * TILE_WIDTH).min(TILE_WIDTH);
        let path = format!("log/{}", tile_path(None, index, width));
        let opened = release.file(&path).map_err(|error| damaged(format!("{path}: {error}")))?;
        let bundle = opened.read(BUNDLE_BYTES_MAX)?;
        let leaves = leaves(&bundle).filter(|leaves| leaves.len() as u64 == width);
        let leaves = leaves.ok_or_else(|| damaged(format!("{path} does not hold {width} changes")))?;
        for leaf in leaves.into_iter().skip(usize::try_from(skip).unwrap_or(0)) {
            if at == end || bytes >= ANSWER_BYTES_MAX {
                break;
            }
            serde_json::from_slice::<serde::de::IgnoredAny>(leaf)
                .map_err(|error| damaged(format!("change {at}: {error}")))?;
            bytes += leaf.len();
            found.changes.push(leaf.to_vec());
            at += 1;
        }
    }
    Ok(found)
}

fn from_lines(release: &Release, since: u64, limit: u64) -> io::Result<Found> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        sequence: u64,
    }
    let lines = lines(&release.file("changes.jsonl")?, LINES_BYTES_MAX)?;
    let number = |line: &String| {
        serde_json::from_str::<Numbered>(line).map(|numbered| numbered.sequence).map_err(io::Error::other)
    };
    let oldest = lines.first().map(number).transpose()?.unwrap_or(0);
    let sequence = lines.last().map(number).transpose()?.map_or(0, |last| last + 1);
    let (mut changes, mut bytes) = (Vec::new(), 0);
    let skip = usize::try_from(since.saturating_sub(oldest)).unwrap_or(usize::MAX);
    for line in lines.into_iter().skip(skip).take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        if bytes >= ANSWER_BYTES_MAX {
            break;
        }
        bytes += line.len();
        changes.push(line.into_bytes());
    }
    Ok(Found { changes, sequence, oldest })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::*;

    fn asked(site: &Site, query: &str) -> Value {
        let got = site.get(&format!("/v1/changes?{query}"), &[]);
        serde_json::from_slice(&got.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&got.body)))
    }

    /// Every change once, in order, whatever the steps.
    fn walk(site: &Site, limit: u64) {
        let (mut since, mut seen) = (0, Vec::new());
        loop {
            let page = asked(site, &format!("since={since}&limit={limit}"));
            let changes = page["changes"].as_array().expect("changes").clone();
            seen.extend(changes.iter().map(|change| change["sequence"].as_u64().expect("a number")));
            since = page["next"].as_u64().expect("a number");
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(seen, (0..site.world.changes.len() as u64).collect::<Vec<_>>(), "by {limit}");
    }

    #[test]
    fn a_client_follows_from_the_log_and_from_the_latest() {
        let site = Site::of(700);
        walk(&site, 100);
        site.write_log();
        for limit in [1_000, 256, 300, 1] {
            walk(&site, limit);
        }
        let got = asked(&site, "since=700");
        assert_eq!((got["more"].as_bool(), got["changes"].as_array().map(Vec::len)), (Some(false), Some(0)));
    }

    #[test]
    fn who_knows_more_is_told_of_the_rollback() {
        let site = Site::of(20);
        site.write_log();
        assert_eq!(site.get("/v1/changes?since=21", &[]).status, 409);
        for wrong in ["since=-1", "since=x", "limit=0", "since=99999999999999999999999"] {
            assert_eq!(site.get(&format!("/v1/changes?{wrong}"), &[]).status, 400, "{wrong}");
        }
    }

    #[test]
    fn what_is_gone_is_said_to_be_gone() {
        let mut site = Site::of(20);
        site.world.changes.drain(..5);
        site.write();
        assert_eq!(site.get("/v1/changes?since=4", &[]).status, 410);
        assert_eq!(asked(&site, "since=5")["next"], 20);
    }

    #[test]
    fn a_damaged_log_is_not_told_as_if_it_were_whole() {
        let site = Site::of(300);
        site.write_log();
        std::fs::write(site.public().join("log/tile/entries/000"), b"\0\x09{\"a\": 1}").expect("writes");
        assert_eq!(site.get("/v1/changes?since=0", &[]).status, 503);
    }
}
