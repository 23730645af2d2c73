//! `/healthz`: 200 while the feed can be read and has not expired, 503 otherwise, and why.

use serde_json::json;

use super::{Served, answer::Answer, release::Release};

pub(super) fn answer(served: &Served) -> Answer {
    let now = served.now();
    let (status, body) = match Release::open(&served.public).and_then(|release| release.head()) {
        Err(error) => (503, json!({ "status": "unreadable", "error": error.to_string() })),
        Ok(head) => {
            let expired = head.expires_at != 0 && head.expires_at <= now;
            let body = json!({
                "status": if expired { "expired" } else { "ok" },
                "sequence": head.sequence,
                "age_seconds": now.saturating_sub(head.published_at),
                "expires_in_seconds": head.expires_at.saturating_sub(now),
            });
            (if expired { 503 } else { 200 }, body)
        }
    };
    Answer::bytes(status, "application/json", format!("{body}\n").into_bytes()).header("cache-control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::forms::testing::NOW;

    #[test]
    fn an_expired_or_absent_feed_is_not_healthy() {
        let site = Site::of(10);
        assert_eq!(site.get("/healthz", &[]).status, 200);
        site.at(NOW + 86_400 * 30);
        let got = site.get("/healthz", &[]);
        assert_eq!(got.status, 503);
        assert!(String::from_utf8_lossy(&got.body).contains("expired"));
        std::fs::remove_file(site.public().join("feed.json")).expect("removes");
        assert_eq!(site.get("/healthz", &[]).status, 503);
    }
}
