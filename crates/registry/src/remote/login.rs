//! Getting past a 401: basic auth, and Docker's token flow.
//!
//! Sources: distribution, "Token Authentication Specification" and "OAuth 2.0 Token Authentication".

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{challenge::Challenge, place::Place};
use crate::{
    Options, RegistryError,
    credentials::{self, Credentials, Secret},
    http::{Answer, Http, Length},
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

/// Why there is no token: a final error, or one that another try may help against.
pub(super) enum Refusal {
    Final(RegistryError),
    Again(String),
}

impl Login {
    /// The `Authorization` header to begin with, if there is one already.
    pub(super) fn known(&self, scope: &str, now: Instant) -> Option<Secret> {
        let token = self.tokens().get(scope).filter(|token| now < token.expires).map(|token| token.header.clone());
        token.or_else(|| self.basic.get().cloned())
    }

    /// Answers the challenges of a 401; `scope` is what we need, `refused` what was sent and not accepted.
    ///
    /// Returns a fresh `Authorization` header.
    pub(super) fn answer(
        &self,
        place: &Place,
        http: &Http,
        answer: &Answer,
        ask: (&str, &str),
        refused: Option<&Secret>,
        options: &Options,
    ) -> Result<Secret, Refusal> {
        let (what, scope) = ask;
        self.tokens().remove(scope);
        let challenges: Vec<Challenge> = answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Challenge::all)
            .collect();
        let denied = |hint: String| Refusal::Final(place.denied(what, hint));
        let credentials = self.credentials(place, options).map_err(|e| denied(e.clone()))?;
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
            let (header, lifetime) = fetch_token(place, http, bearer, (what, scope), credentials)?;
            let expires = (options.clock.now)() + lifetime - lifetime / 10;
            let mut tokens = self.tokens();
            if tokens.len() >= TOKENS_MAX {
                tokens.clear();
            }
            tokens.insert(scope.to_owned(), Token { header: header.clone(), expires });
            return Ok(header);
        }
        if challenges.iter().all(|challenge| challenge.scheme != "basic") {
            return Err(denied("it asks for a login that is neither basic nor bearer".to_owned()));
        }
        match credentials.and_then(Credentials::basic) {
            Some(header) if refused != Some(&header) => Ok(self.basic.get_or_init(|| header).clone()),
            Some(_) => Err(denied(place.wrong_login())),
            None => Err(denied(place.no_login())),
        }
    }

    /// What `config.json` has for the registry, looked up once, when it is first needed.
    fn credentials(&self, place: &Place, options: &Options) -> Result<Option<&Credentials>, &String> {
        let found = self.credentials.get_or_init(|| match &options.docker_config_folder {
            Some(folder) => credentials::find(folder, &place.registry),
            None => Ok(None),
        });
        found.as_ref().map(Option::as_ref)
    }

    pub(super) fn has_credentials(&self) -> bool {
        matches!(self.credentials.get(), Some(Ok(Some(_))))
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetch_token(
    place: &Place,
    http: &Http,
    challenge: &Challenge,
    (what, scope): (&str, &str),
    credentials: Option<&Credentials>,
) -> Result<(Secret, Duration), Refusal> {
    let invalid = |detail: String| {
        Refusal::Final(RegistryError::Invalid { what: format!("the login service of {}", place.registry), detail })
    };
    let realm = challenge.parameter("realm").unwrap_or_default();
    let mut realm = Url::parse(realm).map_err(|_| invalid("its address is not a URL".to_owned()))?;
    place.may_lead_to(&realm).map_err(invalid)?;
    let service = challenge.parameter("service").unwrap_or_default();
    // A mirror may call the repository by another name; it may not make us ask for more than to pull.
    let scope = challenge.parameter("scope").filter(|asked| only_pulls(asked)).unwrap_or(scope);
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
    let refuse = |failure: crate::http::Failure| match failure.is_final {
        true => invalid(failure.detail),
        false => Refusal::Again(format!("its login service: {}", failure.detail)),
    };
    let answer = result.map_err(refuse)?;
    match answer.status {
        200 => {}
        400 | 401 | 403 | 404 if credentials.is_some() => {
            return Err(Refusal::Final(place.denied(what, place.wrong_login())));
        }
        400 | 401 | 403 | 404 => return Err(Refusal::Final(place.denied(what, place.no_login()))),
        429 | 500.. => return Err(Refusal::Again(format!("its login service answers {}", answer.status))),
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

/// The login service a 401 names, if it names one.
pub(super) fn realm_of(answer: &Answer) -> Option<Url> {
    let values = answer.headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok());
    let bearer = values.flat_map(Challenge::all).find(|challenge| challenge.scheme == "bearer")?;
    Url::parse(bearer.parameter("realm")?).ok()
}
