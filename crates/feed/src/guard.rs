//! Guard rails: what can never be listed, whatever was found in it, and what needs a person.
//!
//! Nothing of an image that everybody has may be blocked because a detector erred, or because somebody pushed it again with a
//! miner on top. A refusal says why, and each has one of two ways out: none (empty, known-good, official, the never-list), or
//! `lazaret feed approve`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use model::{Confidence, Digest, Known, KnownImage, Locator, text};

use crate::entry::Role;

/// What every second image has: the empty tar (1024 zero bytes), plain, as Docker and as BuildKit gzip it; the empty file;
/// the empty JSON object that artifacts name as their config (OCI image-spec v1.1, "Guidance for an Empty Descriptor").
const EMPTY: [&str; 5] = [
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
];

/// Where only a platform's own people can push.
pub const OFFICIAL: [&str; 6] = [
    "docker.io/library/",
    "gcr.io/distroless/",
    "mcr.microsoft.com/",
    "public.ecr.aws/docker/library/",
    "registry.access.redhat.com/",
    "registry.k8s.io/",
];

/// Repositories that many people pull, as Docker writes them; without `/` official images.
const POPULAR_IMAGES: &str = include_str!("../../../rules/intel/popular_images.txt");

/// How much is listed and what must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What `REGISTRY/REPOSITORY:TAG` of official images begins with.
    pub official: Vec<String>,
    /// Digests an operator forbids, with why.
    pub never: Vec<(Digest, String)>,
    /// A config, layer or file in images of this many owners needs a person's approval: it may be a base that all build on.
    pub popular_owners: usize,
    /// What is risky or suspicious is advised on from this confidence of the verdict on; none: not at all.
    pub advise_from: Option<Confidence>,
    /// What a person approved in spite of a rail that may be lifted.
    pub approved: BTreeSet<Digest>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            official: OFFICIAL.map(str::to_owned).to_vec(),
            never: Vec::new(),
            popular_owners: 20,
            advise_from: Some(Confidence::High),
            approved: BTreeSet::new(),
        }
    }
}

/// Why something is not listed, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It is what every image may have.
    Empty,
    /// The operator vouches for an image that has it.
    KnownGood {
        /// That image.
        name: String,
    },
    /// It is an official or verified image, or a part of one.
    Official {
        /// Where it was seen. Hostile text, but for where it begins.
        reference: String,
    },
    /// The operator's list of what is never listed names it.
    NeverList {
        /// As the list says.
        why: String,
    },
    /// An image judged clean has it too.
    HeldByClean,
    /// An image not judged malicious has it too, and what was found are signs, no proof.
    HeldByOthers,
    /// So many build on it that a person must look.
    Popular {
        /// Owners of images that have it.
        owners: usize,
    },
    /// A person withdrew it.
    Withdrawn {
        /// When: RFC 3339, UTC.
        at: String,
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// Whether `lazaret feed approve` lifts it.
    #[must_use]
    pub const fn may_be_approved(&self) -> bool {
        matches!(self, Self::Popular { .. } | Self::Withdrawn { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty, and every second image has it"),
            Self::KnownGood { name } => {
                write!(f, "it is part of {name}, which is vouched for (`lazaret known list`)")
            }
            Self::Official { reference } => {
                write!(f, "it is part of an official or verified image: {}", text::visible(reference))
            }
            Self::NeverList { why } => write!(f, "the never-list names it: {}", text::visible(why)),
            Self::HeldByClean => write!(f, "an image that is judged clean has it too"),
            Self::HeldByOthers => {
                write!(f, "an image that is not judged malicious has it too, and there are only signs")
            }
            Self::Popular { owners } => write!(
                f,
                "images of {owners} owners or more have it, so it may be a base: `lazaret feed approve` it if it is not"
            ),
            Self::Withdrawn { at, reason } => write!(
                f,
                "a person withdrew it on {at} ({}): `lazaret feed approve` lists it again",
                text::visible(reason)
            ),
        }
    }
}

/// A digest that was to be listed and is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// What.
    pub digest: Digest,
    /// As what.
    pub role: Role,
    /// Why.
    pub refusal: Refusal,
}

/// The rails that no approval lifts.
pub(crate) struct Guard {
    forbidden: BTreeMap<Digest, Refusal>,
    official: Vec<String>,
    repositories: BTreeSet<String>,
    known: Known,
}

impl Guard {
    pub(crate) fn new(known: Vec<KnownImage>, rules: &Rules) -> Self {
        let mut forbidden = BTreeMap::new();
        for image in &known {
            let layers = image.layers.iter().flat_map(|layer| [layer.digest, layer.diff_id]);
            for digest in image.manifest.into_iter().chain([image.config]).chain(layers) {
                forbidden.insert(digest, Refusal::KnownGood { name: image.name.clone() });
            }
        }
        for (digest, why) in &rules.never {
            forbidden.insert(*digest, Refusal::NeverList { why: why.clone() });
        }
        for digest in EMPTY.iter().filter_map(|text| text.parse::<Digest>().ok()) {
            forbidden.insert(digest, Refusal::Empty);
        }
        let names = POPULAR_IMAGES.lines().map(|line| line.trim().trim_start_matches('~'));
        let repositories = names.filter(|name| name.contains('/') && !name.starts_with('#'));
        Self {
            forbidden,
            official: rules.official.clone(),
            repositories: repositories.map(|name| format!("docker.io/{name}")).collect(),
            known: Known::new(known),
        }
    }

    /// Whether a name in a registry is one that only an official or verified publisher can push to.
    pub(crate) fn is_official(&self, reference: &str) -> bool {
        match reference.parse() {
            Ok(Locator::Registry(parsed)) => {
                self.official.iter().any(|prefix| parsed.to_string().starts_with(prefix.as_str()))
                    || self.repositories.contains(&parsed.name())
            }
            _ => false,
        }
    }

    /// Forbids what an official image consists of.
    pub(crate) fn forbid(&mut self, digests: impl IntoIterator<Item = Digest>, reference: &str) {
        for digest in digests {
            let refusal = || Refusal::Official { reference: text::shortened(reference, 200).into_owned() };
            self.forbidden.entry(digest).or_insert_with(refusal);
        }
    }

    /// Whether a digest may be listed.
    pub(crate) fn check(&self, digest: &Digest, role: Role) -> Result<(), Refusal> {
        if let Some(refusal) = self.forbidden.get(digest) {
            return Err(refusal.clone());
        }
        match self.known.with_file(digest).filter(|_| role == Role::File) {
            Some(image) => Err(Refusal::KnownGood { name: image.name.clone() }),
            None => Ok(()),
        }
    }

    /// What must never be blocked, and why.
    pub(crate) fn into_forbidden(self) -> BTreeMap<Digest, Refusal> {
        self.forbidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_digests_are_digests() {
        let digests: Vec<Digest> = EMPTY.iter().map(|text| text.parse().expect("digest")).collect();
        assert_eq!(digests[0], Digest::of(&[0; 1024]));
        assert_eq!(digests[3], Digest::of(b""));
        assert_eq!(digests[4], Digest::of(b"{}"));
    }

    #[test]
    fn official_is_what_only_its_publisher_can_push() {
        let guard = Guard::new(Vec::new(), &Rules::default());
        for official in ["nginx:1", "docker.io/library/nginx", "bitnami/redis", "registry.k8s.io/pause:3.9"] {
            let reference = official.parse::<Locator>().expect("a reference").to_string();
            assert!(guard.is_official(&reference), "{reference}");
        }
        for other in
            ["library.evil.test/library/nginx", "evil/nginx", "docker.io.evil.test/library/nginx", "oci:library"]
        {
            assert!(!guard.is_official(other), "{other}");
        }
    }

    #[test]
    fn what_is_forbidden_says_why() {
        let named = Digest::of(b"named");
        let rules = Rules { never: vec![(named, "our own agent\u{1b}".to_owned())], ..Rules::default() };
        let mut guard = Guard::new(Vec::new(), &rules);
        guard.forbid([Digest::of(b"official"), named], "docker.io/library/nginx:1");
        let said = |digest: &Digest| guard.check(digest, Role::Layer).map_err(|refusal| refusal.to_string());
        assert_eq!(said(&named), Err("the never-list names it: our own agent\\u{1b}".to_owned()));
        assert!(said(&Digest::of(b"official")).is_err_and(|text| text.ends_with("docker.io/library/nginx:1")));
        assert!(said(&Digest::of(b"")).is_err_and(|text| text.contains("empty")));
        assert_eq!(said(&Digest::of(b"else")), Ok(()));
        assert_eq!(guard.into_forbidden().len(), EMPTY.len() + 2);
    }
}
