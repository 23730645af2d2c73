//! `lazaret gate proxy`: a registry that pulls through and refuses what is listed.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, anyhow};
use clap::Args;
use gate::proxy::{Named, Proxy};
use registry::Upstream;

use super::arguments::{EngineArguments, registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Serves images of other registries and refuses those that are listed, before their first byte.
///
/// Name images through it (127.0.0.1:5000/quay.io/org/app), or send clients here: as `server` in containerd's hosts.toml, as
/// `location` in registries.conf. A mirror alone does not block: Docker, containerd and Podman take its refusal and ask the registry
/// itself. `lazaret gate probe` shows what they do.
///
/// Upstream it logs in as you do (`docker login`), whoever asks: let only those reach it who may pull what you may. It speaks plain
/// HTTP: off this machine, put it behind something that speaks TLS.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate proxy --feed feed --upstream docker.io --upstream quay.io
  lazaret gate proxy --feed feed --upstream docker.io=https://mirror.example.org
  docker pull 127.0.0.1:5000/docker.io/library/alpine:3")]
pub struct ProxyArguments {
    /// Registry to serve, and where it is if not there; the first one is meant where none is named; may be repeated
    #[arg(
        long,
        value_name = "NAME[=URL]",
        default_value = "docker.io",
        env = "LAZARET_UPSTREAM",
        hide_env_values = true
    )]
    #[arg(value_delimiter = ',', help_heading = "Registries")]
    pub upstream: Vec<String>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000", help_heading = "Listening")]
    pub listen: SocketAddr,
    /// Registries (host[:port]) to speak to without TLS; this machine always may; may be repeated
    #[arg(long, value_name = "HOST", env = "LAZARET_INSECURE_REGISTRY", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "Registries")]
    pub insecure_registry: Option<Vec<String>>,
    /// Feed and policy.
    #[command(flatten)]
    pub engine: EngineArguments,
}

/// Serves until it is stopped.
///
/// # Errors
///
/// [`Exit::Usage`] for upstreams and addresses that cannot be used, [`Exit::Undecided`] without a feed.
pub fn run(arguments: &ProxyArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let options = registry_options(arguments.insecure_registry.as_ref(), config, surroundings)?;
    // A client waits: it tries again itself.
    let options = registry::Options { attempts_max: 2, retry_wait_max: std::time::Duration::ZERO, ..options };
    let upstreams = arguments.upstream.iter().map(|text| named(text, &options)).collect::<anyhow::Result<Vec<_>>>();
    let upstreams = upstreams.or_exit(Exit::Usage)?;
    let engine = arguments.engine.open(config, surroundings)?;
    let context = || format!("listen on {}", arguments.listen);
    let listener = TcpListener::bind(arguments.listen).with_context(context).or_exit(Exit::Usage)?;
    let address = listener.local_addr().or_exit(Exit::Internal)?;
    let names: Vec<_> = upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    tracing::info!(feed.sequence = engine.sequence(), "gate: serving {} on http://{address}", names.join(", "));
    let door = super::door(engine);
    Proxy::new(upstreams, door).serve(listener, surroundings.stop).context("serve").or_exit(Exit::Internal)?;
    Ok(Exit::Below)
}

fn named(text: &str, options: &registry::Options) -> anyhow::Result<Named> {
    let (name, url) = text.split_once('=').unwrap_or((text, text));
    // As it stands in references, so that it is a host and no address.
    let is_name = format!("{name}/a/b").parse::<model::ImageReference>().is_ok_and(|parsed| parsed.registry == name);
    if !is_name {
        return Err(anyhow!("--upstream {name:?} is no registry: write docker.io, or NAME=URL"));
    }
    Ok(Named { name: name.to_owned(), upstream: Upstream::open(url, options)? })
}
