//! Images of a cluster: what pods run by their status, and what nodes have.
//!
//! The status says what was pulled (`imageID`); the spec only what was asked for. A pod that has no status yet is listed by its spec.
//! Source: Kubernetes API reference v1.33, `ContainerStatus`, `NodeStatus.images`.

use serde_json::Value;

use super::{Seen, completed, digest_of};

/// What an object (a pod, a node or a list of them) says. Other objects say nothing.
#[must_use]
pub fn seen(object: &Value, cluster: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    collect(object, cluster, 0, &mut all);
    all
}

fn collect(object: &Value, cluster: &str, depth: usize, all: &mut Vec<Seen>) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/kind") {
        // A list of a list is none that anything writes.
        kind if kind.ends_with("List") && depth < 2 => {
            let within = kind.trim_end_matches("List");
            for item in list(object, "/items") {
                // The items of a `PodList` do not repeat their kind.
                let mut item = item.clone();
                if let Some(item) = item.as_object_mut().filter(|item| !item.contains_key("kind")) {
                    item.insert("kind".to_owned(), Value::from(within));
                }
                collect(&item, cluster, depth + 1, all);
            }
        }
        "Pod" => pod(object, cluster, all),
        "Node" => {
            for image in list(object, "/status/images") {
                let names: Vec<&str> = list(image, "/names").filter_map(Value::as_str).collect();
                let tag = names.iter().find(|name| !name.contains('@')).or(names.first()).copied().unwrap_or_default();
                let digests = names.iter().filter_map(|name| digest_of(name)).map(|digest| (digest, None)).collect();
                let host = format!("{cluster}/{}", text("/metadata/name"));
                all.push(new(&host, tag, digests).tidy());
            }
        }
        _ => {}
    }
}

fn pod(pod: &Value, cluster: &str, all: &mut Vec<Seen>) {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let meta = |key: &str| pod.pointer(&format!("/metadata/{key}")).and_then(Value::as_str).unwrap_or_default();
    for (spec, status) in [
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ] {
        for container in list(pod, &format!("/spec/{spec}")) {
            let name = text(container, "name");
            let status = list(pod, &format!("/status/{status}")).find(|status| text(status, "name") == name);
            let asked = text(container, "image");
            let pulled = status.map(|status| text(status, "imageID")).unwrap_or_default();
            let digests = [digest_of(&pulled), digest_of(&asked)].into_iter().flatten().map(|digest| (digest, None));
            let running = status.and_then(|status| status.pointer("/state/running"));
            let since =
                running.and_then(|state| state.get("startedAt")).and_then(Value::as_str).and_then(crate::head::seconds);
            let seen = Seen {
                place: format!("pod {}/{}, container {name}", meta("namespace"), meta("name")),
                namespace: meta("namespace").to_owned(),
                running: running.is_some(),
                since: since.unwrap_or_default(),
                ..new(cluster, &asked, digests.collect())
            };
            all.push(seen.tidy());
        }
    }
}

fn new(host: &str, reference: &str, digests: Vec<(model::Digest, Option<feed::Role>)>) -> Seen {
    let name = reference.split('@').next().unwrap_or_default();
    Seen {
        source: "kubernetes".to_owned(),
        host: host.to_owned(),
        place: String::new(),
        namespace: String::new(),
        running: false,
        reference: if name.starts_with("sha256:") { String::new() } else { completed(name) },
        digests,
        since: 0,
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use model::Digest;
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_say_what_they_pulled_and_nodes_what_they_have() {
        let (pulled, config) = (Digest::of(b"pulled"), Digest::of(b"config"));
        let pod = json!({ "kind": "Pod", "metadata": { "name": "p", "namespace": "n" },
            "spec": { "containers": [{ "name": "c", "image": "app:1" }], "initContainers": [{ "name": "i", "image": "init" }] },
            "status": { "containerStatuses": [{ "name": "c", "imageID": format!("docker-pullable://app@{pulled}"),
                "state": { "running": { "startedAt": "1970-01-01T00:00:07Z" } } }] } });
        let node = json!({ "metadata": { "name": "w1" },
            "status": { "images": [{ "names": [format!("docker.io/library/app@{pulled}"), "docker.io/library/app:1"] }, { "names": [config.to_string()] }] } });
        let all = seen(&json!({ "kind": "List", "items": [pod, { "kind": "NodeList", "items": [node] }] }), "lab");
        let shown: Vec<_> = all
            .iter()
            .map(|it| {
                (it.host.as_str(), it.place.as_str(), it.reference.as_str(), it.running, it.since, it.digests.len())
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "lab",
                    "pod n/p, container c",
                    "docker.io/library/app:latest".replace("latest", "1").as_str(),
                    true,
                    7,
                    1
                ),
                ("lab", "pod n/p, container i", "docker.io/library/init:latest", false, 0, 0),
                ("lab/w1", "", "docker.io/library/app:1", false, 0, 1),
                ("lab/w1", "", "", false, 0, 1),
            ]
        );
    }
}
