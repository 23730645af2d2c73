//! Takes a new feed, policy or certificate while requests go on.
//!
//! Asking the file system each second costs a few system calls and works on every mount, which notifications do not. What
//! cannot be used is told once, counted, and leaves the old in use.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time;

use super::tls::Tls;
use crate::{
    Clock, Policy,
    head::Identity,
    policy::{POLICY_BYTES_MAX, PolicyError},
    webhook::Front,
};

/// How often it looks.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What is watched besides the feed.
pub struct Watched {
    /// The doors whose engine takes what is new.
    pub front: Front,
    /// The policy file, and which one is in use.
    pub policy: Option<PolicyFile>,
    /// The certificate.
    pub tls: Option<Arc<Tls>>,
    /// For the ends of exemptions.
    pub clock: Clock,
}

/// A policy file, and which one was read last.
pub struct PolicyFile {
    path: PathBuf,
    read: Mutex<Option<Identity>>,
}

impl PolicyFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn open(path: &Path, now: u64) -> Result<(Self, Policy), String> {
        let file = Self { path: path.to_owned(), read: Mutex::new(None) };
        let policy = file.changed(now)?.ok_or_else(|| format!("{}: it changed while it was read", path.display()))?;
        Ok((file, policy))
    }

    /// The policy, if the file changed. A mistake in it is told once.
    fn changed(&self, now: u64) -> Result<Option<Policy>, String> {
        let wrong = |cause: &dyn std::fmt::Display| format!("{}: {cause}", self.path.display());
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let file = fs::File::open(&self.path).map_err(|error| wrong(&error))?;
        let identity = Identity::of(&file.metadata().map_err(|error| wrong(&error))?);
        if *last == Some(identity) {
            return Ok(None);
        }
        *last = Some(identity);
        let mut text = String::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(POLICY_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
        Policy::parse(&text, now).map(Some).map_err(|error: PolicyError| wrong(&error))
    }
}

impl Watched {
    /// Looks once. Returns what could not be used.
    pub fn look(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut note = |what: &str, result: Result<bool, String>| match result {
            Ok(false) => {}
            Ok(true) => {
                self.front.metrics().reloaded(true);
                tracing::info!(feed.sequence = self.front.engine().sequence(), "took the new {what}");
            }
            Err(error) => {
                self.front.metrics().reloaded(false);
                wrong.push(error);
            }
        };
        note("feed", self.front.engine().reload().map_err(|error| error.to_string()));
        if let Some(file) = &self.policy {
            let taken = file
                .changed((self.clock.unix_seconds)())
                .map(|policy| policy.map(|policy| self.front.engine().set_policy(policy)).is_some());
            note("policy", taken);
        }
        if let Some(tls) = &self.tls {
            note("certificate", tls.reload().map_err(|error| error.to_string()));
        }
        wrong
    }

    /// Looks each [`INTERVAL`], for ever.
    pub async fn run(self) {
        let this = Arc::new(self);
        let mut told = Vec::new();
        let mut ticks = time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let watched = Arc::clone(&this);
            let Ok(wrong) = tokio::task::spawn_blocking(move || watched.look()).await else { continue };
            for error in wrong.iter().filter(|error| !told.contains(*error)) {
                tracing::error!("{error}; what was loaded stays in use");
            }
            told = wrong;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effect, Engine, testing::write_feed};

    fn now() -> u64 {
        1_780_272_000
    }

    #[test]
    fn feed_and_policy_are_taken_and_a_mistake_keeps_the_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let policy = folder.path().join("policy.toml");
        let put = |text: &str| {
            fs::write(folder.path().join("new"), text).expect("written");
            fs::rename(folder.path().join("new"), &policy).expect("moved");
        };
        write_feed(folder.path(), 1, now(), &[]);
        put("advise = \"deny\"");
        let (file, read) = PolicyFile::open(&policy, now()).expect("opened");
        let clock = Clock { unix_seconds: now, ..Clock::system() };
        let engine = Engine::open(folder.path(), read).expect("opened");
        let front = Front::new(engine.clone(), None, Duration::from_secs(1), clock);
        let watched = Watched { front, policy: Some(file), tls: None, clock };
        assert_eq!((watched.look(), engine.policy().advise), (vec![], Effect::Deny));

        put("advise = \"sometimes\"");
        let wrong = watched.look();
        assert!(wrong.len() == 1 && wrong[0].contains("policy.toml") && wrong[0].contains("sometimes"), "{wrong:?}");
        assert_eq!((watched.look(), engine.policy().advise), (vec![], Effect::Deny), "told once");

        put("advise = \"allow\"");
        write_feed(folder.path(), 2, now(), &[]);
        assert_eq!((watched.look(), engine.policy().advise, engine.sequence()), (vec![], Effect::Allow, 2));
    }
}
