//! The doors of Kubernetes: one question, three dialects.
//!
//! | path | who asks |
//! |---|---|
//! | `POST /v1/admit` | Kubernetes, as a ValidatingAdmissionWebhook (`admission.k8s.io/v1`) |
//! | `POST /v1/gatekeeper` | Gatekeeper, as an external data provider |
//! | `POST /v1/kyverno` | Kyverno, by a service call; and whoever speaks JSON |
//! | `GET /healthz`, `/readyz`, `/metrics` | whoever watches |

mod gatekeeper;
mod kubernetes;
mod kyverno;
mod objects;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use feed::Role;
use model::{Digest, ImageReference};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet, time};

use crate::{
    Clock, Decision, Effect, Engine, Resolver,
    metrics::{Door, Following, Metrics, OPENMETRICS, PROMETHEUS},
    resolve::{self, Remembering},
};

/// Longest request: a review holds an object twice, and etcd takes 1.5 MiB.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Most images of one request.
pub const IMAGES_MAX: usize = 1_000;
/// How long a request may take to arrive and be answered.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// Most requests in work at once; others wait.
const REQUESTS_MAX: usize = 256;
/// Most names that are followed at once; others wait.
const FOLLOWING_MAX: usize = 16;

/// What all doors share.
#[derive(Clone)]
pub struct Front(Arc<Shared>);

struct Shared {
    engine: Engine,
    resolver: Option<Arc<Remembering<Box<dyn Resolver>>>>,
    resolve_time_max: Duration,
    metrics: Metrics,
    clock: Clock,
    following: Arc<Semaphore>,
    requests: Semaphore,
}

impl Front {
    /// `resolver` is asked where the policy allows, for `resolve_time_max` at most.
    #[must_use]
    pub fn new(
        engine: Engine,
        resolver: Option<Arc<Remembering<Box<dyn Resolver>>>>,
        resolve_time_max: Duration,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Shared {
            engine,
            resolver,
            resolve_time_max,
            metrics: Metrics::default(),
            clock,
            following: Arc::new(Semaphore::new(FOLLOWING_MAX)),
            requests: Semaphore::new(REQUESTS_MAX),
        }))
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// All paths.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/admit", post(|front, body| answer(front, body, Door::Kubernetes)))
            .route("/v1/gatekeeper", post(|front, body| answer(front, body, Door::Gatekeeper)))
            .route("/v1/kyverno", post(|front, body| answer(front, body, Door::Kyverno)))
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .layer(middleware::from_fn_with_state(self.clone(), in_bounds))
            .with_state(self.clone())
    }

    /// Decides on every name, in order. Names that are not remembered are followed side by side.
    async fn decide(&self, door: Door, references: &[&str]) -> Vec<Decision> {
        let answers = self.follow(references).await;
        let now = (self.0.clock.unix_seconds)();
        references
            .iter()
            .map(|reference| {
                let subject = resolve::subject_of(reference, answers.get(*reference).cloned().flatten());
                let decision = self.0.engine.decide(&subject, now);
                self.0.metrics.decided(door, &decision);
                if decision.effect == Effect::Deny {
                    tracing::info!(door = %door, feed.sequence = decision.sequence, "{}", decision.message);
                }
                decision
            })
            .collect()
    }

    /// What each name means; None where nobody may be asked.
    async fn follow<'r>(&self, references: &[&'r str]) -> BTreeMap<&'r str, Option<Followed>> {
        let resolver = self.0.resolver.as_ref().filter(|_| self.0.engine.policy().resolve);
        let Some(resolver) = resolver else { return BTreeMap::new() };
        let mut answers = BTreeMap::new();
        let mut asked = JoinSet::new();
        for reference in references {
            // A text that is no name reaches no registry.
            if answers.contains_key(reference) || reference.parse::<ImageReference>().is_err() {
                continue;
            }
            if let Some(known) = resolver.remembered(reference) {
                self.0.metrics.followed(Following::Remembered);
                answers.insert(*reference, Some(known));
                continue;
            }
            // Until it is answered.
            answers.insert(*reference, Some(Err(self.late())));
            let (resolver, following, name) =
                (Arc::clone(resolver), Arc::clone(&self.0.following), (*reference).to_owned());
            asked.spawn(async move {
                let Ok(permit) = following.acquire_owned().await else {
                    return (name, Err("shutting down".to_owned()));
                };
                let followed = tokio::task::spawn_blocking(move || {
                    let answer = resolver.resolve(&name);
                    drop(permit);
                    (name, answer)
                });
                followed.await.unwrap_or_else(|_| (String::new(), Err("it could not be followed".to_owned())))
            });
        }
        let all = async {
            while let Some(done) = asked.join_next().await {
                let Ok((name, answer)) = done else { continue };
                self.0.metrics.followed(if answer.is_ok() { Following::Followed } else { Following::Failed });
                if let Some(slot) = answers.get_mut(name.as_str()) {
                    *slot = Some(answer);
                }
            }
        };
        // Who is being asked goes on in the background, and is remembered for the next; who only waits for a turn is given up.
        if time::timeout(self.0.resolve_time_max, all).await.is_err() {
            self.0.metrics.followed(Following::Failed);
        }
        answers
    }

    fn late(&self) -> String {
        format!("its registry did not answer within {:?}", self.0.resolve_time_max)
    }
}

type Followed = Result<Vec<(Digest, Role)>, String>;

/// A request, whatever its dialect: 400 with a line of text if it is not understood.
async fn answer(State(front): State<Front>, body: Bytes, door: Door) -> Response {
    let started = time::Instant::now();
    let answer = match serde_json::from_slice::<Value>(&body) {
        Ok(request) => {
            drop(body);
            match door {
                Door::Gatekeeper => gatekeeper::answer(&front, &request).await,
                Door::Kyverno => kyverno::answer(&front, &request).await,
                _ => kubernetes::answer(&front, &request).await,
            }
        }
        Err(error) => Err(format!("the body is no JSON: {error}")),
    };
    front.metrics().answered(door, started.elapsed());
    match answer {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
        Err(why) => {
            front.metrics().malformed();
            (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
        }
    }
}

/// Ready once a feed is loaded; a stale one is for the policy to judge, not for a load balancer.
async fn ready(State(front): State<Front>) -> Response {
    let now = (front.0.clock.unix_seconds)();
    let stale = front.engine().stale(now).unwrap_or_else(|| "the feed is fresh".to_owned());
    format!("ready: change {}, {} digests; {stale}\n", front.engine().sequence(), front.engine().len()).into_response()
}

async fn metrics(State(front): State<Front>, headers: HeaderMap) -> Response {
    let now = (front.0.clock.unix_seconds)();
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accept.contains("application/openmetrics-text") {
        (OPENMETRICS, front.metrics().openmetrics(front.engine(), now))
    } else {
        (PROMETHEUS, front.metrics().prometheus(front.engine(), now))
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Holds the ceilings on time and requests.
async fn in_bounds(State(front): State<Front>, request: Request, next: Next) -> Response {
    let bounded = async {
        let _permit = front.0.requests.acquire().await.ok();
        next.run(request).await
    };
    match time::timeout(REQUEST_TIME_MAX, bounded).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "it took too long\n").into_response(),
    }
}

/// What JSON shows of a decision.
fn shown(reference: &str, decision: &Decision) -> Value {
    let mut entries: Vec<String> = decision.hits.iter().map(|hit| hit.listed.id.to_string()).collect();
    entries.dedup();
    serde_json::to_value(crate::decision::Shown {
        reference: Some(reference),
        effect: decision.effect,
        message: &decision.message,
        entries,
        sequence: decision.sequence,
    })
    .unwrap_or_default()
}

/// The texts of a list of them, none too long for a name, at most [`IMAGES_MAX`].
fn texts(list: &Value) -> Result<Vec<&str>, String> {
    let list = list.as_array().ok_or("it is no list")?;
    if list.len() > IMAGES_MAX {
        return Err(format!("{} images, at most {IMAGES_MAX} are taken at once", list.len()));
    }
    list.iter().map(|item| item.as_str().ok_or_else(|| "an image must be a text".to_owned())).collect()
}

#[cfg(test)]
mod testing;
