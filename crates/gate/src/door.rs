//! What every door is handed: a way to ask, with the feed, the policy and the clock already in it.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{Decision, Subject};

/// Decides on one subject now. Cheap, never blocks, never fails: what cannot be decided is a decision too.
pub type Decide = Arc<dyn Fn(&Subject) -> Decision + Send + Sync>;

/// How often a server looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(100);
/// How long requests under way may take once it should.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a server on two threads, and one for each of at most `blocking_max` calls that block, until it fails or `stop` is set.
///
/// # Errors
///
/// Those of the server; [`io::Error`] if the threads cannot be started.
pub(crate) fn run<F>(
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
            while !stop.load(Ordering::SeqCst) {
                tokio::time::sleep(STOP_POLL).await;
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
