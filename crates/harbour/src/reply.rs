//! An answer before it is sent, so that faults can spoil it.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::stream;
use serde_json::{Value, json};

use crate::Act;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    truncate: Option<usize>,
    slow: Option<(usize, Duration)>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, headers: HeaderMap::new(), body, truncate: None, slow: None }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        let mut reply = Self::new(status, Bytes::from(body.to_string()));
        reply.set("content-type", "application/json");
        reply
    }

    /// The distribution API's error body.
    pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": message }] }))
    }

    /// Sets a header; one that is not valid HTTP is left out.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.insert(name, value);
        }
    }

    /// Serves only `range` (`bytes=FROM-[TO]`) of the body, as RFC 9110, 14.2 says.
    pub(crate) fn cut_to(&mut self, range: &str) {
        let length = self.body.len();
        let ends = range.strip_prefix("bytes=").and_then(|ends| ends.split_once('-'));
        let Some((Ok(from), to)) = ends.map(|(from, to)| (from.parse::<usize>(), to.parse::<usize>())) else { return };
        let to = to.map_or(length, |to| to.saturating_add(1)).min(length);
        if from >= to {
            self.status = StatusCode::RANGE_NOT_SATISFIABLE;
            self.set("content-range", &format!("bytes */{length}"));
            self.body = Bytes::new();
            return;
        }
        self.status = StatusCode::PARTIAL_CONTENT;
        self.set("content-range", &format!("bytes {from}-{}/{length}", to - 1));
        self.body = self.body.slice(from..to);
    }

    pub(crate) fn spoil(&mut self, act: &Act) {
        match act {
            Act::Answer { status, headers } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                *self = Self::error(status, "SCRIPTED", "the script says so");
                headers.iter().for_each(|(name, value)| self.set(name, value));
            }
            Act::Truncate(after) => self.truncate = Some(*after),
            Act::Flip => {
                let mut bytes = self.body.to_vec();
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte = !*byte;
                }
                self.body = Bytes::from(bytes);
            }
            Act::Slow { piece_bytes, pause } => self.slow = Some((*piece_bytes, *pause)),
            Act::Header(name, Some(value)) => self.set(name, value),
            Act::Header(name, None) => {
                self.headers.remove(name.as_str());
            }
            Act::Body(bytes) => self.body = Bytes::from(bytes.clone()),
            Act::IgnoreRange => {}
        }
    }

    pub(crate) fn into_response(mut self) -> Response<Body> {
        let length = self.body.len();
        if self.status != StatusCode::NO_CONTENT && !self.headers.contains_key(header::CONTENT_LENGTH) {
            self.set("content-length", &length.to_string());
        }
        let body = match (self.truncate, self.slow) {
            (None, None) => Body::from(self.body),
            (truncate, slow) => pieces(&self.body, truncate, slow),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Sends `body` piece by piece, and ends with an error (which closes the connection) where it is to be cut.
fn pieces(body: &Bytes, truncate: Option<usize>, slow: Option<(usize, Duration)>) -> Body {
    let (piece_bytes, pause) = slow.unwrap_or((body.len().max(1), Duration::ZERO));
    let cut = truncate.filter(|cut| *cut < body.len());
    let rest = body.slice(..cut.unwrap_or(body.len()));
    Body::from_stream(stream::unfold((rest, cut), move |(mut rest, cut)| async move {
        tokio::time::sleep(pause).await;
        if !rest.is_empty() {
            let piece = rest.split_to(piece_bytes.clamp(1, rest.len()));
            return Some((Ok(piece), (rest, cut)));
        }
        cut?;
        // What was written must leave before the connection is closed.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(io::Error::other("cut by the script")), (rest, None)))
    }))
}
