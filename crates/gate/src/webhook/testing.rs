//! A feed on disk with one listed image, and the doors in front of it.

use std::time::Duration;

use axum::{body::Body, http::Request};
use feed::shard::Listed;
use hyper_util::service::TowerToHyperService;
use model::Digest;
use serde_json::{Value, json};

use super::Front;
use crate::{Clock, Engine, Policy, testing};

/// Its digest is listed.
pub(super) const BAD: &str = "evil/miner@sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
/// Its digest is not.
pub(super) const GOOD: &str = "library/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) const NOW: u64 = 1_780_272_000;

pub(super) struct World {
    pub(super) front: Front,
    pub(super) bad: Digest,
    folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bad = Digest::of(b"hello");
        assert!(BAD.ends_with(&bad.to_string()));
        testing::write_feed(folder.path(), 1, NOW, &[(bad, testing::listed(1))]);
        let engine = Engine::open(folder.path(), Policy::parse(policy, NOW).expect("a policy")).expect("opened");
        let front = Front::new(engine, None, Duration::from_secs(1), Clock { unix_seconds: || NOW, ..Clock::system() });
        Self { front, bad, folder }
    }

    pub(super) fn publish(&self, sequence: u64, entries: &[(Digest, Listed)]) {
        testing::write_feed(self.folder.path(), sequence, NOW, entries);
        assert!(self.front.engine().reload().expect("loaded"));
    }
}

/// Posts `body`; for other answers than 200 `{"status_code": …}`.
pub(super) fn ask(world: &World, path: &str, body: &Value) -> Value {
    use hyper::service::Service as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let request = Request::post(path).body(Body::from(body.to_string())).expect("a request");
        let response = TowerToHyperService::new(world.front.router()).call(request).await.expect("infallible");
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        if status.is_success() {
            serde_json::from_slice(&bytes).expect("JSON")
        } else {
            json!({"status_code": status.as_u16()})
        }
    })
}
