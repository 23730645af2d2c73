//! TAXII 2.1, read-only: discovery at `/taxii2/`, one API root, `/taxii2/feed/`, with two collections of the STIX objects in `stix/`.
//!
//! Each object has its newest version only, added when it last changed; a withdrawn entry is a revoked indicator with a new date, so a
//! client that asks for what was added since learns of it. Nothing can be written: POST and DELETE are 403.
//! Source: TAXII 2.1 (OASIS Standard), sections 1.6, 3, 4, 5.

mod filter;
mod index;

use std::io;

use serde_json::{Value, json};

pub(crate) use index::Objects;

use super::{Served, answer::Answer, asked::Asked, release::Release};
use crate::{date::rfc3339, forms::Uuid};
use filter::Filter;
use index::{Item, Kept};

/// Of requests and answers.
const TAXII: &str = "application/taxii+json;version=2.1";
/// Of objects.
const STIX: &str = "application/stix+json;version=2.1";
/// Objects in an answer unless fewer are asked for, and at most.
pub(crate) const OBJECTS_MAX: usize = 2_000;

/// A page ends with the object that passes this.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The two collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Every entry.
    All,
    /// What a consumer may block unread: the block list's stable entries.
    Stable,
}

impl Collection {
    const ALL: [Self; 2] = [Self::All, Self::Stable];

    /// Also a name in URLs.
    fn alias(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Stable => "stable",
        }
    }

    /// The same for every feed: who knows one feed's collections knows another's.
    fn id(self) -> String {
        Uuid::feed("").name(&format!("taxii/{}", self.alias())).to_string()
    }

    fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| text == collection.alias() || text == collection.id())
    }

    fn resource(self) -> Value {
        let (title, description) = match self {
            Self::All => ("All entries", "Every entry of the feed: to block and to advise on, candidate and stable"),
            Self::Stable => {
                ("To block", "The block list's entries that rest on two kinds of evidence or a person's word")
            }
        };
        json!({
            "id": self.id(), "title": title, "description": description, "alias": self.alias(),
            "can_read": true, "can_write": false, "media_types": [STIX],
        })
    }
}

/// What cannot be answered.
enum Refusal {
    /// 400.
    Malformed(String),
    /// 404.
    Absent,
    /// 503.
    Unreadable(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// `parts`: the path below `/taxii2/`.
pub(super) fn answer(served: &Served, asked: &Asked, parts: &[&str]) -> Answer {
    if !asked.reads() {
        return refused(403, "This feed is read-only", "nothing can be added, changed or deleted here");
    }
    if !accepts(asked) {
        return refused(406, "Not acceptable", &format!("only {TAXII} is spoken here"));
    }
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    let answered = match parts.as_slice() {
        [] => title(served).map(|title| told(asked, &discovery(&title))),
        ["feed"] => title(served).map(|title| told(asked, &root(&title))),
        ["feed", "collections"] => {
            let collections: Vec<_> = Collection::ALL.into_iter().map(Collection::resource).collect();
            Ok(told(asked, &json!({ "collections": collections })))
        }
        ["feed", "collections", id, rest @ ..] => match Collection::find(id) {
            Some(collection) => within(served, asked, collection, rest),
            None => Err(Refusal::Absent),
        },
        _ => Err(Refusal::Absent),
    };
    match answered {
        Ok(answer) => answer,
        Err(Refusal::Malformed(what)) => refused(400, "Bad request", &what),
        Err(Refusal::Absent) => refused(404, "Not found", "there is nothing of that name"),
        Err(Refusal::Unreadable(error)) => refused(503, "Unavailable", &format!("the feed cannot be read: {error}")),
    }
}

fn within(served: &Served, asked: &Asked, collection: Collection, parts: &[&str]) -> Result<Answer, Refusal> {
    match parts {
        [] => Ok(told(asked, &collection.resource())),
        ["manifest"] => page(served, asked, collection, None, |_, items| {
            let record = |item: &Item| json!({ "id": item.id(), "date_added": item.date(), "version": item.version(), "media_type": STIX });
            Ok(("objects", items.iter().map(record).map(|record| record.to_string()).collect()))
        }),
        ["objects"] => page(served, asked, collection, None, |kept, items| Ok(("objects", kept.read(items)?))),
        ["objects", id] => page(served, asked, collection, Some(id), |kept, items| Ok(("objects", kept.read(items)?))),
        ["objects", id, "versions"] => page(served, asked, collection, Some(id), |_, items| {
            Ok(("versions", items.iter().map(|item| Value::from(item.version()).to_string()).collect()))
        }),
        _ => Err(Refusal::Absent),
    }
}

/// One page of what the filter lets through. `show` gives the list's name and its values as JSON.
fn page(
    served: &Served,
    asked: &Asked,
    collection: Collection,
    only: Option<&str>,
    show: impl FnOnce(&Kept, &[Item]) -> io::Result<(&'static str, Vec<String>)>,
) -> Result<Answer, Refusal> {
    let filter = Filter::new(asked, collection, only).map_err(Refusal::Malformed)?;
    let release = Release::open(&served.public)?;
    let kept = served.objects.of(&release)?;
    if only.is_some() && !kept.items().iter().any(|item| filter.names(item)) {
        return Err(Refusal::Absent);
    }
    let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
    for item in kept.items().iter().filter(|item| filter.passes(item)) {
        if items.len() == filter.limit || bytes >= ANSWER_BYTES_MAX {
            more = true;
            break;
        }
        bytes += item.bytes as usize;
        items.push(*item);
    }
    let (name, values) = show(&kept, &items)?;
    let mut body = String::from("{");
    if more && let Some(last) = items.last() {
        body.push_str(&format!("\"more\":true,\"next\":{},", Value::from(filter.next_after(last))));
    } else {
        body.push_str("\"more\":false");
        if !values.is_empty() {
            body.push(',');
        }
    }
    if !values.is_empty() {
        body.push_str(&format!("\"{name}\":[\n{}\n]", values.join(",\n")));
    }
    body.push_str("}\n");
    let mut answer = Answer::fresh(asked, TAXII, body.into_bytes(), 10);
    if let (Some(first), Some(last)) = (items.first(), items.last()) {
        answer =
            answer.header("x-taxii-date-added-first", &first.date()).header("x-taxii-date-added-last", &last.date());
    }
    Ok(answer.header("vary", "accept"))
}

fn title(served: &Served) -> Result<String, Refusal> {
    Ok(model::text::visible(&Release::open(&served.public)?.head()?.name).into_owned())
}

/// URLs are relative, which the standard allows: the server need not know its own name.
fn discovery(title: &str) -> Value {
    json!({
        "title": title,
        "description": "A feed of malicious container images, by digest",
        "default": "/taxii2/feed/",
        "api_roots": ["/taxii2/feed/"],
    })
}

fn root(title: &str) -> Value {
    // Nothing is taken, so the longest content that is taken is as short as the standard allows.
    json!({ "title": title, "description": "Indicators of malicious container images", "versions": [TAXII], "max_content_length": 1 })
}

fn told(asked: &Asked, resource: &Value) -> Answer {
    Answer::fresh(asked, TAXII, format!("{resource}\n").into_bytes(), 60).header("vary", "accept")
}

fn refused(status: u16, title: &str, description: &str) -> Answer {
    let body = json!({ "title": title, "description": description, "http_status": status.to_string() });
    Answer::bytes(status, TAXII, format!("{body}\n").into_bytes()).header("cache-control", "no-store")
}

/// Whether the client takes what is spoken here. Without `Accept` it takes anything.
fn accepts(asked: &Asked) -> bool {
    let Some(accept) = asked.header("accept") else { return true };
    accept.split(',').take(32).any(|one| {
        let mut parts = one.split(';').map(|part| part.trim().to_ascii_lowercase());
        let named = matches!(parts.next().as_deref(), Some("application/taxii+json" | "application/*" | "*/*"));
        named
            && parts.all(|parameter| {
                parameter.strip_prefix("version=").is_none_or(|version| version.trim_matches('"') == "2.1")
            })
    })
}

/// Seconds as TAXII writes times. Source: section 3.2, six digits at most.
pub(crate) fn timestamp(seconds: u64) -> String {
    rfc3339(seconds).replace('Z', ".000000Z")
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn refusals_are_those_of_the_standard() {
        let site = Site::of(20);
        let objects = "/taxii2/feed/collections/all/objects/";
        for (method, path, accept, status) in [
            ("GET", "/taxii2/", TAXII, 200),
            ("GET", "/taxii2/", "application/taxii+json", 200),
            ("GET", "/taxii2/", "text/html, */*;q=0.8", 200),
            ("GET", "/taxii2/", "application/taxii+json;version=2.0", 406),
            ("GET", "/taxii2/", "application/vnd.oasis.taxii+json; version=2.0", 406),
            ("POST", objects, TAXII, 403),
            ("DELETE", "/taxii2/feed/collections/all/objects/indicator--x/", TAXII, 403),
            ("GET", "/taxii2/other/", TAXII, 404),
            ("GET", "/taxii2/feed/collections/none/objects/", TAXII, 404),
            (
                "GET",
                "/taxii2/feed/collections/all/objects/indicator--6b1f0e52-0000-5000-8000-000000000000/",
                TAXII,
                404,
            ),
            ("GET", "/taxii2/feed/status/1/", TAXII, 404),
            ("GET", &format!("{objects}?limit=0"), TAXII, 400),
            ("GET", &format!("{objects}?limit=-1"), TAXII, 400),
            ("GET", &format!("{objects}?limit=many"), TAXII, 400),
            ("GET", &format!("{objects}?added_after=yesterday"), TAXII, 400),
            ("GET", &format!("{objects}?next=1"), TAXII, 400),
            ("GET", &format!("{objects}?match[version]=newest"), TAXII, 400),
        ] {
            let got = site.ask(method, path, &[("accept", accept)]);
            assert_eq!(got.status, status, "{method} {path} {accept}: {}", String::from_utf8_lossy(&got.body));
            assert_eq!(got.header("content-type"), TAXII);
        }
    }

    #[test]
    fn times_have_six_digits() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000Z");
    }
}
