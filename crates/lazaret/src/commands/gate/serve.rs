//! `lazaret gate serve`: the doors of Kubernetes.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;
use gate::{
    Clock, Resolver,
    resolve::{Registries, Remembering},
    serve::{
        self, Workers,
        tls::{Files, Tls},
        watch::Watched,
    },
    webhook::Front,
};

use super::{EngineArguments, arguments::registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    settings::{self, ConfigFile},
    surroundings::Surroundings,
    words::{Count, PlatformChoice},
};

/// How often it looks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Answers Kubernetes (/v1/admit), Gatekeeper (/v1/gatekeeper) and Kyverno (/v1/kyverno) from memory, until it is stopped.
///
/// Feed, policy and certificate are looked at each second and taken while requests go on. /healthz, /readyz and /metrics are
/// on the same port. Manifests for Kubernetes are in deploy/kubernetes.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate serve --feed /var/lib/lazaret/feed --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key
  lazaret gate serve --feed feed --offline &
  curl -s -d '{\"images\":[\"nginx@sha256:…\"]}' http://127.0.0.1:8443/v1/kyverno")]
pub struct ServeArguments {
    /// Feed and policy.
    #[command(flatten)]
    pub engine: EngineArguments,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443", env = "LAZARET_LISTEN")]
    #[arg(hide_env_values = true, help_heading = "Listening")]
    pub listen: SocketAddr,
    /// Certificate chain (PEM); without it the port speaks plain HTTP
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Listening")]
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Listening")]
    pub tls_key: Option<PathBuf>,
    /// Serve only clients with a certificate of this authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Listening")]
    pub client_ca: Option<PathBuf>,
    /// Threads that answer, 1 to 64 [default: 2]
    #[arg(long, value_name = "N", help_heading = "Listening")]
    pub workers: Option<Count<1, 64>>,
    /// Ask no registry: names without a digest stay unresolved
    #[arg(long, help_heading = "Registries")]
    pub offline: bool,
    /// Longest wait for registries in one request, in milliseconds, 100 to 9000 [default: 2000]
    #[arg(long, value_name = "MS", help_heading = "Registries")]
    pub resolve_time_ms: Option<Count<100, 9_000>>,
    /// Images of an index to look at, os/architecture[/variant]; may be repeated [default: all]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', help_heading = "Registries")]
    pub platform: Option<Vec<PlatformChoice>>,
    /// Registries (host[:port]) to speak to without TLS; this machine always may; may be repeated
    #[arg(long, value_name = "HOST", env = "LAZARET_INSECURE_REGISTRY", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "Registries")]
    pub insecure_registry: Option<Vec<String>>,
}

/// Serves until it is stopped.
///
/// # Errors
///
/// [`Exit::Usage`] for a policy, certificate or address that cannot be used, [`Exit::Undecided`] for such a feed.
pub fn run(arguments: &ServeArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let clock = Clock::system();
    let (engine, policy) = arguments.engine.watched(config, surroundings)?;
    let tls = tls(arguments)?;
    let resolve_time_max = Duration::from_millis(arguments.resolve_time_ms.map_or(2_000, Count::get));
    let resolver = if arguments.offline {
        None
    } else {
        Some(Arc::new(Remembering::new(resolver(arguments, config, surroundings, resolve_time_max)?, clock.now)))
    };
    let front = Front::new(engine, resolver, resolve_time_max, clock);
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("listen on {}", arguments.listen))
        .or_exit(Exit::Usage)?;
    let address = listener.local_addr().or_exit(Exit::Internal)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(
        feed.sequence = front.engine().sequence(),
        "gate: listening on {scheme}://{address}, {} digests listed",
        front.engine().len()
    );

    let threads = arguments.workers.map_or(Workers::default().threads, Count::size);
    let runtime = serve::runtime(Workers { threads, ..Workers::default() }).or_exit(Exit::Internal)?;
    let watched = Watched { front: front.clone(), policy, tls: tls.clone(), clock };
    let served = runtime.block_on(async {
        let watching = tokio::spawn(watched.run());
        let stop = async {
            while !surroundings.stop.load(Ordering::SeqCst) {
                tokio::time::sleep(STOP_INTERVAL).await;
            }
        };
        let served = serve::serve(listener, tls, front.router(), stop).await;
        watching.abort();
        served
    });
    // Who still waits for a registry is not waited for.
    runtime.shutdown_background();
    served.context("serve").or_exit(Exit::Internal)?;
    tracing::info!("gate: stopped");
    Ok(Exit::Below)
}

fn tls(arguments: &ServeArguments) -> Result<Option<Arc<Tls>>, Failure> {
    let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else {
        if !arguments.listen.ip().is_loopback() {
            tracing::warn!("{} speaks plain HTTP: Kubernetes asks for --tls-cert and --tls-key", arguments.listen);
        }
        return Ok(None);
    };
    let files =
        Files { certificate: certificate.clone(), key: key.clone(), client_authority: arguments.client_ca.clone() };
    let tls = Tls::open(files).map_err(|error| anyhow!("certificate: {error}")).or_exit(Exit::Usage)?;
    Ok(Some(Arc::new(tls)))
}

/// Asks once and briefly: a request waits.
fn resolver(
    arguments: &ServeArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
    time_max: Duration,
) -> Result<Box<dyn Resolver>, Failure> {
    let options = registry_options(arguments.insecure_registry.as_ref(), config, surroundings)?;
    let options = registry::Options {
        attempts_max: 2,
        retry_wait_max: Duration::ZERO,
        timeout: time_max,
        retry_pause: Duration::from_millis(100),
        ..options
    };
    Ok(Box::new(Registries::new(options, settings::platforms(arguments.platform.clone(), None))))
}
