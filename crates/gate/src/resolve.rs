//! From a name to all digests of what it means.
//!
//! A door asks [`subject`]; [`Registries`] follows a name through its registry, [`Remembering`] in front of it spares the
//! registry the same question for half a minute. What it remembers are digests, never decisions: those are made anew each time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use feed::Role;
use model::{Digest, ImageReference, Locator, Platform, text};
use registry::{RegistryError, ResolvedImage};

use crate::Subject;

/// How long what a tag meant is believed: a rollout asks for the same one many times.
pub const TAG_TIME_MAX: Duration = Duration::from_secs(30);
/// How long what a digest holds is kept: it cannot change.
pub const DIGEST_TIME_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How long a registry that failed is left alone with the same question.
pub const FAILURE_TIME_MAX: Duration = Duration::from_secs(5);
/// Most names that are remembered.
const NAMES_MAX: usize = 20_000;
/// Most digests that are remembered of all names together: 33 bytes each.
const REMEMBERED_DIGESTS_MAX: usize = 1_000_000;

/// Follows names: tag, index, manifest, config, layers.
pub trait Resolver: Send + Sync {
    /// All digests of what `reference` means now, for every platform there is.
    ///
    /// # Errors
    ///
    /// Why it could not be followed, in one line.
    fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String>;
}

impl<R: Resolver + ?Sized> Resolver for Box<R> {
    fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String> {
        (**self).resolve(reference)
    }
}

/// What is known of a name: the digest it carries, and what `resolver` finds, if one may be asked.
///
/// A name with a digest is decided by it even if it could not be followed further; that is said in `unresolved`. Without a
/// resolver a name without a digest is unresolved.
#[must_use]
pub fn subject(reference: &str, resolver: Option<&dyn Resolver>) -> Subject {
    subject_of(reference, resolver.map(|resolver| resolver.resolve(reference)))
}

/// [`subject`] with what a resolver answered, if one was asked.
#[must_use]
pub fn subject_of(reference: &str, answer: Option<Result<Vec<(Digest, Role)>, String>>) -> Subject {
    let mut subject = Subject { reference: Some(reference.to_owned()), ..Subject::default() };
    let parsed = match reference.parse::<ImageReference>() {
        Ok(parsed) => parsed,
        Err(error) => return Subject { unresolved: Some(error.to_string()), ..subject },
    };
    subject.digests.extend(parsed.digest.map(|digest| (digest, None)));
    match answer {
        Some(Ok(found)) => {
            subject.digests.retain(|(known, _)| !found.iter().any(|(digest, _)| digest == known));
            subject.digests.extend(found.into_iter().map(|(digest, role)| (digest, Some(role))));
        }
        Some(Err(why)) => subject.unresolved = Some(why),
        None if subject.digests.is_empty() => {
            subject.unresolved = Some("it names no digest, and no registry may be asked".to_owned());
        }
        None => {}
    }
    subject
}

/// Asks the registry that a name is of.
pub struct Registries {
    options: registry::Options,
    /// Which images of an index are followed; empty: all.
    platforms: Vec<Platform>,
}

impl Registries {
    /// With `platforms` only those images of an index are followed, which costs fewer requests: for a cluster of one kind of
    /// node. Without, all are.
    #[must_use]
    pub fn new(options: registry::Options, platforms: Vec<Platform>) -> Self {
        Self { options, platforms }
    }

    fn images(&self, reference: &ImageReference) -> Result<Vec<ResolvedImage>, RegistryError> {
        let source = registry::open(&Locator::Registry(reference.clone()), &self.options)?;
        if self.platforms.is_empty() {
            return source.resolve(None);
        }
        let mut images = Vec::new();
        let mut missing = None;
        for platform in &self.platforms {
            match source.resolve(Some(platform)) {
                Ok(found) => images.extend(found),
                Err(error @ RegistryError::NoPlatform { .. }) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if images.is_empty() => Err(error),
            _ => Ok(images),
        }
    }
}

impl Resolver for Registries {
    fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String> {
        let shown = |error: &dyn std::error::Error| text::visible(&error.to_string()).into_owned();
        let reference = reference.parse::<ImageReference>().map_err(|error| shown(&error))?;
        let images = self.images(&reference).map_err(|error| shown(&error))?;
        let mut seen = HashSet::new();
        let mut digests = Vec::new();
        for image in images {
            let above = image.index.map(|digest| (digest, Role::Index));
            let itself = image.manifest.map(|digest| (digest, Role::Manifest));
            let below = image.layers.iter().map(|layer| (layer.digest, Role::Layer));
            let all = above.into_iter().chain(itself).chain([(image.config.digest, Role::Config)]).chain(below);
            digests.extend(all.filter(|digest| seen.insert(*digest)));
        }
        Ok(digests)
    }
}

/// What a resolver answered.
type Answer = Result<Arc<[(Digest, Role)]>, String>;

/// A resolver in front of another that remembers for a while, and asks once for what many wait for.
pub struct Remembering<R> {
    inner: R,
    now: fn() -> Instant,
    memory: Mutex<Memory>,
    done: Condvar,
}

#[derive(Default)]
struct Memory {
    answers: HashMap<String, (Answer, Instant)>,
    digests: usize,
    asked: HashSet<String>,
}

impl<R: Resolver> Remembering<R> {
    /// `now` is a clock that only goes forward.
    pub fn new(inner: R, now: fn() -> Instant) -> Self {
        Self { inner, now, memory: Mutex::default(), done: Condvar::new() }
    }

    /// What is remembered; None if it must be asked. Waits for nobody.
    pub fn remembered(&self, reference: &str) -> Option<Result<Vec<(Digest, Role)>, String>> {
        owned(self.memory().fresh(&key(reference), (self.now)()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Resolver> Resolver for Remembering<R> {
    fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String> {
        let key = key(reference);
        let mut memory = self.memory();
        loop {
            if let Some(answer) = owned(memory.fresh(&key, (self.now)())) {
                return answer;
            }
            if memory.asked.insert(key.clone()) {
                break;
            }
            memory = self.done.wait(memory).unwrap_or_else(PoisonError::into_inner);
        }
        drop(memory);
        // Even if the other panics, nobody waits for ever.
        let asking = Asking { memory: &self.memory, done: &self.done, key: &key };
        let answer = self.inner.resolve(reference);
        let keep = match &answer {
            Ok(_) if key.contains('@') => DIGEST_TIME_MAX,
            Ok(_) => TAG_TIME_MAX,
            Err(_) => FAILURE_TIME_MAX,
        };
        let now = (self.now)();
        let kept = answer.as_ref().map(|digests| Arc::from(digests.as_slice())).map_err(Clone::clone);
        self.memory().keep(key.clone(), kept, now, keep);
        drop(asking);
        answer
    }
}

struct Asking<'a> {
    memory: &'a Mutex<Memory>,
    done: &'a Condvar,
    key: &'a str,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).asked.remove(self.key);
        self.done.notify_all();
    }
}

impl Memory {
    fn fresh(&self, key: &str, now: Instant) -> Option<Answer> {
        self.answers.get(key).filter(|(_, until)| now < *until).map(|(answer, _)| answer.clone())
    }

    fn keep(&mut self, key: String, answer: Answer, now: Instant, time: Duration) {
        let digests = |answer: &Answer| answer.as_ref().map_or(0, |digests| digests.len());
        let is_full = self.answers.len() >= NAMES_MAX || self.digests + digests(&answer) > REMEMBERED_DIGESTS_MAX;
        if is_full {
            self.answers.retain(|_, (_, until)| now < *until);
            // Still full of what is fresh: forgetting all of it costs questions, nothing else.
            if self.answers.len() >= NAMES_MAX * 3 / 4
                || self.answers.values().map(|(kept, _)| digests(kept)).sum::<usize>() > REMEMBERED_DIGESTS_MAX / 2
            {
                self.answers.clear();
            }
            self.digests = self.answers.values().map(|(kept, _)| digests(kept)).sum();
        }
        self.digests += digests(&answer);
        if let Some((old, _)) = self.answers.insert(key, (answer, now + time)) {
            self.digests = self.digests.saturating_sub(digests(&old));
        }
    }
}

fn owned(answer: Option<Answer>) -> Option<Result<Vec<(Digest, Role)>, String>> {
    answer.map(|answer| answer.map(|digests| digests.to_vec()))
}

/// The name as completed, so that all spellings share an answer; with a digest the tag means nothing.
fn key(reference: &str) -> String {
    match reference.parse::<ImageReference>() {
        Ok(parsed) if parsed.digest.is_some() => ImageReference { tag: None, ..parsed }.to_string(),
        Ok(parsed) => parsed.to_string(),
        Err(_) => reference.chars().take(1_000).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Fixed(Result<Vec<(Digest, Role)>, String>, AtomicUsize);

    impl Fixed {
        fn new(answer: Result<Vec<(Digest, Role)>, String>) -> Self {
            Self(answer, AtomicUsize::new(0))
        }
    }

    impl Resolver for Fixed {
        fn resolve(&self, _: &str) -> Result<Vec<(Digest, Role)>, String> {
            self.1.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
            self.0.clone()
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a clock for tests")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_digest_in_the_name_counts_whatever_the_registry_says() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let named = format!("a@{one}");
        let offline = subject(&named, None);
        assert_eq!((offline.digests, offline.unresolved), (vec![(one, None)], None));
        let found = subject(&named, Some(&Fixed::new(Ok(vec![(one, Role::Manifest), (two, Role::Config)]))));
        assert_eq!(found.digests, [(one, Some(Role::Manifest)), (two, Some(Role::Config))]);
        let failed = subject(&named, Some(&Fixed::new(Err("down".to_owned()))));
        assert_eq!((failed.digests, failed.unresolved), (vec![(one, None)], Some("down".to_owned())));
        assert!(subject("a:1", None).unresolved.is_some());
        assert!(subject("a b", Some(&Fixed::new(Ok(vec![])))).unresolved.is_some());
    }

    #[test]
    fn many_who_ask_at_once_cost_one_question() {
        let resolver = Remembering::new(Fixed::new(Ok(vec![(Digest::of(b"1"), Role::Manifest)])), now);
        assert_eq!(resolver.remembered("a:1"), None);
        std::thread::scope(|scope| {
            for name in ["a:1", "docker.io/a:1", "docker.io/library/a:1"].iter().cycle().take(30) {
                scope.spawn(|| assert_eq!(resolver.resolve(name).map(|found| found.len()), Ok(1)));
            }
        });
        assert_eq!(resolver.inner.1.load(Ordering::SeqCst), 1);
        assert!(resolver.remembered("a:1").is_some() && resolver.remembered("a:2").is_none());
    }

    #[test]
    fn answers_are_forgotten_in_time_and_memory_is_bounded() {
        let start = now();
        let mut memory = Memory::default();
        let answer = |count: usize| -> Answer { Ok(vec![(Digest::of(b""), Role::Layer); count].into()) };
        memory.keep("a".to_owned(), answer(2), start, TAG_TIME_MAX);
        memory.keep("a".to_owned(), answer(3), start, TAG_TIME_MAX);
        assert_eq!(memory.digests, 3);
        assert!(memory.fresh("a", start + TAG_TIME_MAX / 2).is_some());
        assert!(memory.fresh("a", start + TAG_TIME_MAX).is_none());
        for number in 0..NAMES_MAX * 2 {
            memory.keep(number.to_string(), answer(100), start, TAG_TIME_MAX);
            assert!(memory.answers.len() <= NAMES_MAX && memory.digests <= REMEMBERED_DIGESTS_MAX);
        }
    }
}
