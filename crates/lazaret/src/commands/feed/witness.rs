//! `lazaret feed witness`: signs that others' logs only ever grow.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use clap::Args;
use feed::trust::{
    system_random,
    witness::{Witness, own_key, serve},
};

use super::KeyArguments;
use crate::{
    exit::{Exit, Failure, OrExit},
    surroundings::Surroundings,
};

/// Serves the C2SP witness protocol: a feed asks for a signature on each new state of its log, and gets it only if that goes on from
/// the last one signed here. The key is made the first time; the line it prints is what consumers trust (`feed sync --witness`).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret feed witness --name witness.example.net/w1 --memory /var/lib/lazaret/witness \\
      --log feed.example.org+1c2d…+AX… --listen 0.0.0.0:8090")]
pub struct WitnessArguments {
    /// What the witness is called: like an address, without blanks
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// A log it is a witness of, by its verifier key (NAME+ID+KEY); may be repeated
    #[arg(long, value_name = "KEY", required = true)]
    pub log: Vec<String>,
    /// Folder of its key and of what it signed; an older copy must never be put back
    #[arg(long, value_name = "DIR")]
    pub memory: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090", help_heading = "Serving")]
    pub listen: SocketAddr,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArguments,
}

/// Serves until interrupted.
///
/// # Errors
///
/// [`Failure`] of key, folder and listener.
pub fn run(arguments: &WitnessArguments, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let parsed = |key: &String| key.parse().map_err(|error: String| anyhow!(error));
    let logs = arguments.log.iter().map(parsed).collect::<Result<_, _>>().or_exit(Exit::Usage)?;
    let passphrase = arguments.keys.passphrase(surroundings)?;
    let key = own_key(&arguments.memory, &passphrase, &mut system_random)
        .context("open the witness's key")
        .or_exit(Exit::Usage)?;
    let witness = Witness::new(&arguments.name, key, &arguments.memory, logs).or_exit(Exit::Usage)?;
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("listen on {}", arguments.listen))
        .or_exit(Exit::Usage)?;
    let address = listener.local_addr().or_exit(Exit::Internal)?;
    tracing::info!("witness: {} at http://{address}", witness.verifier());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.context("start the server").or_exit(Exit::Internal)?;
    std::thread::scope(|scope| {
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let serving = scope.spawn(move || {
            // An error means that the other side is gone: that is the end, too.
            runtime.block_on(serve(Arc::new(witness), listener, clock, async { drop(stopping.await) }))
        });
        while !surroundings.stop.load(Ordering::SeqCst) && !serving.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(stop);
        serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .context("serve the witness")
    .or_exit(Exit::Internal)?;
    Ok(Exit::Below)
}

fn clock() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a witness says when it signed")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
