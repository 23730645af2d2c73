//! Docker and Podman's service, asked over their sockets: they are made to pull an image that cannot exist, and to run it.
//!
//! dockerd takes a mirror's refusal and goes on to Docker Hub (20.10, measured), and no setting of it forbids that.

use std::path::Path;

use model::Digest;
use registry::{ContainerEngine, EngineImage, Options};

use super::{
    Plan,
    finding::{Finding, State},
};
use crate::{Effect, canary, docker, door::Door};

/// Most images that are decided on.
const IMAGES_MAX: usize = 100_000;

/// Words of Go's network errors.
const UNREACHED: [&str; 12] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "network is unreachable",
    "no route to host",
    "Client.Timeout",
    "TLS handshake timeout",
    "context deadline exceeded",
    "proxyconnect",
    "server misbehaving",
    "did not answer within",
];

/// Everything about one engine; nothing if there is none.
pub(super) fn probe(plan: &Plan, client: &'static str, socket: &Path) -> Vec<Finding> {
    if !socket.exists() {
        return Vec::new();
    }
    let engine = ContainerEngine::new(&Options { docker_socket: socket.to_owned(), ..plan.options.clone() });
    let info = match engine.info() {
        Ok(info) => info,
        Err(error) => {
            let fix = "run the probe as a user who may ask it";
            return vec![Finding::new(client, "its socket", State::Unknown, &error.to_string(), fix)];
        }
    };
    let mut findings: Vec<_> = plan.registries.iter().map(|registry| pull(plan, client, &engine, registry)).collect();
    let guard = (client == "docker").then(|| plugin(&engine, &info.authorization_plugins));
    let is_guarded = guard.as_ref().is_some_and(|guard| guard.state == State::Closed);
    findings.extend(guard);
    findings.extend(plan.door.as_ref().map(|door| cached(client, &engine, door, is_guarded)));
    findings
}

/// Makes it pull the canary from `registry`.
fn pull(plan: &Plan, client: &'static str, engine: &ContainerEngine, registry: &str) -> Finding {
    let (state, proof) = match engine.pull(&format!("{registry}/{}", canary::REPOSITORY), &canary::digest()) {
        Ok(said) => judge(said.as_deref()),
        Err(error) => judge(Some(&error.to_string())),
    };
    let gate = plan.proxy.as_deref().map_or_else(|| "THE-GATE:5000".to_owned(), super::base);
    let fix = match client {
        "docker" => format!(
            "no setting of Docker forbids it: let the network refuse {registry}, and name images {gate}/{registry}/…,\nor set HTTPS_PROXY for dockerd to a proxy that refuses it"
        ),
        _ => format!("in registries.conf: prefix = \"{registry}\", location = \"{gate}/{registry}\", no mirror"),
    };
    Finding::new(client, &format!("pulls from {registry}"), state, &proof, &fix)
}

/// What the last word of a pull of the canary means.
fn judge(said: Option<&str>) -> (State, String) {
    match said {
        None => (State::Open, "an image that cannot exist was pulled".to_owned()),
        Some(said) if said.contains(canary::WORDS) => {
            (State::Closed, "the gate's refusal was the last word".to_owned())
        }
        Some(said) if UNREACHED.iter().any(|words| said.contains(words)) => {
            (State::Leans, format!("it went on past the gate, and nothing answered: {said}"))
        }
        Some(said) => (State::Open, format!("somebody else than the gate answered: {said}")),
    }
}

/// Whether creating a container is asked about: else an image that is here, loaded or built, runs without a pull.
fn plugin(engine: &ContainerEngine, plugins: &[String]) -> Finding {
    let fix = "run `lazaret gate docker-plugin` and start dockerd with --authorization-plugin=lazaret";
    let found = |state, proof: &str| Finding::new("docker", "runs what is already here", state, proof, fix);
    if plugins.is_empty() {
        return found(State::Open, "the engine has no authorization plugin");
    }
    let name = format!("{}@{}", canary::REPOSITORY, canary::digest());
    match engine.try_create(&name) {
        Ok((_, said)) if said.contains(canary::WORDS) => found(State::Closed, "the plugin refuses the canary"),
        Ok((status, said)) => {
            found(State::Open, &format!("its plugins ({}) let the canary pass: {status} {said}", plugins.join(", ")))
        }
        Err(error) => found(State::Unknown, &error.to_string()),
    }
}

/// Listed images that are here already.
fn cached(client: &'static str, engine: &ContainerEngine, door: &Door, is_guarded: bool) -> Finding {
    let way = "listed images are already here";
    let images = match engine.images() {
        Ok(images) => images,
        Err(error) => return Finding::new(client, way, State::Unknown, &error.to_string(), "let the probe ask it"),
    };
    let bad: Vec<String> = images.iter().take(IMAGES_MAX).filter_map(|image| denied(door, engine, image)).collect();
    let Some(first) = bad.first() else {
        return Finding::new(client, way, State::Closed, &format!("none of its {} images", images.len()), "");
    };
    let state = if is_guarded { State::Closed } else { State::Open };
    let guarded = if is_guarded { ", but the plugin refuses to run them" } else { "" };
    let proof = format!("{} of its {} images{guarded}: {first}", bad.len(), images.len());
    Finding::new(
        client,
        way,
        state,
        &proof,
        &format!("look into how they came here, then remove them: {client} image rm"),
    )
}

fn denied(door: &Door, engine: &ContainerEngine, listed: &EngineImage) -> Option<String> {
    let id = listed.id.as_ref().map(Digest::to_string)?;
    let name = listed.repository_tags.first().or(listed.repository_digests.first()).unwrap_or(&id).clone();
    // The list has no layers.
    let image = engine.image(&id).unwrap_or_else(|_| listed.clone());
    let decision = door.decide(&docker::subject(&name, Vec::new(), &image));
    (decision.effect == Effect::Deny).then_some(decision.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_tells_who_spoke_it() {
        let check = |said: Option<&str>, expected: State| assert_eq!(judge(said).0, expected, "{said:?}");
        check(Some(&format!("Error response: denied: {}", canary::WORDS)), State::Closed);
        check(Some("pull access denied for lazaret/gate-canary, repository does not exist"), State::Open);
        check(Some("manifest unknown"), State::Open);
        check(
            Some("Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host"),
            State::Leans,
        );
        check(None, State::Open);
    }
}
