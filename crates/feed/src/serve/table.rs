//! `/v1/feed.csv`: the shards of the CSV one after the other, with one header line, for readers that take one URL.

use std::{io, sync::Arc};

use model::Digest;

use super::{
    Served,
    answer::{Answer, Content},
    asked::Asked,
    conditional::{is_unchanged, tag_of},
    release::Release,
};
use crate::forms::CSV_HEADER;

/// Longest shard that is read.
const SHARD_BYTES_MAX: u64 = 512 << 20;

pub(super) fn answer(served: &Served, asked: &Asked, release: &Release) -> io::Result<Answer> {
    let mut tags = Vec::with_capacity(256 * 32);
    for shard in 0..=u8::MAX {
        tags.extend_from_slice(served.tags.of(&release.file(&path(shard))?)?.as_bytes());
    }
    let tag = tag_of(&Digest::of(&tags), None);
    let answer = if is_unchanged(asked, &tag, None) {
        Answer::new(304, Content::Nothing)
    } else {
        // One shard is open at a time. If the release is removed meanwhile the answer breaks off, which no client takes for its end.
        let release = release.clone();
        let pieces = move |number: usize| {
            let Ok(shard) = u8::try_from(number) else { return Ok(None) };
            let mut bytes = release.file(&path(shard))?.read(SHARD_BYTES_MAX)?;
            if number > 0 && bytes.starts_with(CSV_HEADER.as_bytes()) {
                bytes.drain(..CSV_HEADER.len());
            }
            Ok(Some(bytes))
        };
        Answer::new(200, Content::Pieces(Arc::new(pieces)))
            .header("content-type", "text/csv; charset=utf-8; header=present")
    };
    Ok(answer.header("etag", &tag).header("cache-control", "public, max-age=60"))
}

fn path(shard: u8) -> String {
    format!("csv/{shard:02x}.csv")
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn it_is_one_table_of_all_entries() {
        let site = Site::of(300);
        let got = site.get("/v1/feed.csv", &[]);
        let text = String::from_utf8(got.body.clone()).expect("text");
        assert!(text.starts_with(CSV_HEADER) && text.matches("id,digest").count() == 1);
        assert_eq!(text.lines().count(), 301);
        assert_eq!(site.get("/v1/feed.csv", &[("if-none-match", got.header("etag"))]).status, 304);
    }
}
