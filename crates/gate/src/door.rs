//! What every door is handed: a way to ask, with the feed, the policy and the clock in it; and how its server runs.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{Decision, Engine, Subject};

/// The engine and the clock.
#[derive(Clone)]
pub struct Door {
    engine: Engine,
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Door {
    /// `now` gives seconds since 1970.
    pub fn new(engine: Engine, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { engine, now: Arc::new(now) }
    }

    /// Decides now, from memory.
    #[must_use]
    pub fn decide(&self, subject: &Subject) -> Decision {
        self.engine.decide(subject, (self.now)())
    }

    /// Decides on an index by its own digest and by those of `children`, which count at most as the policy lets an index with a
    /// listed child count.
    #[must_use]
    pub fn decide_index(&self, index: &Subject, children: &Subject) -> Decision {
        let own = self.decide(index);
        if children.digests.is_empty() {
            return own;
        }
        let mut child = self.decide(children);
        let most = self.engine.policy().indexes;
        if child.effect > most && child.undecided.is_none() {
            child.effect = most;
            child.message = child.message.replacen("denied:", "warning:", 1);
        }
        if child.effect > own.effect { child } else { own }
    }
}

/// How often a server looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(100);
/// How often it looks for a new feed: three system calls where there is none.
const RELOAD_POLL: Duration = Duration::from_secs(2);
/// How long requests under way may take once it should.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a server on two threads, and one for each of at most `blocking_max` calls that block, until it fails or `stop` is set.
/// Meanwhile takes each new feed.
///
/// # Errors
///
/// Those of the server; [`io::Error`] if the threads cannot be started.
pub(crate) fn run<F>(
    door: &Door,
    blocking_max: usize,
    stop: &AtomicBool,
    server: impl FnOnce(tokio::sync::oneshot::Receiver<()>) -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(blocking_max)
        .thread_name("gate")
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let server = server(told);
        let mut server = std::pin::pin!(server);
        let stopped = async {
            let mut waited = Duration::ZERO;
            while !stop.load(Ordering::SeqCst) {
                tokio::time::sleep(STOP_POLL).await;
                waited += STOP_POLL;
                if waited >= RELOAD_POLL {
                    waited = Duration::ZERO;
                    let engine = door.engine.clone();
                    let reloaded = tokio::task::spawn_blocking(move || engine.reload()).await;
                    if let Ok(Err(error)) = reloaded {
                        tracing::warn!("the feed in use stays: {error}");
                    }
                }
            }
        };
        tokio::select! {
            outcome = &mut server => return outcome,
            () = stopped => {}
        }
        let _ = tell.send(());
        tokio::time::timeout(GRACE, server).await.unwrap_or(Ok(()))
    });
    // A blob that nobody reads any more must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}
