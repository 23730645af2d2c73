//! Files, as any web server would serve them: ETag, 304, ranges, compression.

use std::io;

use httpdate::fmt_http_date;

use super::{
    Served,
    answer::{Answer, Content},
    asked::Asked,
    conditional::{Part, is_unchanged, part, tag_of},
    encoding::{self, BYTES_MAX, BYTES_MIN, Encoding},
    release::{Opened, Release},
};
use crate::forms::FORMS;

pub(super) fn answer(served: &Served, asked: &Asked, release: &Release) -> io::Result<Answer> {
    let path = asked.path.strip_prefix('/').unwrap_or_default();
    if path.is_empty() && asked.path == "/" {
        return front(asked, release);
    }
    let opened = release.file(path)?;
    let content = served.tags.of(&opened)?;
    let (media_type, compresses) = media_type(path);
    let worth = compresses && opened.bytes >= BYTES_MIN && asked.header("range").is_none();
    let encoded = match encoding::wanted(asked).filter(|_| worth) {
        Some(encoding) => encode(served, release, path, &opened, &tag_of(&content, Some(encoding)), encoding)?,
        None => None,
    };
    let tag = tag_of(&content, encoded.as_ref().map(|(encoding, _)| *encoding));
    let mut answer = if is_unchanged(asked, &tag, opened.modified) {
        Answer::new(304, Content::Nothing)
    } else if let Some((encoding, content)) = encoded {
        Answer::new(200, content).header("content-type", media_type).header("content-encoding", encoding.word())
    } else {
        match part(asked, opened.bytes, &tag) {
            Part::Whole => Answer::new(200, Content::File { bytes: opened.bytes, file: opened.file, from: 0 })
                .header("content-type", media_type),
            Part::Some { from, bytes } => {
                let range = format!("bytes {from}-{}/{}", from + bytes - 1, opened.bytes);
                Answer::new(206, Content::File { file: opened.file, from, bytes })
                    .header("content-range", &range)
                    .header("content-type", media_type)
            }
            Part::Outside => {
                let range = format!("bytes */{}", opened.bytes);
                Answer::error(416, "the file is shorter").header("content-range", &range)
            }
        }
    };
    if answer.status != 416 {
        answer = answer.header("etag", &tag).header("cache-control", kept(path)).header("accept-ranges", "bytes");
        if let Some(modified) = opened.modified {
            answer = answer.header("last-modified", &fmt_http_date(modified));
        }
    }
    Ok(if compresses { answer.header("vary", "accept-encoding") } else { answer })
}

/// The compressed file beside it, or one that is made here.
fn encode(
    served: &Served,
    release: &Release,
    path: &str,
    opened: &Opened,
    tag: &str,
    encoding: Encoding,
) -> io::Result<Option<(Encoding, Content)>> {
    if let Ok(beside) = release.file(&format!("{path}{}", encoding.extension())) {
        return Ok(Some((encoding, Content::File { bytes: beside.bytes, file: beside.file, from: 0 })));
    }
    if opened.bytes > BYTES_MAX {
        return Ok(None);
    }
    let bytes = served.compressed.get(tag, encoding, || opened.read(BYTES_MAX))?;
    Ok(Some((encoding, Content::Bytes(bytes))))
}

/// For people who open it in a browser.
fn front(asked: &Asked, release: &Release) -> io::Result<Answer> {
    let head = release.head()?;
    let mut text = format!(
        "{}\n\n{} changes, {} entries: {} to block, {} to advise on.\n\n/feed.json\n/v1/changes?since=0\n/v1/range/{{2 to 5 hex digits}}\n/v1/feed.csv\n/taxii2/\n\n",
        model::text::visible(&head.name),
        head.sequence,
        head.entries,
        head.block,
        head.advise
    );
    for form in FORMS {
        text.push_str(&format!("/{:<32} {}\n", form.path, form.title));
    }
    Ok(Answer::fresh(asked, "text/plain; charset=utf-8", text.into_bytes(), 60))
}

/// By the name's ending, and whether it is worth compressing.
fn media_type(path: &str) -> (&'static str, bool) {
    if path.starts_with("log/tile/") {
        return ("application/octet-stream", path.starts_with("log/tile/entries/"));
    }
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending) {
        Some("json") => ("application/json", true),
        Some("jsonl") => ("application/jsonl", true),
        Some("csv") => ("text/csv; charset=utf-8", true),
        Some("atom") => ("application/atom+xml", true),
        Some("yaml") => ("application/yaml", true),
        Some("txt" | "conf" | "toml" | "minisig" | "pub") => ("text/plain; charset=utf-8", true),
        None => ("text/plain; charset=utf-8", true),
        Some(_) => ("application/octet-stream", false),
    }
}

/// How long others may keep it: what has a version or a hash in its name for good; what tells the newest for seconds.
fn kept(path: &str) -> &'static str {
    let numbered = |name: &str| {
        name.split_once('.')
            .is_some_and(|(number, rest)| !rest.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let hashed = |name: &str| {
        name.split_once('.').is_some_and(|(hash, _)| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let for_good = path.starts_with("log/tile/")
        || path.starts_with("metadata/") && numbered(name)
        || path.starts_with("targets/") && hashed(name);
    if for_good {
        "public, max-age=31536000, immutable"
    } else if matches!(path, "feed.json" | "log/checkpoint" | "metadata/timestamp.json") {
        "public, max-age=10"
    } else {
        "public, max-age=60"
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let site = Site::of(300);
        let first = site.get("/plain/block.txt", &[]);
        assert_eq!((first.status, first.header("content-type")), (200, "text/plain; charset=utf-8"));
        let tag = first.header("etag");
        assert_eq!(site.get("/plain/block.txt", &[("if-none-match", tag)]).status, 304);
        assert_eq!(site.get("/plain/block.txt", &[("if-modified-since", first.header("last-modified"))]).status, 304);
        let compressed = site.get("/plain/block.txt", &[("if-none-match", tag), ("accept-encoding", "gzip")]);
        assert_eq!((compressed.status, compressed.header("content-encoding")), (200, "gzip"));
        assert_ne!(compressed.header("etag"), tag, "other bytes, another tag");
        assert!(compressed.body.len() * 3 < first.body.len() * 2);
    }

    #[test]
    fn a_part_is_a_part_of_the_whole() {
        let site = Site::of(300);
        let whole = site.get("/shards/00.bin", &[]).body;
        let part = site.get("/shards/00.bin", &[("range", "bytes=8-15"), ("accept-encoding", "gzip")]);
        assert_eq!((part.status, part.body.as_slice()), (206, &whole[8..16]));
        assert_eq!(part.header("content-range"), format!("bytes 8-15/{}", whole.len()));
        assert_eq!(site.get("/shards/00.bin", &[("range", "bytes=999999-")]).status, 416);
    }

    #[test]
    fn what_is_compressed_beside_it_is_sent() {
        let site = Site::of(100);
        std::fs::write(site.public().join("plain/block.txt.zst"), b"as it is").expect("writes");
        let sent = site.get("/plain/block.txt", &[("accept-encoding", "zstd")]);
        assert_eq!((sent.body.as_slice(), sent.header("content-encoding")), (b"as it is".as_slice(), "zstd"));
    }

    #[test]
    fn nothing_outside_the_folder_is_there() {
        let site = Site::of(10);
        std::fs::write(site.folder.path().join("secret"), b"key").expect("writes");
        std::os::unix::fs::symlink(site.folder.path().join("secret"), site.public().join("link")).expect("links");
        std::fs::write(site.public().join(".hidden"), b"key").expect("writes");
        for path in [
            "/../secret",
            "/plain/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/link",
            "/.hidden",
            "//etc/passwd",
            "/plain",
            "/plain/",
            "/plain//block.txt",
            "/plain/block.txt%00",
            "/absent",
            "",
        ] {
            assert_eq!(site.get(path, &[]).status, 404, "{path}");
        }
        assert_eq!(site.ask("POST", "/feed.json", &[]).status, 405);
        assert_eq!(site.ask("DELETE", "/plain/block.txt", &[]).status, 405);
    }

    #[test]
    fn what_cannot_change_may_be_kept() {
        for (path, long) in [
            ("log/tile/0/x001/067.p/8", true),
            ("log/tile/entries/000", true),
            ("metadata/3.snapshot.json", true),
            ("metadata/timestamp.json", false),
            ("log/checkpoint", false),
            ("targets/shards/00.bin", false),
            ("plain/block.txt", false),
        ] {
            assert_eq!(kept(path).contains("immutable"), long, "{path}");
        }
        let hash = model::Digest::of(b"").hex();
        assert!(kept(&format!("targets/{hash}.feed.json")).contains("immutable"));
    }

    #[test]
    fn the_front_page_names_every_form() {
        let page = String::from_utf8(Site::of(10).get("/", &[]).body).expect("text");
        assert!(FORMS.iter().all(|form| page.contains(form.path)), "{page}");
    }
}
