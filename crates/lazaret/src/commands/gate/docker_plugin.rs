//! `lazaret gate docker-plugin`: Docker asks before each request, and listed images are not run.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::Args;
use gate::docker::{Builds, DockerPlugin};
use registry::ContainerEngine;

use super::arguments::{EngineArguments, registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Answers the Docker engine, which asks before each request: containers of listed images are neither created nor started.
///
/// Names, tags and ids are followed through the engine to digests. Start it before dockerd, and dockerd with
/// --authorization-plugin=lazaret; while it does not run, dockerd refuses every request. It does not see what builds run
/// (--deny-builds), nor who speaks to containerd below Docker. Needs Docker 27.1.1, 26.1.5 or later: earlier ones could be made
/// not to ask (CVE-2024-41110).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate docker-plugin --feed /var/lib/lazaret/feed
  dockerd --authorization-plugin=lazaret")]
pub struct DockerPluginArguments {
    /// Where to listen; Docker finds a plugin by the name of its socket
    #[arg(long, value_name = "SOCKET", default_value = "/run/docker/plugins/lazaret.sock", help_heading = "Listening")]
    pub socket: PathBuf,
    /// Socket of the engine that asks [default: $DOCKER_HOST or /var/run/docker.sock]
    #[arg(long, value_name = "SOCKET", help_heading = "Docker")]
    pub docker_socket: Option<PathBuf>,
    /// Refuse builds: nobody names the images they run
    #[arg(long, help_heading = "Docker")]
    pub deny_builds: bool,
    /// Feed and policy.
    #[command(flatten)]
    pub engine: EngineArguments,
}

/// Answers until it is stopped.
///
/// # Errors
///
/// [`Exit::Usage`] for sockets that cannot be used, [`Exit::Undecided`] without a feed.
pub fn run(
    arguments: &DockerPluginArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let options = registry_options(None, config, surroundings)?;
    let docker_socket = arguments.docker_socket.clone().unwrap_or_else(|| options.docker_socket.clone());
    let docker = ContainerEngine::new(&registry::Options { docker_socket, ..options });
    let engine = arguments.engine.open(config, surroundings)?;
    let listener = listen(&arguments.socket).or_exit(Exit::Usage)?;
    let builds = if arguments.deny_builds { Builds::Deny } else { Builds::Allow };
    tracing::info!(feed.sequence = engine.sequence(), "gate: answering Docker on {}", arguments.socket.display());
    let served = DockerPlugin::new(super::door(engine), docker, builds).serve(listener, surroundings.stop);
    let _ = fs::remove_file(&arguments.socket);
    served.context("serve").or_exit(Exit::Internal)?;
    Ok(Exit::Below)
}

/// Only root may ask: whoever may could learn what is listed, no more, but nobody else needs to.
fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    let context = || format!("listen on {}", socket.display());
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    match fs::symlink_metadata(socket) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(anyhow!("something else is there")).with_context(context);
        }
        // One that was left behind, or an older plugin's that keeps its connections.
        Ok(_) => fs::remove_file(socket).with_context(context)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(context),
    }
    let listener = UnixListener::bind(socket).with_context(context)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).with_context(context)?;
    Ok(listener)
}
