//! Images and containers of containerd.

use std::collections::HashMap;

use feed::Role;
use registry::{Containerd, ContainerdContent, ContainerdImage, ContainerdState, RegistryError};

use super::{Seen, completed, digest_of};

/// Everything it has and runs, of every namespace.
///
/// # Errors
///
/// [`RegistryError`] if it does not answer.
pub fn look(containerd: &Containerd, host: &str) -> Result<Vec<Seen>, RegistryError> {
    Ok(seen(&containerd.state()?, host))
}

fn seen(state: &ContainerdState, host: &str) -> Vec<Seen> {
    let mut by_name: HashMap<(&str, &str), &ContainerdImage> = HashMap::new();
    let mut all = Vec::new();
    for image in &state.images {
        by_name.insert((&image.namespace, &image.name), image);
        all.push(
            Seen {
                source: "containerd".to_owned(),
                host: host.to_owned(),
                place: String::new(),
                namespace: String::new(),
                running: false,
                reference: reference(&image.name),
                digests: image.digests.iter().map(|(digest, content)| (*digest, role(*content))).collect(),
                since: image.created_at,
            }
            .tidy(),
        );
    }
    for container in &state.containers {
        let image = by_name.get(&(container.namespace.as_str(), container.image.as_str()));
        let mut digests: Vec<_> = image.map_or_else(Vec::new, |image| {
            image.digests.iter().map(|(digest, content)| (*digest, role(*content))).collect()
        });
        digests.extend(digest_of(&container.image).map(|digest| (digest, None)));
        let label = |name: &str| container.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let pod = label("io.kubernetes.pod.name").zip(label("io.kubernetes.pod.namespace"));
        let (place, namespace) = match (pod, label("io.kubernetes.container.name")) {
            (Some((pod, space)), Some(name)) => (format!("pod {space}/{pod}, container {name}"), space.to_owned()),
            // The pause container that holds a pod's namespaces.
            (Some((pod, space)), None) => (format!("pod {space}/{pod}"), space.to_owned()),
            _ => (format!("container {}/{}", container.namespace, container.id), String::new()),
        };
        all.push(
            Seen {
                source: "containerd".to_owned(),
                host: host.to_owned(),
                place,
                namespace,
                running: container.running,
                reference: reference(&container.image),
                digests,
                since: container.created_at,
            }
            .tidy(),
        );
    }
    all
}

/// Kubernetes names images by their config's digest too: that is no name.
fn reference(name: &str) -> String {
    if name.starts_with("sha256:") { String::new() } else { completed(name) }
}

const fn role(content: ContainerdContent) -> Option<Role> {
    match content {
        ContainerdContent::Index => Some(Role::Index),
        ContainerdContent::Manifest => Some(Role::Manifest),
        ContainerdContent::Config => Some(Role::Config),
        ContainerdContent::Layer => Some(Role::Layer),
        ContainerdContent::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use model::Digest;
    use registry::ContainerdContainer;

    use super::*;

    #[test]
    fn a_container_finds_its_image_in_its_own_namespace() {
        let image = |namespace: &str, of: &str| ContainerdImage {
            namespace: namespace.to_owned(),
            name: "docker.io/library/a:1".to_owned(),
            digests: vec![(Digest::of(of.as_bytes()), ContainerdContent::Index)],
            created_at: 1,
        };
        let labels = [
            ("io.kubernetes.pod.name", "p"),
            ("io.kubernetes.pod.namespace", "n"),
            ("io.kubernetes.container.name", "c"),
        ];
        let container = ContainerdContainer {
            namespace: "k8s.io".to_owned(),
            id: "i".to_owned(),
            image: "docker.io/library/a:1".to_owned(),
            running: true,
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            created_at: 2,
        };
        let state =
            ContainerdState { images: vec![image("default", "x"), image("k8s.io", "y")], containers: vec![container] };
        let seen = seen(&state, "h");
        assert_eq!((seen[2].place.as_str(), seen[2].running), ("pod n/p, container c", true));
        assert_eq!(seen[2].digests, [(Digest::of(b"y"), Some(Role::Index))]);
    }
}
