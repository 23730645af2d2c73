//! Where a registry is, and where it may lead.

use model::reference::DOCKER_HUB;
use url::{Host, Url};

use crate::{
    Options, RegistryError,
    http_address::{Limit, Nearness},
};

/// Host of Docker Hub's registry.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// One registry.
pub(super) struct Place {
    /// As the user names it: `docker.io`, `localhost:5000`.
    pub(super) registry: String,
    /// `https://HOST[:PORT]/`.
    pub(super) base: Url,
    /// What may be spoken to without TLS.
    insecure_registries: Vec<String>,
    /// How near to us its answers may lead.
    pub(super) limit: Limit,
}

impl Place {
    /// By `host[:port]`, as it stands in a reference.
    pub(super) fn of_host(registry: &str, options: &Options) -> Result<Self, RegistryError> {
        let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
        let secure = format!("https://{host}/");
        let url = Url::parse(&secure).map_err(|e| not_a_registry(registry, &e.to_string()))?;
        let plain = is_loopback(&url) || options.insecure_registries.iter().any(|name| name == registry);
        let url = if plain { Url::parse(&format!("http://{host}/")).unwrap_or(url) } else { url };
        Self::new(registry.to_owned(), url, options)
    }

    /// By URL, or by host as above.
    pub(super) fn of_url(text: &str, options: &Options) -> Result<Self, RegistryError> {
        let Some((_, after_scheme)) = text.split_once("://") else {
            return Self::of_host(text.trim_end_matches('/'), options);
        };
        // What stands before `@` may be a password: it is not repeated.
        let shown = after_scheme.rsplit_once('@').map_or(text, |(_, host)| host);
        let url = Url::parse(text).map_err(|e| not_a_registry(shown, &e.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not_a_registry(shown, "it holds a password; use `docker login` instead"));
        }
        if !matches!(url.path(), "/" | "/v2" | "/v2/") || url.query().is_some() || url.fragment().is_some() {
            return Err(not_a_registry(shown, "it must end after the host and port"));
        }
        let registry = match (url.host_str().unwrap_or_default(), url.port()) {
            (DOCKER_HUB_HOST | DOCKER_HUB | "index.docker.io", None) => return Self::of_host(DOCKER_HUB, options),
            (host, None) => host.to_owned(),
            (host, Some(port)) => format!("{host}:{port}"),
        };
        let mut base = url;
        base.set_path("/");
        Self::new(registry, base, options)
    }

    fn new(registry: String, base: Url, options: &Options) -> Result<Self, RegistryError> {
        let limit = Limit::default();
        match base.host() {
            Some(host) => limit.saw_host(&host),
            None => return Err(not_a_registry(&registry, "it has no host")),
        }
        if !base.username().is_empty() || base.path() != "/" {
            return Err(not_a_registry(&registry, "it is not a host"));
        }
        let insecure_registries = options.insecure_registries.clone();
        let place = Self { registry, base, insecure_registries, limit };
        match place.base.scheme() {
            "https" => Ok(place),
            "http" if place.may_be_plain(&place.base) => Ok(place),
            "http" => Err(not_a_registry(
                &place.registry,
                "plain HTTP is only for loopback; if you trust the network, name it with --insecure-registry",
            )),
            _ => Err(not_a_registry(&place.registry, "only http and https are spoken")),
        }
    }

    /// `path` begins with `/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let url = self.base.join(path).ok().filter(|url| self.owns(url));
        url.ok_or_else(|| not_a_registry(&self.registry, "it does not fit into a URL"))
    }

    /// Same scheme, host and port.
    pub(super) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Whether a redirect or challenge of this registry may send us to `url`; if not, why.
    pub(super) fn may_lead_to(&self, url: &Url) -> Result<(), String> {
        let shown = url.origin().ascii_serialization();
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it leads to an address with a password in it".to_owned());
        }
        match url.scheme() {
            "https" => {}
            "http" if self.base.scheme() == "https" => return Err(format!("it leads from TLS to plain {shown}")),
            "http" if self.may_be_plain(url) => {}
            "http" => return Err(format!("it leads to {shown}, which is neither TLS nor loopback")),
            _ => return Err("it leads to something that is not http or https".to_owned()),
        }
        let nearness = url.host().and_then(|host| Nearness::of_host(&host));
        match nearness {
            Some(nearness) if !self.owns(url) && !self.limit.allows(nearness) => {
                Err(format!("it leads to {shown}, an address that is nearer to us than its own"))
            }
            _ => Ok(()),
        }
    }

    fn may_be_plain(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        is_loopback(url)
            || self.insecure_registries.iter().any(|name| *name == with_port || (*name == host && url.port().is_none()))
    }

    pub(super) fn denied(&self, what: &str, hint: String) -> RegistryError {
        RegistryError::Denied { registry: self.registry.clone(), what: what.to_owned(), hint }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn not_a_registry(what: &str, detail: &str) -> RegistryError {
    RegistryError::Invalid { what: format!("the registry {what}"), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { insecure_registries: vec!["plain.example:5000".to_owned()], ..Options::default() }
    }

    fn check_host(registry: &str, base: &str) {
        assert_eq!(Place::of_host(registry, &options()).expect("a registry").base.as_str(), base);
    }

    #[test]
    fn hosts_are_spoken_to_over_tls_unless_loopback_or_named() {
        check_host("docker.io", "https://registry-1.docker.io/");
        check_host("quay.io", "https://quay.io/");
        check_host("localhost:5000", "http://localhost:5000/");
        check_host("127.0.0.1:5000", "http://127.0.0.1:5000/");
        check_host("[::1]:5000", "http://[::1]:5000/");
        check_host("plain.example:5000", "http://plain.example:5000/");
        check_host("plain.example:5001", "https://plain.example:5001/");
    }

    #[test]
    fn urls_say_what_they_mean_or_are_refused() {
        let base = |url: &str| Place::of_url(url, &options()).map(|place| place.base.to_string());
        assert_eq!(base("https://localhost:5000").expect("is one"), "https://localhost:5000/");
        assert_eq!(base("http://plain.example:5000/v2/").expect("is one"), "http://plain.example:5000/");
        assert_eq!(base("https://docker.io").expect("is one"), "https://registry-1.docker.io/");
        for wrong in
            ["http://quay.io", "ftp://quay.io", "https://quay.io/a", "https://", "https://k:secret@quay.io", "a b"]
        {
            let error = base(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    fn check_lead(registry: &str, target: &str, allowed: bool) {
        let place = Place::of_host(registry, &options()).expect("a registry");
        let result = place.may_lead_to(&Url::parse(target).expect("a URL"));
        assert_eq!(result.is_ok(), allowed, "{registry} to {target}: {result:?}");
    }

    #[test]
    fn a_registry_leads_only_where_it_may() {
        check_lead("quay.io", "https://cdn.example/x", true);
        check_lead("quay.io", "http://cdn.example/x", false);
        check_lead("quay.io", "https://127.0.0.1/x", false);
        check_lead("quay.io", "https://[::ffff:10.0.0.1]/x", false);
        check_lead("quay.io", "https://169.254.169.254/x", false);
        check_lead("quay.io", "https://a:b@cdn.example/x", false);
        check_lead("quay.io", "file:///etc/passwd", false);
        check_lead("10.0.0.1", "https://10.0.0.2/x", true);
        check_lead("10.0.0.1", "https://127.0.0.1/x", false);
        check_lead("localhost:5000", "http://127.0.0.1:6000/x", true);
        check_lead("localhost:5000", "http://cdn.example/x", false);
        check_lead("localhost:5000", "http://169.254.169.254/x", false);
    }
}
