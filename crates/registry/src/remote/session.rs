//! One request to a registry, whatever it takes: login, redirects, patience.

use std::time::Duration;

use tracing::debug;
use url::Url;

use super::{login::Login, place::Place};
use crate::{
    Options, RegistryError,
    credentials::Secret,
    http::{Answer, Failure, Http, Length},
    http_address::Duty,
    http_retry::{pause, retry_after},
};

/// Redirects followed for one request.
const REDIRECTS_MAX: u32 = 5;

/// Everything remembered about one registry. Shared between threads.
pub(super) struct Session {
    pub(super) place: Place,
    pub(super) options: Options,
    login: Login,
    /// For the registry itself.
    own: Http,
    /// For where it leads.
    elsewhere: Http,
}

/// What is asked for.
pub(super) struct Ask<'a> {
    /// Of the registry itself.
    pub(super) url: Url,
    /// For errors: `manifest v1 of localhost:5000/a`.
    pub(super) what: &'a str,
    /// Token scope it takes.
    pub(super) scope: &'a str,
    pub(super) accept: &'a str,
    /// Ask only for the bytes from here on.
    pub(super) from: Option<u64>,
    pub(super) length: Length,
    /// What to say if it is not there.
    pub(super) not_found_hint: &'a str,
}

/// Why a try gave nothing.
pub(super) enum Trouble {
    /// Another try would not help.
    Final(RegistryError),
    /// 429, with what `Retry-After` says.
    Limited(Option<Duration>),
    /// Something that passes, with what `Retry-After` says.
    Passing(String, Option<Duration>),
}

impl Session {
    pub(super) fn new(place: Place, options: &Options) -> Result<Self, RegistryError> {
        // As HTTPS_PROXY is meant: a registry spoken to without TLS is on loopback or in the house.
        let proxy = options.proxy.clone().filter(|_| place.base.scheme() == "https");
        let options = &Options { proxy, ..options.clone() };
        let own = Http::new(options, place.limit.clone(), Duty::Remember)?;
        let elsewhere = Http::new(options, place.limit.clone(), Duty::Refuse)?;
        Ok(Self { place, options: options.clone(), login: Login::default(), own, elsewhere })
    }

    /// Asks until `take` has what it wants of an answer with status 200 (or 206 and 416 to a range).
    pub(super) fn get<T>(
        &self,
        ask: &Ask<'_>,
        take: impl Fn(Answer) -> Result<T, Trouble>,
    ) -> Result<T, RegistryError> {
        let what = ask.what.to_owned();
        let mut patience = self.options.retry_wait_max;
        for attempt in 1.. {
            let trouble = match self.try_once(ask).and_then(&take) {
                Ok(taken) => return Ok(taken),
                Err(trouble) => trouble,
            };
            let last = attempt >= self.options.attempts_max;
            let pause = pause(self.options.retry_pause, attempt, ask.what);
            let wait = match trouble {
                Trouble::Final(error) => return Err(error),
                Trouble::Limited(after) if last || after.unwrap_or(pause) > patience => {
                    let retry_after_s = after.unwrap_or(pause).as_secs_f32().ceil() as u64;
                    return Err(RegistryError::RateLimited { registry: self.place.registry.clone(), retry_after_s });
                }
                Trouble::Passing(detail, after) if last || after.is_some_and(|after| after > patience) => {
                    let tries = if attempt > 1 { format!(" ({attempt} tries)") } else { String::new() };
                    return Err(RegistryError::Unreachable { what, detail: format!("{detail}{tries}") });
                }
                Trouble::Limited(after) | Trouble::Passing(_, after) => {
                    patience -= after.unwrap_or_default();
                    after.unwrap_or(pause)
                }
            };
            debug!(attempt, wait_ms = wait.as_millis(), "trying {what} again");
            (self.options.clock.sleep)(wait);
        }
        Err(RegistryError::Unreachable { what, detail: "no try is left".to_owned() })
    }

    fn try_once(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let known = self.login.known(ask.scope, (self.options.clock.now)());
        let (answer, stayed) = self.follow(ask, known.as_ref())?;
        if answer.status != 401 || !stayed {
            return self.judge(ask, answer);
        }
        let fresh = self.login.answer(self, ask, &answer, known.as_ref())?;
        let (answer, _) = self.follow(ask, Some(&fresh))?;
        self.judge(ask, answer)
    }

    /// Only the registry's own host is exempt from the address rule.
    pub(super) fn http_for(&self, url: &Url) -> &Http {
        if self.place.owns(url) { &self.own } else { &self.elsewhere }
    }

    /// Sends the request and follows redirects; says whether they never left the registry.
    fn follow(&self, ask: &Ask<'_>, authorization: Option<&Secret>) -> Result<(Answer, bool), Trouble> {
        let invalid = |detail: String| Trouble::Final(RegistryError::Invalid { what: ask.what.to_owned(), detail });
        let range = ask.from.map(|from| format!("bytes={from}-"));
        let mut url = ask.url.clone();
        let mut stayed = true;
        for _ in 0..=REDIRECTS_MAX {
            stayed &= self.place.owns(&url);
            let mut headers = vec![("accept", ask.accept)];
            headers.extend(range.as_ref().map(|range| ("range", range.as_str())));
            // Once elsewhere, never again: whoever we were sent to could send us back with another path.
            headers.extend(authorization.filter(|_| stayed).map(|secret| ("authorization", secret.reveal())));
            let answer = self.http_for(&url).get(&url, &headers, ask.length);
            let answer = answer.map_err(|failure| self.passing(ask, &url, failure))?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok((answer, stayed));
            }
            let target = answer.header("location").and_then(|location| url.join(location).ok());
            let target = target.ok_or_else(|| invalid("it is redirected to what is not a URL".to_owned()))?;
            self.place.may_lead_to(&target).map_err(|e| invalid(format!("its redirect is not followed: {e}")))?;
            url = target;
        }
        Err(invalid(format!("it is redirected more than {REDIRECTS_MAX} times")))
    }

    fn passing(&self, ask: &Ask<'_>, url: &Url, failure: Failure) -> Trouble {
        let detail = match self.place.owns(url) {
            true => failure.detail,
            false => format!("at {}, where it is redirected: {}", url.origin().ascii_serialization(), failure.detail),
        };
        match failure.is_final {
            true => Trouble::Final(RegistryError::Unreachable { what: ask.what.to_owned(), detail }),
            false => Trouble::Passing(detail, None),
        }
    }

    fn judge(&self, ask: &Ask<'_>, answer: Answer) -> Result<Answer, Trouble> {
        let what = || ask.what.to_owned();
        Err(match answer.status {
            200 => return Ok(answer),
            206 | 416 if ask.from.is_some() => return Ok(answer),
            401 | 403 => Trouble::Final(self.place.denied(ask.what, self.login.hint(&self.place))),
            404 => Trouble::Final(RegistryError::NotFound { what: what(), hint: ask.not_found_hint.to_owned() }),
            429 => Trouble::Limited(retry_after(&answer.headers)),
            status @ (408 | 500 | 502..=504) => {
                Trouble::Passing(format!("the registry answers {status}"), retry_after(&answer.headers))
            }
            status => Trouble::Final(RegistryError::Invalid {
                what: what(),
                detail: format!("the registry answers with status {status}"),
            }),
        })
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Passing(failure.detail, None)
    }
}
