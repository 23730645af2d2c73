//! An answer, as plain data, until it is written.

use std::{fs::File, io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, Response, StatusCode},
};
use serde_json::json;

use super::{
    asked::Asked,
    conditional::{is_unchanged, tag_of},
    encoding::{BYTES_MIN, wanted},
};
use model::Digest;

/// Bytes that are read of a file at once.
const PIECE_BYTES: usize = 128 << 10;

/// What is sent.
pub(crate) enum Content {
    Nothing,
    Bytes(Bytes),
    /// `bytes` of `file` from `from` on.
    File {
        file: File,
        from: u64,
        bytes: u64,
    },
    /// Pieces that are made one by one; each may take a while, so they are made where blocking is allowed.
    Pieces(Pieces),
}

/// Makes the piece of a number, until there is none.
pub(crate) type Pieces = Arc<dyn Fn(usize) -> io::Result<Option<Vec<u8>>> + Send + Sync>;

/// What a client gets.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
}

impl Answer {
    pub(crate) fn new(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content }
    }

    /// JSON that says what is wrong and what would be right.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = format!("{}\n", json!({ "status": status, "error": message }));
        Self::bytes(status, "application/json", body.into_bytes()).header("cache-control", "no-store")
    }

    pub(crate) fn bytes(status: u16, media_type: &str, bytes: Vec<u8>) -> Self {
        Self::new(status, Content::Bytes(bytes.into())).header("content-type", media_type)
    }

    /// 200 with `bytes` made for this request, or 304 if the client has them. May be kept for `seconds`.
    pub(crate) fn fresh(asked: &Asked, media_type: &str, bytes: Vec<u8>, seconds: u32) -> Self {
        let encoding = wanted(asked).filter(|_| bytes.len() as u64 >= BYTES_MIN);
        let tag = tag_of(&Digest::of(&bytes), encoding);
        let answer = if is_unchanged(asked, &tag, None) {
            Self::new(304, Content::Nothing)
        } else {
            match encoding.map(|encoding| (encoding, encoding.compress(&bytes))) {
                Some((encoding, Ok(compressed))) => {
                    Self::bytes(200, media_type, compressed).header("content-encoding", encoding.word())
                }
                Some((_, Err(_))) => Self::error(500, "the answer cannot be compressed"),
                None => Self::bytes(200, media_type, bytes),
            }
        };
        let answer = answer.header("etag", &tag).header("cache-control", &format!("public, max-age={seconds}"));
        answer.header("vary", "accept-encoding")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// How many bytes it sends, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Nothing => Some(0),
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::File { bytes, .. } => Some(*bytes),
            Content::Pieces(_) => None,
        }
    }

    /// As HTTP. Files and pieces are read while they are sent.
    pub(crate) fn into_response(self) -> Response<Body> {
        let length = self.length();
        let body = match self.content {
            Content::Nothing => Body::empty(),
            Content::Bytes(bytes) => Body::from(bytes),
            Content::File { file, from, bytes } => streamed(Arc::new(move |number: usize| {
                let at = number as u64 * PIECE_BYTES as u64;
                let left = bytes.saturating_sub(at).min(PIECE_BYTES as u64);
                if left == 0 {
                    return Ok(None);
                }
                let mut piece = vec![0; usize::try_from(left).unwrap_or(0)];
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut piece, from + at)?;
                Ok(Some(piece))
            })),
            Content::Pieces(pieces) => streamed(pieces),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers
            .insert("content-security-policy", HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        if let (Some(length), true) = (length, self.status != 304) {
            headers.insert("content-length", HeaderValue::from(length));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A body of pieces. One that cannot be made ends the connection, so that no client takes a part for the whole.
fn streamed(pieces: Pieces) -> Body {
    let stream = futures_util::stream::try_unfold(0, move |number| {
        let pieces = pieces.clone();
        async move {
            let made = tokio::task::spawn_blocking(move || pieces(number)).await;
            Ok::<_, io::Error>(made.map_err(io::Error::other)??.map(|piece| (Bytes::from(piece), number + 1)))
        }
    });
    Body::from_stream(stream)
}
