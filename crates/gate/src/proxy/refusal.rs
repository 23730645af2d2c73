//! How a proxy says no: OCI's error body, whose message clients show.
//!
//! Docker and skopeo print the message, containerd 1.6 only the status (measured): so the status has to say it too.
//! Source: OCI distribution-spec v1.1, "Error Codes".

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use model::text;
use registry::RegistryError;
use serde_json::{Value, json};

use crate::Decision;

/// Longest message.
const MESSAGE_CHARS_MAX: usize = 500;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// OCI's word for it.
    pub(super) code: &'static str,
    /// For people; hostile text in it is made visible.
    pub(super) message: String,
    pub(super) detail: Box<Value>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        let message = text::visible(&text::shortened(message, MESSAGE_CHARS_MAX)).into_owned();
        Self { status, code, message, detail: Box::default(), retry_after: None }
    }

    /// The engine said no.
    pub(super) fn denied(decision: &Decision) -> Self {
        let entries: Vec<_> = decision.hits.iter().take(20).map(|hit| hit.listed.id.to_string()).collect();
        Self {
            detail: Box::new(json!({ "effect": decision.effect, "entries": entries, "sequence": decision.sequence })),
            ..Self::new(StatusCode::FORBIDDEN, "DENIED", &decision.message)
        }
    }

    /// It cannot be decided on, whatever the policy: what a client would make of it is open.
    pub(super) fn undecidable(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", &format!("blocked by Lazaret: {why}"))
    }

    /// The probe asks.
    pub(super) fn canary() -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", crate::canary::WORDS)
    }

    /// No such thing here.
    pub(super) fn unknown(why: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", why)
    }

    pub(super) fn other_upstream(asked: &str, upstreams: &[String]) -> Self {
        let message = format!("this gate does not serve {asked}; it serves {}", upstreams.join(", "));
        Self::new(StatusCode::FORBIDDEN, "DENIED", &message)
    }

    pub(super) fn only_pulls() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this gate only serves pulls: push to the registry itself",
        )
    }

    pub(super) fn busy() -> Self {
        Self {
            retry_after: Some(2),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many blobs are on their way; try again")
        }
    }

    pub(super) fn defect(what: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &format!("defect in the gate: {what}"))
    }

    pub(super) fn into_response(self, method: &Method) -> Response<Body> {
        let error = json!({ "code": self.code, "message": self.message, "detail": self.detail });
        let text = json!({ "errors": [error] }).to_string();
        let mut response = Response::new(if method == Method::HEAD { Body::empty() } else { Body::from(text) });
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What the upstream's trouble is to a client.
impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        let of = |status, code| Self::new(status, code, &message);
        match error {
            RegistryError::NotFound { .. } => of(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            // Not 401: the client has nothing to log in to.
            RegistryError::Denied { .. } => of(StatusCode::FORBIDDEN, "DENIED"),
            RegistryError::RateLimited { retry_after_s, .. } => {
                Self { retry_after: Some(retry_after_s), ..of(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS") }
            }
            RegistryError::Unreachable { .. } => of(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            _ => of(StatusCode::BAD_GATEWAY, "MANIFEST_INVALID"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_reach_a_terminal() {
        let refusal = Refusal::unknown("a\x1b[31m\u{202e}");
        assert_eq!(refusal.message, "a\\u{1b}[31m\\u{202e}");
    }

    #[test]
    fn a_head_has_no_body_but_says_it_by_its_status() {
        let response = Refusal::canary().into_response(&Method::HEAD);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}
