//! `lazaret gate`: says whether an image may be used, at every door. A door each file.

mod arguments;
pub mod check;
pub mod docker_plugin;
pub mod probe;
pub mod proxy;
pub mod serve;
pub mod verify_image;

use clap::Subcommand;

pub use arguments::EngineArguments;
pub(super) use arguments::registry_options;

use crate::{
    exit::{Exit, Failure},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Which door.
#[derive(Debug, Subcommand)]
pub enum GateRole {
    /// Say whether images, or those that files name, are listed
    Check(Box<check::CheckArguments>),
    /// Answer Kubernetes, Gatekeeper and Kyverno
    Serve(serve::ServeArguments),
    /// Answer containerd, which asks before it pulls an image
    VerifyImage(verify_image::VerifyImageArguments),
    /// Serve other registries' images, and refuse the listed ones
    Proxy(proxy::ProxyArguments),
    /// Answer Docker, which asks before it creates or starts a container
    DockerPlugin(docker_plugin::DockerPluginArguments),
    /// Try whether the gate can be walked around from this host
    Probe(Box<probe::ProbeArguments>),
}

/// Opens the door.
///
/// # Errors
///
/// [`Failure`] of feed, policy, input and output.
pub fn run(role: &GateRole, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    match role {
        GateRole::Check(arguments) => check::run(arguments, config, surroundings),
        GateRole::Serve(arguments) => serve::run(arguments, config, surroundings),
        GateRole::VerifyImage(arguments) => verify_image::run(arguments, config, surroundings),
        GateRole::Proxy(arguments) => proxy::run(arguments, config, surroundings),
        GateRole::DockerPlugin(arguments) => docker_plugin::run(arguments, config, surroundings),
        GateRole::Probe(arguments) => probe::run(arguments, config, surroundings),
    }
}

/// The engine as a server is handed it, which outlives what `main` hands down.
fn door(engine: gate::Engine) -> gate::door::Door {
    #[expect(clippy::disallowed_methods, reason = "a role reads the clock for its server")]
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    gate::door::Door::new(engine, now)
}
