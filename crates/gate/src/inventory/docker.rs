//! Images and containers of Docker and Podman.

use std::collections::HashMap;

use feed::Role;
use model::Digest;
use registry::{ContainerEngine, EngineContainer, EngineImage, RegistryError};

use super::{Seen, completed, digest_of};

/// Most images whose layers are asked for, one question each.
const LAYERS_OF_IMAGES_MAX: usize = 5_000;

/// Everything the engine has and runs. `source` is `docker` or `podman`.
///
/// # Errors
///
/// [`RegistryError`] if it does not answer.
pub fn look(engine: &ContainerEngine, source: &str, host: &str) -> Result<Vec<Seen>, RegistryError> {
    let mut images = engine.images()?;
    for image in images.iter_mut().take(LAYERS_OF_IMAGES_MAX) {
        // One that went meanwhile is still in the list; what of it is known is enough.
        if let Some(whole) = image.id.and_then(|id| engine.image(&id.to_string()).ok()) {
            image.layers = whole.layers;
            image.descriptor = image.descriptor.or(whole.descriptor);
        }
    }
    Ok(seen(&images, &engine.containers()?, source, host))
}

fn seen(images: &[EngineImage], containers: &[EngineContainer], source: &str, host: &str) -> Vec<Seen> {
    let mut by_id: HashMap<Digest, &EngineImage> = HashMap::new();
    let mut all = Vec::new();
    let place = |place: String, running: bool, reference: &str, digests: Vec<_>, since: u64| Seen {
        source: source.to_owned(),
        host: host.to_owned(),
        place,
        namespace: String::new(),
        running,
        reference: completed(reference),
        digests,
        since,
    };
    for image in images {
        by_id.extend(image.id.map(|id| (id, image)));
        let by_digest = || image.repository_digests.iter().filter_map(|name| name.split('@').next());
        let tags: Vec<&str> =
            image.repository_tags.iter().map(String::as_str).filter(|tag| *tag != "<none>:<none>").collect();
        let names = if tags.is_empty() { by_digest().collect() } else { tags };
        // Each name of it is asked about: a policy may exempt one.
        for name in if names.is_empty() { vec![""] } else { names } {
            all.push(place(String::new(), false, name, digests(image), 0).tidy());
        }
    }
    for container in containers {
        let id = container.image_id.parse::<Digest>().ok();
        let image = id.and_then(|id| by_id.get(&id));
        let mut known = image.map_or_else(Vec::new, |image| digests(image));
        known.extend(id.filter(|_| image.is_none()).map(|id| (id, Some(Role::Config))));
        known.extend(digest_of(&container.image).map(|digest| (digest, None)));
        let name = if container.name.is_empty() { &container.id } else { &container.name };
        let reference = if container.image.starts_with("sha256:") { "" } else { &container.image };
        let running = matches!(container.state.as_str(), "running" | "paused" | "restarting");
        all.push(place(format!("container {name}"), running, reference, known, container.created_at).tidy());
    }
    all
}

/// The id is a config's, or with containerd's image store what the descriptor says too.
fn digests(image: &EngineImage) -> Vec<(Digest, Option<Role>)> {
    let id = image.id.map(|id| (id, if image.descriptor == Some(id) { None } else { Some(Role::Config) }));
    let pulled = image.repository_digests.iter().filter_map(|name| digest_of(name)).map(|digest| (digest, None));
    let descriptor = image.descriptor.map(|digest| (digest, None));
    let layers = image.layers.iter().map(|digest| (*digest, Some(Role::Layer)));
    id.into_iter().chain(pulled).chain(descriptor).chain(layers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_all_digests_of_its_image() {
        let digest = |of: &str| Digest::of(of.as_bytes());
        let image = EngineImage {
            id: Some(digest("config")),
            repository_digests: vec![format!("nginx@{}", digest("index"))],
            repository_tags: vec!["nginx:1".to_owned(), "also:1".to_owned()],
            layers: vec![digest("layer")],
            descriptor: None,
        };
        let container = |image_id: Digest| EngineContainer {
            name: "web".to_owned(),
            image: "nginx:1".to_owned(),
            image_id: image_id.to_string(),
            state: "running".to_owned(),
            created_at: 7,
            ..EngineContainer::default()
        };
        let seen = seen(&[image], &[container(digest("config")), container(digest("gone"))], "docker", "h");
        let names: Vec<_> =
            seen.iter().map(|seen| (seen.reference.as_str(), seen.place.as_str(), seen.digests.len())).collect();
        assert_eq!(
            names,
            [
                ("docker.io/library/nginx:1", "", 3),
                ("docker.io/library/also:1", "", 3),
                ("docker.io/library/nginx:1", "container web", 3),
                ("docker.io/library/nginx:1", "container web", 1),
            ]
        );
        assert!(seen[2].running && seen[2].since == 7 && seen[2].digests == seen[0].digests);
    }
}
