//! Which registries are public: anybody may pull from them, and at most of them anybody may push.

/// Where an image comes from, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A public registry.
    Public,
    /// Another one. It may well be a mirror of a public one.
    Private,
    /// It has no name, or one of this machine alone.
    Unknown,
}

/// Hosts, and ends of hosts where they begin with a dot. Amazon's and Google's hosts of single customers are not among them.
/// Source: the vendors' documentation, 2026.
const PUBLIC: &[&str] = &[
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    ".gcr.io",
    "registry.k8s.io",
    "k8s.gcr.io",
    "public.ecr.aws",
    "mcr.microsoft.com",
    "registry.gitlab.com",
    "registry.access.redhat.com",
    "registry.redhat.io",
    "registry.fedoraproject.org",
    "registry.opensuse.org",
    "registry.suse.com",
    "docker.elastic.co",
    "lscr.io",
    "nvcr.io",
    "cgr.dev",
    "container-registry.oracle.com",
    "registry.hub.docker.com",
    "dhi.io",
];

impl Origin {
    /// By the name an engine knows an image by.
    #[must_use]
    pub fn of(reference: &str) -> Self {
        let Ok(parsed) = reference.parse::<model::ImageReference>() else { return Self::Unknown };
        let host = parsed.registry.rsplit_once(':').map_or(parsed.registry.as_str(), |(host, _)| host);
        // Podman calls what was built here `localhost/NAME`; Kubernetes and containerd an image by its config's digest.
        if host == "localhost" && !parsed.registry.contains(':') || reference.starts_with("sha256:") {
            return Self::Unknown;
        }
        let is = |known: &str| host == known || (known.starts_with('.') && host.ends_with(known));
        if PUBLIC.iter().any(|known| is(known)) { Self::Public } else { Self::Private }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_images_come_from() {
        for (name, expected) in [
            ("nginx", Origin::Public),
            ("docker.io/library/nginx:1", Origin::Public),
            ("eu.gcr.io/a/b", Origin::Public),
            ("evilgcr.io/a/b", Origin::Private),
            ("registry.example.org:5000/a", Origin::Private),
            ("localhost:5000/a", Origin::Private),
            ("localhost/a", Origin::Unknown),
            ("", Origin::Unknown),
            ("<none>:<none>", Origin::Unknown),
        ] {
            assert_eq!(Origin::of(name), expected, "{name}");
        }
    }
}
