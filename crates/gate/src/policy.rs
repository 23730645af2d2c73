#![doc = include_str!("../../../docs/policy.md")]

use std::collections::BTreeSet;

use feed::{Channel, EntryId, List, Role, shard::Listed};
use model::{Category, Confidence, Digest, ImageReference, Severity, text};
use serde::Deserialize;
use wildmatch::WildMatch;

use crate::{Effect, Subject, head};

/// Longest policy file.
pub const POLICY_BYTES_MAX: usize = 1 << 20;
/// Most exemptions of one policy.
pub const EXEMPTIONS_MAX: usize = 1_000;
/// How far ahead an exemption may end: somebody has to look again.
pub const EXEMPTION_DAYS_MAX: u64 = 366;

const DAY_S: u64 = 86_400;

/// What is denied, warned of and let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Block-list entries below it are warned of.
    pub severity: Severity,
    /// Block-list entries below it are warned of.
    pub confidence: Confidence,
    /// Block-list entries that are less settled are warned of.
    pub channel: Channel,
    /// Block-list entries of none of them are warned of; empty means all deny.
    pub categories: BTreeSet<Category>,
    /// What becomes of the advise list.
    pub advise: Effect,
    /// At most, for an image that only holds a listed layer.
    pub layers: Effect,
    /// At most, for an index with a listed child.
    pub indexes: Effect,
    /// At most, for what an object that is updated ran already.
    pub on_existing: Effect,
    /// A feed that was published longer ago is stale. Seconds.
    pub max_age_s: u64,
    /// At least, while the feed is stale.
    pub on_stale: Effect,
    /// At least, for a name that could not be followed to a digest.
    pub on_unresolved: Effect,
    /// Whether the doors may ask registries what a name means.
    pub resolve: bool,
    /// Where people read more; `{entry}` stands for the id.
    pub link: Option<String>,
    /// What is let through although it is listed.
    pub exempt: Vec<Exemption>,
}

/// Somebody answers for running what is listed, for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemption {
    /// This entry alone.
    pub entry: Option<EntryId>,
    /// This digest alone.
    pub digest: Option<Digest>,
    /// Images under this name alone: `registry/repository:tag` as completed, `*` for anything.
    pub reference: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last second it holds, since 1970.
    pub until: u64,
    /// As it was written.
    pub until_text: String,
}

/// Why a policy cannot be used. The message says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy: {0}")]
pub struct PolicyError(String);

/// Denies what is settled, warns of the rest; a stale feed or an unknown name stops nothing.
impl Default for Policy {
    fn default() -> Self {
        Self {
            severity: Severity::Low,
            confidence: Confidence::Medium,
            channel: Channel::Stable,
            categories: BTreeSet::new(),
            advise: Effect::Warn,
            layers: Effect::Deny,
            indexes: Effect::Deny,
            on_existing: Effect::Warn,
            max_age_s: DAY_S,
            on_stale: Effect::Warn,
            on_unresolved: Effect::Warn,
            resolve: true,
            link: None,
            exempt: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    severity: Option<Severity>,
    confidence: Option<Confidence>,
    channel: Option<Channel>,
    categories: Option<BTreeSet<Category>>,
    advise: Option<Effect>,
    layers: Option<Effect>,
    indexes: Option<Effect>,
    on_existing: Option<Effect>,
    max_age: Option<String>,
    on_stale: Option<Effect>,
    on_unresolved: Option<Effect>,
    resolve: Option<bool>,
    link: Option<String>,
    #[serde(default)]
    exempt: Vec<RawExemption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExemption {
    entry: Option<EntryId>,
    digest: Option<Digest>,
    reference: Option<String>,
    owner: String,
    reason: String,
    until: String,
}

impl Policy {
    /// Reads a policy file. What is not given is as in [`Policy::default`].
    ///
    /// `now` in seconds since 1970: an exemption may not end more than [`EXEMPTION_DAYS_MAX`] after it. One that has ended is
    /// no error, so that a gate starts on the day after.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for what is no TOML, an unknown key or word, or an exemption without owner, end or object.
    pub fn parse(toml: &str, now: u64) -> Result<Self, PolicyError> {
        if toml.len() > POLICY_BYTES_MAX {
            return Err(PolicyError(format!("it is longer than {POLICY_BYTES_MAX} bytes")));
        }
        let raw: Raw = toml::from_str(toml).map_err(|error| PolicyError(error.to_string().trim_end().to_owned()))?;
        if raw.exempt.len() > EXEMPTIONS_MAX {
            return Err(PolicyError(format!("{} exemptions, at most {EXEMPTIONS_MAX} are read", raw.exempt.len())));
        }
        let default = Self::default();
        let max_age_s = raw.max_age.map_or(Ok(default.max_age_s), |text| {
            duration_s(&text).ok_or_else(|| {
                PolicyError(format!("max_age: {text:?} is no time: a number and s, m, h or d, as in \"24h\""))
            })
        })?;
        if let Some(link) = &raw.link
            && (!link.starts_with("https://") || link.len() > 120 || link.chars().any(|c| !c.is_ascii_graphic()))
        {
            return Err(PolicyError(format!("link: {link:?} must be an https:// URL of at most 120 bytes")));
        }
        let exempt = raw.exempt.into_iter().enumerate().map(|(number, raw)| {
            exemption(raw, now).map_err(|why| PolicyError(format!("exemption {}: {why}", number + 1)))
        });
        Ok(Self {
            severity: raw.severity.unwrap_or(default.severity),
            confidence: raw.confidence.unwrap_or(default.confidence),
            channel: raw.channel.unwrap_or(default.channel),
            categories: raw.categories.unwrap_or_default(),
            advise: raw.advise.unwrap_or(default.advise),
            layers: raw.layers.unwrap_or(default.layers),
            indexes: raw.indexes.unwrap_or(default.indexes),
            on_existing: raw.on_existing.unwrap_or(default.on_existing),
            max_age_s,
            on_stale: raw.on_stale.unwrap_or(default.on_stale),
            on_unresolved: raw.on_unresolved.unwrap_or(default.on_unresolved),
            resolve: raw.resolve.unwrap_or(default.resolve),
            link: raw.link,
            exempt: exempt.collect::<Result<_, _>>()?,
        })
    }

    /// What becomes of one listed digest, exemptions aside.
    #[must_use]
    pub fn effect(&self, listed: &Listed) -> Effect {
        let settled = listed.severity >= self.severity
            && listed.confidence >= self.confidence
            && listed.channel >= self.channel
            && (self.categories.is_empty() || listed.categories.iter().any(|one| self.categories.contains(one)));
        let effect = match listed.list {
            List::Block if settled => Effect::Deny,
            List::Block => Effect::Warn,
            List::Advise => self.advise,
        };
        match listed.role {
            Role::Layer | Role::File => effect.min(self.layers),
            Role::Index => effect.min(self.indexes),
            Role::Manifest | Role::Config => effect,
        }
    }

    /// The exemption that lets `digest` of `subject` through.
    #[must_use]
    pub fn exemption(&self, subject: &Subject, digest: &Digest, listed: &Listed, now: u64) -> Option<&Exemption> {
        self.exempt.iter().find(|exemption| {
            now <= exemption.until
                && exemption.entry.is_none_or(|entry| entry == listed.id)
                && exemption.digest.is_none_or(|exempted| {
                    exempted == *digest || subject.digests.iter().any(|(known, _)| *known == exempted)
                })
                && exemption.reference.as_deref().is_none_or(|pattern| names(pattern, subject))
        })
    }

    /// The exemption that lets a name through that could not be followed: one of its name alone.
    #[must_use]
    pub fn exempts_unresolved(&self, subject: &Subject, now: u64) -> Option<&Exemption> {
        self.exempt.iter().find(|exemption| {
            now <= exemption.until
                && exemption.entry.is_none()
                && exemption.digest.is_none()
                && exemption.reference.as_deref().is_some_and(|pattern| names(pattern, subject))
        })
    }

    /// Exemptions that have ended.
    pub fn ended(&self, now: u64) -> impl Iterator<Item = &Exemption> {
        self.exempt.iter().filter(move |exemption| exemption.until < now)
    }
}

impl Exemption {
    /// Owner, reason and end, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("exempted by {} until {}: {}", self.owner, self.until_text, self.reason)
    }
}

fn exemption(raw: RawExemption, now: u64) -> Result<Exemption, String> {
    if raw.entry.is_none() && raw.digest.is_none() && raw.reference.is_none() {
        return Err("it must name an entry, a digest or a reference".to_owned());
    }
    for (name, value) in [("owner", &raw.owner), ("reason", &raw.reason)] {
        if value.trim().is_empty() || value.len() > 120 || text::visible(value) != *value {
            return Err(format!("{name} must be 1 to 120 bytes on one line"));
        }
    }
    if let Some(pattern) = &raw.reference {
        let registry = pattern.split_once('/').map(|(registry, _)| registry);
        if registry.is_none_or(|registry| registry.is_empty() || registry.contains(['*', '?'])) {
            return Err(format!("reference {pattern:?} must begin with a whole registry, as in docker.io/library/*"));
        }
        if pattern.len() > 400 || pattern.matches(['*', '?']).count() > 8 {
            return Err(format!("reference {pattern:?} must have at most 400 bytes and 8 wildcards"));
        }
    }
    let until = head::seconds(&raw.until).or_else(|| head::seconds(&format!("{}T23:59:59Z", raw.until)));
    let until = until.ok_or_else(|| format!("until {:?} is no date: YYYY-MM-DD or RFC 3339", raw.until))?;
    if until > now.saturating_add(EXEMPTION_DAYS_MAX * DAY_S) {
        return Err(format!("until {} is more than {EXEMPTION_DAYS_MAX} days ahead", raw.until));
    }
    let RawExemption { entry, digest, reference, owner, reason, until: until_text } = raw;
    Ok(Exemption { entry, digest, reference, owner, reason, until, until_text })
}

/// Whether a pattern fits the subject's name, as completed; a name that is none fits nothing.
fn names(pattern: &str, subject: &Subject) -> bool {
    subject
        .reference
        .as_deref()
        .and_then(|reference| reference.parse::<ImageReference>().ok())
        .is_some_and(|reference| WildMatch::new(pattern).matches(&reference.to_string()))
}

fn duration_s(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => DAY_S,
        _ => return None,
    };
    number.parse::<u64>().ok().filter(|number| *number > 0).and_then(|number| number.checked_mul(unit_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::listed;

    /// 2026-06-01.
    const NOW: u64 = 1_780_272_000;

    fn parsed(toml: &str) -> Policy {
        Policy::parse(toml, NOW).expect("a policy")
    }

    fn refused(toml: &str) -> String {
        Policy::parse(toml, NOW).expect_err("no policy").to_string()
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(parsed(""), Policy::default());
    }

    #[test]
    fn the_documented_example_says_the_defaults() {
        let page = include_str!("../../../docs/policy.md");
        let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let example = example.replace("sha256:…", &Digest::of(b"").to_string());
        let policy = parsed(&example);
        assert_eq!((policy.exempt.len(), policy.max_age_s), (1, DAY_S));
        let without = Policy { exempt: Vec::new(), link: None, ..policy };
        assert_eq!(without, Policy::default(), "the example shows the defaults");
    }

    #[test]
    fn what_is_less_settled_is_warned_of() {
        let strict = parsed("severity = \"high\"\nconfidence = \"high\"\ncategories = [\"cryptominer\"]");
        assert_eq!(strict.effect(&listed(1)), Effect::Deny);
        for less in [
            Listed { severity: Severity::Medium, ..listed(1) },
            Listed { confidence: Confidence::Medium, ..listed(1) },
            Listed { channel: Channel::Candidate, ..listed(1) },
            Listed { categories: vec![Category::Spam], ..listed(1) },
            Listed { list: List::Advise, ..listed(1) },
        ] {
            assert_eq!(strict.effect(&less), Effect::Warn, "{less:?}");
        }
        let layer = Listed { role: Role::Layer, ..listed(1) };
        assert_eq!(strict.effect(&layer), Effect::Deny);
        assert_eq!(parsed("layers = \"warn\"").effect(&layer), Effect::Warn);
        assert_eq!(parsed("indexes = \"allow\"").effect(&Listed { role: Role::Index, ..listed(1) }), Effect::Allow);
        assert_eq!(
            parsed("channel = \"candidate\"").effect(&Listed { channel: Channel::Candidate, ..listed(1) }),
            Effect::Deny
        );
    }

    #[test]
    fn an_exemption_fits_what_it_names_until_it_ends() {
        let policy = parsed(
            "[[exempt]]\nentry = \"LZ-2026-1\"\nreference = \"docker.io/lab/*\"\nowner = \"lab\"\nreason = \"study\"\nuntil = \"2026-06-02\"",
        );
        let subject = |name: &str| Subject { reference: Some(name.to_owned()), ..Subject::default() };
        let digest = Digest::of(b"");
        let fits = |name: &str, number, now| policy.exemption(&subject(name), &digest, &listed(number), now).is_some();
        assert!(fits("lab/a:1", 1, NOW), "names are completed first");
        assert!(fits("lab/a:1", 1, NOW + 2 * DAY_S - 1), "the whole last day");
        assert!(!fits("lab/a:1", 1, NOW + 2 * DAY_S));
        assert!(!fits("lab/a:1", 2, NOW), "another entry");
        assert!(!fits("evil.example/docker.io/lab/a", 1, NOW), "another registry");
        assert!(!fits("lab/a b", 1, NOW), "no name");
        assert_eq!(policy.ended(NOW + 9 * DAY_S).count(), 1);
        assert!(policy.exempts_unresolved(&subject("lab/a"), NOW).is_none(), "it is for one entry");
    }

    #[test]
    fn mistakes_are_named() {
        let exempt = |lines: &str| refused(&format!("[[exempt]]\nowner = \"o\"\nreason = \"r\"\n{lines}"));
        assert!(refused("severity = \"awful\"").contains("awful"));
        assert!(refused("sverity = \"low\"").contains("sverity"));
        for text in ["", "h", "24", "0h", "-1h", "1w", "99999999999999999999d", "1ä"] {
            assert!(refused(&format!("max_age = {text:?}")).contains("max_age"), "{text}");
        }
        assert!(refused("link = \"http://a\"").contains("https"));
        assert!(exempt("until = \"2026-07-01\"").contains("exemption 1: it must name"));
        assert!(exempt("entry = \"LZ-2026-1\"").contains("until"), "an end is needed");
        assert!(exempt("entry = \"LZ-2026-1\"\nuntil = \"2030-01-01\"").contains("366 days"));
        assert!(exempt("entry = \"LZ-2026-1\"\nuntil = \"soon\"").contains("soon"));
        for pattern in ["*", "*/a", "alpine", "docker.*/a"] {
            assert!(
                exempt(&format!("reference = {pattern:?}\nuntil = \"2026-07-01\"")).contains("registry"),
                "{pattern}"
            );
        }
    }
}
