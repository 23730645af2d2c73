//! Which images are present and running here, which of them are listed, and where each has been since when.
//!
//! Each source gives [`Seen`]s; [`History`] keeps what appeared and went, so that an entry listed today answers where its image ran last
//! month; the engine decides on all of it at each update of the feed, and what became listed or is no longer so is told once.
//!
//! | module | what it does |
//! |---|---|
//! | [`docker`] | Docker and Podman, which speak alike |
//! | [`containerd`] | containerd |
//! | [`kubernetes`] | pods and nodes, from an API server or from what `kubectl get -o json` wrote |
//! | [`history`] | the file of what appeared and went |
//! | [`public`] | which registries are public |
//! | the others | ways to write it |

pub mod containerd;
pub mod docker;
pub mod history;
mod json;
pub mod kubernetes;
mod metrics;
mod policy_report;
mod public;
mod table;

#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};

use feed::{EntryId, Role};
use model::{Digest, ImageReference};

pub use history::{History, HistoryError, Span};
pub use public::Origin;

use crate::{Decision, Effect, Engine, Subject, report::Outcome};

/// Most digests of one image that are kept: those of an index of many platforms with all layers.
const DIGESTS_MAX: usize = 2_000;

/// Digests, each with what it is where that is known.
type Known = Vec<(Digest, Option<Role>)>;

/// An image in one place, as its engine says. All text is hostile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// `docker`, `podman`, `containerd` or `kubernetes`.
    pub source: String,
    /// Which machine or cluster.
    pub host: String,
    /// What has it: `container web`, `pod shop/web-0, container app`; empty for an image that is only present.
    pub place: String,
    /// Namespace of Kubernetes, else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Whether that runs now.
    pub running: bool,
    /// A name of the image; empty if it has none.
    pub reference: String,
    /// All digests that are known of it, sorted.
    pub digests: Vec<(Digest, Option<Role>)>,
    /// When the engine says it began. Seconds since 1970; 0 if it does not say.
    #[serde(default)]
    pub since: u64,
}

impl Seen {
    /// Sorted, each digest once and with its role where any says so.
    fn tidy(mut self) -> Self {
        let mut known: BTreeMap<Digest, Option<Role>> = BTreeMap::new();
        for (digest, role) in self.digests {
            let entry = known.entry(digest).or_default();
            *entry = entry.or(role);
        }
        self.digests = known.into_iter().take(DIGESTS_MAX).collect();
        self
    }

    /// What the engine is asked.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let reference = Some(self.reference.clone()).filter(|reference| !reference.is_empty());
        Subject { reference, digests: self.digests.clone(), unresolved: None }
    }
}

/// The digest that a reference ends with, `name@sha256:…`, also as Kubernetes writes it (`docker-pullable://…`).
fn digest_of(reference: &str) -> Option<Digest> {
    reference.rsplit_once('@').map_or(reference, |(_, digest)| digest).rsplit("://").next()?.parse().ok()
}

/// One image: everything with the same name and digests, wherever it is or was.
#[derive(Debug, Clone)]
pub struct Image {
    /// A name of it; empty if it has none.
    pub reference: String,
    /// All digests known of it.
    pub digests: Vec<(Digest, Option<Role>)>,
    /// What the engine says.
    pub decision: Decision,
    /// Whether it comes from a public registry.
    pub origin: Origin,
    /// Where it is or was.
    pub places: Vec<Span>,
}

impl Image {
    /// Whether it is anywhere now.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.places.iter().any(|span| span.gone.is_none())
    }

    /// Whether it runs anywhere now.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.places.iter().any(|span| span.gone.is_none() && span.seen.running)
    }

    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.decision.hits.iter().any(|hit| hit.effect == Effect::Deny) {
            Outcome::Denied
        } else if self.decision.undecided.is_some() {
            Outcome::Undecided
        } else {
            Outcome::Passed
        }
    }

    /// Its name, or a digest.
    fn name(&self) -> String {
        let digest = || self.digests.first().map_or_else(|| "?".to_owned(), |(digest, _)| digest.to_string());
        let name = if self.reference.is_empty() { digest() } else { self.reference.clone() };
        model::text::visible(&model::text::shortened(&name, 300)).into_owned()
    }
}

/// Everything that is and was, decided.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Listed ones first, then by name.
    pub images: Vec<Image>,
    /// Sequence number of the feed.
    pub sequence: u64,
    /// How long ago it was published.
    pub age_s: u64,
    /// Seconds since 1970.
    pub now: u64,
    /// Entries and digests that became listed since the last look.
    pub new: BTreeSet<(EntryId, Digest)>,
    /// Those that no longer are.
    pub cleared: BTreeSet<(EntryId, Digest)>,
    /// When each source was last looked at.
    pub looked: BTreeMap<(String, String), u64>,
}

/// Decides on all that `history` knows.
#[must_use]
pub fn decide(history: &History, engine: &Engine, now: u64) -> Inventory {
    let mut grouped: BTreeMap<(String, Known), Vec<Span>> = BTreeMap::new();
    for span in history.spans() {
        let key = (span.seen.reference.clone(), span.seen.digests.clone());
        grouped.entry(key).or_default().push(span.clone());
    }
    let mut images: Vec<Image> = grouped
        .into_iter()
        .map(|((reference, digests), mut places)| {
            places.sort_by_key(|span| (span.gone.is_some(), !span.seen.running, span.first));
            let subject = Subject {
                reference: Some(reference.clone()).filter(|reference| !reference.is_empty()),
                digests: digests.clone(),
                unresolved: None,
            };
            let decision = engine.decide(&subject, now);
            Image { origin: Origin::of(&reference), reference, digests, decision, places }
        })
        .collect();
    images.sort_by(|a, b| {
        let key =
            |image: &Image| std::cmp::Reverse((image.outcome(), image.decision.effect, image.runs(), image.is_here()));
        (key(a), &a.reference).cmp(&(key(b), &b.reference))
    });
    Inventory {
        images,
        sequence: engine.sequence(),
        age_s: engine.age_seconds(now),
        now,
        new: BTreeSet::new(),
        cleared: BTreeSet::new(),
        looked: history.looked().clone(),
    }
}

impl Inventory {
    /// Every listed entry and digest of what is or was here, exempted ones too.
    #[must_use]
    pub fn hits(&self) -> BTreeSet<(EntryId, Digest)> {
        let hits = self.images.iter().flat_map(|image| &image.decision.hits);
        hits.map(|hit| (hit.listed.id, hit.digest)).collect()
    }

    /// What the images that are here now come to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.images.iter().filter(|image| image.is_here()).map(Image::outcome).max().unwrap_or(Outcome::Passed)
    }

    /// Of the images here now: how many come from public registries, from others, and how many say nothing of it.
    #[must_use]
    pub fn share(&self) -> Share {
        let mut share = Share::default();
        for image in self.images.iter().filter(|image| image.is_here()) {
            *match image.origin {
                Origin::Public => &mut share.public,
                Origin::Private => &mut share.private,
                Origin::Unknown => &mut share.unknown,
            } += 1;
        }
        share
    }
}

/// Images by where they come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// From a registry that anybody may push to or pull from.
    pub public: u64,
    /// From another.
    pub private: u64,
    /// Their name says nothing of it.
    pub unknown: u64,
}

impl Share {
    /// The public ones of those that are known, in thousandths; none if none is known.
    #[must_use]
    pub fn public_permille(&self) -> Option<u64> {
        (self.public * 1_000).checked_div(self.public + self.private)
    }
}

/// A way to write an inventory.
pub struct Format {
    /// The word that chooses it.
    pub name: &'static str,
    /// Writes it; `verbose` shows images that are simply allowed, too.
    pub write: fn(&Inventory, verbose: bool) -> String,
}

/// Every format.
pub const FORMATS: &[Format] = &[table::FORMAT, json::FORMAT, policy_report::FORMAT, metrics::FORMAT];

/// A name as people know it, with its registry; as it is if it is no name.
fn completed(reference: &str) -> String {
    reference.parse::<ImageReference>().map_or_else(|_| reference.to_owned(), |reference| reference.to_string())
}

/// RFC 3339 in UTC.
fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    let text = time.and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok());
    text.unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::{testing::inventory, *};

    #[test]
    fn a_digest_is_read_from_every_way_to_write_it() {
        let digest = Digest::of(b"");
        for text in [
            format!("{digest}"),
            format!("a/b@{digest}"),
            format!("docker-pullable://a/b:1@{digest}"),
            format!("docker://{digest}"),
        ] {
            assert_eq!(digest_of(&text), Some(digest), "{text}");
        }
        assert_eq!(digest_of("a/b:1"), None);
    }

    #[test]
    fn only_what_is_here_counts_for_the_outcome() {
        let mut inventory = inventory();
        assert_eq!(inventory.outcome(), Outcome::Denied);
        assert!(inventory.images[0].runs());
        assert_eq!(inventory.share(), Share { public: 1, private: 1, unknown: 0 });
        assert_eq!(inventory.share().public_permille(), Some(500));
        for span in &mut inventory.images[0].places {
            span.gone = Some(9);
        }
        assert_eq!(inventory.outcome(), Outcome::Passed);
    }
}
