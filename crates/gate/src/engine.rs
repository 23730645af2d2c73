//! Decides, from memory: which of an image's digests are listed, and what the policy makes of it.

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use feed::{
    Role,
    shard::{Listed, Meta},
};
use model::{Digest, text};

use crate::{
    Decision, Effect, Hit, Policy, Subject,
    head::{self, Head, Identity},
    index::{Index, LoadError},
};

/// Longest message of a decision, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 300;
/// Most digests of one subject that are looked up: an index of many platforms has hundreds.
pub const DIGESTS_MAX: usize = 100_000;
/// Most hits that are told.
const HITS_MAX: usize = 100;
/// Stands for "does not expire".
const NEVER: u64 = u64::MAX;

/// One feed and one policy. Clones share them; all methods may be called from any thread.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    folder: Option<PathBuf>,
    index: Index,
    sequence: AtomicU64,
    published_at: AtomicU64,
    expires_at: AtomicU64,
    policy: RwLock<Arc<Policy>>,
    /// What is loaded; held while loading.
    loaded: Mutex<Option<(PathBuf, Identity)>>,
}

/// Why a feed cannot be used. What was loaded before stays in use.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file is missing, unreadable or damaged.
    #[error("the feed in {folder} cannot be used: {file}: {cause}; run `lazaret feed sync`")]
    Unusable {
        /// The feed.
        folder: String,
        /// Which file.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It shows an older state than the one in use.
    #[error(
        "the feed in {folder} went back from change {used} to {found}: a rollback is refused until the gate is started anew"
    )]
    Rollback {
        /// The feed.
        folder: String,
        /// In use.
        used: u64,
        /// On disk.
        found: u64,
    },
}

impl Engine {
    /// Loads a feed: a synced folder, a publisher's, or a published one. About 0.1 s a million digests.
    ///
    /// Signatures are not looked at here: `feed sync` did, and what it keeps is trusted.
    ///
    /// # Errors
    ///
    /// [`EngineError::Unusable`].
    pub fn open(feed: &Path, policy: Policy) -> Result<Self, EngineError> {
        let engine = Self::new(Some(feed.to_owned()), Index::empty(), policy);
        engine.reload()?;
        Ok(engine)
    }

    /// An engine that knows `entries`, at sequence 1, published at `published_at` (seconds since 1970) and never read again.
    #[must_use]
    pub fn test(entries: &[(Digest, Listed)], policy: Policy, published_at: u64) -> Self {
        let index = Index::of(entries.iter().map(|(digest, listed)| (*digest, Meta::from(listed))));
        let engine = Self::new(None, index, policy);
        engine.set_head(Head { sequence: 1, published_at, expires_at: None });
        engine
    }

    fn new(folder: Option<PathBuf>, index: Index, policy: Policy) -> Self {
        Self(Arc::new(Shared {
            folder,
            index,
            sequence: AtomicU64::new(0),
            published_at: AtomicU64::new(0),
            expires_at: AtomicU64::new(NEVER),
            policy: RwLock::new(Arc::new(policy)),
            loaded: Mutex::new(None),
        }))
    }

    /// Takes what changed on disk, while decisions go on. False if nothing did: that costs three system calls.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; what was loaded stays in use.
    pub fn reload(&self) -> Result<bool, EngineError> {
        let Some(folder) = &self.0.folder else { return Ok(false) };
        let shown = || text::visible(&folder.display().to_string()).into_owned();
        let unusable =
            |error: LoadError| EngineError::Unusable { folder: shown(), file: error.file, cause: error.cause };
        let unread =
            |error: std::io::Error| unusable(LoadError { file: "feed.json".to_owned(), cause: error.to_string() });
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let release = head::release(folder).map_err(unread)?;
        let (head, identity) = head::read(&release).map_err(unread)?;
        if loaded.as_ref() == Some(&(release.clone(), identity)) {
            return Ok(false);
        }
        if head.sequence < self.sequence() {
            return Err(EngineError::Rollback { folder: shown(), used: self.sequence(), found: head.sequence });
        }
        self.0.index.load(&release).map_err(unusable)?;
        self.set_head(head);
        *loaded = Some((release, identity));
        Ok(true)
    }

    fn set_head(&self, head: Head) {
        self.0.published_at.store(head.published_at, Ordering::Relaxed);
        self.0.expires_at.store(head.expires_at.unwrap_or(NEVER), Ordering::Relaxed);
        self.0.sequence.store(head.sequence, Ordering::Release);
    }

    /// Sequence number of the feed in use: part of every cache key.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.0.sequence.load(Ordering::Acquire)
    }

    /// How long ago the feed in use was published. Seconds; `now` since 1970.
    #[must_use]
    pub fn age_seconds(&self, now: u64) -> u64 {
        now.saturating_sub(self.0.published_at.load(Ordering::Relaxed))
    }

    /// How many digests and roles are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.index.len()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The policy in use.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the policy, while decisions go on.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// Why the feed in use is stale, if it is.
    #[must_use]
    pub fn stale(&self, now: u64) -> Option<String> {
        let (age_s, max_age_s) = (self.age_seconds(now), self.policy().max_age_s);
        if age_s > max_age_s {
            Some(format!("the feed is {} old, at most {} are allowed", words(age_s), words(max_age_s)))
        } else if self.0.expires_at.load(Ordering::Relaxed) < now {
            Some("the feed has expired".to_owned())
        } else {
            None
        }
    }

    /// Decides on one image. `now` in seconds since 1970.
    ///
    /// Opens nothing and waits for nothing: about a microsecond a digest with ten million listed.
    #[must_use]
    pub fn decide(&self, subject: &Subject, now: u64) -> Decision {
        // Before the lookups: while a feed is swapped, what is found counts as of the older one.
        let sequence = self.sequence();
        let policy = self.policy();
        let mut hits = Vec::new();
        let mut unknown = None;
        for (digest, _) in subject.digests.iter().take(DIGESTS_MAX) {
            self.0.index.find(digest, |meta| match meta.listed() {
                Some(listed) => hits.push(hit(&policy, subject, *digest, listed, now)),
                None => unknown = Some(format!("{} is listed in words of a later version of Lazaret", digest.short())),
            });
        }
        hits.sort_by_key(|hit| {
            (
                Reverse((hit.effect, hit.listed.severity, hit.listed.confidence)),
                hit.listed.id,
                hit.digest,
                hit.listed.role,
            )
        });
        hits.dedup();
        hits.truncate(HITS_MAX);
        let found = hits.first().map_or(Effect::Allow, |hit| hit.effect);
        let unresolved = unknown.or_else(|| unresolved(&policy, subject, now)).map(|why| (why, policy.on_unresolved));
        let doubt = self
            .stale(now)
            .map(|why| (why, policy.on_stale))
            .into_iter()
            .chain(unresolved)
            .max_by_key(|(_, effect)| *effect);
        let effect = doubt.as_ref().map_or(found, |(_, effect)| found.max(*effect));
        let message =
            message(&policy, subject, effect, &hits, doubt.as_ref().map(|(why, effect)| (why.as_str(), *effect)));
        let undecided = doubt.filter(|(_, effect)| *effect != Effect::Allow).map(|(why, _)| why);
        Decision { effect, message, hits, undecided, sequence }
    }
}

impl Decision {
    /// The same answer with a weaker effect, where a door may not go as far; unchanged if it does not.
    #[must_use]
    pub fn at_most(self, most: Effect) -> Self {
        if self.effect <= most {
            return self;
        }
        let rest = self.message.strip_prefix(verb(self.effect)).unwrap_or_default();
        let message = cut(&format!("{}{rest}", verb(most)), MESSAGE_BYTES_MAX);
        Self { effect: most, message, ..self }
    }
}

const fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Deny => "denied",
        Effect::Warn => "warning",
        Effect::Allow => "allowed",
    }
}

fn hit(policy: &Policy, subject: &Subject, digest: Digest, listed: Listed, now: u64) -> Hit {
    let exemption = policy.exemption(subject, &digest, &listed, now);
    let effect = if exemption.is_some() { Effect::Allow } else { policy.effect(&listed) };
    Hit { digest, effect, exempted: exemption.map(crate::policy::Exemption::line), listed }
}

fn unresolved(policy: &Policy, subject: &Subject, now: u64) -> Option<String> {
    let why = match &subject.unresolved {
        Some(why) => why.clone(),
        None if subject.digests.is_empty() => "no digest of it is known".to_owned(),
        None if subject.digests.len() > DIGESTS_MAX => format!("it has more than {DIGESTS_MAX} digests"),
        None => return None,
    };
    policy.exempts_unresolved(subject, now).is_none().then(|| format!("not resolved: {why}"))
}

/// One line: what is done with which image, why, and where to read more.
fn message(policy: &Policy, subject: &Subject, effect: Effect, hits: &[Hit], doubt: Option<(&str, Effect)>) -> String {
    let name = subject.reference.as_deref().map(|name| text::shortened(name, 100).into_owned());
    let name = name.or_else(|| subject.digests.first().map(|(digest, _)| digest.short()));
    let name = name.unwrap_or_else(|| "image without a name".to_owned());
    let mut why = Vec::new();
    if let Some(hit) = hits.first() {
        why.push(reason(hit));
        if hits.len() > 1 {
            why.push(format!("and {} more", hits.len() - 1));
        }
    }
    why.extend(doubt.map(|(why, _)| text::shortened(why, 120).into_owned()));
    if why.is_empty() {
        why.push("nothing of it is listed".to_owned());
    }
    let link = hits.first().and_then(|hit| {
        policy.link.as_ref().map(|link| format!(" {}", link.replace("{entry}", &hit.listed.id.to_string())))
    });
    let link = link.unwrap_or_default();
    let line = format!("{}: {name}: {}", verb(effect), why.join("; "));
    let line = text::visible(&line);
    format!("{}{link}", cut(&line, MESSAGE_BYTES_MAX.saturating_sub(link.len())))
}

/// `LZ-2026-17 cryptominer, ddos (critical, stable) by its layer sha256:0123456789ab`.
fn reason(hit: &Hit) -> String {
    let categories: Vec<_> = hit.listed.categories.iter().take(3).map(|category| category.word()).collect();
    let more = if hit.listed.categories.len() > 3 { ", …" } else { "" };
    let part = match hit.listed.role {
        Role::Manifest => "manifest",
        Role::Index => "index",
        Role::Config => "config",
        Role::Layer => "layer",
        Role::File => "file",
    };
    let exempted = hit.exempted.as_ref().map(|line| format!(", {line}")).unwrap_or_default();
    format!(
        "{} {}{more} ({}, {}) by its {part} {}{exempted}",
        hit.listed.id,
        categories.join(", "),
        hit.listed.severity,
        hit.listed.channel,
        hit.digest.short(),
    )
}

/// At most `bytes_max` bytes, cut between characters, with `…` where it was.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max.saturating_sub('…'.len_utf8())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

fn words(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{listed, write_feed};
    use feed::Channel;

    const NOW: u64 = 1_780_272_000;

    fn subject(name: &str, digests: &[Digest]) -> Subject {
        Subject {
            reference: Some(name.to_owned()),
            digests: digests.iter().map(|digest| (*digest, None)).collect(),
            unresolved: None,
        }
    }

    fn check(policy: &str, entries: &[(Digest, Listed)], subject: &Subject) -> Decision {
        let policy = Policy::parse(policy, NOW).expect("a policy");
        let decision = Engine::test(entries, policy, NOW - 60).decide(subject, NOW);
        assert!(decision.message.len() <= MESSAGE_BYTES_MAX && !decision.message.contains(char::is_control));
        decision
    }

    #[test]
    fn what_is_listed_is_denied_with_the_entry_and_the_part() {
        let (bad, good) = (Digest::of(b"bad"), Digest::of(b"good"));
        let link = "link = \"https://feed.example.org/{entry}\"";
        let denied = check(link, &[(bad, listed(17))], &subject("a/b:1", &[good, bad]));
        assert_eq!(
            (denied.effect, denied.hits.len(), denied.undecided.as_ref(), denied.sequence),
            (Effect::Deny, 1, None, 1)
        );
        assert_eq!(
            denied.message,
            format!(
                "denied: a/b:1: LZ-2026-17 cryptominer (critical, stable) by its manifest {} https://feed.example.org/LZ-2026-17",
                bad.short()
            )
        );
        let weaker = denied.clone().at_most(Effect::Warn);
        assert_eq!((weaker.effect, weaker.message), (Effect::Warn, denied.message.replace("denied:", "warning:")));
        assert_eq!(denied.clone().at_most(Effect::Deny), denied);
        let allowed = check("", &[(bad, listed(17))], &subject("a/b:1", &[good]));
        assert_eq!(
            (allowed.effect, allowed.message.as_str()),
            (Effect::Allow, "allowed: a/b:1: nothing of it is listed")
        );
    }

    #[test]
    fn the_gravest_hit_comes_first() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let new = Listed { channel: Channel::Candidate, ..listed(1) };
        let decision = check("", &[(one, new), (two, listed(2))], &subject("a", &[one, two, one]));
        let ids: Vec<_> = decision.hits.iter().map(|hit| (hit.listed.id.number, hit.effect)).collect();
        assert_eq!(ids, [(2, Effect::Deny), (1, Effect::Warn)]);
    }

    #[test]
    fn an_exemption_lets_through_and_says_who_answers() {
        let bad = Digest::of(b"bad");
        let exempt = "[[exempt]]\nentry = \"LZ-2026-1\"\nowner = \"lab@example.org\"\nreason = \"study\"\nuntil = \"2026-07-01\"";
        let decision = check(exempt, &[(bad, listed(1))], &subject("a", &[bad]));
        assert_eq!(decision.effect, Effect::Allow);
        assert!(
            decision.message.contains("exempted by lab@example.org until 2026-07-01: study"),
            "{}",
            decision.message
        );
        let both = check(exempt, &[(bad, listed(1)), (bad, listed(2))], &subject("a", &[bad]));
        assert_eq!(both.effect, Effect::Deny, "it is for one entry");
    }

    #[test]
    fn doubt_is_for_the_policy_and_never_hides_a_hit() {
        let bad = Digest::of(b"bad");
        let unknown = Subject { reference: Some("a".to_owned()), ..Subject::default() };
        for (policy, effect, undecided) in [
            ("", Effect::Warn, true),
            ("on_unresolved = \"deny\"", Effect::Deny, true),
            ("on_unresolved = \"allow\"", Effect::Allow, false),
        ] {
            let decision = check(policy, &[], &unknown);
            assert_eq!((decision.effect, decision.undecided.is_some()), (effect, undecided), "{policy}");
            assert!(decision.message.contains("not resolved"), "{}", decision.message);
        }
        let old = "max_age = \"30s\"\non_stale = \"allow\"";
        let decision = check(old, &[(bad, listed(1))], &subject("a", &[bad]));
        assert_eq!(decision.effect, Effect::Deny);
        let closed = check("max_age = \"30s\"\non_stale = \"deny\"", &[], &subject("a", &[bad]));
        assert_eq!(
            (closed.effect, closed.undecided.as_deref()),
            (Effect::Deny, Some("the feed is 60 s old, at most 30 s are allowed"))
        );
    }

    #[test]
    fn a_hostile_name_cannot_break_the_line() {
        let name = format!("a\n\x1b[31m\u{202e}{}", "ü".repeat(5_000));
        let decision =
            check("", &[], &Subject { reference: Some(name.clone()), unresolved: Some(name), ..Subject::default() });
        assert!(
            decision.message.is_ascii() || decision.message.chars().all(|c| !c.is_control()),
            "{}",
            decision.message
        );
        assert!(!decision.message.contains('\u{202e}'));
    }

    #[test]
    fn a_new_release_is_taken_and_an_older_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let release = |sequence: u64, entries: &[(Digest, Listed)]| {
            write_feed(&folder.path().join(format!("releases/{sequence}")), sequence, NOW + sequence, entries);
            let new = folder.path().join("new");
            std::os::unix::fs::symlink(format!("releases/{sequence}"), &new).expect("linked");
            std::fs::rename(new, folder.path().join("current")).expect("switched");
        };
        release(5, &[(one, listed(1))]);
        let engine = Engine::open(folder.path(), Policy::default()).expect("opened");
        let effects = || [one, two].map(|digest| engine.decide(&subject("a", &[digest]), NOW + 10).effect);
        assert_eq!((effects(), engine.sequence()), ([Effect::Deny, Effect::Allow], 5));
        assert!(!engine.reload().expect("loaded"), "nothing new");

        release(6, &[(two, listed(2))]);
        assert!(engine.reload().expect("loaded"));
        assert_eq!((effects(), engine.sequence(), engine.age_seconds(NOW + 10)), ([Effect::Allow, Effect::Deny], 6, 4));

        release(4, &[]);
        assert!(matches!(engine.reload(), Err(EngineError::Rollback { used: 6, found: 4, .. })));
        std::fs::remove_dir_all(folder.path().join("releases")).expect("removed");
        assert!(matches!(engine.reload(), Err(EngineError::Unusable { .. })));
        assert_eq!(effects(), [Effect::Allow, Effect::Deny], "what was loaded stays");
    }

    /// What both releases list is never let through between them.
    #[test]
    fn a_swap_has_no_gap() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept: Vec<Digest> = (0..50_u8).map(|number| Digest::of(&[number])).collect();
        let publish = |sequence: u64| {
            let release = folder.path().join(sequence.to_string());
            let changing = Digest::of(&sequence.to_le_bytes());
            let entries: Vec<_> = kept.iter().chain([&changing]).map(|digest| (*digest, listed(1))).collect();
            write_feed(&release, sequence, NOW, &entries);
            std::os::unix::fs::symlink(&release, folder.path().join("new")).expect("linked");
            std::fs::rename(folder.path().join("new"), folder.path().join("current")).expect("switched");
        };
        publish(1);
        let engine = Engine::open(folder.path(), Policy::default()).expect("opened");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    for digest in &kept {
                        assert_eq!(engine.decide(&subject("a", &[*digest]), NOW).effect, Effect::Deny);
                    }
                }
            });
            for sequence in 2..8 {
                publish(sequence);
                assert!(engine.reload().expect("loaded"));
            }
            done.store(true, Ordering::SeqCst);
            asking.join().expect("no gap");
        });
        assert_eq!(engine.sequence(), 7);
    }
}
