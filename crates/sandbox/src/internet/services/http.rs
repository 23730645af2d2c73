//! HTTP/1: reads requests, asks the applications for an answer, records both.
//!
//! What stands behind a host is an application: one file, one line in [`APPLICATIONS`]. Source: RFC 9110, RFC 9112.

use base64::prelude::*;
use model::{Digest, What, text::shortened, trace::PAYLOAD_BYTES_MAX};

use super::{
    super::{
        flood::Shape,
        service::{Kind, Service, Talk},
    },
    content, docker, doh, kubernetes, metadata, packages,
};

pub(in super::super) const KIND: Kind = Kind {
    name: "http",
    ports: &[
        80, 81, 443, 2375, 2376, 2379, 3000, 4243, 5000, 6443, 8000, 8008, 8080, 8081, 8443, 8888, 9000, 9200, 10250,
        10255,
    ],
    greets: false,
    insists: true,
    knows,
    open: || Box::new(Server::default()),
};

const HEAD_BYTES_MAX: usize = 64 << 10;
/// A longer body is taken and not kept.
const BODY_BYTES_MAX: usize = 512 << 10;
const HEADERS_MAX: usize = 64;
const URL_CHARS_MAX: usize = 2_048;
const METHODS: [&str; 10] =
    ["GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "PROPFIND ", "TRACE "];

fn knows(first: &[u8]) -> bool {
    METHODS.iter().any(|method| first.starts_with(method.as_bytes()))
}

/// One request, whole.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Request {
    pub(in super::super) method: String,
    /// Without scheme, host and query.
    pub(in super::super) path: String,
    /// Behind `?`, or empty.
    pub(in super::super) query: String,
    /// Of the `Host` header, or the address; without port, lower case.
    pub(in super::super) host: String,
    /// Names in lower case.
    pub(in super::super) headers: Vec<(String, String)>,
    /// As far as kept.
    pub(in super::super) body: Vec<u8>,
}

impl Request {
    /// A header's value, or an empty one.
    pub(in super::super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub(in super::super) struct Response {
    pub(in super::super) status: u16,
    /// As in [`What::Http`].
    pub(in super::super) content: &'static str,
    /// `Content-Type`.
    pub(in super::super) kind: &'static str,
    pub(in super::super) headers: Vec<(&'static str, String)>,
    pub(in super::super) body: Vec<u8>,
}

impl Response {
    pub(in super::super) fn new(
        status: u16,
        content: &'static str,
        kind: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self { status, content, kind, headers: Vec::new(), body: body.into() }
    }

    pub(in super::super) fn json(content: &'static str, body: &serde_json::Value) -> Self {
        Self::new(200, content, "application/json", format!("{body}\n"))
    }
}

/// Answers a request, or leaves it to the next.
pub(in super::super) type Application = fn(&Request, &mut Talk<'_>) -> Option<Response>;

/// The first that answers does.
const APPLICATIONS: &[Application] =
    &[metadata::answer, docker::answer, kubernetes::answer, doh::answer, packages::answer, content::answer];

/// One connection.
#[derive(Default)]
struct Server {
    /// Told to go on with a body (`Expect`).
    continued: bool,
    /// Bytes of a body too long to keep that are still to come.
    skip: u64,
}

enum Head {
    Partial,
    Bad,
    Whole { request: Request, target: String, head_bytes: usize, length: Option<u64>, chunked: bool, close: bool },
}

impl Service for Server {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        loop {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(input.len());
            input.drain(..skipped);
            self.skip -= skipped as u64;
            if self.skip > 0 || input.is_empty() || *talk.close {
                return;
            }
            match head(input, talk) {
                Head::Partial if input.len() <= HEAD_BYTES_MAX => return,
                Head::Partial | Head::Bad => {
                    let text = String::from_utf8_lossy(input).into_owned();
                    talk.message("http", &text);
                    input.clear();
                    talk.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    *talk.close = true;
                    return;
                }
                Head::Whole { mut request, target, head_bytes, length, chunked, close } => {
                    let behind = input.get(head_bytes..).unwrap_or_default();
                    let (body_bytes, used) = if chunked {
                        let Some((body, used)) = dechunked(behind) else {
                            self.go_on(&request, talk);
                            return;
                        };
                        request.body = body;
                        (request.body.len() as u64, head_bytes + used)
                    } else {
                        let length = length.unwrap_or(0);
                        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(BODY_BYTES_MAX);
                        let Some(body) = behind.get(..wanted) else {
                            self.go_on(&request, talk);
                            return;
                        };
                        request.body = body.to_vec();
                        self.skip = length - wanted as u64;
                        (length, head_bytes + wanted)
                    };
                    input.drain(..used);
                    self.continued = false;
                    serve(&request, &target, body_bytes, close, talk);
                }
            }
        }
    }
}

impl Server {
    fn go_on(&mut self, request: &Request, talk: &mut Talk<'_>) {
        if !self.continued && request.header("expect").eq_ignore_ascii_case("100-continue") {
            self.continued = true;
            talk.say("HTTP/1.1 100 Continue\r\n\r\n");
        }
    }
}

fn head(input: &[u8], talk: &Talk<'_>) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let head_bytes = match parsed.parse(input) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(_) => return Head::Bad,
    };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let target = parsed.path.unwrap_or_default().to_owned();
    let mut request = Request { method: parsed.method.unwrap_or_default().to_owned(), headers, ..Request::default() };
    // A proxy is asked with a whole URL.
    let (authority, path) = match target.split_once("://") {
        Some((_, behind)) => match behind.find('/') {
            Some(at) => behind.split_at(at),
            None => (behind, "/"),
        },
        None => (request.header("host"), target.as_str()),
    };
    let host = if authority.is_empty() { talk.flow.remote.ip().to_string() } else { authority.to_ascii_lowercase() };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    request.host = without_port(&host).to_owned();
    (request.path, request.query) = (path, query);
    let chunked = request.header("transfer-encoding").to_ascii_lowercase().contains("chunked");
    let length = request.header("content-length").trim().parse().ok();
    let connection = request.header("connection").to_ascii_lowercase();
    let close = connection.contains("close") || parsed.version == Some(0) && !connection.contains("keep-alive");
    Head::Whole { request, target, head_bytes, length, chunked, close }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

/// A chunked body and how many bytes it took; none while it is not whole. A broken one ends where it breaks.
fn dechunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok().and_then(|size| size.split(';').next());
        let Some(size) = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()) else {
            return Some((body, bytes.len()));
        };
        at += end + 2;
        if size == 0 {
            // Trailers, and the empty line behind them.
            let rest = bytes.get(at..)?;
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            return Some((body, at + end + 2));
        }
        if body.len() + size > BODY_BYTES_MAX {
            return Some((body, bytes.len()));
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size + 2;
    }
}

fn serve(request: &Request, target: &str, body_bytes: u64, close: bool, talk: &mut Talk<'_>) {
    if request.body.len() > 8 {
        talk.flow.examine(talk.world, &request.body);
    }
    if let Some(credentials) = request.header("authorization").strip_prefix("Basic ") {
        let credentials = BASE64_STANDARD.decode(credentials.trim()).unwrap_or_default();
        let credentials = String::from_utf8_lossy(&credentials).into_owned();
        let (user, password) = credentials.split_once(':').unwrap_or((&credentials, ""));
        talk.login("http", user, password, true);
    }
    let response = APPLICATIONS
        .iter()
        .find_map(|answer| answer(request, talk))
        .unwrap_or_else(|| Response::new(404, "empty", "text/plain", "not found\n"));
    let answer = (!response.body.is_empty()).then(|| talk.served(&response.body));
    record(request, target, body_bytes, &response, answer, talk);
    talk.flow.requested = true;
    let now_ms = talk.world.now_ms();
    let bytes = request.path.len() + 200;
    talk.world.floods.request(Shape::Http, talk.flow.remote, bytes, &request.path, now_ms);
    write(request, &response, close, talk);
    if close {
        *talk.close = true;
    }
}

fn record(
    request: &Request,
    target: &str,
    body_bytes: u64,
    response: &Response,
    answer: Option<Digest>,
    talk: &Talk<'_>,
) {
    let scheme = if talk.secure { "https" } else { "http" };
    let port = talk.flow.remote.port();
    let usual = port == if talk.secure { 443 } else { 80 };
    let url = match (target.contains("://"), usual) {
        (true, _) => target.to_owned(),
        (false, true) => format!("{scheme}://{}{target}", request.host),
        (false, false) => format!("{scheme}://{}:{port}{target}", request.host),
    };
    talk.world.event(What::Http {
        flow: talk.flow.id,
        method: request.method.clone(),
        url: shortened(&url, URL_CHARS_MAX).into_owned(),
        agent: shortened(request.header("user-agent"), 256).into_owned(),
        body_bytes,
        body_head: BASE64_STANDARD.encode(request.body.get(..PAYLOAD_BYTES_MAX).unwrap_or(&request.body)),
        status: response.status,
        content: response.content.to_owned(),
        answer,
    });
}

fn write(request: &Request, response: &Response, close: bool, talk: &mut Talk<'_>) {
    let reason = match response.status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Status",
    };
    let mut head = format!(
        "HTTP/1.1 {} {reason}\r\nServer: nginx\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
        response.status,
        content::http_date(talk.world.date()),
        response.kind,
        response.body.len(),
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(if close { "Connection: close\r\n\r\n" } else { "Connection: keep-alive\r\n\r\n" });
    talk.say(head);
    if request.method != "HEAD" {
        talk.say(&response.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_partial_body_waits() {
        let whole = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\nGET /next";
        assert_eq!(dechunked(whole), Some((b"Wikipedia".to_vec(), 28)));
        for length in 0..28 {
            assert_eq!(dechunked(&whole[..length]), None, "{length}");
        }
        assert_eq!(dechunked(b"zz\r\n"), Some((Vec::new(), 4)));
        assert!(dechunked(b"ffffffffffffffff\r\nx").is_some());
    }

    #[test]
    fn a_long_upload_is_taken_and_its_head_is_kept() {
        use crate::internet::testing::{run, shell};
        let (events, _) = run(|_| {
            let said = shell(
                "head -c 20000000 /dev/zero | curl -sS --max-time 60 -H 'Expect: 100-continue' --data-binary @- http://drop.example/up",
            );
            assert!(said.contains("ok"), "{said}");
            shell(
                "curl -sS --max-time 60 -u scout:hunter22 -H 'Transfer-Encoding: chunked' -d 'a=1' http://drop.example/up",
            );
        });
        let sizes: Vec<u64> = events
            .iter()
            .filter_map(|event| match event {
                What::Http { body_bytes, .. } => Some(*body_bytes),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [20_000_000, 3]);
        assert!(
            events.iter().any(
                |event| matches!(event, What::Login { service, user, .. } if service == "http" && user == "scout")
            )
        );
        assert!(events.iter().any(|event| matches!(event, What::FlowEnd { bytes_out: 20_000_000.., .. })));
    }
}
