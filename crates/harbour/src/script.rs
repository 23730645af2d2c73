//! How a harbour behaves, and how it misbehaves.

use std::time::Duration;

/// What a registry holds against a visitor. The default is an open, well-behaved registry.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Who may do what.
    pub auth: Auth,
    /// Names and passwords that [`Auth::Basic`] and [`Auth::Bearer`] know.
    pub users: Vec<(String, String)>,
    /// Refresh tokens that `POST /token` changes for an access token.
    pub identity_tokens: Vec<String>,
    /// With [`Auth::Bearer`]: tokens to pull are given to anybody.
    pub anonymous_pull: bool,
    /// How many requests one token is good for; None: any number.
    pub token_uses_max: Option<u32>,
    /// `expires_in` of tokens, seconds. Only said, not enforced. None: not said.
    pub token_lifetime_s: Option<u64>,
    /// The realm named in challenges; None: this registry's `/token`.
    pub realm: Option<String>,
    /// Blobs are served by a second port, reached by a redirect.
    pub cdn: bool,
    /// Most names on one page of `_catalog` and `tags/list`, whatever `n` says; None: no limit.
    pub page_max: Option<usize>,
    /// What goes wrong; all that match a request apply, in this order.
    pub faults: Vec<Fault>,
}

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Anybody anything.
    #[default]
    Open,
    /// Name and password with each request.
    Basic,
    /// Docker's token flow.
    Bearer,
}

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Start of the paths concerned, for example `/v2/a/b/blobs/`; on the CDN paths are `/cdn/DIGEST`.
    pub path_prefix: String,
    /// How many matching requests are left alone first.
    pub after: u32,
    /// How many it then hits.
    pub times: u32,
    /// What happens.
    pub act: Act,
}

impl Fault {
    /// Hits every request under `path_prefix`.
    #[must_use]
    pub fn always(path_prefix: &str, act: Act) -> Self {
        Self::times(path_prefix, u32::MAX, act)
    }

    /// Hits the first `times` requests under `path_prefix`.
    #[must_use]
    pub fn times(path_prefix: &str, times: u32, act: Act) -> Self {
        Self { path_prefix: path_prefix.to_owned(), after: 0, times, act }
    }

    /// Leaves the first `after` matching requests alone.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

/// What happens to a request or its answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers with this status and headers and an error body, doing nothing.
    Answer {
        /// For example 429.
        status: u16,
        /// For example `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// Closes the connection after so many bytes of the body, though `Content-Length` promised all.
    Truncate(usize),
    /// Inverts one byte in the middle of the body.
    Flip,
    /// Sends the body in pieces of so many bytes, with a pause before each.
    Slow {
        /// Bytes of a piece.
        piece_bytes: usize,
        /// Before each piece.
        pause: Duration,
    },
    /// Sets a header, or removes it for None.
    Header(String, Option<String>),
    /// Replaces the body.
    Body(Vec<u8>),
    /// Serves the whole with 200 though a range was asked for.
    IgnoreRange,
}

impl Act {
    /// A status without special headers.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new() }
    }

    /// 429 with `Retry-After`, seconds or an HTTP date.
    #[must_use]
    pub fn rate_limited(retry_after: &str) -> Self {
        Self::Answer { status: 429, headers: vec![("Retry-After".to_owned(), retry_after.to_owned())] }
    }

    /// A redirect to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::Answer { status: 307, headers: vec![("Location".to_owned(), location.to_owned())] }
    }

    /// Sets a header.
    #[must_use]
    pub fn header(name: &str, value: &str) -> Self {
        Self::Header(name.to_owned(), Some(value.to_owned()))
    }

    /// Removes a header.
    #[must_use]
    pub fn without_header(name: &str) -> Self {
        Self::Header(name.to_owned(), None)
    }
}
