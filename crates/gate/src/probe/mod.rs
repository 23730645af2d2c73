//! Proves from this host whether the gate can be walked around, and says what shuts each way.
//!
//! A proxy that is only a *mirror* does not block: dockerd, containerd and Podman take its refusal and ask the registry itself. So
//! clients are made to pull the [`canary`](crate::canary), which cannot exist: if its refusal is the last word, the gate holds for them.
//! What cannot be asked (containerd, Podman without its service) is read from its settings.
//!
//! | module | which way |
//! |---|---|
//! | [`engine`] | Docker, Podman's service: mirror fallback, listed images that are here, containers nobody is asked about |
//! | [`containerd`], [`podman`] | what their settings lead to |
//! | here | direct egress, and whether the gate itself answers |
//! | [`finding`] | how it is told |

mod containerd;
mod engine;
mod finding;
mod podman;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use registry::{Options, RegistryError, Upstream};

pub use self::finding::{Finding, State, shown};
use crate::{canary, door::Door};

/// Registries tried if none are named.
pub const REGISTRIES: [&str; 7] =
    ["docker.io", "quay.io", "ghcr.io", "registry.k8s.io", "gcr.io", "mcr.microsoft.com", "public.ecr.aws"];

/// Longest settings file read.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// What to try.
pub struct Plan {
    /// URL of the gate's registry proxy, if there is one.
    pub proxy: Option<String>,
    /// Registries that must not be reached past it.
    pub registries: Vec<String>,
    /// Sockets of Docker and of Podman's service; one that is not there is not tried.
    pub docker_socket: PathBuf,
    /// Likewise.
    pub podman_socket: PathBuf,
    /// `/etc`.
    pub etc: PathBuf,
    /// Decides on images that are already here. None: they are not looked at.
    pub door: Option<Door>,
    /// How to speak to registries and engines.
    pub options: Options,
}

/// Tries everything, one after the other; blocks, at most a few timeouts a registry.
#[must_use]
pub fn run(plan: &Plan) -> Vec<Finding> {
    let mut findings: Vec<_> = plan.proxy.as_deref().map(|proxy| gate(plan, proxy)).into_iter().collect();
    findings.extend(plan.registries.iter().map(|registry| egress(plan, registry)));
    findings.extend(engine::probe(plan, "docker", &plan.docker_socket));
    findings.extend(containerd::probe(plan));
    findings.extend(podman::probe(plan));
    findings.extend(engine::probe(plan, "podman", &plan.podman_socket));
    findings
}

/// Whether the proxy answers as one.
fn gate(plan: &Plan, proxy: &str) -> Finding {
    let fix = "start `lazaret gate proxy` there, or name the right --proxy";
    let found = |state, proof: &str| Finding::new("gate", &format!("the proxy at {proxy}"), state, proof, fix);
    let upstream = match Upstream::open(proxy, &plan.options) {
        Ok(upstream) => upstream,
        Err(error) => return found(State::Unknown, &error.to_string()),
    };
    match upstream.manifest(canary::REPOSITORY, &canary::digest().to_string()) {
        Err(RegistryError::Denied { .. }) => found(State::Closed, "it refuses the canary"),
        Err(error @ RegistryError::Unreachable { .. }) => found(State::Unknown, &error.to_string()),
        Err(error) => found(State::Open, &format!("it is asked for the canary and does not refuse: {error}")),
        Ok(_) => found(State::Open, "it serves the canary"),
    }
}

/// Whether a registry answers this host at all.
fn egress(plan: &Plan, registry: &str) -> Finding {
    let way = format!("direct requests to {registry}");
    let fix = format!("let the network refuse {registry} to everything but the gate; any client can be told to ask it");
    let found = |state, proof: &str| Finding::new("network", &way, state, proof, &fix);
    let direct = Options { proxy: None, ..plan.options.clone() };
    let tries = [Some(&direct), plan.options.proxy.is_some().then_some(&plan.options)];
    for (options, through) in tries.into_iter().flatten().zip(["", " through HTTPS_PROXY"]) {
        match Upstream::open(registry, options).and_then(|upstream| upstream.ping()) {
            Ok(status) => return found(State::Open, &format!("it answered {status}{through}")),
            Err(RegistryError::Unreachable { .. }) => {}
            Err(error) => return found(State::Unknown, &error.to_string()),
        }
    }
    found(State::Closed, "nothing answers")
}

/// `host[:port]` of a URL or a bare host.
fn base(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// A settings file; else why not.
fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(SETTINGS_BYTES_MAX).read_to_string(&mut text)
    });
    read.map(|_| text).map_err(|error| format!("{}: {error}", path.display()))
}
