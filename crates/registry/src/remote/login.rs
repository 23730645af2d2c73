//! Getting past a 401: basic auth, and Docker's token flow.
//!
//! Sources: distribution, "Token Authentication Specification" and "OAuth 2.0 Token Authentication".

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tracing::warn;
use url::{Url, form_urlencoded};

use super::{
    challenge::Challenge,
    place::Place,
    session::{Ask, Session, Trouble},
};
use crate::{
    Options, RegistryError,
    credentials::{self, Credentials, Secret},
    http::{Answer, Failure, Length},
    http_retry::retry_after,
};

/// Longest answer of a token service: the largest in the wild are a few KiB.
const TOKEN_BYTES_MAX: u64 = 256 << 10;
/// Validity of a token that does not say. Source: distribution, "Token Response Fields".
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// A hunt visits millions of repositories, each with a token of its own.
const TOKENS_MAX: usize = 1_000;

/// What is known of how to log in to one registry.
#[derive(Default)]
pub(super) struct Login {
    credentials: OnceLock<Result<Option<Credentials>, String>>,
    /// Set once the registry asked for basic auth.
    basic: OnceLock<Secret>,
    /// By scope.
    tokens: Mutex<HashMap<String, Token>>,
}

struct Token {
    header: Secret,
    expires: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

impl Login {
    /// The `Authorization` header to begin with, if there is one already.
    pub(super) fn known(&self, scope: &str, now: Instant) -> Option<Secret> {
        let token = self.tokens().get(scope).filter(|token| now < token.expires).map(|token| token.header.clone());
        token.or_else(|| self.basic.get().cloned())
    }

    /// Answers the challenges of a 401; `refused` is what was sent and not accepted. Returns a fresh `Authorization`
    /// header.
    pub(super) fn answer(
        &self,
        session: &Session,
        ask: &Ask<'_>,
        answer: &Answer,
        refused: Option<&Secret>,
    ) -> Result<Secret, Trouble> {
        self.tokens().remove(ask.scope);
        let place = &session.place;
        let challenges: Vec<Challenge> = answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Challenge::all)
            .collect();
        let denied = |hint: String| Trouble::Final(place.denied(ask.what, hint));
        let credentials = self.credentials(place, &session.options).as_ref().ok().and_then(Option::as_ref);
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
            let (header, lifetime) = fetch_token(session, ask, bearer, credentials, || denied(self.hint(place)))?;
            let expires = (session.options.clock.now)() + lifetime - lifetime / 10;
            let mut tokens = self.tokens();
            if tokens.len() >= TOKENS_MAX {
                tokens.clear();
            }
            tokens.insert(ask.scope.to_owned(), Token { header: header.clone(), expires });
            return Ok(header);
        }
        if challenges.iter().all(|challenge| challenge.scheme != "basic") {
            return Err(denied("it asks for a login that is neither basic nor bearer".to_owned()));
        }
        match credentials.and_then(Credentials::basic) {
            Some(header) if refused != Some(&header) => Ok(self.basic.get_or_init(|| header).clone()),
            _ => Err(denied(self.hint(place))),
        }
    }

    /// What `config.json` has for the registry, looked up once, when it is first needed. If it cannot be used we go
    /// on without, as Docker does: a helper that was removed must not hide public images.
    fn credentials(&self, place: &Place, options: &Options) -> &Result<Option<Credentials>, String> {
        self.credentials.get_or_init(|| {
            let folder = options.docker_config_folder.as_ref();
            let found = folder.map_or(Ok(None), |folder| credentials::find(folder, &place.registry));
            if let Err(problem) = &found {
                warn!("going on without login for {}: {problem}", place.registry);
            }
            found
        })
    }

    /// What somebody who was refused can do.
    pub(super) fn hint(&self, place: &Place) -> String {
        let registry = &place.registry;
        match self.credentials.get() {
            Some(Ok(Some(_))) => {
                format!("the stored login is not accepted for it, try `docker login {registry}` again")
            }
            Some(Err(problem)) => format!("there is no login: {problem}"),
            Some(Ok(None)) | None => format!("check the name; if it is private, run `docker login {registry}`"),
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetch_token(
    session: &Session,
    ask: &Ask<'_>,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
    denied: impl Fn() -> Trouble,
) -> Result<(Secret, Duration), Trouble> {
    let place = &session.place;
    let invalid = |detail: String| {
        let what = format!("the login service of {}", place.registry);
        Trouble::Final(RegistryError::Invalid { what, detail })
    };
    let realm = challenge.parameter("realm").unwrap_or_default();
    let mut realm = Url::parse(realm).map_err(|_| invalid("its address is not a URL".to_owned()))?;
    place.may_lead_to(&realm).map_err(invalid)?;
    let service = challenge.parameter("service").unwrap_or_default();
    // A mirror may call the repository by another name; it may not make us ask for more than to pull.
    let scope = challenge.parameter("scope").filter(|asked| only_pulls(asked)).unwrap_or(ask.scope);
    let http = session.http_for(&realm);
    let result = match credentials {
        Some(Credentials::Identity(token)) => {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("service", service)
                .append_pair("scope", scope)
                .append_pair("client_id", "lazaret")
                .append_pair("refresh_token", token.reveal())
                .finish();
            http.post_form(&realm, &form)
        }
        credentials => {
            if !service.is_empty() {
                realm.query_pairs_mut().append_pair("service", service);
            }
            if !scope.is_empty() {
                realm.query_pairs_mut().append_pair("scope", scope);
            }
            let basic = credentials.and_then(Credentials::basic);
            let header = basic.as_ref().map(|basic| ("authorization", basic.reveal()));
            http.get(&realm, header.as_slice(), Length::Short)
        }
    };
    let refuse = |failure: Failure| match failure.is_final {
        true => invalid(failure.detail),
        false => Trouble::Passing(format!("its login service: {}", failure.detail), None),
    };
    let answer = result.map_err(refuse)?;
    match answer.status {
        200 => {}
        400 | 401 | 403 | 404 => return Err(denied()),
        429 => return Err(Trouble::Limited(retry_after(&answer.headers))),
        status @ 500.. => {
            let detail = format!("its login service answers {status}");
            return Err(Trouble::Passing(detail, retry_after(&answer.headers)));
        }
        status => return Err(invalid(format!("it answers with status {status}"))),
    }
    let bytes = answer.bytes(TOKEN_BYTES_MAX).map_err(refuse)?;
    // Neither the body nor the parser's message is shown: both can hold the token.
    let answer = bytes.and_then(|bytes| serde_json::from_slice::<TokenAnswer>(&bytes).ok());
    let answer = answer.ok_or_else(|| invalid("its answer is not a token".to_owned()))?;
    let token = answer.token.into_iter().chain(answer.access_token).find(|token| !token.reveal().is_empty());
    let token = token.filter(|token| token.reveal().bytes().all(|b| b.is_ascii_graphic()));
    let token = token.ok_or_else(|| invalid("its answer holds no token".to_owned()))?;
    let lifetime = answer.expires_in.map_or(TOKEN_LIFETIME, |s| Duration::from_secs(s.min(24 * 3_600)));
    Ok((Secret::new(format!("Bearer {}", token.reveal())), lifetime))
}

/// Whether a scope asks for nothing but reading: `repository:a/b:pull`, `registry:catalog:*`.
fn only_pulls(scope: &str) -> bool {
    scope == "registry:catalog:*" || (scope.starts_with("repository:") && scope.ends_with(":pull"))
}
