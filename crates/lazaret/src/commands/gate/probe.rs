//! `lazaret gate probe`: can the gate be walked around from this host?

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use gate::probe::{self, Finding, Plan, State};

use super::arguments::{EngineArguments, registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
    words::Count,
};

/// Tries whether the gate can be walked around from this host, and says what shuts each way.
///
/// Asks registries directly, makes Docker and Podman's service pull an image that cannot exist and that the gate refuses, and reads
/// the settings of containerd and Podman. With --feed it also looks for listed images that are here already. Ends with code 1 if a
/// way is open, 3 if one could not be tried.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate probe --proxy http://gate.example.org:5000
  lazaret gate probe --proxy http://127.0.0.1:5000 --registry docker.io --feed feed --format json")]
pub struct ProbeArguments {
    /// The gate's registry proxy, if there is one
    #[arg(long, value_name = "URL", help_heading = "What to try")]
    pub proxy: Option<String>,
    /// Registries that must not be reached past the gate; may be repeated [default: seven public ones]
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "What to try")]
    pub registry: Vec<String>,
    /// Registries (host[:port]) to speak to without TLS; this machine always may; may be repeated
    #[arg(long, value_name = "HOST", env = "LAZARET_INSECURE_REGISTRY", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "What to try")]
    pub insecure_registry: Option<Vec<String>>,
    /// Socket of Docker [default: $DOCKER_HOST or /var/run/docker.sock]
    #[arg(long, value_name = "SOCKET", help_heading = "What to try")]
    pub docker_socket: Option<PathBuf>,
    /// Socket of Podman's service
    #[arg(long, value_name = "SOCKET", default_value = "/run/podman/podman.sock", help_heading = "What to try")]
    pub podman_socket: PathBuf,
    /// Seconds to wait for one answer, 1 to 300 [default: 20]
    #[arg(long, value_name = "S", help_heading = "What to try")]
    pub timeout_s: Option<Count<1, 300>>,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: ProbeFormat,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Feed and policy.
    #[command(flatten)]
    pub engine: EngineArguments,
}

/// How the findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbeFormat {
    /// For people, the worst first.
    Table,
    /// A list of objects.
    Json,
}

/// Tries every way.
///
/// # Errors
///
/// [`Failure`] of feed, policy and output.
pub fn run(arguments: &ProbeArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;
    let options = registry_options(arguments.insecure_registry.as_ref(), config, surroundings)?;
    let timeout = Duration::from_secs(arguments.timeout_s.map_or(20, Count::get));
    let options = registry::Options { attempts_max: 1, timeout, ..options };
    let door = match &arguments.engine.feed {
        Some(_) => Some(super::door(arguments.engine.open(config, surroundings)?)),
        None => None,
    };
    let registries = match arguments.registry.as_slice() {
        [] => probe::REGISTRIES.map(str::to_owned).to_vec(),
        named => named.to_vec(),
    };
    let plan = Plan {
        proxy: arguments.proxy.clone(),
        registries,
        docker_socket: arguments.docker_socket.clone().unwrap_or_else(|| options.docker_socket.clone()),
        podman_socket: arguments.podman_socket.clone(),
        etc: "/etc".into(),
        door,
        options,
    };
    let findings = probe::run(&plan);
    let text = match arguments.format {
        ProbeFormat::Table => probe::shown(&findings),
        ProbeFormat::Json => {
            let json = serde_json::to_string_pretty(&findings).context("write the findings").or_exit(Exit::Internal)?;
            json + "\n"
        }
    };
    destination.write(&text)?;
    Ok(exit(&findings))
}

fn exit(findings: &[Finding]) -> Exit {
    let any = |state| findings.iter().any(|finding| finding.state == state);
    match (any(State::Open), any(State::Unknown)) {
        (true, _) => Exit::Found,
        (false, true) => Exit::Undecided,
        (false, false) => Exit::Below,
    }
}
