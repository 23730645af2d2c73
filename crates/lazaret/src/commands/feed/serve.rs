//! `lazaret feed serve`: the published folder over HTTP.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Args;
use feed::serve::{Options, serve};

use super::FolderArguments;
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
    words::Count,
};

/// Serves a published feed: its files, changes since a number, ranges by prefix, TAXII 2.1, health and metrics.
///
/// Any web server can show the folder; this one also answers what files cannot. It reads, and holds no key. TLS is a reverse
/// proxy's.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed serve --listen 0.0.0.0:8080
  curl 'http://localhost:8080/v1/changes?since=1200'")]
pub struct ServeArguments {
    /// What to serve: a published folder or a mirror [default: what our feed publishes]
    #[arg(value_name = "DIR")]
    pub public: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", help_heading = "Serving")]
    pub listen: SocketAddr,
    /// Threads that speak to clients, 1 to 64 [default: 2]
    #[arg(long, value_name = "N", help_heading = "Serving")]
    pub workers: Option<Count<1, 64>>,
    /// The feed.
    #[command(flatten)]
    pub folder: FolderArguments,
    /// The catalog, for the default folder.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Serves until interrupted.
///
/// # Errors
///
/// [`Failure`] of folder and listener.
pub fn run(arguments: &ServeArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let public = match &arguments.public {
        // A mirror keeps what it believes under another name.
        Some(folder) if folder.join("current").exists() => folder.join("current"),
        Some(folder) if folder.join("public").exists() => folder.join("public"),
        Some(folder) => folder.clone(),
        None => arguments.folder.open(&arguments.store, config, surroundings)?.public(),
    };
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("listen on {}", arguments.listen))
        .or_exit(Exit::Usage)?;
    let address = listener.local_addr().or_exit(Exit::Internal)?;
    tracing::info!("feed: serving {} at http://{address}", public.display());
    #[expect(clippy::disallowed_methods, reason = "the server tells the feed's age as long as it runs")]
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let mut options = Options::new(clock);
    options.workers = arguments.workers.map_or(options.workers, Count::size);
    let stopped = || surroundings.stop.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let serving = scope.spawn(move || {
            serve(&public, listener, options, async move {
                // An error means that the other side is gone: that is the end, too.
                let _ = stopping.await;
            })
        });
        while !stopped() && !serving.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(stop);
        serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .context("serve the feed")
    .or_exit(Exit::Internal)?;
    Ok(Exit::Below)
}
