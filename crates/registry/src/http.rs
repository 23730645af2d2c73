//! One HTTP request and its answer. Knows nothing of registries; follows no redirect and repeats nothing.

use std::{
    io::{self, Read},
    time::Duration,
};

use ureq::{
    Body, Proxy, Timeout,
    config::Config,
    http::{HeaderMap, Response},
    tls::{RootCerts, TlsConfig},
    unversioned::{
        resolver::DefaultResolver,
        transport::{Connector, DefaultConnector},
    },
};
use url::Url;

use crate::{
    Options, RegistryError,
    http_address::{Bounded, Duty, Limit, TooNear},
};

/// Speaks HTTP with one rule on which addresses it may reach.
pub(crate) struct Http {
    #[expect(clippy::disallowed_types, reason = "this is the crate that speaks to the outside")]
    agent: ureq::Agent,
    /// For a whole short body, so that a trickle ends.
    short_body_time_max: Duration,
}

/// Status, headers, and a body not read yet.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// No whole answer came. Another try may help unless `is_final`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) detail: String,
    pub(crate) is_final: bool,
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Only the head of the answer.
    Nothing,
    Short,
    Any,
}

impl Http {
    /// # Errors
    ///
    /// [`RegistryError::Invalid`] for a proxy that is no URL.
    pub(crate) fn new(options: &Options, limit: Limit, duty: Duty) -> Result<Self, RegistryError> {
        let proxy = options.proxy.as_ref().map(|proxy| Proxy::new(proxy.reveal())).transpose().map_err(|_| {
            RegistryError::Invalid {
                what: "the proxy".to_owned(),
                detail: "it must be written like http://proxy.example.org:3128".to_owned(),
            }
        })?;
        // With a proxy only the proxy looks names up: ours would be asked for the proxy itself.
        let duty = if proxy.is_some() { Duty::Nothing } else { duty };
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_resolve(Some(options.timeout))
            .timeout_connect(Some(options.timeout))
            .timeout_send_request(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .user_agent(options.user_agent.clone())
            .accept_encoding("identity")
            .build();
        let resolver = Bounded { limit, duty, inner: DefaultResolver::default() };
        let connector = ().chain(DefaultConnector::default());
        #[expect(clippy::disallowed_types, reason = "this is the crate that speaks to the outside")]
        let agent = ureq::Agent::with_parts(config, connector, resolver);
        Ok(Self { agent, short_body_time_max: options.timeout.saturating_mul(4) })
    }

    pub(crate) fn get(&self, url: &Url, headers: &[(&str, &str)], length: Length) -> Result<Answer, Failure> {
        let request =
            if length == Length::Nothing { self.agent.head(url.as_str()) } else { self.agent.get(url.as_str()) };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let time_max = (length == Length::Short).then_some(self.short_body_time_max);
        answer(request.config().timeout_recv_body(time_max).build().call())
    }

    pub(crate) fn post_form(&self, url: &Url, form: &str) -> Result<Answer, Failure> {
        let request = self.agent.post(url.as_str()).content_type("application/x-www-form-urlencoded");
        answer(request.config().timeout_recv_body(Some(self.short_body_time_max)).build().send(form))
    }
}

fn answer(result: Result<Response<Body>, ureq::Error>) -> Result<Answer, Failure> {
    let (parts, body) = result.map_err(|e| explain(&e))?.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body if it is at most `bytes_max` long, else None.
    pub(crate) fn bytes(self, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
        let read = self.body.into_reader().take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| explain_io(&e))?;
        Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
    }
}

/// Says what happened without naming a URL: its query may hold a signature.
fn explain(error: &ureq::Error) -> Failure {
    let again = |detail: String| Failure { detail, is_final: false };
    let never = |detail: String| Failure { detail, is_final: true };
    match error {
        ureq::Error::Io(e) => explain_io(e),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => again("no connection in time".to_owned()),
        ureq::Error::Timeout(_) => again("no answer in time".to_owned()),
        ureq::Error::HostNotFound => again("the host name is not known; check its spelling".to_owned()),
        ureq::Error::Other(inner) if inner.is::<TooNear>() => never(inner.to_string()),
        ureq::Error::Rustls(e) => never(explain_tls(&e.to_string())),
        ureq::Error::Protocol(_) => again("it does not speak HTTP as expected; is this a registry?".to_owned()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => never("the request is not valid HTTP".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => again("the proxy refused to connect".to_owned()),
        ureq::Error::LargeResponseHeader(..) => never("its answer has too large headers".to_owned()),
        _ => again("the connection failed".to_owned()),
    }
}

pub(crate) fn explain_io(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(inner) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        return explain(inner);
    }
    let detail = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused; is the registry running on that port?".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the connection was closed before the end".to_owned()
        }
        io::ErrorKind::InvalidData => return Failure { detail: explain_tls(&error.to_string()), is_final: true },
        _ if error.to_string().contains("failed to lookup address") => {
            "the host name is not known; check its spelling".to_owned()
        }
        _ => error.to_string(),
    };
    Failure { detail, is_final: false }
}

fn explain_tls(detail: &str) -> String {
    if detail.contains("InvalidContentType") || detail.contains("corrupt message") {
        return "it does not speak TLS; if it is a plain HTTP registry you trust, name it with --insecure-registry"
            .to_owned();
    }
    format!("TLS: {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names are judged by what they resolve to; nothing listens on the port, nothing is asked to.
    #[test]
    fn a_name_that_resolves_to_us_is_refused_before_it_is_asked() {
        let url = Url::parse("http://localhost:9/").expect("a URL");
        let get = |duty| {
            let http = Http::new(&Options::default(), Limit::default(), duty).expect("no proxy");
            http.get(&url, &[], Length::Short).err().expect("nobody is there")
        };
        let refused = get(Duty::Refuse);
        assert!(refused.is_final && refused.detail.contains("local or private address"), "{refused:?}");
        assert!(get(Duty::Remember).detail.contains("connection refused"));
    }
}
